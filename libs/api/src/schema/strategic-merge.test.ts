import { applyStrategicMergePatch, deepFreeze } from '@orrery/apimachinery';
import { describe, expect, it } from 'vitest';
import { schemaOf } from './lookup.ts';

const podSpec = schemaOf('io.k8s.api.core.v1.PodSpec');
const pod = schemaOf('io.k8s.api.core.v1.Pod');
const deploymentSpec = schemaOf('io.k8s.api.apps.v1.DeploymentSpec');
const merge = (target: object, patch: object, schema = podSpec): unknown => applyStrategicMergePatch(deepFreeze(target), deepFreeze(patch), schema);
const named = (...names: string[]): object[] => names.map((name) => ({ name }));

describe('strategic merge patch', () => {
  it.each([
    ['merges items by key, those of the patch first', { containers: [{ name: 'a', image: 'x' }, { name: 'b' }] }, { containers: [{ name: 'a', image: 'y' }, { name: 'c' }] }, { containers: [{ name: 'a', image: 'y' }, { name: 'c' }, { name: 'b' }] }],
    ['deletes an item', { containers: named('a', 'b') }, { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: named('b') }],
    ['replaces a list', { containers: named('a', 'b') }, { containers: [{ $patch: 'replace' }, { name: 'c' }] }, { containers: named('c') }],
    ['replaces a map', { securityContext: { runAsUser: 1 } }, { securityContext: { $patch: 'replace', fsGroup: 2 } }, { securityContext: { fsGroup: 2 } }],
    ['empties a map', { securityContext: { runAsUser: 1 } }, { securityContext: { $patch: 'delete' } }, { securityContext: {} }],
    ['removes by null', { hostname: 'a', nodeName: 'b' }, { hostname: null, subdomain: null }, { nodeName: 'b' }],
    ['orders', { containers: named('a', 'b', 'c') }, { '$setElementOrder/containers': named('c', 'a'), containers: [{ name: 'c', image: 'x' }] }, { containers: [{ name: 'b' }, { name: 'c', image: 'x' }, { name: 'a' }] }],
    ['orders without a change', { containers: named('a', 'b') }, { '$setElementOrder/containers': named('b', 'a') }, { containers: named('b', 'a') }],
    ['retains keys', { volumes: [{ name: 'v', emptyDir: {} }] }, { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/' } }] }, { volumes: [{ name: 'v', hostPath: { path: '/' } }] }],
    ['replaces atomic lists', { tolerations: [{ key: 'a' }] }, { tolerations: [{ key: 'b' }] }, { tolerations: [{ key: 'b' }] }],
    ['keeps unknown keys', { Foo: { a: 1 } }, { Foo: { b: 2 }, bar: [1] }, { Foo: { a: 1, b: 2 }, bar: [1] }],
    ['merges wrongly cased keys as their field', { Containers: [{ name: 'a' }] }, { Containers: [{ name: 'b' }] }, { Containers: named('b', 'a') }],
  ])('%s', (_what, target, patch, expected) => {
    expect(merge(target, patch)).toEqual(expected);
  });

  it('merges primitive lists and deletes from them', () => {
    const target = { metadata: { finalizers: ['a', 'b', 'c'] } };
    expect(merge(target, { metadata: { finalizers: ['d', 'a'] } }, pod)).toEqual({ metadata: { finalizers: ['d', 'a', 'b', 'c'] } });
    expect(merge(target, { metadata: { '$deleteFromPrimitiveList/finalizers': ['b'] } }, pod)).toEqual({ metadata: { finalizers: ['a', 'c'] } });
    expect(merge(target, { metadata: { '$setElementOrder/finalizers': ['c', 'd', 'a'], finalizers: ['d'], '$deleteFromPrimitiveList/finalizers': ['b'] } }, pod)).toEqual({ metadata: { finalizers: ['c', 'd', 'a'] } });
  });

  it('merges owner references by uid and ports by containerPort', () => {
    expect(merge({ metadata: { ownerReferences: [{ uid: '1', name: 'a' }] } }, { metadata: { ownerReferences: [{ uid: '1', $patch: 'delete' }, { uid: '2', name: 'b' }] } }, pod)).toEqual({ metadata: { ownerReferences: [{ uid: '2', name: 'b' }] } });
    expect(merge({ containers: [{ name: 'a', ports: [{ containerPort: 1, name: 'x' }] }] }, { containers: [{ name: 'a', ports: [{ containerPort: 1, hostPort: 3 }] }] })).toEqual({ containers: [{ name: 'a', ports: [{ containerPort: 1, name: 'x', hostPort: 3 }] }] });
  });

  it('adds whole values without their directives and nulls', () => {
    expect(merge({}, { containers: [{ name: 'a', $patch: 'delete' }, { name: 'b' }], securityContext: { runAsUser: null, fsGroup: 1 } })).toEqual({ containers: named('b'), securityContext: { fsGroup: 1 } });
    expect(merge({ strategy: { type: 'RollingUpdate', rollingUpdate: {} } }, { strategy: { $retainKeys: ['type'], type: 'Recreate' } }, deploymentSpec)).toEqual({ strategy: { type: 'Recreate' } });
  });

  it.each([
    [{ containers: [{ image: 'x' }] }, 'failed', 'map: map[image:x] does not contain declared merge key: name'],
    [{ containers: [{ name: 'a', $patch: 'x' }] }, 'failed', 'unknown patch type: x in map: map[$patch:x name:a]'],
    [{ '$setElementOrder/containers': 1 }, 'failed', 'expected a []interface {}, but received a int64'],
    [{ '$setElementOrder/containers': named('b', 'a'), containers: named('a', 'b') }, 'failed', /^The order in patch list:/],
    [{ volumes: [{ name: 'v', $retainKeys: 'x' }] }, 'malformed', 'invalid patch format of retainKeys'],
  ])('refuses %j', (patch, kind, message) => {
    expect(() => merge({ containers: named('a'), volumes: named('v') }, patch)).toThrow(expect.objectContaining({ kind, message: typeof message === 'string' ? message : (expect.stringMatching(message) as string) }) as Error);
  });
});
