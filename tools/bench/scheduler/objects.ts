import type { CSINode, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '@orrery/api/types';

type Spec = NonNullable<Pod['spec']>;
type Labels = Record<string, string>;

let uid = 0;

/** The node of scheduler_perf: 4 cores, 32 GiB, 110 pods. */
export function benchNode(i: number, more: { labels?: Labels; allocatable?: Labels; name?: string } = {}): Node {
  const name = more.name ?? `node-${i}`;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `node-${i}`, labels: { 'kubernetes.io/hostname': name, ...more.labels } },
    spec: {},
    status: { allocatable: { cpu: '4', memory: '32Gi', pods: '110', ...more.allocatable }, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

/** The pod of scheduler_perf: 100m and 500 MiB. */
export function benchPod(name: string, more: { labels?: Labels; spec?: Partial<Spec>; requests?: Labels; namespace?: string } = {}): Pod {
  const requests = { cpu: '100m', memory: '500Mi', ...more.requests };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: more.namespace ?? 'sched-1', uid: `pod-${++uid}`, generation: 1, labels: more.labels ?? {} },
    spec: {
      schedulerName: 'default-scheduler',
      containers: [{ name: 'pause', image: 'registry.k8s.io/pause:3.10', ports: [{ containerPort: 80 }], resources: { requests, limits: requests } }],
      tolerations: ['not-ready', 'unreachable'].map((key) => ({ key: `node.kubernetes.io/${key}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })),
      ...more.spec,
    },
    status: { phase: 'Pending' },
  };
}

const driver = 'ebs.csi.aws.com';

/** A volume of a CSI driver and the claim that is bound to it. */
export function boundVolume(name: string, namespace: string): { claim: PersistentVolumeClaim; volume: PersistentVolume } {
  const claim: PersistentVolumeClaim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace, uid: `claim-${name}`, annotations: { 'pv.kubernetes.io/bind-completed': 'true' } },
    spec: { accessModes: ['ReadOnlyMany'], resources: { requests: { storage: '1Gi' } }, volumeName: `pv-${name}` },
    status: { phase: 'Bound' },
  };
  const volume: PersistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `pv-${name}`, uid: `volume-${name}`, annotations: { 'pv.kubernetes.io/bind-completed': 'true' } },
    spec: { accessModes: ['ReadOnlyMany'], capacity: { storage: '1Gi' }, csi: { driver, volumeHandle: `vol-${name}` }, claimRef: { namespace, name, uid: `claim-${name}` } },
    status: { phase: 'Bound' },
  };
  return { claim, volume };
}

export function benchCsiNode(name: string): CSINode {
  return { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name }, spec: { drivers: [{ name: driver, nodeID: name, topologyKeys: [], allocatable: { count: 39 } }] } };
}
