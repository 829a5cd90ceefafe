import { formatQuantity } from '@orrery/apimachinery';
import { expect, it } from 'vitest';
import { objectUsage, quotaApplies } from './quota-usage.ts';

const claims = { group: '', resource: 'persistentvolumeclaims' };
const pods = { group: '', resource: 'pods' };
const amount = (kind: typeof pods, object: unknown, name: string): string | undefined => {
  const found = objectUsage(kind, object, Date.parse('2026-01-01T00:01:00Z'))[name];
  return found && formatQuantity(found);
};

it.each<[string, string | undefined, string | undefined, string]>([
  ['what is asked for', '2Gi', undefined, '2Gi'],
  ['what was given, when that is more', '1Gi', '3Gi', '3Gi'],
  ['what is asked for, when that is more', '4Gi', '3Gi', '4Gi'],
  ['whole bytes', '1500m', undefined, '2'],
])('a claim takes %s', (_what, requested, allocated, taken) => {
  const claim = { spec: { resources: { requests: { storage: requested } } }, status: { ...(allocated ? { allocatedResources: { storage: allocated } } : {}) } };
  expect(amount(claims, claim, 'requests.storage')).toBe(taken);
});

const sized = (asked: string, status: object = {}) => ({ spec: { containers: [{ name: 'c', resources: { requests: { cpu: asked }, limits: { cpu: asked } } }] }, status });
const running = (cpu: string, more: object = {}) => ({ containerStatuses: [{ name: 'c', resources: { requests: { cpu }, limits: { cpu } }, allocatedResources: { cpu } }], ...more });
it.each<[string, unknown, string, string]>([
  ['what it asks for', sized('1'), '1', '1'],
  ['more than it has, while it grows', sized('2', running('1')), '2', '2'],
  ['what it still has, while it shrinks', sized('1', running('2')), '2', '2'],
  ['what it has, when it can never grow', sized('9', running('1', { conditions: [{ type: 'PodResizePending', reason: 'Infeasible' }] })), '1', '1'],
])('a pod takes %s', (_what, pod, requests, limits) => {
  expect([amount(pods, pod, 'requests.cpu'), amount(pods, pod, 'limits.cpu')]).toEqual([requests, limits]);
});

it.each([
  ['2026-01-01T00:00:29Z', 30, undefined],
  ['2026-01-01T00:00:31Z', 30, '1'],
])('a pod that should have been gone at %s, after %i s of grace, takes %s', (deletionTimestamp, deletionGracePeriodSeconds, taken) => {
  expect(amount(pods, { metadata: { deletionTimestamp, deletionGracePeriodSeconds } }, 'pods')).toBe(taken);
});

it('a claim is in the scope of every class it has, is to have, or is being changed to', () => {
  const scoped = (operator: string, values?: string[]) => ({ spec: { scopeSelector: { matchExpressions: [{ scopeName: 'VolumeAttributesClass', operator, ...(values ? { values } : {}) }] } } });
  const changing = { spec: { volumeAttributesClassName: 'a' }, status: { currentVolumeAttributesClassName: 'b', modifyVolumeStatus: { status: 'InProgress', targetVolumeAttributesClassName: 'c' } } };
  const applies = (quota: object, claim: object): boolean => quotaApplies(quota, claims, claim);
  expect(['a', 'b', 'c', 'd'].map((name) => applies(scoped('In', [name]), changing))).toEqual([true, true, true, false]);
  expect([applies(scoped('Exists'), changing), applies(scoped('Exists'), {}), applies(scoped('DoesNotExist'), {}), applies(scoped('NotIn', ['a']), {})]).toEqual([true, false, true, true]);
});
