import { describe, expect, it } from 'vitest';
import type { KindDescriptor } from '../../kind.ts';
import { cells, context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { configMapKind } from './config-map.ts';
import { endpointsKind } from './endpoints.ts';
import { eventKind } from './event.ts';
import { limitRangeKind } from './limit-range.ts';
import { namespaceKind } from './namespace.ts';
import { nodeKind } from './node.ts';
import { persistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { persistentVolumeKind } from './persistent-volume.ts';
import { resourceQuotaKind } from './resource-quota.ts';
import { secretKind } from './secret.ts';
import { serviceAccountKind } from './service-account.ts';
import { serviceKind } from './service.ts';

const port = { port: 80 };
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const volume = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' } };

it.each<[string, KindDescriptor, object, object]>([
  ['a service', serviceKind, { spec: { ports: [port] } }, { spec: { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster', ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }] } }],
  ['a node port service', serviceKind, { spec: { type: 'NodePort', ports: [port] } }, { spec: { externalTrafficPolicy: 'Cluster' } }],
  ['a load balancer', serviceKind, { spec: { type: 'LoadBalancer', ports: [port] } }, { spec: { externalTrafficPolicy: 'Cluster', allocateLoadBalancerNodePorts: true } }],
  ['sticky sessions', serviceKind, { spec: { sessionAffinity: 'ClientIP' } }, { spec: { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } } }],
  ['a secret', secretKind, { stringData: { a: 'b' } }, { type: 'Opaque', data: { a: 'Yg==' } }],
  ['a namespace', namespaceKind, {}, { metadata: { labels: { 'kubernetes.io/metadata.name': 'x' } } }],
  ['a claim', persistentVolumeClaimKind, { spec: claim }, { spec: { volumeMode: 'Filesystem' } }],
  ['a volume', persistentVolumeKind, { spec: volume }, { spec: { volumeMode: 'Filesystem', persistentVolumeReclaimPolicy: 'Retain', hostPath: { type: '' } } }],
  ['a limit range', limitRangeKind, { spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } }, { spec: { limits: [{ default: { cpu: '2' }, defaultRequest: { cpu: '2' } }] } }],
])('%s gets its defaults', (_, kind, object, expected) => expect(made(kind, object)).toMatchObject(expected));

describe('creation', () => {
  it('of a namespace makes it active with its finalizer', () => {
    expect(created(namespaceKind, {})).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } });
  });

  it('of a node keeps the status that the kubelet sends', () => {
    expect(created(nodeKind, { status: { phase: 'Running' } }).status).toEqual({ phase: 'Running' });
  });

  it('of a claim starts pending', () => expect(created(persistentVolumeClaimKind, { spec: claim, status: { phase: 'Bound' } }).status).toEqual({ phase: 'Pending' }));
});

