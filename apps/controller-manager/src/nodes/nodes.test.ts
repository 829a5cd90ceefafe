import { Events, Leases, Nodes, Pods } from '@orrery/api';
import type { Node, Pod, Toleration } from '@orrery/api/types';
import { rfc3339Micro } from '@orrery/runtime';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../settings.ts';
import { startManager } from '../testing/manager-harness.ts';
import { createCidrAllocator } from './cidr-allocator.ts';
import { evictionRate, planTaints, zoneState } from './lifecycle-plan.ts';
import { plan as planGc } from './pod-gc.ts';
import { evictionTime } from './taints.ts';
import { nextStep, ttlSeconds } from './ttl-controller.ts';

const node = (name: string, ready = 'True'): Node => ({ metadata: { name }, status: { conditions: [{ type: 'Ready', status: ready }] } });

describe('pod ranges', () => {
  test('are taken in order, never twice, and come back', () => {
    const allocator = createCidrAllocator('10.244.0.0/16', 24);
    allocator.occupy('10.244.1.0/24');
    expect([allocator.allocate(), allocator.allocate()]).toEqual(['10.244.0.0/24', '10.244.2.0/24']);
    allocator.release('10.244.0.0/24');
    allocator.occupy('10.244.0.128/25');
    expect(allocator.allocate()).toBe('10.244.3.0/24');
    const small = createCidrAllocator('10.0.0.0/29', 30);
    expect([small.allocate(), small.allocate(), small.allocate()]).toEqual(['10.0.0.0/30', '10.0.0.4/30', undefined]);
  });

  test('of both families go together, and what a node turns out to have counts', async () => {
    const six = createCidrAllocator('fd00:10:244::/56', 64);
    six.occupy('fd00:10:244:1::/64');
    expect([six.allocate(), six.allocate()]).toEqual(['fd00:10:244::/64', 'fd00:10:244:2::/64']);
    expect(() => createCidrAllocator('fd00::/32', 64)).toThrow('cannot divide');
    const dual = { controllers: ['node-ipam-controller'], clusterCidr: '10.244.0.0/22,fd00::/62' };
    const { api, clock, metrics } = await startManager(dual);
    api.seed(Nodes, { metadata: { name: 'old' }, spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24', 'fd00:0:0:1::/64'] } });
    for (const name of ['a', 'b']) await api.create(Nodes, { metadata: { name } });
    await clock.advance(100);
    expect(api.find(Nodes, 'a')?.spec).toMatchObject({ podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00::/64'] });
    expect(api.find(Nodes, 'b')?.spec?.podCIDRs).toEqual(['10.244.2.0/24', 'fd00:0:0:2::/64']);
    const about = (metric: string, value: string): string => `node_ipam_controller_${metric}{clusterCIDR="10.244.0.0/22"} ${value}\n`;
    const text = metrics();
    for (const line of [about('cidrset_usage_cidrs', '0.75'), about('cirdset_max_cidrs', '4'), about('cidrset_cidrs_allocations_total', '3'), about('cidrset_allocation_tries_per_request_sum', '1')]) expect(text).toContain(line);
    await api.delete(Nodes, { name: 'a' });
    await api.create(Nodes, { metadata: { name: 'c' } });
    await clock.advance(100);
    expect(api.find(Nodes, 'c')?.spec?.podCIDRs).toEqual(['10.244.1.0/24', 'fd00::/64']);
    await expect(startManager({ ...dual, clusterCidr: '10.0.0.0/16,10.1.0.0/16' })).rejects.toThrow('one IPv4 and one IPv6');
  });

  test('of two hundred nodes do not overlap', async () => {
    const { api, clock } = await startManager();
    api.seed(Nodes, { metadata: { name: 'old' }, spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] } });
    await Promise.all(Array.from({ length: 200 }, (_, i) => api.create(Nodes, { metadata: { name: `n${i}` } })));
    await clock.advance(1000);
    const ranges = api.objects(Nodes).map((n) => n.spec?.podCIDR);
    expect(new Set(ranges).size).toBe(201);
    expect(ranges.every((range) => /^10\.244\.\d+\.0\/24$/.test(range ?? ''))).toBe(true);
  });
});

test.each<[string, Toleration[], number | undefined]>([
  ['nothing tolerated: now', [], 100_000],
  ['for ever', [{ operator: 'Exists' }], undefined],
  ['for a time, since the taint came', [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }], 150_000],
  ['the least time counts', [{ key: 'k', operator: 'Exists', tolerationSeconds: 60 }, { operator: 'Exists', tolerationSeconds: 5 }], 95_000],
  ['another value', [{ key: 'k', value: 'other' }], 100_000],
])('a NoExecute taint ends a pod: %s', (_name, tolerations, expected) => {
  const pod: Pod = { spec: { containers: [], tolerations } };
  expect(evictionTime(pod, [{ key: 'k', value: 'v', effect: 'NoExecute' }], { sinceMs: 90_000, nowMs: 100_000 })).toBe(expected);
});

test('a taint without a time ends a pod all the same; without the taint it stays, and that is told', async () => {
  const { api, clock } = await startManager({ controllers: ['taint-eviction-controller'] });
  const tolerations = [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }];
  const onNode = (name: string): Pod => ({ metadata: { name, namespace: 'a' }, spec: { nodeName: 'n', containers: [], tolerations }, status: { phase: 'Running' } });
  const taints = (list: object[]) => api.patch(Nodes, { name: 'n' }, { spec: { taints: list } }, { type: 'application/merge-patch+json' });
  api.seed(Nodes, node('n'));
  api.seed(Pods, onNode('first'));
  await taints([{ key: 'k', effect: 'NoExecute' }]);
  await clock.advance(30_000);
  await taints([]);
  await clock.advance(100);
  expect(api.objects(Events).map((event) => event.message)).toEqual(['Cancelling deletion of Pod a/first']);
  await taints([{ key: 'k', effect: 'NoExecute', timeAdded: '2020-01-01T00:00:00Z' }]);
  await clock.advance(40_000);
  expect(api.find(Pods, 'first', 'a')?.metadata?.deletionTimestamp).toBeUndefined();
  await clock.advance(21_000);
  expect(api.find(Pods, 'first', 'a')?.metadata?.deletionTimestamp).toBeDefined();
});

