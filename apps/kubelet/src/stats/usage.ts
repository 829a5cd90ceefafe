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

function sum(parts: readonly Usage[]): Usage {
  const whole = { cpuNanoCores: 0, cpuCoreNanoSeconds: 0, workingSetBytes: 0, usageBytes: 0, rssBytes: 0, pageFaults: 0, majorPageFaults: 0 };
  for (const part of parts) {
    whole.cpuNanoCores += part.cpuNanoCores;
    whole.cpuCoreNanoSeconds += part.cpuCoreNanoSeconds;
    whole.workingSetBytes += part.workingSetBytes;
    whole.usageBytes += part.usageBytes;
    whole.rssBytes += part.rssBytes;
    whole.pageFaults += part.pageFaults;
    whole.majorPageFaults += part.majorPageFaults;
  }
  return whole;
}

/** When the last of them was looked at. */
function latest(parts: readonly { readonly measuredMs: number }[], atLeast: number): number {
  let latestMs = atLeast;
  for (const { measuredMs } of parts) if (measuredMs > latestMs) latestMs = measuredMs;
  return latestMs;
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
  seen: ReadonlyMap<string, number>;
}

const departed = new WeakMap<Kubelet, Departed>();

function nodeCpu(kubelet: Kubelet, pods: readonly PodUsage[]): number {
  let known = departed.get(kubelet);
  if (!known) departed.set(kubelet, (known = { nanoSeconds: 0, seen: new Map() }));
  const now = new Map<string, number>();
  let running = 0;
  for (const { containers } of pods) {
    for (const { container, cpuCoreNanoSeconds } of containers) {
      now.set(container.id, cpuCoreNanoSeconds);
      running += cpuCoreNanoSeconds;
    }
  }
  for (const [id, nanoSeconds] of known.seen) if (!now.has(id)) known.nanoSeconds += nanoSeconds;
  known.seen = now;
  return known.nanoSeconds + running;
}

/** A running container with what the runtime says that it uses. */
function containerUsage(container: RuntimeContainer, stats: ContainerStats, nowMs: number): ContainerUsage {
  const { cpu, memory, writableLayer } = stats;
  return {
    container,
    measuredMs: cpu?.timestamp ? Number(cpu.timestamp / 1_000_000n) : nowMs,
    cpuNanoCores: count(cpu?.usageNanoCores),
    cpuCoreNanoSeconds: count(cpu?.usageCoreNanoSeconds),
    workingSetBytes: count(memory?.workingSetBytes),
    usageBytes: count(memory?.usageBytes) || count(memory?.workingSetBytes),
    rssBytes: count(memory?.rssBytes),
    pageFaults: count(memory?.pageFaults),
    majorPageFaults: count(memory?.majorPageFaults),
    fsUsedBytes: count(writableLayer?.usedBytes),
    fsInodesUsed: count(writableLayer?.inodesUsed),
  };
}

/** What the running pods of a node use, from the runtime's own figures. Without `sandboxes` nothing is known of networks and processes, which is cheaper. */
export async function nodeUsage(kubelet: Kubelet, options: { sandboxes?: boolean } = {}): Promise<NodeUsage> {
  const ofSandboxes = (options.sandboxes ?? true) ? sandboxStats(kubelet) : new Map<string, PodSandboxStats>();
  const [{ stats = [] }, sandboxes] = await Promise.all([kubelet.context.runtime.clients.runtime.listContainerStats({}), ofSandboxes]);
  const nowMs = Math.floor(kubelet.context.env.clock.now());
  const byId = new Map<string, ContainerStats>();
  for (const one of stats) byId.set(one.attributes?.id ?? '', one);
  const pods: PodUsage[] = [];
  for (const worker of kubelet.pods.list()) {
    const containers: ContainerUsage[] = [];
    for (const container of worker.runtime.containers) {
      const found = container.state === 'running' ? byId.get(container.id) : undefined;
      if (found) containers.push(containerUsage(container, found, nowMs));
    }
    if (containers.length === 0) continue;
    const sandbox = sandboxes.get(worker.sandbox?.id ?? '');
    pods.push({ worker, containers, measuredMs: latest(containers, 0), ...sum(containers), network: networkOf(sandbox), processes: count(sandbox?.linux?.process?.processCount) });
  }
  return { pods, measuredMs: latest(pods, pods.length ? 0 : nowMs), ...sum(pods), cpuCoreNanoSeconds: nodeCpu(kubelet, pods) };
}
