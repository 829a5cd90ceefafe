import { describe, expect, it } from 'vitest';
import { problems } from '../../testing/kind-cases.ts';
import { resourceQuotaKind } from './resource-quota.ts';

const selector = (scopeName: string, operator: string, values?: string[]): object => ({ matchExpressions: [{ scopeName, operator, ...(values ? { values } : {}) }] });

describe('the scopes of a quota', () => {
  it.each([
    [{ hard: { pods: '1' }, scopes: ['BestEffort'] }, []],
    [{ hard: { pods: '1', cpu: '1' }, scopes: ['BestEffort'] }, [expect.stringMatching(/^spec\.scopes: Invalid value: \[".*"\]: unsupported scope applied to resource$/)]],
    [{ hard: { 'limits.cpu': '1', 'count/jobs.batch': '1' }, scopes: ['NotTerminating'] }, []],
    [{ hard: { secrets: '1' }, scopes: ['Terminating'] }, [expect.stringMatching(/^spec\.scopes: Invalid value: \[".*"\]: unsupported scope applied to resource$/)]],
    [{ hard: { cpu: '1' }, scopeSelector: selector('PriorityClass', 'In', ['high']) }, []],
    [{ hard: { 'requests.storage': '1' }, scopeSelector: selector('PriorityClass', 'Exists') }, [expect.stringMatching(/^spec\.scopeSelector\.matchExpressions: Invalid value: .*: unsupported scope applied to resource$/)]],
    [{ hard: { 'requests.storage': '1', persistentvolumeclaims: '2' }, scopeSelector: selector('VolumeAttributesClass', 'Exists') }, []],
    [{ hard: { pods: '1' }, scopeSelector: selector('BestEffort', 'DoesNotExist') }, [expect.stringMatching(/^spec\.scopeSelector\.matchExpressions\.operator: Invalid value: "DoesNotExist": must be 'Exist' when scope is any of /)]],
  ])('%j', (spec, expected) => {
    expect(problems(resourceQuotaKind, { spec })).toEqual(expected);
  });
});
