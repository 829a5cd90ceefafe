import { describe, expect, it } from 'vitest';
import type { Node, PersistentVolumeClaim } from '../../../gen/types.ts';
import { eventsEventKind } from '../../events/v1/event.ts';
import type { KindDescriptor } from '../../kind.ts';
import { context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { configMapKind } from './config-map.ts';
import { endpointsKind } from './endpoints.ts';
import { eventKind } from './event.ts';
import { limitRangeKind } from './limit-range.ts';
import { namespaceKind } from './namespace.ts';
import { nodeKind } from './node.ts';
import { persistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { persistentVolumeKind } from './persistent-volume.ts';
import { podKind } from './pod.ts';
import { replicationControllerKind } from './replication-controller.ts';
import { resourceQuotaKind } from './resource-quota.ts';
import { secretKind } from './secret.ts';

const volume = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' } };
const pv = (fields: object): object => ({ spec: { ...volume, ...fields } });
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const pvc = (fields: object, status: object = {}): object => ({ spec: { ...claim, ...fields }, status });
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const pem = (type: string): string => `-----BEGIN ${type}-----\neA==\n-----END ${type}-----\n`;
const limits = (item: object): object => ({ spec: { limits: [item] } });
const v1Event = { eventTime: '2026-01-01T00:00:00.000000Z', type: 'Normal', reportingController: 'a.b/c', reportingInstance: 'i', action: 'a', reason: 'r', regarding: { namespace: 'default' } };

describe('validation', () => {
  it.each<[string, KindDescriptor, object, string[]]>([
    ['a volume of two sources and no size', persistentVolumeKind, pv({ capacity: {}, nfs: { server: 's', path: '/' } }), [
      'spec.capacity: Required value',
      'spec.capacity: Unsupported value: {}: supported values: "storage"',
      'spec.nfs: Forbidden: may not specify more than 1 volume type',
    ]],
    ['a local volume anywhere', persistentVolumeKind, pv({ hostPath: undefined, local: { path: '/a/../b' } }), [
      "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'",
      'spec.nodeAffinity: Required value: Local volume requires node affinity',
    ]],
    ['a driver with half a secret', persistentVolumeKind, pv({ hostPath: undefined, csi: { driver: 'd', volumeHandle: '', nodeStageSecretRef: {}, nodePublishSecretRef: { name: 's' } } }), [
      'spec.csi.volumeHandle: Required value',
      'spec.csi.nodePublishSecretRef.namespace: Required value',
    ]],
    ['attributes of no driver', persistentVolumeKind, pv({ volumeAttributesClassName: '' }), [
      'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
      'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
    ]],
    ['the root, recycled', persistentVolumeKind, pv({ hostPath: { path: '//' }, persistentVolumeReclaimPolicy: 'Recycle' }), ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]],
    ['modes that exclude each other', persistentVolumeClaimKind, pvc({ accessModes: ['ReadWriteOncePod', 'ReadOnlyMany', 'Any'] }), [
      'spec.accessModes: Unsupported value: "Any": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
    ]],
    ['two sources of data', persistentVolumeClaimKind, pvc({ dataSource: { kind: 'PersistentVolumeClaim', name: 'a' }, dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'b' } }), [
      'spec: Invalid value: "spec.dataSource": must match dataSourceRef',
    ]],
    ['a source of the wrong kind', persistentVolumeClaimKind, pvc({ dataSourceRef: { kind: 'Pod', name: 'a', namespace: 'B' } }), [
      "spec.dataSourceRef: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
      "spec.dataSourceRef.namespace: Invalid value: \"B\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ]],
    ['two ranges of a family, less than nothing', nodeKind, { spec: { podCIDRs: ['10.0.0.0/24', '10.0.1.0/24'] }, status: { capacity: { cpu: '-1', 'a.b/c': '1500m' } } }, [
      'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
      'status.capacity.a.b/c: Invalid value: "1500m": must be an integer',
      'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
      'status.allocatable.a.b/c: Invalid value: "1500m": must be an integer',
      'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family',
    ]],
    ['a taint twice', nodeKind, { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }, { key: 'a', effect: 'NoSchedule', value: 'x' }] } }, [
      'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule","value":"x"}: taints must be unique by key and effect pair',
    ]],
    ['finalizers of nobody', namespaceKind, { spec: { finalizers: ['mine'] } }, ['spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified']],
    ['a docker configuration that is none', secretKind, { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64('[]') } }, [
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}',
    ]],
    ['an empty key', secretKind, { type: 'kubernetes.io/ssh-auth', data: { 'ssh-privatekey': '' } }, ['data[ssh-privatekey]: Required value']],
    ['more than fits', configMapKind, { data: { a: 'x'.repeat(1024 * 1024 + 1) } }, ['[]: Too long: may not be more than 1048576 bytes']],
    ['limits of an unknown type', limitRangeKind, limits({ type: 'Any', max: { cpu: '1' } }), ['spec.limits[0].type: Invalid value: "Any": must be a standard limit type or fully qualified']],
    ['limits in the wrong order', limitRangeKind, limits({ type: 'Container', min: { cpu: '4' }, max: { cpu: '3' }, default: { cpu: '2' }, defaultRequest: { cpu: '1' }, maxLimitRequestRatio: { cpu: '2' } }), [
      'spec.limits[0].min[cpu]: Invalid value: "4": min value 4 is greater than max value 3',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 4 is greater than default request value 1',
      'spec.limits[0].default[cpu]: Invalid value: "4": min value 4 is greater than default value 2',
      'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "2": ratio 2 is greater than max/min = 0.750000',
    ]],
    ['defaults of pods', limitRangeKind, limits({ type: 'Pod', default: { cpu: '1' } }), ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"]],
    ['gpus that differ', limitRangeKind, limits({ type: 'Container', default: { 'a.b/gpu': '2' }, defaultRequest: { 'a.b/gpu': '1' } }), [
      'spec.limits[0].defaultRequest[a.b/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in a.b/gpu',
    ]],
    ['scopes that exclude each other', resourceQuotaKind, { spec: { hard: { pods: '1' }, scopeSelector: { matchExpressions: [{ scopeName: 'Terminating', operator: 'Exists' }, { scopeName: 'NotTerminating', operator: 'Exists' }] } } }, [
      'spec.scopeSelector.matchExpressions: Invalid value: null: conflicting scopes',
    ]],
    ['half a job', resourceQuotaKind, { spec: { hard: { 'count/jobs.batch': '500m' } } }, ['spec.hard[count/jobs.batch]: Invalid value: "500m": must be an integer']],
    ['endpoints of an odd spelling', endpointsKind, { subsets: [{ addresses: [{ ip: '010.0.0.1' }, { ip: '127.0.0.1' }] }] }, [
      'subsets[0].addresses[0].ip: Invalid value: "010.0.0.1": must not have leading 0s',
      'subsets[0].addresses[1].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ]],
    ['an event of an old client', eventKind, { involvedObject: {} }, []],
    ['one elsewhere', eventKind, { involvedObject: { namespace: 'other' } }, ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']],
    ['an event with a time and nothing else', eventKind, { eventTime: '2026-01-01T00:00:00.000000Z', involvedObject: {} }, [
      'reportingComponent: Required value',
      "reportingComponent: Invalid value: \"\": name part must be non-empty",
      "reportingComponent: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      'reportingInstance: Required value',
      'action: Required value',
      'reason: Required value',
    ]],
    ['a newer event', eventsEventKind, v1Event, []],
    ['with what is of older ones', eventsEventKind, { ...v1Event, type: 'Odd', deprecatedCount: 1, deprecatedSource: { component: 'c' }, series: { count: 1 }, reason: 'x'.repeat(129) }, [
      'reason: Invalid value: "": can have at most 128 characters',
      'series.count: Invalid value: "": should be at least 2',
      'series.lastObservedTime: Required value',
      'type: Invalid value: "": has invalid value: Odd',
      'count: Invalid value: "": needs to be unset',
      'source: Invalid value: "": needs to be unset',
    ]],
    ['a controller of pods that end', replicationControllerKind, { spec: { template: { metadata: { labels: { a: '1' } }, spec: { restartPolicy: 'Never', activeDeadlineSeconds: 1, containers: [{ name: 'c', image: 'x' }] } } } }, [
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
    ]],
  ])('%s', (_, kind, fields, expected) => expect(problems(kind, fields)).toEqual(expected));
});

describe('updates', () => {
  it.each<[string, KindDescriptor, object, object, string[]]>([
    ['a secret of expansions comes later', persistentVolumeKind, pv({ hostPath: undefined, csi: { driver: 'd', volumeHandle: 'h' } }), pv({ hostPath: undefined, csi: { driver: 'd', volumeHandle: 'h', controllerExpandSecretRef: { name: 's', namespace: 'n' } } }), []],
    ['a mode of a volume stays', persistentVolumeKind, pv({}), pv({ volumeMode: 'Block' }), ['volumeMode: Invalid value: "Block": field is immutable']],
    ['labels of nodes get their newer names', persistentVolumeKind,
      pv({ nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'failure-domain.beta.kubernetes.io/zone', operator: 'In', values: ['z'] }] }] } } }),
      pv({ nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'topology.kubernetes.io/zone', operator: 'In', values: ['z'] }] }] } } }), []],
    ['a class is filled in once', persistentVolumeClaimKind, pvc({}), pvc({ storageClassName: 'fast' }), []],
    ['the class annotation stays', persistentVolumeClaimKind, { ...pvc({}), metadata: { name: 'x', namespace: 'default', annotations: { 'volume.beta.kubernetes.io/storage-class': 'a' } } }, pvc({}), [
      'metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "": field is immutable',
    ]],
    ['a range of pods stays', nodeKind, { spec: { podCIDRs: ['10.0.0.0/24'] } }, { spec: { podCIDRs: ['10.0.1.0/24'] } }, ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']],
    ['scopes stay, in any order', resourceQuotaKind, { spec: { scopes: ['Terminating', 'PriorityClass'] } }, { spec: { scopes: ['PriorityClass', 'Terminating'] } }, []],
    ['a newer event stays but for its series', eventsEventKind, v1Event, { ...v1Event, note: 'n', series: { count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z' } }, ['message: Invalid value: "n": field is immutable']],
  ])('%s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

  it('a bound claim grows, shrinks to what it has at most, and keeps a class of attributes', () => {
    const update = (old: object, next: object): string[] => {
      const before = created<PersistentVolumeClaim>(persistentVolumeClaimKind, pvc(old));
      before.status = { phase: 'Bound', capacity: { storage: '1Gi' } };
      const after = made<PersistentVolumeClaim>(persistentVolumeClaimKind, pvc(next));
      persistentVolumeClaimKind.prepareForUpdate(after, before, context);
      return persistentVolumeClaimKind.validateUpdate(after, before).map(({ field, message }) => `${field}: ${message}`);
    };
    const sized = (storage: string): object => ({ resources: { requests: { storage } } });
    expect(update(sized('1Gi'), sized('2Gi'))).toEqual([]);
    expect(update(sized('3Gi'), sized('2Gi'))).toEqual([]);
    expect(update(sized('3Gi'), sized('1Gi'))).toEqual(['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity']);
    expect(update({ volumeAttributesClassName: 'a' }, { volumeAttributesClassName: 'b' })).toEqual([]);
    expect(update({ volumeAttributesClassName: 'a' }, { volumeAttributesClassName: '' })).toEqual(['spec.volumeAttributesClassName: Forbidden: update from non-nil value to an empty string is forbidden']);
  });
});

it('a source of data has two names', () => {
  const source = { kind: 'PersistentVolumeClaim', name: 'a' };
  expect(created<PersistentVolumeClaim>(persistentVolumeClaimKind, pvc({ dataSourceRef: source })).spec).toMatchObject({ dataSource: source, dataSourceRef: source });
  expect(created<PersistentVolumeClaim>(persistentVolumeClaimKind, pvc({ dataSource: { apiGroup: 'x.y', kind: 'Z', name: 'a' } })).spec).not.toHaveProperty('dataSource');
});

it('the status of a claim counts storage', () => {
  const status = made<PersistentVolumeClaim>(persistentVolumeClaimKind, pvc({}, { allocatedResources: { cpu: '1' }, allocatedResourceStatuses: { storage: 'Growing' } }));
  expect(persistentVolumeClaimKind.validateStatusUpdate(status, status).map(({ field, message }) => `${field}: ${message}`)).toEqual([
    'status.allocatedResourceStatus: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
    'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
  ]);
});

it('forgets the configuration that the API server once gave to nodes', () => {
  const node = created<Node>(nodeKind, { spec: { configSource: { configMap: {} } }, status: { config: {} } });
  expect([node.spec, node.status]).toEqual([{}, {}]);
});

it.each<[KindDescriptor, object, string[]]>([
  [persistentVolumeKind, pv({ persistentVolumeReclaimPolicy: 'Recycle' }), ['spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.']],
  [persistentVolumeClaimKind, pvc({ resources: { requests: { storage: '500m' } } }), ['spec.resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer']],
  [secretKind, { type: 'kubernetes.io/tls', data: { 'tls.crt': base64('x'), 'tls.key': base64('y') } }, ['tls: failed to find any PEM data in certificate input']],
  [secretKind, { type: 'kubernetes.io/tls', data: { 'tls.crt': base64(pem('CERTIFICATE')), 'tls.key': base64(`-----BEGIN A-----\n${pem('RSA PRIVATE KEY')}`) } }, []],
  [secretKind, { type: 'kubernetes.io/tls', data: { 'tls.crt': base64(pem('EC PRIVATE KEY')), 'tls.key': base64(pem('CERTIFICATE')) } }, [
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  ]],
  [nodeKind, { spec: { externalID: 'e' } }, ['spec.externalID: this field is deprecated, and is unused by Kubernetes']],
])('warnings of %o', (kind, fields, expected) => expect(kind.warnings(created(kind, fields), undefined)).toEqual(expected));

describe('long texts are judged in time', () => {
  const env = (fieldPath: string): object => ({ spec: { containers: [{ name: 'c', image: 'i', env: [{ name: 'E', valueFrom: { fieldRef: { fieldPath } } }] }] } });

  it.each<[string, KindDescriptor, object]>([
    ['paths of slashes', persistentVolumeKind, pv({ hostPath: { path: `${'/'.repeat(1_000_000)}x` }, persistentVolumeReclaimPolicy: 'Recycle' })],
    ['names of initiators', persistentVolumeKind, pv({ hostPath: undefined, iscsi: { targetPortal: 'p', lun: 0, iqn: 'iqn.2001-04.a'.repeat(80_000) } })],
    ['field paths', podKind, env(`x${"['".repeat(500_000)}`)],
    ['certificates left open', secretKind, { type: 'kubernetes.io/tls', data: { 'tls.crt': base64('-----BEGIN A-----'.repeat(50_000)), 'tls.key': '' } }],
  ])('%s', (_, kind, fields) => {
    const start = performance.now();
    problems(kind, fields);
    kind.warnings(created(kind, fields), undefined);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
