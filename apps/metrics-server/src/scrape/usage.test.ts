import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NodePoint, parseResourceMetrics } from './resource-metrics.ts';
import { UsageStore } from './usage-store.ts';

const text = `# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the container in core-seconds
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1.5 20000
container_cpu_usage_seconds_total{container="d",namespace="n",pod="p"} 2e-1 21000
container_cpu_usage_seconds_total{container="c",namespace="n",pod="idle"} 0 20000
container_memory_working_set_bytes{container="c",namespace="n",pod="p"} 6.7108864e+07 20000
container_memory_working_set_bytes{container="d",namespace="n",pod="p"} 1024 21000
container_memory_working_set_bytes{container="c",namespace="n",pod="idle"} 1024 20000
container_start_time_seconds{container="c",namespace="n",pod="p"} 10
container_start_time_seconds{container="d",namespace="n",pod="p"} 10
container_swap_usage_bytes{container="c",namespace="n",pod="p"} 0 20000
node_cpu_usage_seconds_total 30 22000
node_memory_working_set_bytes 4096 22000
pod_cpu_usage_seconds_total{namespace="n",pod="p"} 1.7 20000
resource_scrape_error 0
`;

it("reads what a kubelet says; a pod of which something is missing is left out", () => {
  const point = parseResourceMetrics(text, 99_000);
  expect(point).toMatchObject({ timestampMs: 22_000, cpuSeconds: 30, memoryBytes: 4096 });
  expect([...point.pods].map(([key, containers]) => [key, Object.fromEntries(containers)])).toEqual([
    ['n/p', { c: { timestampMs: 20_000, startMs: 10_000, cpuSeconds: 1.5, memoryBytes: 67_108_864 }, d: { timestampMs: 21_000, startMs: 10_000, cpuSeconds: 0.2, memoryBytes: 1024 } }],
  ]);
  expect(() => parseResourceMetrics(text.replaceAll('node_', 'edge_'), 0)).toThrow('the kubelet says nothing of its node');
});

it('never fails on text that is none, but for the node', () => {
  fc.assert(fc.property(fc.array(fc.string()), (lines) => {
    expect(parseResourceMetrics([...lines, 'node_cpu_usage_seconds_total 1', 'node_memory_working_set_bytes 1', ...lines.map((line) => `container_${line}`)].join('\n'), 5).cpuSeconds).toBe(1);
  }));
});

describe('usage', () => {
  const node = (timestampMs: number, cpuSeconds: number, pods: Record<string, { cpu: number; startMs?: number }> = {}): NodePoint => ({
    timestampMs, cpuSeconds, memoryBytes: 4096,
    pods: new Map(Object.entries(pods).map(([key, { cpu, startMs = 0 }]) => [key, new Map([['c', { timestampMs, startMs, cpuSeconds: cpu, memoryBytes: 2048 }]])])),
  });
  const after = (...points: readonly (NodePoint | undefined)[]): UsageStore => {
    const store = new UsageStore(15_000);
    for (const point of points) store.take(new Map(point ? [['one', point]] : []));
    return store;
  };

  it('is what was counted between the last two looks', () => {
    const store = after(node(100_000, 5, { 'n/p': { cpu: 1 } }), node(110_000, 7.5, { 'n/p': { cpu: 2 } }));
    expect(store.node('one')).toEqual({ timestampMs: 110_000, windowMs: 10_000, cpuNanoCores: 250_000_000, memoryBytes: 4096 });
    expect(store.pod('n/p')).toEqual({ timestampMs: 110_000, windowMs: 10_000, containers: [{ name: 'c', timestampMs: 110_000, windowMs: 10_000, cpuNanoCores: 100_000_000, memoryBytes: 2048 }] });
  });

  it.each<[string, UsageStore]>([
    ['after one look', after(node(100_000, 5, { 'n/p': { cpu: 1 } }))],
    ['after the same look twice', after(node(100_000, 5, { 'n/p': { cpu: 1 } }), node(100_000, 5, { 'n/p': { cpu: 1 } }))],
    ['after a counter went back', after(node(100_000, 5, { 'n/p': { cpu: 2 } }), node(110_000, 4, { 'n/p': { cpu: 1 } }))],
    ['once it is gone', after(node(100_000, 5, { 'n/p': { cpu: 1 } }), node(110_000, 7, { 'n/p': { cpu: 2 } }), undefined)],
  ])('is unknown %s', (_, store) => expect([store.node('one'), store.pod('n/p')]).toEqual([undefined, undefined]));

  it.each<[string, number, number | undefined]>([
    ['too young', 105_000, undefined],
    ['young', 98_000, 166_666_667],
    ['old', 90_000, undefined],
  ])('of a new container that is %s', (_, startMs, nanoCores) => {
    const store = after(node(100_000, 5), node(110_000, 7, { 'n/p': { cpu: 2, startMs } }));
    expect(store.pod('n/p')?.containers[0]?.cpuNanoCores).toBe(nanoCores);
  });

  it('of a container that began anew is not counted from before', () => {
    expect(after(node(100_000, 5, { 'n/p': { cpu: 1 } }), node(110_000, 7, { 'n/p': { cpu: 2, startMs: 109_000 } })).pod('n/p')).toBeUndefined();
  });
});
