import { Events, Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { createScheduler } from './component.ts';
import { schedulerSchema } from './config.ts';
import { feasibleNodesWanted } from './cycle.ts';

function node(name: string, more: { cpu?: string; pods?: string; labels?: Record<string, string>; spec?: Node['spec'] } = {}): Node {
  const allocatable = { cpu: more.cpu ?? '4', memory: '8Gi', pods: more.pods ?? '110' };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: more.labels ?? {} }, spec: more.spec ?? {}, status: { allocatable } };
}

function pod(name: string, spec: Partial<NonNullable<Pod['spec']>> = {}, cpu = '1'): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'busybox', resources: { requests: { cpu } } }], ...spec },
    status: { phase: 'Pending' },
  };
}

async function world(objects: { nodes?: Node[]; pods?: Pod[] }) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  for (const n of objects.nodes ?? []) await api.create(Nodes, n);
  for (const p of objects.pods ?? []) await api.create(Pods, p);
  const scheduler = createScheduler(env, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  await clock.advance(100);
  const placed = async (name: string): Promise<string | undefined> => (await api.get(Pods, { namespace: 'default', name })).spec?.nodeName;
  const condition = async (name: string) => (await api.get(Pods, { namespace: 'default', name })).status?.conditions?.find((c) => c.type === 'PodScheduled');
  return { clock, api, scheduler, placed, condition };
}

describe('scheduler', () => {
  it('binds a pod to the only node that fits and says so in an event', async () => {
    const { placed, api, scheduler, clock } = await world({ nodes: [node('small', { cpu: '500m' }), node('big')], pods: [pod('p')] });
    expect(await placed('p')).toBe('big');
    await clock.advance(100);
    const events = await api.list(Events, { namespace: 'default' });
    expect(events.items.map((e) => e.message)).toEqual(['Successfully assigned default/p to big']);
    await scheduler.stop();
  });

  const refusals: [string, Node, Pod, string][] = [
    ['cpu of the node', node('n', { cpu: '500m' }), pod('p'), '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'],
    ['pods', node('n', { pods: '0' }), pod('p'), '0/1 nodes are available: 1 Too many pods. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.'],
    ['cordon', node('n', { spec: { unschedulable: true } }), pod('p'), '0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'],
    ['taint', node('n', { spec: { taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }] } }), pod('p'), '0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'],
    ['selector', node('n'), pod('p', { nodeSelector: { disk: 'ssd' } }), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."],
  ];
  it.each(refusals)('refuses for %s in upstream words', async (_name, n, p, message) => {
    const { placed, condition, scheduler } = await world({ nodes: [n], pods: [p] });
    expect(await placed('p')).toBeUndefined();
    expect(await condition('p')).toMatchObject({ status: 'False', reason: 'Unschedulable', message });
    await scheduler.stop();
  });

  it('counts reasons over nodes, sorted', async () => {
    const nodes = [node('a', { cpu: '1m' }), node('b', { cpu: '1m' }), node('c', { spec: { unschedulable: true } })];
    const { condition, scheduler } = await world({ nodes, pods: [pod('p')] });
    expect((await condition('p'))?.message).toBe('0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.');
    await scheduler.stop();
  });

  it('schedules a waiting pod when a node that fits is added, after its back-off', async () => {
    const { placed, api, clock, scheduler } = await world({ nodes: [node('a', { cpu: '1m' })], pods: [pod('p')] });
    await api.create(Nodes, node('b'));
    await clock.advance(3_000);
    expect(await placed('p')).toBe('b');
    await scheduler.stop();
  });

  it('does not overcommit when many pods are placed before any is seen bound', async () => {
    const pods = Array.from({ length: 12 }, (_, i) => pod(`p${i}`));
    const { placed, scheduler } = await world({ nodes: [node('a'), node('b')], pods });
    const on = await Promise.all(pods.map((p) => placed(p.metadata?.name ?? '')));
    expect(on.filter((n) => n === 'a')).toHaveLength(4);
    expect(on.filter((n) => n === 'b')).toHaveLength(4);
    await scheduler.stop();
  });

  it('takes higher priority first', async () => {
    const { placed, scheduler } = await world({ nodes: [node('a', { cpu: '1' })], pods: [pod('low', { priority: 1 }), pod('high', { priority: 10 })] });
    expect(await placed('high')).toBe('a');
    expect(await placed('low')).toBeUndefined();
    await scheduler.stop();
  });

  it('waits for scheduling gates', async () => {
    const { placed, api, clock, scheduler } = await world({ nodes: [node('a')], pods: [pod('p', { schedulingGates: [{ name: 'g' }] })] });
    expect(await placed('p')).toBeUndefined();
    const gated = await api.get(Pods, { namespace: 'default', name: 'p' });
    await api.update(Pods, { ...gated, metadata: { ...gated.metadata, generation: 2 }, spec: { ...gated.spec, containers: gated.spec?.containers ?? [], schedulingGates: [] } });
    await clock.advance(2_000);
    expect(await placed('p')).toBe('a');
    await scheduler.stop();
  });

  it('leaves pods of other schedulers alone', async () => {
    const { placed, scheduler } = await world({ nodes: [node('a')], pods: [pod('p', { schedulerName: 'other' })] });
    expect(await placed('p')).toBeUndefined();
    await scheduler.stop();
  });

  it('keeps host ports apart', async () => {
    const withPort = (name: string): Pod => pod(name, { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] });
    const { placed, condition, scheduler } = await world({ nodes: [node('a')], pods: [withPort('p'), withPort('q')] });
    const names = [await placed('p'), await placed('q')];
    expect(names.filter((n) => n === 'a')).toHaveLength(1);
    const loser = names[0] === undefined ? 'p' : 'q';
    expect((await condition(loser))?.message).toBe("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.");
    await scheduler.stop();
  });
});

describe('sampling', () => {
  it.each([
    [10, 0, 10],
    [100, 0, 100],
    [1000, 0, 420],
    [5000, 0, 500],
    [6000, 0, 300],
    [1000, 10, 100],
    [2000, 10, 200],
  ])('of %i nodes at %i %% looks for %i', (nodes, percentage, wanted) => expect(feasibleNodesWanted(nodes, percentage)).toBe(wanted));
});
