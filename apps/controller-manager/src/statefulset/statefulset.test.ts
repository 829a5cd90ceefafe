import { Events, PersistentVolumeClaims, Pods, StatefulSets } from '@orrery/api';
import type { StatefulSet } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';
import { ownersOfClaim } from './claim-owners.ts';
import { plan } from './plan.ts';

const set = (more: Partial<NonNullable<StatefulSet['spec']>> = {}): StatefulSet => ({
  metadata: { name: 'db', namespace: 'a' },
  spec: {
    replicas: 3,
    serviceName: 'dbs',
    selector: { matchLabels: { app: 'db' } },
    template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    ...more,
  },
});
const only = { controllers: ['statefulset-controller'] };
const names = (h: Harness) => h.api.objects(Pods).map((pod) => pod.metadata?.name).sort();
const images = (h: Harness) => Object.fromEntries(h.api.objects(Pods).map((pod) => [pod.metadata?.name, pod.spec?.containers[0]?.image]));
const patch = (h: Harness, spec: unknown) => h.api.patch(StatefulSets, { namespace: 'a', name: 'db' }, { spec }, { type: 'application/merge-patch+json' });
const image = (value: string) => ({ template: { spec: { containers: [{ name: 'c', image: value }] } } });
const step = async (h: Harness) => {
  await h.clock.advance(200);
  h.run();
  await h.clock.advance(200);
};

test('pods come one after the other, each with its name, claim and place; they go from the highest down', async () => {
  const h = await startManager(only);
  await h.api.create(StatefulSets, set({ volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }] }));
  await h.clock.advance(500);
  expect(names(h)).toEqual(['db-0']);
  expect(h.api.objects(Pods)[0]).toMatchObject({
    metadata: { labels: { 'statefulset.kubernetes.io/pod-name': 'db-0', 'apps.kubernetes.io/pod-index': '0' } },
    spec: { hostname: 'db-0', subdomain: 'dbs', volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-0' } }] },
  });
  for (let i = 0; i < 3; i++) await step(h);
  expect(names(h)).toEqual(['db-0', 'db-1', 'db-2']);
  expect(h.api.find(StatefulSets, 'db', 'a')?.status).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, currentReplicas: 3, updatedReplicas: 3 });
  await patch(h, { replicas: 1 });
  await step(h);
  expect(names(h)).toEqual(['db-0']);
  expect(h.api.objects(PersistentVolumeClaims)).toHaveLength(3);
  const messages = h.api.objects(Events).map((event) => event.message);
  expect(messages).toEqual(expect.arrayContaining(['create Claim data-db-0 Pod db-0 in StatefulSet db success', 'create Pod db-0 in StatefulSet db successful', 'delete Pod db-2 in StatefulSet db successful']));
  expect(h.complaints).toEqual([]);
});

test('a rolling update goes from the highest ordinal down to the partition and waits for each', async () => {
  const h = await startManager(only);
  await h.api.create(StatefulSets, set());
  for (let i = 0; i < 3; i++) await step(h);
  await patch(h, { ...image('v2'), updateStrategy: { rollingUpdate: { partition: 1 } } });
  await h.clock.advance(200);
  expect(images(h)).toEqual({ 'db-0': 'v1', 'db-1': 'v1', 'db-2': 'v2' });
  await h.clock.advance(5_000);
  expect(images(h)['db-1']).toBe('v1');
  await step(h);
  await step(h);
  expect(images(h)).toEqual({ 'db-0': 'v1', 'db-1': 'v2', 'db-2': 'v2' });
  const status = () => h.api.find(StatefulSets, 'db', 'a')?.status;
  expect(status()).toMatchObject({ currentReplicas: 1, updatedReplicas: 2 });
  await h.api.delete(Pods, { namespace: 'a', name: 'db-0' });
  await step(h);
  expect(images(h)['db-0']).toBe('v1');
  await patch(h, { updateStrategy: { rollingUpdate: { partition: 0 } } });
  await step(h);
  await step(h);
  expect(images(h)['db-0']).toBe('v2');
  expect(status()?.currentRevision).toBe(status()?.updateRevision);
});

test('Parallel makes all at once; a failed pod is replaced', async () => {
  const h = await startManager(only);
  await h.api.create(StatefulSets, set({ podManagementPolicy: 'Parallel' }));
  await h.clock.advance(200);
  expect(names(h)).toEqual(['db-0', 'db-1', 'db-2']);
  const before = h.api.find(Pods, 'db-1', 'a')?.metadata?.uid;
  h.api.setStatus(Pods, { namespace: 'a', name: 'db-1' }, { phase: 'Failed' });
  await h.clock.advance(200);
  expect(h.api.find(Pods, 'db-1', 'a')?.metadata?.uid).not.toBe(before);
  expect(h.api.objects(Events).map((event) => event.reason)).not.toContain('RecreatingFailedPod');
});

