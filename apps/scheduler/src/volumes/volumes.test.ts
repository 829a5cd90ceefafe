import { CSIDrivers, CSINodes, CSIStorageCapacities, Events, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, Pod } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { createScheduler } from '../component.ts';
import { schedulerSchema } from '../config.ts';

const namespace = 'default';
const on = (...values: string[]) => ({ required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values }] }] } });

function claim(name: string, className: string, more: { volume?: string; modes?: string[]; annotations?: Record<string, string> } = {}): PersistentVolumeClaim {
  const { volume, modes = ['ReadWriteOnce'], annotations = {} } = more;
  return {
    metadata: { name, namespace, uid: `uid-${name}`, annotations: { ...annotations, ...(volume ? { 'pv.kubernetes.io/bind-completed': 'yes' } : {}) } },
    spec: { accessModes: modes, resources: { requests: { storage: '1Gi' } }, storageClassName: className, ...(volume ? { volumeName: volume } : {}) },
    status: { phase: volume ? 'Bound' : 'Pending' },
  };
}

function volume(name: string, spec: PersistentVolumeSpec = {}, labels: Record<string, string> = {}): PersistentVolume {
  return { metadata: { name, labels }, spec: { accessModes: ['ReadWriteOnce', 'ReadWriteOncePod'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' }, ...spec }, status: { phase: 'Available' } };
}

function pod(name: string, claims: string[], spec: object = {}): Pod {
  return { metadata: { name, namespace }, spec: { containers: [], volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })), ...spec }, status: { phase: 'Pending' } };
}