test('taints follow conditions, the state of the zone limits evictions', () => {
  const options = { nowMs: 0, mayEvict: () => true, neverEvict: false };
  const shape = (taints: ReturnType<typeof planTaints>) => taints?.map((taint) => `${taint.key.split('/')[1]}:${taint.effect}`);
  expect(shape(planTaints(node('a'), options))).toBeUndefined();
  expect(shape(planTaints(node('a', 'False'), options))).toEqual(['not-ready:NoSchedule', 'not-ready:NoExecute']);
  expect(shape(planTaints(node('a', 'Unknown'), { ...options, mayEvict: () => false }))).toEqual(['unreachable:NoSchedule']);
  const tainted = { ...node('a'), spec: { unschedulable: true, taints: [{ key: 'mine', effect: 'NoExecute' }, { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }] } };
  expect(shape(planTaints({ ...tainted, spec: { ...tainted.spec, taints: tainted.spec.taints.map((t) => ({ ...t, key: t.key.replace('mine', 'x/mine') })) } }, options))).toEqual(['mine:NoExecute', 'unschedulable:NoSchedule']);
  const zones = defaultSettings;
  expect([[true, false], [false, false], [true, false, false, false]].map((readiness) => zoneState(readiness, zones))).toEqual(['Normal', 'FullDisruption', 'PartialDisruption']);
  expect([evictionRate('Normal', 3, zones), evictionRate('PartialDisruption', 3, zones), evictionRate('PartialDisruption', 60, zones)]).toEqual([0.1, 0, 0.01]);
});

