import { Events, Nodes, PodDisruptionBudgets, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { serviceUnavailable } from '@orrery/errors';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { createScheduler } from '../../component.ts';
import { schedulerSchema } from '../../config.ts';

function node(name: string): Node {
  return { metadata: { name }, spec: {}, status: { allocatable: { cpu: '2', memory: '8Gi', pods: '110' } } };
}

function pod(name: string, priority: number, more: { cpu?: string; on?: string; labels?: Record<string, string> } = {}): Pod {
  const { cpu = '1', on, ...metadata } = more;
  return {
    metadata: { name, namespace: 'default', ...metadata },
    spec: { priority, containers: [{ name: 'c', image: 'busybox', resources: { requests: { cpu } } }], ...(on ? { nodeName: on } : {}) },
    status: { phase: on ? 'Running' : 'Pending' },
  };
}

async function world(objects: { nodes: Node[]; pods: Pod[] }) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  for (const n of objects.nodes) await api.create(Nodes, n);
  for (const p of objects.pods) await api.create(Pods, p);
  const scheduler = createScheduler(env, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  await clock.advance(100);
  const find = (name: string): Pod | undefined => api.objects(Pods).find((p) => p.metadata?.name === name);
  /** What the kubelet does when the containers have stopped. */
  const release = async (name: string): Promise<void> => {
    await api.delete(Pods, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
    await clock.advance(20_000);
  };
  return { clock, api, scheduler, find, release };
}

it('marks and deletes the least important pod, waits until it is gone, and takes its place', async () => {
  const { find, release, api, clock, scheduler } = await world({
    nodes: [node('a')],
    pods: [pod('low', 1, { on: 'a' }), pod('mid', 5, { on: 'a' }), pod('high', 10)],
  });
  const uid = find('high')?.metadata?.uid;
  expect(find('low')?.metadata?.deletionTimestamp).toBeDefined();
  expect(find('low')?.status?.conditions).toMatchObject([
    { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', message: 'default-scheduler: preempting to accommodate a higher priority pod' },
  ]);
  expect(find('mid')?.metadata?.deletionTimestamp).toBeUndefined();
  expect(find('high')).toMatchObject({ status: { nominatedNodeName: 'a', conditions: [{ reason: 'Unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.' }] } });
  await clock.advance(1_000);
  expect(api.objects(Events).find((e) => e.reason === 'Preempted')).toMatchObject({ type: 'Normal', message: `Preempted by pod ${uid} on node a`, involvedObject: { name: 'low' } });
  await release('low');
  expect(find('high')?.spec?.nodeName).toBe('a');
  await scheduler.stop();
});

it('keeps the room free from pods of lower priority, which look elsewhere', async () => {
  const { find, release, api, clock, scheduler } = await world({ nodes: [node('a')], pods: [pod('low', 1, { on: 'a', cpu: '2' }), pod('high', 10, { cpu: '2' })] });
  expect(find('high')?.status?.nominatedNodeName).toBe('a');
  await api.create(Pods, pod('sneaky', 5));
  await clock.advance(1_000);
  await release('low');
  expect([find('high')?.spec?.nodeName, find('sneaky')?.spec?.nodeName]).toEqual(['a', undefined]);
  await scheduler.stop();
});

it('takes a nomination back for a pod of still higher priority', async () => {
  const { find, release, api, clock, scheduler } = await world({ nodes: [node('a')], pods: [pod('low', 1, { on: 'a', cpu: '2' }), pod('high', 10, { cpu: '2' })] });
  await api.create(Pods, pod('highest', 20, { cpu: '2' }));
  await clock.advance(1_000);
  expect(find('highest')?.status?.nominatedNodeName).toBe('a');
  expect(find('high')?.status?.nominatedNodeName).toBeUndefined();
  await release('low');
  expect([find('highest')?.spec?.nodeName, find('high')?.spec?.nodeName]).toEqual(['a', undefined]);
  await scheduler.stop();
});

it('prefers the node where no disruption budget is violated', async () => {
  const { find, api, clock, scheduler } = await world({
    nodes: [node('a'), node('b')],
    pods: [pod('guarded', 1, { on: 'a', cpu: '2', labels: { app: 'x' } }), pod('free', 5, { on: 'b', cpu: '2' })],
  });
  const status = { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
  await api.create(PodDisruptionBudgets, { metadata: { name: 'x', namespace: 'default' }, spec: { selector: { matchLabels: { app: 'x' } } }, status });
  await clock.advance(100);
  await api.create(Pods, pod('high', 10));
  await clock.advance(1_000);
  expect(find('high')?.status?.nominatedNodeName).toBe('b');
  expect([find('guarded')?.metadata?.deletionTimestamp, find('free')?.metadata?.deletionTimestamp]).toEqual([undefined, expect.any(String)]);
  await scheduler.stop();
});

it('backs off and tries again when a victim cannot be deleted', async () => {
  const { find, release, api, clock, scheduler } = await world({ nodes: [node('a')], pods: [pod('low', 1, { on: 'a', cpu: '2' })] });
  let failures = 1;
  api.setFault(({ verb }) => (verb === 'delete' && failures-- > 0 ? serviceUnavailable('no route to host') : undefined));
  await api.create(Pods, pod('high', 10));
  await clock.advance(500);
  expect(find('high')?.status?.nominatedNodeName).toBeUndefined();
  expect(find('high')?.status?.conditions?.[0]?.message).toBe('0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: no route to host');
  await clock.advance(2_000);
  expect(find('high')?.status?.nominatedNodeName).toBe('a');
  await release('low');
  expect(find('high')?.spec?.nodeName).toBe('a');
  await scheduler.stop();
});