async function world(objects: { claims?: PersistentVolumeClaim[]; volumes?: PersistentVolume[]; pods: Pod[]; zones?: string[] }) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const api = createFakeApi({ clock, random });
  for (const [i, zone] of (objects.zones ?? ['', '']).entries()) {
    const labels = { 'kubernetes.io/hostname': `n${i + 1}`, ...(zone ? { 'topology.kubernetes.io/zone': zone } : {}) };
    api.seed(Nodes, { metadata: { name: `n${i + 1}`, labels }, status: { allocatable: { pods: '110' } } });
  }
  api.seed(StorageClasses, { metadata: { name: 'later' }, provisioner: 'x.io/p', volumeBindingMode: 'WaitForFirstConsumer' }, { metadata: { name: 'byhand' }, provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' });
  api.seed(CSINodes, { metadata: { name: 'n1' }, spec: { drivers: [{ name: 'd', nodeID: 'n1', allocatable: { count: 1 } }] } });
  api.seed(PersistentVolumes, ...(objects.volumes ?? []));
  api.seed(PersistentVolumeClaims, ...(objects.claims ?? []));
  for (const one of objects.pods) await api.create(Pods, one);
  const metrics = createMetrics();
  const scheduler = createScheduler({ clock, random, log: silentLogger, metrics }, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  await clock.advance(100);
  const nodeOf = (name: string): string | undefined => api.find(Pods, name, namespace)?.spec?.nodeName;
  const message = (name: string): string => (api.find(Pods, name, namespace)?.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message ?? '').replace(/ no new claims to deallocate, preemption:.*/, '');
  const found = (name: string) => api.find(PersistentVolumeClaims, name, namespace);
  return { api, clock, metrics, scheduler, nodeOf, message, found };
}

const csi = (volumeHandle: string): PersistentVolumeSpec => ({ hostPath: undefined as never, csi: { driver: 'd', volumeHandle } });
const running = (claims: string[]): Pod => ({ ...pod('other', claims, { nodeName: 'n1' }), status: { phase: 'Running' } });

it.each<[string, Parameters<typeof world>[0], string]>([
  ['its claim is not there', { pods: [pod('p', ['c'])] }, '0/2 nodes are available: persistentvolumeclaim "c" not found. not found'],
  ['its claim is not bound', { pods: [pod('p', ['c'])], claims: [claim('c', '')] }, '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found'],
  ['its claim is lost', { pods: [pod('p', ['c'])], claims: [{ ...claim('c', '', { volume: 'v' }), status: { phase: 'Lost' } }] }, '0/2 nodes are available: persistentvolumeclaim "c" bound to non-existent persistentvolume "v". not found'],
  ['its claim is going', { pods: [pod('p', ['c'])], claims: [{ ...claim('c', ''), metadata: { ...claim('c', '').metadata, deletionTimestamp: 'x', finalizers: ['f'] } }] }, '0/2 nodes are available: persistentvolumeclaim "c" is being deleted. not found'],
  ['its ephemeral claim is not made yet', { pods: [pod('p', [], { volumes: [{ name: 'e', ephemeral: { volumeClaimTemplate: { spec: {} } } }] })] }, '0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "p-e". not found'],
  ['its volume lies on no node', { pods: [pod('p', ['c'])], claims: [claim('c', '', { volume: 'v' })], volumes: [volume('v', { nodeAffinity: on('other') })] }, "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."],
  ['its volume is gone', { pods: [pod('p', ['c'])], claims: [claim('c', '', { volume: 'v' })] }, '0/2 nodes are available: persistentvolume "v" not found. not found'],
  ['nobody makes its volume', { pods: [pod('p', ['c'])], claims: [claim('c', 'byhand')] }, "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."],
  ['its volume is in another zone', { zones: ['a', 'b'], pods: [pod('p', ['c'])], claims: [claim('c', '', { volume: 'v' })], volumes: [volume('v', {}, { 'topology.kubernetes.io/zone': 'c__d' })] }, '0/2 nodes are available: 2 node(s) had no available volume zone.'],
  ['another pod has its claim', { pods: [running(['c']), pod('p', ['c'])], claims: [claim('c', '', { volume: 'v', modes: ['ReadWriteOncePod'] })], volumes: [volume('v')] }, '0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.'],
  ['the node has all the volumes it takes', { zones: [''], pods: [running(['a']), pod('p', ['b'])], claims: [claim('a', '', { volume: 'va' }), claim('b', '', { volume: 'vb' })], volumes: [volume('va', csi('1')), volume('vb', csi('2'))] }, '0/1 nodes are available: 1 node(s) exceed max volume count.'],
])('a pod waits while %s', async (_name, objects, expected) => {
  const { nodeOf, message, scheduler } = await world(objects);
  expect([nodeOf('p'), message('p')]).toEqual([undefined, expected]);
  await scheduler.stop();
});

it.each<[string, Parameters<typeof world>[0], string]>([
  ['where its volume lies', { pods: [pod('p', ['c'])], claims: [claim('c', '', { volume: 'v' })], volumes: [volume('v', { nodeAffinity: on('n2') })] }, 'n2'],
  ['into the zone of its volume', { zones: ['a', 'b'], pods: [pod('p', ['c'])], claims: [claim('c', '', { volume: 'v' })], volumes: [volume('v', {}, { 'topology.kubernetes.io/zone': 'b' })] }, 'n2'],
  ['where there is room for its volume', { pods: [running(['a']), pod('p', ['b'])], claims: [claim('a', '', { volume: 'va' }), claim('b', '', { volume: 'vb' })], volumes: [volume('va', csi('1')), volume('vb', csi('2'))] }, 'n2'],
  ['beside a pod with the same CSI volume', { zones: [''], pods: [running(['a']), pod('p', ['a'])], claims: [claim('a', '', { volume: 'va' })], volumes: [volume('va', csi('1'))] }, 'n1'],
])('a pod goes %s', async (_name, objects, expected) => {
  const { nodeOf, scheduler } = await world(objects);
  expect(nodeOf('p')).toBe(expected);
  await scheduler.stop();
});

/** As the binder does once a claim has its node, or its volume. */
async function bindLikeBinder({ api, clock }: Awaited<ReturnType<typeof world>>, name: string, to: PersistentVolume): Promise<void> {
  api.seed(PersistentVolumes, to);
  const key = { namespace, name };
  await api.patch(PersistentVolumeClaims, key, { metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }, spec: { volumeName: to.metadata?.name } }, { type: 'application/merge-patch+json' });
  api.setStatus(PersistentVolumeClaims, key, { phase: 'Bound' });
  await clock.advance(50);
}

it('selects a node for a claim that waits, and binds the pod once the claim is bound', async () => {
  const w = await world({ pods: [pod('p', ['c'])], claims: [claim('c', 'later')] });
  const node = w.found('c')?.metadata?.annotations?.['volume.kubernetes.io/selected-node'] ?? '';
  expect([['n1', 'n2'].includes(node), w.nodeOf('p')]).toEqual([true, undefined]);
  await bindLikeBinder(w, 'c', volume('made', { nodeAffinity: on(node) }));
  expect(w.nodeOf('p')).toBe(node);
  await w.scheduler.stop();
});

it('sets hand-made volumes aside, each for one pod, on the nodes where they lie', async () => {
  const w = await world({ pods: [pod('p', ['c']), pod('q', ['d'])], claims: [claim('c', 'byhand'), claim('d', 'byhand')], volumes: [volume('v1', { storageClassName: 'byhand', nodeAffinity: on('n1') }), volume('v2', { storageClassName: 'byhand', nodeAffinity: on('n2') })] });
  const holders = w.api.objects(PersistentVolumes).map(({ spec, metadata }) => [spec?.claimRef?.name, metadata?.annotations?.['pv.kubernetes.io/bound-by-controller']]);
  expect(holders.sort()).toEqual([['c', 'yes'], ['d', 'yes']]);
  await w.scheduler.stop();
});

it('keeps to the node that was selected before, and tries again when provisioning failed or takes too long', async () => {
  const w = await world({ pods: [pod('p', ['c'])], claims: [claim('c', 'later', { annotations: { 'volume.kubernetes.io/selected-node': 'n2' } })] });
  await w.clock.advance(100);
  await w.api.patch(PersistentVolumeClaims, { namespace, name: 'c' }, { metadata: { annotations: { 'volume.kubernetes.io/selected-node': null } } }, { type: 'application/merge-patch+json' });
  await w.clock.advance(100);
  expect(w.message('p')).toBe('running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "c"');
  expect(w.metrics.expose()).toContain('scheduler_volume_scheduling_stage_error_total{operation="bind"} 1');
  await w.clock.advance(3_000);
  expect(w.found('c')?.metadata?.annotations?.['volume.kubernetes.io/selected-node']).toMatch(/^n[12]$/);
  await w.clock.advance(610_000);
  expect(w.api.objects(Events).map(({ message }) => message)).toContain('running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded');
  await w.scheduler.stop();
});

it('lets a pod go that was deleted while its claim was being bound, and stops without waiting', async () => {
  const w = await world({ pods: [pod('p', ['c']), pod('q', ['d'])], claims: [claim('c', 'later'), claim('d', 'later')] });
  await w.api.delete(Pods, { namespace, name: 'p' }, { gracePeriodSeconds: 0 });
  await w.clock.advance(2_000);
  const stopped = w.scheduler.stop();
  await w.clock.advance(10);
  await stopped;
  expect(w.nodeOf('q')).toBeUndefined();
});

it('tries a pod again as soon as its claim comes', async () => {
  const w = await world({ pods: [pod('p', ['c'])] });
  w.api.seed(PersistentVolumes, volume('v'));
  w.api.seed(PersistentVolumeClaims, claim('c', '', { volume: 'v' }));
  await w.clock.advance(1_500);
  expect(w.nodeOf('p')).toMatch(/^n[12]$/);
  await w.scheduler.stop();
});

it('takes a volume to a node only where its driver says there is room, and waits until there is', async () => {
  const told = (name: string, node: string, more: object) => ({ metadata: { name, namespace: 'kube-system' }, storageClassName: 'later', nodeTopology: { matchLabels: { 'kubernetes.io/hostname': node } }, ...more });
  const w = await world({ pods: [], claims: [claim('c', 'later')] });
  w.api.seed(CSIDrivers, { metadata: { name: 'x.io/p' }, spec: { storageCapacity: true } });
  w.api.seed(CSIStorageCapacities, told('small', 'n1', { capacity: '10Gi', maximumVolumeSize: '500Mi' }), told('other-class', 'n1', { storageClassName: 'byhand', capacity: '10Gi' }), { ...told('nowhere', 'n1', { capacity: '10Gi' }), nodeTopology: undefined as never });
  await w.clock.advance(100);
  await w.api.create(Pods, pod('p', ['c']));
  await w.clock.advance(100);
  expect(w.message('p')).toBe('0/2 nodes are available: 2 node(s) did not have enough free storage.');
  w.api.seed(CSIStorageCapacities, told('large', 'n2', { capacity: '1Gi' }));
  await w.clock.advance(20_000);
  expect(w.found('c')?.metadata?.annotations?.['volume.kubernetes.io/selected-node']).toBe('n2');
  await w.scheduler.stop();
});