test('a node whose Lease is no longer renewed becomes Unknown, is tainted, and loses its pods when their patience ends', async () => {
  const { api, clock, complaints } = await startManager();
  const alive = new Set(['n1', 'n2', 'n3']);
  const seeded = [...alive].map((name) => ({ ...node(name), spec: { podCIDR: `10.244.${name.slice(1)}.0/24`, podCIDRs: [`10.244.${name.slice(1)}.0/24`] } }));
  api.seed(Nodes, ...seeded);
  const renew = () => {
    for (const name of alive) api.seed(Leases, { metadata: { name, namespace: 'kube-node-lease' }, spec: { holderIdentity: name, renewTime: rfc3339Micro(clock.now()) } });
  };
  const tolerations = ['not-ready', 'unreachable'].map((key) => ({ key: `node.kubernetes.io/${key}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }));
  api.seed(Pods, { metadata: { name: 'p', namespace: 'a' }, spec: { nodeName: 'n1', containers: [], tolerations }, status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } });
  const live = async (seconds: number) => {
    for (let i = 0; i < seconds; i += 10) {
      renew();
      await clock.advance(10_000);
    }
  };
  await live(30);
  expect(api.find(Nodes, 'n1')?.spec?.taints ?? []).toEqual([]);
  alive.delete('n1');
  await live(70);
  const lost = api.find(Nodes, 'n1');
  expect(lost?.status?.conditions?.map((c) => `${c.type}=${c.status}`)).toEqual(['Ready=Unknown', 'MemoryPressure=Unknown', 'DiskPressure=Unknown', 'PIDPressure=Unknown']);
  expect(lost?.spec?.taints?.map((t) => `${t.key} ${t.effect}`)).toEqual(['node.kubernetes.io/unreachable NoSchedule', 'node.kubernetes.io/unreachable NoExecute']);
  expect(api.find(Pods, 'p', 'a')?.status?.conditions?.[0]?.status).toBe('False');
  expect(api.find(Nodes, 'n2')?.spec?.taints ?? []).toEqual([]);
  await live(230);
  expect(api.find(Pods, 'p', 'a')?.metadata?.deletionTimestamp).toBeUndefined();
  await live(80);
  expect(api.find(Pods, 'p', 'a')?.metadata?.deletionTimestamp).toBeDefined();
  expect(api.objects(Events).map((event) => event.reason)).toEqual(expect.arrayContaining(['RegisteredNode', 'NodeNotReady', 'TaintManagerEviction']));
  alive.add('n1');
  api.setStatus(Nodes, { name: 'n1' }, { conditions: [{ type: 'Ready', status: 'True' }] });
  await live(20);
  expect(api.find(Nodes, 'n1')?.spec?.taints).toEqual([]);
  expect(complaints).toEqual([]);
});

test('pods of lost nodes, unscheduled ones being deleted and too many finished ones are collected', () => {
  const pod = (name: string, more: Partial<Pod> = {}): Pod => ({ metadata: { name, creationTimestamp: name, ...more.metadata }, spec: { containers: [], nodeName: 'n', ...more.spec }, status: { phase: 'Running', ...more.status } });
  const pods = [
    pod('runs'),
    pod('lost', { spec: { containers: [], nodeName: 'gone' } }),
    pod('unscheduled', { metadata: { name: 'unscheduled', deletionTimestamp: 'x' }, spec: { containers: [], nodeName: '' } }),
    pod('1', { status: { phase: 'Failed' } }),
    pod('2', { status: { phase: 'Succeeded' } }),
  ];
  const nodeOf = (name: string) => (name === 'n' ? node('n') : undefined);
  const first = planGc({ pods, nodeOf, missing: new Map(), threshold: 1 }, 1000);
  expect([first.remove.map((p) => p.metadata?.name), first.fail, [...first.missing]]).toEqual([['unscheduled', '1'], [], [['gone', 1000]]]);
  const later = planGc({ pods, nodeOf, missing: first.missing, threshold: 0 }, 41_000);
  expect(later.fail.map(({ pod: p, message, reason }) => [p.metadata?.name, message, reason])).toEqual([['lost', 'PodGC: node no longer exists', 'orphaned']]);
});

test('nodes are told how long to keep what they read, by the size of the cluster', async () => {
  const walk = [50, 101, 95, 89, 501, 2001, 20_000, 0].map(((step) => (nodes: number) => ttlSeconds((step = nextStep(step, nodes))))(0));
  expect(walk).toEqual([0, 15, 15, 0, 30, 300, 600, 0]);
  const { api, clock } = await startManager({ controllers: ['ttl-controller'] });
  await api.create(Nodes, node('first'));
  await clock.advance(100);
  expect(api.find(Nodes, 'first')?.metadata?.annotations).toEqual({ 'node.alpha.kubernetes.io/ttl': '0' });
  api.seed(Nodes, ...Array.from({ length: 100 }, (_, i) => node(`n${i}`)));
  for (let i = 0; i < 20; i++) await clock.advance(100);
  expect(new Set(api.objects(Nodes).map((n) => n.metadata?.annotations?.['node.alpha.kubernetes.io/ttl']))).toEqual(new Set(['15']));
});

describe('zones', () => {
  const controllers = ['node-lifecycle-controller'];
  /** Zones of so many nodes, whose kubelets go silent and come back. */
  const zonesOf = async (sizes: Record<string, number>) => {
    const { api, clock } = await startManager({ controllers });
    const silent = new Set<string>();
    const names = Object.entries(sizes).flatMap(([zone, size]) => Array.from({ length: size }, (_, i) => `${zone}${i}`));
    for (const name of names) api.seed(Nodes, { ...node(name), metadata: { name, labels: { 'topology.kubernetes.io/zone': name.charAt(0) } } });
    const live = async (seconds: number) => {
      for (let i = 0; i < seconds; i += 10) {
        for (const name of names) {
          if (silent.has(name)) continue;
          api.seed(Leases, { metadata: { name, namespace: 'kube-node-lease' }, spec: { holderIdentity: name, renewTime: rfc3339Micro(clock.now()) } });
          if (api.find(Nodes, name)?.status?.conditions?.[0]?.status !== 'True') api.setStatus(Nodes, { name }, { conditions: [{ type: 'Ready', status: 'True' }] });
        }
        for (let step = 0; step < 10; step++) await clock.advance(1_000);
      }
    };
    const emptied = () => api.objects(Nodes).filter((n) => n.spec?.taints?.some((t) => t.effect === 'NoExecute')).map((n) => n.metadata?.name ?? '');
    await live(20);
    return { emptied, live, silent, names };
  };

  test('one that is gone entirely is emptied at a node in ten seconds, while another lives', async () => {
    const { emptied, live, silent } = await zonesOf({ a: 4, b: 4 });
    for (let i = 0; i < 4; i++) silent.add(`a${i}`);
    await live(60);
    const first = emptied().length;
    expect(first).toBeLessThan(3);
    await live(10);
    expect(emptied().length).toBe(first + 1);
    await live(40);
    expect(emptied()).toEqual(['a0', 'a1', 'a2', 'a3']);
  });

  test('of one that is partly gone, a small one is left alone, a large one emptied at a node in a hundred seconds', async () => {
    const { emptied, live, silent } = await zonesOf({ a: 10, b: 52 });
    for (let i = 0; i < 6; i++) silent.add(`a${i}`);
    for (let i = 0; i < 30; i++) silent.add(`b${i}`);
    await live(70);
    const early = emptied();
    await live(600);
    const later = emptied();
    expect([later.filter((name) => name.startsWith('a')).length, early.filter((name) => name.startsWith('a')).length]).toEqual([0, 0]);
    const slow = later.filter((name) => name.startsWith('b')).length - early.filter((name) => name.startsWith('b')).length;
    expect([5, 6, 7]).toContain(slow);
  });

  test('when all are gone nothing is emptied, and what was is taken back', async () => {
    const { emptied, live, silent, names } = await zonesOf({ a: 3, b: 3 });
    silent.add('a0');
    await live(80);
    expect(emptied()).toEqual(['a0']);
    for (const name of names) silent.add(name);
    await live(200);
    expect(emptied()).toEqual([]);
    for (const name of names) if (name !== 'a0') silent.delete(name);
    await live(60);
    expect(emptied()).toEqual(['a0']);
  });
});
