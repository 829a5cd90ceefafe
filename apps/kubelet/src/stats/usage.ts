import type { ContainerStats, PodSandboxStats } from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { Kubelet } from '../component.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { RuntimeContainer } from '../runtime/pod-runtime.ts';

export interface Usage {
  readonly cpuNanoCores: number;
  readonly cpuCoreNanoSeconds: number;
  readonly workingSetBytes: number;
  readonly usageBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
}

export interface ContainerUsage extends Usage {
  readonly container: RuntimeContainer;
  /** When the runtime looked at it. */
  readonly measuredMs: number;
  /** Of its writable layer. */
  readonly fsUsedBytes: number;
  readonly fsInodesUsed: number;
}

export interface NetworkUsage {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

export interface PodUsage extends Usage {
  /** When its last container was looked at. */
  readonly measuredMs: number;
  readonly worker: PodWorker;
  readonly containers: readonly ContainerUsage[];
  readonly network: NetworkUsage | undefined;
  readonly processes: number;
}

/** What a node and its running pods use. */
export interface NodeUsage extends Usage {
  readonly measuredMs: number;
  readonly pods: readonly PodUsage[];
}

const count = (value: { value?: bigint | undefined } | undefined): number => Number(value?.value ?? 0n);

function usageOf({ cpu, memory }: ContainerStats): Usage {
  return {
    cpuNanoCores: count(cpu?.usageNanoCores),
    cpuCoreNanoSeconds: count(cpu?.usageCoreNanoSeconds),
    workingSetBytes: count(memory?.workingSetBytes),
    usageBytes: count(memory?.usageBytes) || count(memory?.workingSetBytes),
    rssBytes: count(memory?.rssBytes),
    pageFaults: count(memory?.pageFaults),
    majorPageFaults: count(memory?.majorPageFaults),
  };
}

const fields = ['cpuNanoCores', 'cpuCoreNanoSeconds', 'workingSetBytes', 'usageBytes', 'rssBytes', 'pageFaults', 'majorPageFaults'] as const;

function sum(parts: readonly Usage[]): Usage {
  return Object.fromEntries(fields.map((field) => [field, parts.reduce((so, part) => so + part[field], 0)])) as unknown as Usage;
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

function networkOf(stats: PodSandboxStats | undefined): NetworkUsage | undefined {
  const found = stats?.linux?.network?.defaultInterface;
  return found && { name: found.name || 'eth0', rxBytes: count(found.rxBytes), rxErrors: count(found.rxErrors), txBytes: count(found.txBytes), txErrors: count(found.txErrors) };
}

/** CPU that containers which are gone had used: a node's counter never goes back. */
interface Departed {
  nanoSeconds: number;
  readonly seen: Map<string, number>;
}

const departed = new WeakMap<Kubelet, Departed>();

function nodeCpu(kubelet: Kubelet, pods: readonly PodUsage[]): number {
  let known = departed.get(kubelet);
  if (!known) departed.set(kubelet, (known = { nanoSeconds: 0, seen: new Map() }));
  const now = new Map(pods.flatMap(({ containers }) => containers.map(({ container, cpuCoreNanoSeconds }) => [container.id, cpuCoreNanoSeconds])));
  for (const [id, nanoSeconds] of known.seen) if (!now.has(id)) known.nanoSeconds += nanoSeconds;
  known.seen.clear();
  for (const [id, nanoSeconds] of now) known.seen.set(id, nanoSeconds);
  return known.nanoSeconds + [...now.values()].reduce((so, one) => so + one, 0);
}

/** What the running pods of a node use, from the runtime's own figures. Without `sandboxes` nothing is known of networks and processes, which is cheaper. */
export async function nodeUsage(kubelet: Kubelet, options: { sandboxes?: boolean } = {}): Promise<NodeUsage> {
  const ofSandboxes = (options.sandboxes ?? true) ? sandboxStats(kubelet) : new Map<string, PodSandboxStats>();
  const [{ stats = [] }, sandboxes] = await Promise.all([kubelet.context.runtime.clients.runtime.listContainerStats({}), ofSandboxes]);
  const nowMs = Math.floor(kubelet.context.env.clock.now());
  const byId = new Map(stats.map((one) => [one.attributes?.id ?? '', one]));
  const pods = [...kubelet.pods.list()].flatMap((worker): PodUsage[] => {
    const containers = worker.runtime.containers.flatMap((container): ContainerUsage[] => {
      const found = byId.get(container.id);
      if (container.state !== 'running' || !found) return [];
      return [{ container, measuredMs: found.cpu?.timestamp ? Number(found.cpu.timestamp / 1_000_000n) : nowMs, ...usageOf(found), fsUsedBytes: count(found.writableLayer?.usedBytes), fsInodesUsed: count(found.writableLayer?.inodesUsed) }];
    });
    if (containers.length === 0) return [];
    const sandbox = sandboxes.get(worker.sandbox?.id ?? '');
    return [{ worker, containers, measuredMs: Math.max(...containers.map(({ measuredMs }) => measuredMs)), ...sum(containers), network: networkOf(sandbox), processes: count(sandbox?.linux?.process?.processCount) }];
  });
  return { pods, measuredMs: Math.max(...pods.map(({ measuredMs }) => measuredMs), pods.length ? 0 : nowMs), ...sum(pods), cpuCoreNanoSeconds: nodeCpu(kubelet, pods) };
}
