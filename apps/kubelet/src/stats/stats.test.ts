import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { cadvisorMetrics } from './cadvisor-metrics.ts';
import { expose } from './exposition.ts';
import { resourceMetrics } from './resource-metrics.ts';
import { statsSummary } from './summary.ts';

const u64 = (value: number) => ({ value: BigInt(value) });

/** A node whose runtime says of every container: two seconds of CPU, 100 bytes, of every sandbox: some traffic. */
async function measured() {
  const f = fixture();
  await f.kubelet.start();
  const runtime = f.kubelet.context.runtime.clients.runtime as unknown as Record<string, unknown>;
  runtime['listContainerStats'] = async () => ({
    stats: [...f.cri.containers.keys()].map((id) => ({
      attributes: { id },
      cpu: { usageCoreNanoSeconds: u64(2e9), usageNanoCores: u64(1e8) },
      memory: { workingSetBytes: u64(100), usageBytes: u64(120), rssBytes: u64(90), pageFaults: u64(3) },
      writableLayer: { usedBytes: u64(4096), inodesUsed: u64(2) },
    })),
  });
  runtime['listPodSandboxStats'] = async () => ({
    stats: [...f.cri.sandboxes.keys()].map((id) => ({ attributes: { id }, linux: { network: { defaultInterface: { name: 'eth0', rxBytes: u64(7), txBytes: u64(8) } }, process: { processCount: u64(4) } } })),
  });
  const run = async (name: string): Promise<void> => {
    await f.create(name, { containers: [{ ...container('app'), resources: { requests: { cpu: '250m' }, limits: { cpu: '500m', memory: '1Ki' } } }, container('side')] });
    await f.clock.advance(1_000);
  };
  return { ...f, run, values: (text: string, name: string) => text.split('\n').filter((line) => line.startsWith(name)) };
}

test('/metrics/resource says it with the names and labels of upstream', async () => {
  const f = await measured();
  await f.run('p');
  const text = await resourceMetrics(f.kubelet);
  const at = f.clock.now();
  expect(f.values(text, 'container_cpu')).toEqual(['app', 'side'].map((name) => `container_cpu_usage_seconds_total{container="${name}",namespace="default",pod="p"} 2 ${at}`));
  expect(f.values(text, 'container_start_time_seconds{container="app"')[0]).toMatch(/^container_start_time_seconds\{container="app",namespace="default",pod="p"\} \d+(\.\d+)?$/);
  expect([...f.values(text, 'node_'), ...f.values(text, 'pod_')]).toEqual([
    `node_cpu_usage_seconds_total 4 ${at}`, `node_memory_working_set_bytes 200 ${at}`, `node_swap_usage_bytes 0 ${at}`,
    `pod_cpu_usage_seconds_total{namespace="default",pod="p"} 4 ${at}`, `pod_memory_working_set_bytes{namespace="default",pod="p"} 200 ${at}`, `pod_swap_usage_bytes{namespace="default",pod="p"} 0 ${at}`,
  ]);
  expect(text).toContain('# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the container in core-seconds\n# TYPE container_cpu_usage_seconds_total counter\n');
  expect(text.endsWith('resource_scrape_error 0\n')).toBe(true);
});

test("a node's CPU does not go back when pods go", async () => {
  const f = await measured();
  const nodeCpu = async (): Promise<number> => Number(f.values(await resourceMetrics(f.kubelet), 'node_cpu_usage')[0]?.split(' ')[1]);
  await f.run('p');
  await f.run('q');
  expect(await nodeCpu()).toBe(8);
  for (const { config, id } of [...f.cri.containers.values()]) if (config.metadata?.name === 'side') f.cri.exit(id, { exitCode: 0 });
  f.cri.containers.clear();
  await f.clock.advance(1);
  expect(await nodeCpu()).toBeGreaterThanOrEqual(8);
});

test('a runtime that does not answer shows', async () => {
  const f = await measured();
  (f.kubelet.context.runtime.clients.runtime as unknown as Record<string, unknown>)['listContainerStats'] = async () => {
    throw new Error('away');
  };
  expect(await resourceMetrics(f.kubelet)).toMatch(/\nresource_scrape_error 1\n$/);
});

test('/stats/summary', async () => {
  const f = await measured();
  await f.run('p');
  const whole = (await statsSummary(f.kubelet, { brief: false })) as { node: object; pods: object[] };
  expect(whole.node).toMatchObject({ cpu: { usageNanoCores: 2e8, usageCoreNanoSeconds: 4e9 }, memory: { workingSetBytes: 200 }, systemContainers: [{ name: 'pods' }], fs: { usedBytes: 8192 }, runtime: { imageFs: {} } });
  expect(whole.pods).toMatchObject([
    {
      podRef: { name: 'p', namespace: 'default' },
      containers: [{ name: 'app', cpu: { usageNanoCores: 1e8 }, memory: { workingSetBytes: 100, rssBytes: 90, pageFaults: 3 }, rootfs: { usedBytes: 4096, inodesUsed: 2 } }, { name: 'side' }],
      network: { name: 'eth0', rxBytes: 7, txBytes: 8, interfaces: [{ name: 'eth0' }] }, 'ephemeral-storage': { usedBytes: 8192 }, process_stats: { process_count: 4 },
    },
  ]);
  const [brief] = ((await statsSummary(f.kubelet, { brief: true })) as { pods: Record<string, unknown>[] }).pods;
  expect(Object.keys(brief ?? {})).toEqual(['podRef', 'startTime', 'containers', 'cpu', 'memory']);
});

test("/metrics/cadvisor says it with cAdvisor's names and labels", async () => {
  const f = await measured();
  await f.run('p');
  const text = await cadvisorMetrics(f.kubelet);
  const uid = f.kubelet.pods.find('default', 'p')?.uid ?? '';
  const app = [...f.cri.containers.values()].find(({ config }) => config.metadata?.name === 'app')?.id ?? '';
  expect(f.values(text, 'container_cpu_usage_seconds_total').map((line) => line.replace(/ \d+$/, ''))).toEqual(expect.arrayContaining([
    'container_cpu_usage_seconds_total{container="",cpu="total",id="/",image="",name="",namespace="",pod=""} 4',
    `container_cpu_usage_seconds_total{container="",cpu="total",id="/kubepods/burstable/pod${uid}",image="",name="",namespace="default",pod="p"} 4`,
    expect.stringMatching(new RegExp(`^container_cpu_usage_seconds_total\\{container="app",cpu="total",id="/kubepods/burstable/pod${uid}/${app}",image=".+",name="${app}",namespace="default",pod="p"\\} 2$`)),
  ]));
  expect(f.values(text, 'container_spec_cpu_quota')).toHaveLength(1);
  expect(f.values(text, 'container_spec_cpu_quota')[0]).toMatch(/ 50000$/);
  expect(f.values(text, 'container_spec_cpu_shares').map((line) => line.split(' ').at(-1))).toEqual(['256', '2']);
  expect(f.values(text, 'container_network_receive_bytes_total')[0]).toMatch(/interface="eth0",name="",namespace="default",pod="p"\} 7 \d+$/);
});

test('labels are escaped', () => {
  expect(expose([{ name: 'n', help: 'h', type: 'gauge', samples: [{ labels: { a: 'x"y\\z\n' }, value: 1 }] }])).toBe('# HELP n h\n# TYPE n gauge\nn{a="x\\"y\\\\z\\n"} 1\n');
});
