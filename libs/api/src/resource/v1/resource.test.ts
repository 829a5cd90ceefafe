import { describe, expect, it } from 'vitest';
import type { KindDescriptor } from '../../kind.ts';
import { cells, context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { resourceClaimTemplateV1beta1Kind, resourceClaimV1beta1Kind, resourceSliceV1beta1Kind } from '../v1beta1/kinds.ts';
import { deviceTaintRuleKind } from '../v1beta2/device-taint-rule.ts';
import { deviceClassKind } from './device-class.ts';
import { resourceClaimTemplateKind } from './resource-claim-template.ts';
import { resourceClaimKind } from './resource-claim.ts';
import { resourceSliceKind } from './resource-slice.ts';

const exactly = { deviceClassName: 'gpu.example.com' };
const request = { name: 'gpu', exactly };
const claim = (more: object, one: object = {}): object => ({ spec: { devices: { requests: [{ ...request, exactly: { ...exactly, ...one } }], ...more } } });
const at = 'spec.devices.requests[0]';
const reference = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
const opaque = { driver: 'd.example', parameters: { a: 1 } };
const select = (expression: string): object => claim({}, { selectors: [{ cel: { expression } }] });

it.each<[string, object, string[]]>([
  ['one request', claim({}), []],
  ['no class', claim({}, { deviceClassName: '' }), [`${at}.exactly.deviceClassName: Required value`]],
  ['all, counted', claim({}, { allocationMode: 'All', count: 2 }), [`${at}.exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'`]],
  ['a strange mode', claim({}, { allocationMode: 'Some' }), [`${at}.exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"`]],
  ['neither', { spec: { devices: { requests: [{ name: 'a' }] } } }, [`${at}: Required value: exactly one of \`exactly\` or \`firstAvailable\` is required`]],
  ['both', { spec: { devices: { requests: [{ ...request, firstAvailable: [{ name: 'a', ...exactly }] }] } } }, [`${at}: Invalid value: null: exactly one of \`exactly\` or \`firstAvailable\` is required, but multiple fields are set`]],
  ['a name twice', { spec: { devices: { requests: [request, request] } } }, ['spec.devices.requests[1]: Duplicate value: "gpu"']],
  ['33 requests', { spec: { devices: { requests: Array.from({ length: 33 }, (_, i) => ({ ...request, name: `r${i}` })) } } }, ['spec.devices.requests: Too many: 33: must have at most 32 items']],
  ['alternatives', { spec: { devices: { requests: [{ name: 'a', firstAvailable: [{ name: 'b', ...exactly }] }], constraints: [{ requests: ['a/b'], matchAttribute: 'd.example/x' }] } } }, []],
  ['a constraint on nothing', claim({ constraints: [{ requests: ['other'], matchAttribute: 'd.example/x' }] }), [`spec.devices.constraints[0].requests[0]: Invalid value: "other": ${reference}`]],
  ['a bare attribute', claim({ constraints: [{ matchAttribute: 'x' }] }), ['spec.devices.constraints[0].matchAttribute: Invalid value: "x": a fully qualified name must be a domain and a name separated by a slash']],
  ['no attribute', claim({ constraints: [{}] }), ['spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set']],
  ['configuration', claim({ config: [{ requests: ['gpu'], opaque }] }), []],
  ['configuration of nothing', claim({ config: [{ opaque: { driver: 'd.example', parameters: 5 } }, {}] }), [
    'spec.devices.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object', 'spec.devices.config[1].opaque: Required value',
  ]],
  ['much configuration', claim({ config: [{ opaque: { ...opaque, parameters: { a: 'x'.repeat(10_300) } } }] }), ['spec.devices.config[0].opaque.parameters: Too long: may not be more than 10240 bytes']],
  ['tolerations', claim({}, { tolerations: [{ key: 'a', value: 'b' }, { operator: 'Exists', effect: 'NoExecute' }] }), []],
  ['strange tolerations', claim({}, { tolerations: [{ operator: 'Exists', value: 'b' }, { operator: 'Like' }, { operator: 'Exists', effect: 'Stay' }] }), [
    `${at}.exactly.tolerations[0].value: Invalid value: "b": must be empty for operator \`Exists\``, `${at}.exactly.tolerations[1].operator: Unsupported value: "Like": supported values: "Equal", "Exists"`,
    `${at}.exactly.tolerations[2].effect: Unsupported value: "Stay": supported values: "NoExecute", "NoSchedule", "None"`,
  ]],
  ['a selector', select('device.driver == "d.example" && device.attributes["d.example"].family == "A" && device.capacity["d.example"].memory.isGreaterThan(quantity("1Gi"))'), []],
  ['cel.bind', select('cel.bind(dra, device.attributes["d.example"], dra.a && dra.b)'), []],
  ['a selector of nothing', claim({}, { selectors: [{}] }), [`${at}.exactly.selectors[0].cel: Required value`]],
  ['a selector that gives text', select('device.driver'), [`${at}.exactly.selectors[0].cel.expression: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string`]],
  ['a long selector', select(`"${'x'.repeat(10_240)}" == ""`), [`${at}.exactly.selectors[0].cel.expression: Too long: may not be more than 10240 bytes`]],
  ['a costly selector', select('device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a + b + c + d == device.driver))))'), [`${at}.exactly.selectors[0].cel.expression: Forbidden: too complex, exceeds cost limit`]],
])('a claim with %s', (_, object, expected) => expect(problems(resourceClaimKind, object)).toEqual(expected));

it('a selector that does not compile is told why', () => {
  expect(problems(resourceClaimKind, select('device.colour'))[0]).toContain(`${at}.exactly.selectors[0].cel.expression: Invalid value: "device.colour": compilation failed: ERROR: <input>:1:7: undefined field 'colour'`);
});

it('claims and templates keep their spec', () => {
  const next = claim({}, { count: 2 });
  expect(updateProblems(resourceClaimKind, { old: claim({}), next })[0]).toMatch(/^spec: Invalid value: .*: field is immutable$/);
  const template = (inner: object): object => ({ spec: { metadata: { labels: { a: 'b' } }, ...inner } });
  expect(updateProblems(resourceClaimTemplateKind, { old: template(claim({})), next: template(next) })[0]).toMatch(/^spec: Invalid value: .*: field is immutable$/);
  expect(problems(resourceClaimTemplateKind, { spec: { metadata: { labels: { a: '!' } }, ...claim({}) } })[0]).toMatch(/^spec\.metadata\.labels: Invalid value: "!"/);
});

describe('the status of a claim', () => {
  const result = { request: 'gpu', driver: 'd.example', pool: 'p', device: 'gpu-0' };
  const allocation = { devices: { results: [result] } };
  const pod = { resource: 'pods', name: 'a', uid: 'u' };
  const device = { driver: 'd.example', pool: 'p', device: 'gpu-0' };

  const lines = (before: object, after: object, metadata: object = {}): string[] => {
    const base = created(resourceClaimKind, claim({}));
    const old = { ...base, status: before } as never;
    const next = { ...structuredClone(base), metadata: { ...base.metadata, ...metadata }, status: after } as never;
    return resourceClaimKind.validateStatusUpdate(next, old).map(({ field, message }) => `${field}: ${message}`);
  };

  it.each<[string, object, object, string[]]>([
    ['is allocated and reserved', {}, { allocation, reservedFor: [pod], devices: [{ ...device, data: { a: 1 }, networkData: { ips: ['10.1.2.3/24', '2001:db8::1/64'] } }] }, []],
    ['is reserved first', {}, { reservedFor: [pod] }, ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set']],
    ['is reserved twice', { allocation }, { allocation, reservedFor: [pod, pod] }, ['status.reservedFor[1]: Duplicate value: "u"']],
    ['is reserved for nobody', { allocation }, { allocation, reservedFor: [{}] }, ['status.reservedFor[0].resource: Required value', 'status.reservedFor[0].name: Required value', 'status.reservedFor[0].uid: Required value']],
    ['is allocated otherwise', { allocation }, { allocation: { devices: { results: [{ ...result, device: 'gpu-1' }] } } }, [expect.stringMatching(/^status\.allocation: Invalid value: .*: field is immutable$/) as string]],
    ['is given up', { allocation }, {}, []],
    ['is another request', {}, { allocation: { devices: { results: [{ ...result, request: 'x' }] } } }, [`status.allocation.devices.results[0].request: Invalid value: "x": ${reference}`]],
    ['is shared oddly', {}, { allocation: { devices: { results: [{ ...result, shareID: 'x' }] } } }, ['status.allocation.devices.results[0].shareID: Invalid value: "x": error validating uid: invalid UUID length: 1']],
    ['reports other devices', { allocation }, { allocation, devices: [{ ...device, device: 'gpu-9' }] }, ['status.devices[0]: Invalid value: "d.example/p/gpu-9": must be an allocated device in the claim']],
    ['reports odd addresses', { allocation }, { allocation, devices: [{ ...device, networkData: { ips: ['10.1.2.3', '2001:DB8::1/64'] } }] }, [
      'status.devices[0].networkData.ips[0]: Invalid value: "10.1.2.3": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)', 'status.devices[0].networkData.ips[1]: Invalid value: "2001:DB8::1/64": must be in canonical form ("2001:db8::1/64")',
    ]],
    ['has configuration from nowhere', {}, { allocation: { devices: { results: [result], config: [{ opaque }] } } }, ['status.allocation.devices.config[0].source: Required value']],
  ])('%s', (_, before, after, expected) => expect(lines(before, after)).toEqual(expected));

  it('takes no reservations once it is being deleted', () => {
    expect(lines({ allocation }, { allocation, reservedFor: [pod] }, { deletionTimestamp: '2026-01-01T00:00:00Z' })).toEqual(['status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set']);
  });

  it('loses what was reported on devices that are given up', () => {
    const old = { ...created(resourceClaimKind, claim({})), status: { allocation, devices: [device] } };
    const next = { ...structuredClone(old), status: { devices: [device] } };
    resourceClaimKind.prepareForStatusUpdate(next, old, context);
    expect(next.status).toEqual({});
  });

  it('is shown in a word', () => {
    expect([{}, { allocation }, { allocation, reservedFor: [pod] }].map((status) => cells(resourceClaimKind, { ...claim({}), status })[0])).toEqual(['pending', 'allocated', 'allocated,reserved']);
  });
});

const slice = (more: object): object => ({ spec: { driver: 'd.example', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, ...more } });
const device = (more: object): object => slice({ devices: [{ name: 'gpu-0', ...more }] });
const shared = (policy: object): object => device({ allowMultipleAllocations: true, capacity: { memory: { value: '10', requestPolicy: policy } } });
const atDevice = 'spec.devices[0]';
const atPolicy = `${atDevice}.capacity[memory].requestPolicy`;

it.each<[string, object, string[]]>([
  ['a device', device({ attributes: { a: { string: 'x' }, 'd.example/b': { version: '1.2.3' } }, capacity: { memory: { value: '1Gi' } } }), []],
  ['no pool', slice({ pool: { name: '', generation: -1, resourceSliceCount: 0 } }), ['spec.pool.name: Required value', 'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero', 'spec.pool.generation: Invalid value: -1: must be greater than or equal to zero']],
  ['two places', slice({ allNodes: true }), ['spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set']],
  ['a place not meant', slice({ allNodes: false }), ['spec.allNodes: Invalid value: false: must be either unset or set to true']],
  ['129 devices', slice({ devices: Array.from({ length: 129 }, (_, i) => ({ name: `d${i}` })) }), ['spec.devices: Too many: 129: must have at most 128 items']],
  ['65 tainted devices', slice({ devices: Array.from({ length: 65 }, (_, i) => ({ name: `d${i}`, taints: [{ key: 'a', effect: 'None' }] })) }), ['spec.devices: Too many: 65: must have at most 64 items']],
  ['devices alike', slice({ devices: [{ name: 'a' }, { name: 'a' }] }), ['spec.devices[1]: Duplicate value: "a"']],
  ['an attribute of two kinds', device({ attributes: { a: { bool: true, int: 1 } } }), [`${atDevice}.attributes[a]: Invalid value: {"bool":true,"int":1}: exactly one value must be specified`]],
  ['an attribute of none', device({ attributes: { a: {} } }), [`${atDevice}.attributes[a]: Invalid value: "": exactly one value must be specified`]],
  ['an odd version', device({ attributes: { a: { version: '1.2' } } }), [`${atDevice}.attributes[a].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0`]],
  ['an odd name', device({ attributes: { 'a/b/c': { int: 1 } } }), [`${atDevice}.attributes: Invalid value: "a/b/c": must not contain more than one slash`]],
  ['33 attributes', device({ attributes: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`a${i}`, { int: 1 }])) }), [`${atDevice}: Invalid value: 33: the total number of attributes and capacities must not exceed 32`]],
  ['an odd taint', device({ taints: [{ key: '', effect: 'Leave' }] }), [expect.stringContaining(`${atDevice}.taints[0].key: Invalid value: "": name part must be non-empty`) as string, expect.stringContaining('name part must consist') as string, `${atDevice}.taints[0].effect: Unsupported value: "Leave": supported values: "NoExecute", "NoSchedule", "None"`]],
  ['counters', slice({ sharedCounters: [{ name: 'c', counters: { memory: { value: '1Gi' } } }] }), []],
  ['counters of nothing', slice({ sharedCounters: [{ name: '', counters: {} }] }), ['spec.sharedCounters[0].name: Required value', 'spec.sharedCounters[0].counters: Required value']],
  ['counters beside devices', slice({ devices: [], sharedCounters: [] }), ['spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed']],
  ['consumption', device({ consumesCounters: [{ counterSet: 'c', counters: { memory: { value: '1' } } }] }), []],
  ['consumption twice', device({ consumesCounters: [{ counterSet: 'c', counters: { m: { value: '1' } } }, { counterSet: 'c', counters: { m: { value: '1' } } }] }), [`${atDevice}.consumesCounters[1]: Duplicate value: "c"`]],
  ['a place of its own', device({ nodeName: 'm' }), [`${atDevice}: Invalid value: null: \`nodeName\`, \`nodeSelector\` and \`allNodes\` can only be set if \`perDeviceNodeSelection\` is set to true in the ResourceSlice spec`]],
  ['no place of its own', { spec: { ...(device({}) as { spec: object }).spec, nodeName: undefined, perDeviceNodeSelection: true } }, [
    `${atDevice}: Required value: exactly one of \`nodeName\`, \`nodeSelector\`, or \`allNodes\` is required when \`perDeviceNodeSelection\` is set to true in the ResourceSlice spec`,
  ]],
  ['half the conditions', device({ bindingConditions: ['a.b/ready'] }), [`${atDevice}.bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions`]],
  ['conditions that overlap', device({ bindingConditions: ['a'], bindingFailureConditions: ['a'] }), [`${atDevice}.bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions`]],
  ['a policy for one', device({ capacity: { memory: { value: '10', requestPolicy: {} } } }), [`${atPolicy}: Forbidden: allowMultipleAllocations must be true`]],
  ['values', shared({ default: '2', validValues: ['1', '2', '10'] }), []],
  ['values out of order', shared({ default: '3', validValues: ['2', '1', '11'] }), [
    `${atPolicy}.validValues[1]: Invalid value: "1": values must be sorted in ascending order`, `${atPolicy}.validValues[2]: Invalid value: "11": option is larger than capacity value: 10`, `${atPolicy}.validValues: Invalid value: "3": default value is not valid according to the requestPolicy`,
  ]],
  ['a range', shared({ default: '2', validRange: { min: '2', max: '8', step: '2' } }), []],
  ['a range without default', shared({ validRange: { min: '2' } }), [`${atPolicy}.default: Required value: required when validRange is defined`]],
  ['an odd range', shared({ default: '1', validRange: { min: '2', max: '11', step: '4' } }), [
    `${atPolicy}.validRange.default: Invalid value: "1": default is less than min: 2`, `${atPolicy}.validRange.max: Invalid value: "11": max is larger than capacity value: 10`,
    `${atPolicy}.validRange.step: Invalid value: "1": value is not a multiple of a given step (4) from (2)`, `${atPolicy}.validRange.step: Invalid value: "11": value is not a multiple of a given step (4) from (2)`,
  ]],
  ['range and values', shared({ validValues: ['1'], validRange: { min: '1' } }), [`${atPolicy}: Forbidden: exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time`]],
  ['a mapping', device({ nodeAllocatableResourceMappings: { 'example.com/x': { capacityKey: 'none' } } }), [
    `${atDevice}.nodeAllocatableResourceMappings[example.com/x]: Invalid value: "example.com/x": must be a node allocatable resource name`, `${atDevice}.nodeAllocatableResourceMappings[example.com/x].capacityKey: Not found: "none"`,
  ]],
])('a slice with %s', (_, object, expected) => expect(problems(resourceSliceKind, object)).toEqual(expected));