test('where ordinals start may change: those beyond go, the highest first, when the others are there', async () => {
  const h = await startManager(only);
  const grow = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) await step(h);
  };
  await h.api.create(StatefulSets, set({ replicas: 2, ordinals: { start: 2 } }));
  await grow();
  expect(names(h)).toEqual(['db-2', 'db-3']);
  await patch(h, { ordinals: { start: 4 } });
  await step(h);
  expect(names(h)).toEqual(['db-2', 'db-3', 'db-4', 'db-5']);
  await grow();
  expect(names(h)).toEqual(['db-4', 'db-5']);
  await patch(h, { ordinals: null });
  await grow();
  await grow();
  expect(names(h)).toEqual(['db-0', 'db-1']);
});

test('a pod that lost its labels, or whose claims are to go with another, is told to be updated', async () => {
  const h = await startManager(only);
  const retention = (whenDeleted: string) => ({ persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled: 'Retain' } });
  await h.api.create(StatefulSets, set({ replicas: 1, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }], ...retention('Delete') }));
  await step(h);
  await step(h);
  const told = () => h.api.objects(Events).filter((event) => event.reason === 'SuccessfulUpdate').map((event) => [event.message, event.count]);
  expect(told()).toEqual([]);
  await h.api.patch(Pods, { namespace: 'a', name: 'db-0' }, { metadata: { labels: { 'statefulset.kubernetes.io/pod-name': null } } }, { type: 'application/merge-patch+json' });
  await step(h);
  expect(told()).toEqual([['update Pod db-0 in StatefulSet db successful', 1]]);
  await patch(h, retention('Retain'));
  await step(h);
  expect(told()).toEqual([['update Pod db-0 in StatefulSet db successful', 2]]);
});

test('how many pods may be and are away is a gauge of sets that say so', async () => {
  const h = await startManager({ ...only, featureGates: ['MaxUnavailableStatefulSet=true'] });
  await h.api.create(StatefulSets, { ...set(), metadata: { name: 'plain', namespace: 'a' } });
  await h.api.create(StatefulSets, set({ replicas: 4, podManagementPolicy: 'Parallel', updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '75%' } } }));
  await h.clock.advance(200);
  const gauges = () => h.metrics().split('\n').filter((line) => line.startsWith('statefulset_controller_'));
  const labels = '{pod_management_policy="Parallel",statefulset_name="db",statefulset_namespace="a"}';
  expect(gauges()).toEqual([`statefulset_controller_statefulset_max_unavailable${labels} 3`, `statefulset_controller_statefulset_unavailable_replicas${labels} 4`]);
  await step(h);
  expect(gauges()[1]).toBe(`statefulset_controller_statefulset_unavailable_replicas${labels} 0`);
});

const ownSet = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 's', controller: true };
const ownPod = { apiVersion: 'v1', kind: 'Pod', name: 'db-0', uid: 'p', controller: true };
const stranger = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'x', uid: 'x' };
test.each([
  ['nobody yet', [], 'Delete', false, ['s']],
  ['the set already', [ownSet], 'Delete', false, undefined],
  ['claims stay', [ownSet], 'Retain', false, []],
  ['another that controls it', [{ ...stranger, controller: true }], 'Delete', true, undefined],
  ['another that controls it, and the set', [{ ...stranger, controller: true }, ownSet], 'Delete', true, ['x']],
  ['another that controls it, and claims stay', [{ ...stranger, controller: true }], 'Retain', false, undefined],
  ['another that only owns it', [stranger], 'Delete', false, ['x', 's']],
  ['an earlier set of the name', [{ ...ownSet, uid: 'old' }], 'Delete', true, undefined],
  ['an earlier pod of the name', [{ ...ownPod, uid: 'old', controller: false }], 'Delete', true, undefined],
])('owners of a claim: %s', (_name, ownerReferences, whenDeleted, conflict, wanted) => {
  const owner = { ...set(), metadata: { name: 'db', namespace: 'a', uid: 's' } };
  const spec = { ...owner.spec, persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled: 'Retain' } } as NonNullable<StatefulSet['spec']>;
  const { conflict: found, references } = ownersOfClaim({ metadata: { name: 'data-db-0', ownerReferences } }, { ...owner, spec }, { metadata: { name: 'db-0', uid: 'p' } });
  expect([found, references?.map((ref) => ref.uid)]).toEqual([conflict, wanted]);
});

