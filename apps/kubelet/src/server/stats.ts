import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import type { ContainerStats, PodSandboxStats } from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import { rfc3339 } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import type { PodWorker } from '../pods/pod-worker.ts';

interface Usage {
  readonly cpuNanoCores: number;
  readonly cpuCoreNanoSeconds: number;
  readonly workingSetBytes: number;
  readonly usageBytes: number;
  readonly rssBytes: number;
}

interface ContainerUsage extends Usage {
  readonly name: string;
  readonly startedMs: number;
}

export interface PodUsage extends Usage {
  readonly worker: PodWorker;
  readonly containers: readonly ContainerUsage[];
  readonly network: { readonly rxBytes: number; readonly txBytes: number } | undefined;
}

const count = (value: { value?: bigint | undefined } | undefined): number => Number(value?.value ?? 0n);

function usageOf({ cpu, memory }: ContainerStats): Usage {
  return {
    cpuNanoCores: count(cpu?.usageNanoCores),
    cpuCoreNanoSeconds: count(cpu?.usageCoreNanoSeconds),
    workingSetBytes: count(memory?.workingSetBytes),
    usageBytes: count(memory?.usageBytes) || count(memory?.workingSetBytes),
    rssBytes: count(memory?.rssBytes),
  };
}

function sum(parts: readonly Usage[]): Usage {
  const total = (pick: (usage: Usage) => number): number => parts.reduce((so, part) => so + pick(part), 0);
  return {
    cpuNanoCores: total((u) => u.cpuNanoCores),
    cpuCoreNanoSeconds: total((u) => u.cpuCoreNanoSeconds),
    workingSetBytes: total((u) => u.workingSetBytes),
    usageBytes: total((u) => u.usageBytes),
    rssBytes: total((u) => u.rssBytes),
  };
}

async function sandboxStats(kubelet: Kubelet): Promise<Map<string, PodSandboxStats>> {
  try {
    const { stats = [] } = await kubelet.context.runtime.clients.runtime.listPodSandboxStats({});
    return new Map(stats.map((one) => [one.attributes?.id ?? '', one]));
  } catch (error) {
    if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED) return new Map();
    throw error;
  }
}

/** What the running pods of a node use, from the runtime's own figures. */
export async function podUsages(kubelet: Kubelet): Promise<PodUsage[]> {
  const [{ stats = [] }, sandboxes] = await Promise.all([kubelet.context.runtime.clients.runtime.listContainerStats({}), sandboxStats(kubelet)]);
  const byId = new Map(stats.map((one) => [one.attributes?.id ?? '', one]));
  return [...kubelet.pods.list()].flatMap((worker) => {
    const containers = worker.runtime.containers.flatMap(({ id, name, state, startedMs }) => {
      const found = byId.get(id);
      return state === 'running' && found ? [{ name, startedMs, ...usageOf(found) }] : [];
    });
    const network = sandboxes.get(worker.sandbox?.id ?? '')?.linux?.network?.defaultInterface;
    if (containers.length === 0) return [];
    return [{ worker, containers, ...sum(containers), network: network && { rxBytes: count(network.rxBytes), txBytes: count(network.txBytes) } }];
  });
}

function cpuAndMemory(usage: Usage, time: string): object {
  return {
    cpu: { time, usageNanoCores: usage.cpuNanoCores, usageCoreNanoSeconds: usage.cpuCoreNanoSeconds },
    memory: { time, usageBytes: usage.usageBytes, workingSetBytes: usage.workingSetBytes, rssBytes: usage.rssBytes },
  };
}

/** GET /stats/summary */
export async function statsSummary(kubelet: Kubelet): Promise<object> {
  const { env, config, nodeName } = kubelet.context;
  const time = rfc3339(env.clock.now());
  const pods = await podUsages(kubelet);
  const node = sum(pods);
  const capacity = quantityValue(parseQuantity(config.memory));
  const disk = quantityValue(parseQuantity(config.ephemeralStorage));
  return {
    node: {
      nodeName,
      startTime: kubelet.node().metadata?.creationTimestamp ?? time,
      ...cpuAndMemory(node, time),
      memory: { time, availableBytes: capacity - node.workingSetBytes, usageBytes: node.usageBytes, workingSetBytes: node.workingSetBytes, rssBytes: node.rssBytes },
      fs: { time, capacityBytes: disk, availableBytes: disk, usedBytes: 0 },
    },
    pods: pods.map(({ worker, containers, network, ...usage }) => {
      const { name, namespace, uid } = worker.pod.metadata ?? {};
      return {
        podRef: { name, namespace, uid },
        startTime: worker.pod.status?.startTime ?? time,
        containers: containers.map((one) => ({ name: one.name, startTime: rfc3339(one.startedMs), ...cpuAndMemory(one, time) })),
        ...cpuAndMemory(usage, time),
        ...(network ? { network: { time, name: 'eth0', ...network } } : {}),
      };
    }),
  };
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

function family(name: string, type: 'counter' | 'gauge', samples: readonly Sample[], timeMs: number): string[] {
  if (samples.length === 0) return [];
  const lines = samples.map(([labels, value]) => {
    const text = Object.entries(labels).map(([key, of]) => `${key}="${of}"`).join(',');
    return `${name}${text ? `{${text}}` : ''} ${value} ${timeMs}`;
  });
  return [`# HELP ${name} [STABLE] ${name.replaceAll('_', ' ')}`, `# TYPE ${name} ${type}`, ...lines];
}

/** GET /metrics/resource: what metrics-server scrapes. */
export async function resourceMetrics(kubelet: Kubelet): Promise<string> {
  const timeMs = Math.floor(kubelet.context.env.clock.now());
  const pods = await podUsages(kubelet);
  const podLabels = ({ worker }: PodUsage) => ({ namespace: worker.pod.metadata?.namespace ?? '', pod: worker.pod.metadata?.name ?? '' });
  const perPod = (pick: (usage: Usage) => number): Sample[] => pods.map((pod) => [podLabels(pod), pick(pod)]);
  const perContainer = (pick: (usage: ContainerUsage) => number): Sample[] => pods.flatMap((pod) => pod.containers.map((one): Sample => [{ container: one.name, ...podLabels(pod) }, pick(one)]));
  const node = sum(pods);
  const cpu = (usage: Usage): number => usage.cpuCoreNanoSeconds / 1e9;
  const memory = (usage: Usage): number => usage.workingSetBytes;
  const lines = [
    ...family('container_cpu_usage_seconds_total', 'counter', perContainer(cpu), timeMs),
    ...family('container_memory_working_set_bytes', 'gauge', perContainer(memory), timeMs),
    ...family('container_start_time_seconds', 'gauge', perContainer((one) => one.startedMs / 1000), timeMs),
    ...family('node_cpu_usage_seconds_total', 'counter', [[{}, cpu(node)]], timeMs),
    ...family('node_memory_working_set_bytes', 'gauge', [[{}, memory(node)]], timeMs),
    ...family('pod_cpu_usage_seconds_total', 'counter', perPod(cpu), timeMs),
    ...family('pod_memory_working_set_bytes', 'gauge', perPod(memory), timeMs),
    '# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
    '# TYPE resource_scrape_error gauge',
    'resource_scrape_error 0',
  ];
  return `${lines.join('\n')}\n`;
}
