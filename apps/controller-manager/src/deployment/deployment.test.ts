import { Deployments, Events, Pods, ReplicaSets } from '@orrery/api';
import type { Deployment } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { plan } from './plan.ts';

const web = (replicas: number, image = 'v1', more: Partial<NonNullable<Deployment['spec']>> = {}): Deployment => ({
  metadata: { name: 'web', namespace: 'a' },
  spec: {
    replicas,
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: 2,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } },
    ...more,
  },
});
const key = { namespace: 'a', name: 'web' };
const merge = { type: 'application/merge-patch+json' } as const;
const image = (name: string) => ({ spec: { template: { spec: { containers: [{ name: 'c', image: name }] } } } });

test('a Deployment makes a ReplicaSet, that makes pods, and both tell how far they are', async () => {
  const { api, clock, run, complaints } = await startManager();
  await api.create(Deployments, web(3));
  await clock.advance(1000);
  const [set] = api.objects(ReplicaSets);
  expect(set?.metadata?.name).toMatch(/^web-[a-z0-9]{6,10}$/);
  expect(api.objects(Pods).map((pod) => pod.metadata?.labels?.['pod-template-hash'])).toEqual(Array(3).fill(set?.metadata?.labels?.['pod-template-hash']));
  expect(api.find(Deployments, 'web', 'a')?.metadata?.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' });
  run();
  await clock.advance(1000);
  const status = api.find(Deployments, 'web', 'a')?.status;
  expect(status).toMatchObject({ replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, observedGeneration: 1 });
  expect(status?.conditions?.map((c) => `${c.type}=${c.status} ${c.reason}`)).toEqual(['Available=True MinimumReplicasAvailable', 'Progressing=True NewReplicaSetAvailable']);
  const messages = api.objects(Events).map((event) => `${event.reason}: ${event.message}`);
  expect(messages[0]).toBe(`ScalingReplicaSet: Scaled up replica set ${set?.metadata?.name} from 0 to 3`);
  expect(messages.filter((m) => m.startsWith('SuccessfulCreate: Created pod: web-'))).toHaveLength(3);
  expect(complaints).toEqual([]);
});

test('a rolling update keeps to its limits at every step, and rolling back reuses the old ReplicaSet', async () => {
  const { api, clock, run, reap } = await startManager();
  await api.create(Deployments, web(4, 'v1', { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } }));
  await clock.advance(500);
  run();
  await clock.advance(500);
  const roll = async () => {
    for (let i = 0; i < 40; i++) {
      const pods = api.objects(Pods).filter((pod) => !pod.metadata?.deletionTimestamp);
      const ready = pods.filter((pod) => pod.status?.phase === 'Running').length;
      expect(pods.length).toBeLessThanOrEqual(5);
      expect(ready).toBeGreaterThanOrEqual(3);
      await reap();
      const next = pods.find((pod) => pod.status?.phase === 'Pending');
      if (next) run(next.metadata?.name ?? '');
      await clock.advance(200);
    }
  };
  await api.patch(Deployments, key, image('v2'), merge);
  await roll();
  expect(api.objects(ReplicaSets).map((set) => set.spec?.replicas)).toEqual([0, 4]);
  await api.patch(Deployments, key, image('v1'), merge);
  await roll();
  const sets = api.objects(ReplicaSets);
  expect(sets.map((set) => [set.spec?.replicas, set.metadata?.annotations?.['deployment.kubernetes.io/revision']])).toEqual([[4, '3'], [0, '2']]);
  expect(sets[0]?.metadata?.annotations?.['deployment.kubernetes.io/revision-history']).toBe('1');
  expect(api.find(Deployments, 'web', 'a')?.metadata?.annotations?.['deployment.kubernetes.io/revision']).toBe('3');
});

