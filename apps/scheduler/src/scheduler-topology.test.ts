import { Namespaces, Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { createScheduler } from './component.ts';
import { schedulerSchema } from './config.ts';

const zoneKey = 'topology.kubernetes.io/zone';

function node(name: string, zone: string): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { [zoneKey]: zone } }, spec: {}, status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110' } } };
}

function pod(name: string, app: string, spec: Partial<NonNullable<Pod['spec']>> = {}): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', labels: { app } }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec }, status: { phase: 'Pending' } };
}

async function world(nodes: Node[]) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  await api.create(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', labels: { team: 'x' } } });
  for (const n of nodes) await api.create(Nodes, n);
  const scheduler = createScheduler(env, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  const create = async (...pods: Pod[]): Promise<void> => {
    for (const p of pods) await api.create(Pods, p);
    await clock.advance(100);
  };
  const get = (name: string): Promise<Pod> => api.get(Pods, { namespace: 'default', name });
  return { api, clock, scheduler, create, get };
}

const nodes = [node('a', '1'), node('b', '1'), node('c', '2')];

it('spreads pods over zones as they are placed, and refuses in upstream words when a zone is closed', async () => {
  const { api, create, get, scheduler } = await world(nodes);
  const topologySpreadConstraints = [{ maxSkew: 1, topologyKey: zoneKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } }];
  const pods = ['p1', 'p2', 'p3', 'p4'].map((name) => pod(name, 'web', { topologySpreadConstraints }));
  await create(...pods);
  const placed = await Promise.all(pods.map(async (p) => (await get(p.metadata?.name ?? '')).spec?.nodeName));
  expect(placed.filter((name) => name === 'c')).toHaveLength(2);
  const closed = await api.get(Nodes, { name: 'c' });
  await api.update(Nodes, { ...closed, spec: { ...closed.spec, unschedulable: true } });
  await create(pod('p5', 'web', { topologySpreadConstraints }));
  await create(pod('p6', 'web', { topologySpreadConstraints }));
  const messages = await Promise.all(['p5', 'p6'].map(async (name) => (await get(name)).status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message ?? ''));
  expect(messages[0]).toBe('');
  expect(messages[1]).toContain("0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints.");
  await scheduler.stop();
});

it('retries a waiting pod when the label of a pod there changes; namespaces are selected by label', async () => {
  const { api, clock, create, get, scheduler } = await world([node('a', '1')]);
  const terms = [{ topologyKey: zoneKey, labelSelector: { matchLabels: { app: 'db' } }, namespaceSelector: { matchLabels: { team: 'x' } } }];
  await create(pod('db', 'db'));
  await create(pod('web', 'web', { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } } }));
  const waiting = await get('web');
  expect(waiting.spec?.nodeName).toBeUndefined();
  expect(waiting.status?.conditions?.[0]?.message).toContain("0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.");
  const db = await get('db');
  await api.update(Pods, { ...db, metadata: { ...db.metadata, labels: { app: 'retired' } } });
  await clock.advance(12_000);
  expect((await get('web')).spec?.nodeName).toBe('a');
  await scheduler.stop();
});