it('taints say since when', () => {
  const object = created(resourceSliceKind, device({ taints: [{ key: 'a', effect: 'NoSchedule' }] }));
  expect(object.spec?.devices?.[0]?.taints?.[0]?.timeAdded).toBe('2026-01-01T00:10:00Z');
});

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['a slice of another pool', resourceSliceKind, slice({}), slice({ nodeName: 'm', driver: 'e.example', pool: { name: 'q', generation: 1, resourceSliceCount: 1 } }), [
    'spec.pool.name: Invalid value: "q": field is immutable', 'spec.driver: Invalid value: "e.example": field is immutable', 'spec.nodeName: Invalid value: "m": field is immutable',
  ]],
  ['a taint that was odd', deviceTaintRuleKind, { spec: { taint: { key: 'a', effect: 'Leave' } } }, { spec: { taint: { key: 'a', effect: 'Leave', value: 'b' } } }, []],
  ['a selector that was odd', deviceClassKind, { spec: { selectors: [{ cel: { expression: 'nonsense(' } }] } }, { spec: { selectors: [{ cel: { expression: 'nonsense(' } }], extendedResourceName: 'cpu' } }, [
    'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name',
  ]],
])('update of %s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

it.each<[string, object, string[]]>([
  ['a rule', { deviceSelector: { driver: 'd.example', pool: 'p', device: 'x' }, taint: { key: 'a', effect: 'NoExecute' } }, []],
  ['a rule for odd names', { deviceSelector: { driver: '', pool: 'A', device: 'X' }, taint: { key: 'a', effect: 'None' } }, ['spec.deviceSelector.driver', 'spec.deviceSelector.pool', 'spec.deviceSelector.device']],
])('%s', (_, spec, expected) => expect(problems(deviceTaintRuleKind, { spec }).map((line) => line.split(':')[0])).toEqual(expected));

describe('v1beta1', () => {
  it('has exact requests without a level of their own', () => {
    const old = made(resourceClaimV1beta1Kind, { apiVersion: 'resource.k8s.io/v1beta1', spec: { devices: { requests: [{ name: 'gpu', deviceClassName: 'c' }] } } });
    const stored = resourceClaimV1beta1Kind.storedAs?.toStorage(old) as { spec: object };
    expect(stored).toMatchObject({ apiVersion: 'resource.k8s.io/v1', spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'c', allocationMode: 'ExactCount', count: 1 } }] } } });
    expect(resourceClaimV1beta1Kind.storedAs?.fromStorage(stored)).toEqual(old);
  });

  it('and devices with one', () => {
    const old = { apiVersion: 'resource.k8s.io/v1beta1', ...(slice({ devices: [{ name: 'a', basic: { attributes: { x: { int: 1 } } } }] }) as object) };
    const stored = resourceSliceV1beta1Kind.storedAs?.toStorage(old as never) as { spec: { devices: object[] } };
    expect(stored.spec.devices).toEqual([{ name: 'a', attributes: { x: { int: 1 } } }]);
    expect(resourceSliceV1beta1Kind.storedAs?.fromStorage(stored as never)).toEqual(old);
  });

  it('is judged as v1 is', () => {
    expect(problems(resourceClaimV1beta1Kind, { spec: { devices: { requests: [{ name: 'gpu' }] } } })).toEqual([`${at}.exactly.deviceClassName: Required value`]);
    expect(problems(resourceClaimTemplateV1beta1Kind, { spec: { spec: { devices: { requests: [{ name: 'gpu', deviceClassName: 'c', allocationMode: 'Odd' }] } } } })).toEqual([
      'spec.spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Odd": supported values: "All", "ExactCount"',
    ]);
    const sliced = created(resourceSliceV1beta1Kind, slice({ devices: [{ name: 'a', basic: { taints: [{ key: 'k', effect: 'None' }] } }] }));
    expect([sliced.metadata?.generation, sliced.spec?.devices?.[0]?.basic?.taints?.[0]?.timeAdded]).toEqual([1, '2026-01-01T00:10:00Z']);
  });
});