test('Recreate waits for the last old pod; old revisions beyond the limit go', async () => {
  const { api, clock, run } = await startManager();
  await api.create(Deployments, web(2, 'v0', { strategy: { type: 'Recreate' }, revisionHistoryLimit: 1 }));
  await clock.advance(500);
  run();
  for (const pod of api.objects(Pods)) api.seed(Pods, { ...pod, spec: { ...pod.spec, containers: [], nodeName: 'n' } });
  await api.patch(Deployments, key, image('v1'), merge);
  await clock.advance(500);
  expect(api.objects(ReplicaSets)).toHaveLength(1);
  expect(api.objects(Pods).every((pod) => pod.metadata?.deletionTimestamp)).toBe(true);
  for (const pod of api.objects(Pods)) await api.delete(Pods, { namespace: 'a', name: pod.metadata?.name ?? '' }, { gracePeriodSeconds: 0 });
  await clock.advance(500);
  expect(api.objects(ReplicaSets)).toHaveLength(2);
  run();
  await clock.advance(500);
  await api.patch(Deployments, key, image('v2'), merge);
  await clock.advance(500);
  run();
  await clock.advance(1000);
  expect(api.objects(ReplicaSets).map((set) => set.metadata?.annotations?.['deployment.kubernetes.io/revision']).sort()).toEqual(['2', '3']);
});

test('a stuck rollout is reported when its deadline passes', async () => {
  const { api, clock } = await startManager();
  await api.create(Deployments, web(1, 'v1', { progressDeadlineSeconds: 60 }));
  await clock.advance(70_000);
  const progressing = api.find(Deployments, 'web', 'a')?.status?.conditions?.find((c) => c.type === 'Progressing');
  expect(progressing).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded', message: expect.stringMatching(/^ReplicaSet "web-.*" has timed out progressing\.$/) });
});

test('a paused Deployment scales but does not roll out', async () => {
  const { api, clock, run } = await startManager();
  await api.create(Deployments, web(2));
  await clock.advance(500);
  run();
  await clock.advance(500);
  await api.patch(Deployments, key, { spec: { paused: true, replicas: 3, ...image('v2').spec } }, merge);
  await clock.advance(500);
  expect(api.objects(ReplicaSets).map((set) => set.spec?.replicas)).toEqual([3]);
  expect(api.find(Deployments, 'web', 'a')?.status?.conditions?.find((c) => c.type === 'Progressing')?.reason).toBe('DeploymentPaused');
  await api.patch(Deployments, key, { spec: { paused: false } }, merge);
  await clock.advance(500);
  expect(api.objects(ReplicaSets)).toHaveLength(2);
});

test('a Deployment that is resized to what its only ReplicaSet has in the middle of a rollout rolls out all the same', () => {
  const set = (replicas: number, name: string, desired: number) => ({
    metadata: { name: `web-${name}`, namespace: 'a', uid: name, generation: 1, annotations: { 'deployment.kubernetes.io/revision': name === 'v1' ? '1' : '2', 'deployment.kubernetes.io/desired-replicas': String(desired), 'deployment.kubernetes.io/max-replicas': String(desired + 1) } },
    spec: { replicas, selector: {}, template: web(4, name).spec?.template ?? {} },
    status: { replicas, availableReplicas: replicas, observedGeneration: 1 },
  });
  const rolling = { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } };
  const planned = (desired: number) => plan({ deployment: web(4, 'v2', rolling), replicaSets: [set(4, 'v1', desired), set(0, 'v2', 5)], podsOf: () => [] }, 0).actions;
  const done = (desired: number) => planned(desired).map((action) => [action.type, action.set.metadata?.name, action.set.spec?.replicas, action.set.metadata?.annotations?.['deployment.kubernetes.io/desired-replicas']]);
  expect(done(5)).toEqual([['updateReplicaSet', 'web-v1', 4, '4']]);
  expect(done(4)).toEqual([['updateReplicaSet', 'web-v2', 1, '4']]);
});

test('a revision that a number cannot hold to the last digit is counted on all the same', () => {
  const adopted = {
    metadata: { name: 'before', namespace: 'a', uid: 'before', annotations: { 'deployment.kubernetes.io/revision': '3546343826724305832' } },
    spec: { replicas: 1, selector: {}, template: web(1, 'v1').spec?.template ?? {} },
  };
  const { actions, revision } = plan({ deployment: web(1, 'v2'), replicaSets: [adopted], podsOf: () => [] }, 0);
  expect(actions.map(({ type, set }) => [type, set.metadata?.annotations?.['deployment.kubernetes.io/revision']])).toContainEqual(['createReplicaSet', '3546343826724305833']);
  expect(revision).toBe('3546343826724305833');
});
