import { expect, it } from 'vitest';
import { storageVersionKind } from '../../apiserverinternal/v1alpha1/storage-version.ts';
import { leaseCandidateKind } from '../../coordination/v1beta1/lease-candidate.ts';
import { leaseKind } from '../../coordination/v1/lease.ts';
import type { KindDescriptor } from '../../kind.ts';
import { resourcePoolStatusRequestKind } from '../../resource/v1alpha3/resource-pool-status-request.ts';
import { storageVersionMigrationKind } from '../../storagemigration/v1beta1/storage-version-migration.ts';
import { cells, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { podGroupKind } from './pod-group.ts';
import { workloadKind } from './workload.ts';

const gang = { gang: { minCount: 3 } };
const template = { name: 'workers', schedulingPolicy: gang };
const workload = (more: object): object => ({ spec: { podGroupTemplates: [{ ...template, ...more }] } });
const group = (more: object): object => ({ spec: { schedulingPolicy: gang, ...more } });
const candidate = { leaseName: 'a', binaryVersion: '1.36.0', emulationVersion: '1.36.0', strategy: 'OldestEmulationVersion' };
const at = 'spec.podGroupTemplates[0]';

it.each<[string, KindDescriptor, object, string[]]>([
  ['a workload', workloadKind, workload({}), []],
  ['no groups', workloadKind, { spec: {} }, ['spec.podGroupTemplates: Required value']],
  ['groups alike', workloadKind, { spec: { podGroupTemplates: [template, template] } }, ['spec.podGroupTemplates[1]: Duplicate value: "workers"']],
  ['no policy', workloadKind, workload({ schedulingPolicy: {} }), [`${at}.schedulingPolicy: Invalid value: "": must specify one of: \`basic\`, \`gang\``]],
  ['two policies', workloadKind, workload({ schedulingPolicy: { ...gang, basic: {} } }), [`${at}.schedulingPolicy: Invalid value: "{basic, gang}": must specify exactly one of: \`basic\`, \`gang\``]],
  ['a gang of none', workloadKind, workload({ schedulingPolicy: { gang: { minCount: 0 } } }), [`${at}.schedulingPolicy.gang.minCount: Required value`]],
  ['a gang of less', workloadKind, workload({ schedulingPolicy: { gang: { minCount: -1 } } }), [`${at}.schedulingPolicy.gang.minCount: Invalid value: -1: must be greater than or equal to 1`]],
  ['an odd controller', workloadKind, { spec: { controllerRef: { kind: 'a/b' }, podGroupTemplates: [template] } }, ["spec.controllerRef.kind: Invalid value: \"a/b\": may not contain '/'", 'spec.controllerRef.name: Required value']],
  ['a group', podGroupKind, group({ podGroupTemplateRef: { workload: { workloadName: 'w', podGroupTemplateName: 't' } } }), []],
  ['a group of nothing', podGroupKind, group({ podGroupTemplateRef: {} }), ['spec.podGroupTemplateRef: Invalid value: "": must specify one of: `workload`']],
  ['an odd group', podGroupKind, group({ disruptionMode: 'All', priority: 2_000_000_000, schedulingConstraints: { topology: [{}] }, resourceClaims: [{ name: 'c' }] }), [
    'spec.schedulingConstraints.topology[0].key: Required value', 'spec.resourceClaims[0]: Invalid value: "": must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
    'spec.disruptionMode: Unsupported value: "All": supported values: "Pod", "PodGroup"', 'spec.priority: Invalid value: 2000000000: must be less than or equal to 1000000000',
  ]],
  ['a candidate', leaseCandidateKind, { spec: candidate }, []],
  ['nobody', leaseCandidateKind, { spec: {} }, ['spec.leaseName: Required value', 'spec.binaryVersion: Required value', 'spec.strategy: Required value']],
  ['an old candidate', leaseCandidateKind, { spec: { ...candidate, binaryVersion: '1.35.0' } }, ['spec.binaryVersion: Invalid value: "1.35.0": must be greater than or equal to `emulationVersion`']],
  ['a candidate of no version', leaseCandidateKind, { spec: { ...candidate, emulationVersion: 'one' } }, ['spec.emulationVersion: Invalid value: "one": must be a valid semantic version']],
  ['a strange strategy', leaseCandidateKind, { spec: { ...candidate, strategy: 'Youngest' } }, ['spec.strategy: Unsupported value: "Youngest": supported values: "OldestEmulationVersion"']],
  ['a preference without strategy', leaseKind, { spec: { preferredHolder: 'a' } }, ['spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined']],
  ['a migration', storageVersionMigrationKind, { spec: { resource: { group: 'apps', resource: 'deployments' } } }, []],
  ['a migration of nothing', storageVersionMigrationKind, { spec: {} }, ['spec.resource.resource: Required value: resource is required to be set']],
  ['a question', resourcePoolStatusRequestKind, { spec: { driver: 'd.example', limit: 1001 } }, ['spec.limit: Invalid value: 1001: must not exceed 1000']],
])('%s', (_, kind, object, expected) => expect(problems(kind, object)).toEqual(expected));

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['a workload', workloadKind, workload({}), workload({ name: 'others' }), [expect.stringMatching(/^spec\.podGroupTemplates: Invalid value: .*: field is immutable$/) as string]],
  ['a group', podGroupKind, group({}), group({ schedulingPolicy: { basic: {} } }), ['spec.schedulingPolicy: Invalid value: {"basic":{}}: field is immutable']],
  ['a candidate', leaseCandidateKind, { spec: candidate }, { spec: { ...candidate, leaseName: 'b' } }, ['spec.leaseName: Invalid value: "b": field is immutable']],
  ['a question', resourcePoolStatusRequestKind, { spec: { driver: 'd.example' } }, { spec: { driver: 'e.example' } }, ['spec: Invalid value: {"driver":"e.example","limit":100}: field is immutable']],
])('update of %s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

const is = (type: string, status = 'True'): object => ({ type, status, reason: 'Because', lastTransitionTime: '2026-01-01T00:00:00Z', message: '' });

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['a migration that ran', storageVersionMigrationKind, { resourceVersion: '5', conditions: [is('Running')] }, { resourceVersion: '5', conditions: [is('Running', 'False'), is('Succeeded')] }, []],
  ['one that did both', storageVersionMigrationKind, {}, { resourceVersion: '5', conditions: [is('Failed'), is('Succeeded')] }, [expect.stringMatching(/^status\.conditions: .*: Both success and failed conditions cannot be true at the same time$/) as string]],
  ['one that starts anew', storageVersionMigrationKind, { resourceVersion: '5' }, { resourceVersion: '6' }, ['status.resourceVersion: Invalid value: "6": field is immutable']],
  ['one at no version', storageVersionMigrationKind, {}, { resourceVersion: '05' }, ['status.resourceVersion: Invalid value: "05": resource version is not well formed: 05']],
  ['servers that agree', storageVersionKind, {}, { commonEncodingVersion: 'v1', storageVersions: [{ apiServerID: 'a', encodingVersion: 'v1', decodableVersions: ['v1'] }] }, []],
  ['servers that do not', storageVersionKind, {}, { commonEncodingVersion: 'v1' }, [
    'status.commonEncodingVersion: Invalid value: "v1": should be nil if servers do not agree on the same encoding version, or if there is no server reporting the supported versions yet',
  ]],
  ['an answer that changes', resourcePoolStatusRequestKind, { poolCount: 1 }, { poolCount: 2 }, ['status: Invalid value: {"poolCount":2}: field is immutable']],
])('a status of %s', (_, kind, before, after, expected) => {
  const base = created(kind, { spec: {} });
  const errors = kind.validateStatusUpdate({ ...structuredClone(base), status: after }, { ...base, status: before });
  expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual(expected);
});

it('candidates show their versions, groups may be disrupted pod by pod', () => {
  expect(cells(leaseCandidateKind, { spec: candidate })).toEqual(['a', '1.36.0', '1.36.0', '10m']);
  expect(made(podGroupKind, group({})).spec?.disruptionMode).toBe('Pod');
});