test('claims belong to whom they go with: the set, or a pod that is scaled away', async () => {
  const h = await startManager(only);
  const retention = (whenDeleted: string, whenScaled: string) => ({ persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } });
  await h.api.create(StatefulSets, set({ podManagementPolicy: 'Parallel', replicas: 2, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }], ...retention('Delete', 'Retain') }));
  await step(h);
  const owners = (name: string) => h.api.find(PersistentVolumeClaims, name, 'a')?.metadata?.ownerReferences?.map((ref) => `${ref.kind}/${ref.name} ${String(ref.controller)}`);
  expect([owners('data-db-0'), owners('data-db-1')]).toEqual([['StatefulSet/db true'], ['StatefulSet/db true']]);
  await patch(h, retention('Retain', 'Delete'));
  await step(h);
  expect(owners('data-db-0')).toEqual([]);
  const gone = h.api.find(Pods, 'db-1', 'a')?.metadata?.uid;
  await patch(h, { replicas: 1 });
  await step(h);
  expect([names(h), owners('data-db-0'), owners('data-db-1')]).toEqual([['db-0'], [], ['Pod/db-1 true']]);
  expect(h.api.find(PersistentVolumeClaims, 'data-db-1', 'a')?.metadata?.ownerReferences?.[0]?.uid).toBe(gone);
  await patch(h, { replicas: 2 });
  await h.clock.advance(3_000);
  expect(names(h)).toEqual(['db-0']);
  await h.api.delete(PersistentVolumeClaims, { namespace: 'a', name: 'data-db-1' });
  await h.clock.advance(3_000);
  expect(names(h)).toEqual(['db-0', 'db-1']);
});

test('a pending pod gets a claim that was lost again', async () => {
  const h = await startManager(only);
  await h.api.create(StatefulSets, set({ replicas: 1, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }] }));
  await h.clock.advance(500);
  await h.api.delete(PersistentVolumeClaims, { namespace: 'a', name: 'data-db-0' });
  h.api.setStatus(Pods, { namespace: 'a', name: 'db-0' }, { message: 'waiting' });
  await h.clock.advance(500);
  expect(h.api.find(PersistentVolumeClaims, 'data-db-0', 'a')).toBeDefined();
});

test.each<[string, (number | 'old' | 'new')[], string | number | undefined, string[]]>([
  ['all are well', ['old', 'old', 'old', 'old'], 2, ['db-3', 'db-2']],
  ['half of four, by percentage', ['old', 'old', 'old', 'old'], '50%', ['db-3', 'db-2']],
  ['a part is rounded down', ['old', 'old', 'old', 'old'], '45%', ['db-3']],
  ['a part of a pod is one', ['old', 'old', 'old', 'old'], '1%', ['db-3']],
  ['one below is away', ['new', 0, 'old', 'old'], 2, ['db-3']],
  ['as many as may be are away', ['old', 'old', 0, 0], 2, []],
  ['without it those below do not count', [0, 0, 'old', 'old'], undefined, ['db-3']],
  ['without it those above are waited for', ['old', 'old', 'old', 0], undefined, []],
])('maxUnavailable counts every pod: %s', (_name, states, maxUnavailable, expected) => {
  const pods = states.map((state, i) => ({
    metadata: { name: `db-${i}`, namespace: 'a', labels: { 'controller-revision-hash': state === 'old' ? 'r1' : 'r2', 'statefulset.kubernetes.io/pod-name': `db-${i}`, 'apps.kubernetes.io/pod-index': String(i) } },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: state === 0 ? 'False' : 'True' }] },
  }));
  const observed = set({ replicas: 4, podManagementPolicy: 'Parallel', updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0, ...(maxUnavailable === undefined ? {} : { maxUnavailable }) } } });
  const { actions } = plan({ set: observed, pods, currentRevision: 'r1', updateRevision: 'r2', collisionCount: 0, hasMaxUnavailable: true }, 0);
  expect(actions.map((action) => (action.type === 'delete' ? action.pod.metadata?.name : action.type))).toEqual(expected);
});

test.each([
  ['off', [], ['db-3'], []],
  ['on', ['MaxUnavailableStatefulSet=true'], ['db-2', 'db-3'], [2, 0]],
  ['on with all of its stage', ['AllBeta=true'], ['db-2', 'db-3'], [2, 0]],
])('maxUnavailable means something where its gate is on: %s', async (_state, featureGates, updated, gauges) => {
  const h = await startManager({ ...only, featureGates });
  await h.api.create(StatefulSets, set({ replicas: 4, podManagementPolicy: 'Parallel', updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0, maxUnavailable: 2 } } }));
  await step(h);
  expect([...h.metrics().matchAll(/\nstatefulset_controller_\S+ (\d)/g)].map(([, value]) => Number(value))).toEqual(gauges);
  await patch(h, image('v2'));
  await h.clock.advance(200);
  expect(Object.entries(images(h)).filter(([, of]) => of === 'v2').map(([name]) => name).sort()).toEqual(updated);
});