it.each<[string, KindDescriptor, object, string[]]>([
  ['a service without ports', serviceKind, { spec: {} }, ['spec.ports: Required value']],
  ['a headless service', serviceKind, { spec: { clusterIP: 'None' } }, []],
  ['nameless ports', serviceKind, { spec: { ports: [port, { port: 81 }] } }, ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value']],
  ['a node port of a cluster IP', serviceKind, { spec: { ports: [{ port: 80, nodePort: 30000 }] } }, ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]],
  ['an unknown type', serviceKind, { spec: { type: 'Magic', ports: [port] } }, [
    'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ]],
  ['an external name without name', serviceKind, { spec: { type: 'ExternalName' } }, ['spec.externalName: Required value']],
  ['the same port twice', serviceKind, { spec: { ports: [{ name: 'a', port: 80 }, { name: 'b', port: 80 }] } }, ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}']],
  ['a policy that no one asked for', serviceKind, { spec: { ports: [port], externalTrafficPolicy: 'Local' } }, ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services']],
  ['a key with a slash', configMapKind, { data: { 'a/b': '' } }, ["data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"]],
  ['a key in both', configMapKind, { data: { a: '' }, binaryData: { a: '' } }, ['data[a]: Invalid value: "a": duplicate of key present in binaryData']],
  ['too much', configMapKind, { data: { a: 'x'.repeat(1024 * 1024 + 1) } }, ['[]: Too long: may not be more than 1048576 bytes']],
  ['half a TLS secret', secretKind, { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }, ['data[tls.key]: Required value']],
  ['a token without account', secretKind, { type: 'kubernetes.io/service-account-token' }, ['metadata.annotations[kubernetes.io/service-account.name]: Required value']],
  ['an unclear taint', nodeKind, { spec: { taints: [{ key: 'a', effect: 'Shoo' }] } }, ['metadata.taints[0].effect: Unsupported value: "Shoo": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"']],
  ['a claim for nothing', persistentVolumeClaimKind, { spec: {} }, ['spec.accessModes: Required value: at least 1 access mode is required', 'spec.resources[storage]: Required value']],
  ['a volume of nothing', persistentVolumeKind, { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] } }, ['spec: Required value: must specify a volume type']],
  ['a quota for anything', resourceQuotaKind, { spec: { hard: { things: '1' } } }, ['spec.hard[things]: Invalid value: "things": must be a standard resource type or fully qualified', 'spec.hard[things]: Invalid value: "things": must be a standard resource for quota']],
  ['limits upside down', limitRangeKind, { spec: { limits: [{ type: 'Pod', min: { cpu: '2' }, max: { cpu: '1' } }] } }, ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1']],
  ['no endpoints', endpointsKind, { subsets: [{}] }, ['subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`']],
  ['loopback endpoints', endpointsKind, { subsets: [{ addresses: [{ ip: '127.0.0.1' }] }] }, ['subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)']],
  ['an event elsewhere', eventKind, { involvedObject: { namespace: 'other' } }, ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']],
])('%s', (_, kind, object, expected) => expect(problems(kind, object)).toEqual(expected));

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['immutable data', configMapKind, { immutable: true, data: { a: '1' } }, { data: { a: '2' } }, ['immutable: Forbidden: field is immutable when `immutable` is set', 'data: Forbidden: field is immutable when `immutable` is set']],
  ['the type of a secret', secretKind, {}, { type: 'mine' }, ['type: Invalid value: "mine": field is immutable']],
  ['a cluster IP', serviceKind, { spec: { ports: [port], clusterIP: '10.96.0.5' } }, { spec: { ports: [port], clusterIP: '10.96.0.6', clusterIPs: ['10.96.0.5'] } }, ['spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set']],
  ['a cluster IP left out', serviceKind, { spec: { ports: [port], clusterIP: '10.96.0.5' } }, { spec: { ports: [port] } }, []],
  ['from node ports to none', serviceKind, { spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] } }, { spec: { type: 'ClusterIP', ports: [{ port: 80, nodePort: 30001 }], externalTrafficPolicy: 'Cluster' } }, []],
  ['the pods of a node', nodeKind, { spec: { podCIDR: '10.244.0.0/24' } }, { spec: { podCIDR: '10.244.1.0/24' } }, ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']],
  ['a claim', persistentVolumeClaimKind, { spec: claim }, { spec: { ...claim, accessModes: ['ReadOnlyMany'] } }, ['spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n  {\n    "accessModes": [\n-     "ReadWriteOnce"\n+     "ReadOnlyMany"\n    ]\n    ... // 3 identical fields\n  }\n']],
  ['a claim that is bound', persistentVolumeClaimKind, { spec: claim }, { spec: { ...claim, volumeName: 'v' } }, []],
  ['the source of a volume', persistentVolumeKind, { spec: volume }, { spec: { ...volume, hostPath: { path: '/other' } } }, ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n  {\n    "hostPath": {\n-     "path": "/data"\n+     "path": "/other"\n      ... // 1 identical fields\n    }\n  }\n']],
])('update of %s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

it('a service keeps its node ports when they are left out', () => {
  const old = created(serviceKind, { spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }], clusterIP: '10.96.0.5' } });
  const next = made(serviceKind, { spec: { type: 'NodePort', ports: [port] } });
  serviceKind.prepareForUpdate(next, old, context);
  expect(next.spec).toMatchObject({ clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5'], ports: [{ nodePort: 30001 }] });
});

it.each([
  ['Active', {}, []],
  ['Terminating', {}, ["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"]],
  ['Active', { deletionTimestamp: '2026-01-01T00:00:00Z' }, ["status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"]],
])('a namespace may be %s with %j', (phase, metadata, expected) => {
  const namespace = { metadata, status: { phase } };
  expect(namespaceKind.validateStatusUpdate(namespace, namespace).map(({ field, message }) => `${field}: ${message}`)).toEqual(expected);
});

it.each<[string, KindDescriptor, object, unknown[]]>([
  ['a service', serviceKind, { spec: { clusterIP: '10.96.0.9', type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }, { port: 53, protocol: 'UDP' }], selector: { b: '2', a: '1' } } }, ['NodePort', '10.96.0.9', '<none>', '80:30080/TCP,53/UDP', '10m', 'a=1,b=2']],
  ['a waiting load balancer', serviceKind, { spec: { type: 'LoadBalancer', ports: [port] } }, ['LoadBalancer', '<none>', '<pending>', '80/TCP', '10m', '<none>']],
  ['a load balancer', serviceKind, { spec: { type: 'LoadBalancer', ports: [port] }, status: { loadBalancer: { ingress: [{ ip: '2.2.2.2' }, { hostname: 'a.example' }] } } }, ['LoadBalancer', '<none>', '2.2.2.2,a.example', '80/TCP', '10m', '<none>']],
  ['an external name', serviceKind, { spec: { type: 'ExternalName', externalName: 'a.example' } }, ['ExternalName', '<none>', 'a.example', '<none>', '10m', '<none>']],
  ['a node', nodeKind, { metadata: { name: 'n', creationTimestamp: '2025-12-30T20:10:00Z', labels: { 'node-role.kubernetes.io/control-plane': '', 'kubernetes.io/role': 'x' } }, spec: { unschedulable: true }, status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.0' }, addresses: [{ type: 'InternalIP', address: '10.240.1.1' }] } }, ['Ready,SchedulingDisabled', 'control-plane,x', '28h', 'v1.36.0', '10.240.1.1', '<none>', '<unknown>', '<unknown>', '<unknown>']],
  ['a silent node', nodeKind, {}, ['Unknown', '<none>', '10m', '', '<none>', '<none>', '<unknown>', '<unknown>', '<unknown>']],
  ['a config map', configMapKind, { data: { a: '' }, binaryData: { b: '' } }, [2, '10m']],
  ['a secret', secretKind, { data: { a: '' } }, ['Opaque', 1, '10m']],
  ['an account', serviceAccountKind, {}, [0, '10m']],
  ['a bound claim', persistentVolumeClaimKind, { spec: { ...claim, volumeName: 'v', storageClassName: 'fast' }, status: { phase: 'Bound', capacity: { storage: '2Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] } }, ['Bound', 'v', '2Gi', 'RWO,RWX', 'fast', '<unset>', '10m', 'Filesystem']],
  ['a pending claim', persistentVolumeClaimKind, { spec: claim, status: { phase: 'Pending' } }, ['Pending', '', '', '', '', '<unset>', '10m', 'Filesystem']],
  ['a volume', persistentVolumeKind, { spec: { ...volume, claimRef: { namespace: 'a', name: 'b' } }, status: { phase: 'Bound' } }, ['1Gi', 'RWO', 'Retain', 'Bound', 'a/b', '', '<unset>', '', '10m', 'Filesystem']],
  ['a quota', resourceQuotaKind, { spec: { hard: { pods: '4', 'limits.cpu': '2' } }, status: { hard: { pods: '4', 'limits.cpu': '2' }, used: { pods: '1' } } }, ['pods: 1/4', 'limits.cpu: 0/2', '10m']],
  ['endpoints', endpointsKind, { subsets: [{ addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }], ports: [{ port: 80 }, { port: 81 }] }] }, ['10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more...', '10m']],
  ['no endpoints', endpointsKind, {}, ['<none>', '10m']],
  ['an event', eventKind, { involvedObject: { kind: 'Pod', name: 'p' }, type: 'Normal', reason: 'Pulled', message: 'done\n', lastTimestamp: '2026-01-01T00:09:30Z', firstTimestamp: '2026-01-01T00:05:00Z', count: 3, source: { component: 'kubelet', host: 'n' } }, ['Normal', 'Pulled', 'pod/p', '', 'kubelet, n', 'done', '5m', '3', 'x']],
])('columns of %s', (_, kind, object, expected) => expect(cells(kind, object, true)).toEqual(expected));
