import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { rfc3339 } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import { type ContainerUsage, type NetworkUsage, type PodUsage, type Usage, nodeUsage } from './usage.ts';

/** Inodes that a node's file system is said to have, one for so many bytes as ext4 makes them. */
const bytesPerInode = 16_384;

interface FileSystem {
  readonly time: string;
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly inodes: number;
}

function cpuAndMemory(usage: Usage, time: string, availableBytes?: number): object {
  return {
    cpu: { time, usageNanoCores: usage.cpuNanoCores, usageCoreNanoSeconds: usage.cpuCoreNanoSeconds },
    memory: {
      time,
      ...(availableBytes === undefined ? {} : { availableBytes }),
      usageBytes: usage.usageBytes,
      workingSetBytes: usage.workingSetBytes,
      rssBytes: usage.rssBytes,
      pageFaults: usage.pageFaults,
      majorPageFaults: usage.majorPageFaults,
    },
  };
}

function networkStats(network: NetworkUsage | undefined, time: string): object {
  return network ? { network: { time, ...network, interfaces: [network] } } : {};
}

const used = ({ time, capacityBytes, availableBytes, inodes }: FileSystem, usedBytes: number, inodesUsed: number): object => ({ time, availableBytes, capacityBytes, usedBytes, inodesFree: inodes - inodesUsed, inodes, inodesUsed });

function containerStats(one: ContainerUsage, { time, disk, brief }: { time: string; disk: FileSystem; brief: boolean }): object {
  return {
    name: one.container.name,
    startTime: rfc3339(one.container.startedMs),
    ...cpuAndMemory(one, time),
    ...(brief ? {} : { rootfs: used(disk, one.fsUsedBytes, one.fsInodesUsed), logs: used(disk, 0, 1) }),
  };
}

function podStats(pod: PodUsage, context: { time: string; disk: FileSystem; brief: boolean }): object {
  const { worker, containers, network, processes, ...usage } = pod;
  const { name, namespace, uid } = worker.pod.metadata ?? {};
  const { time, disk, brief } = context;
  const fsUsed = containers.reduce((so, { fsUsedBytes }) => so + fsUsedBytes, 0);
  const inodesUsed = containers.reduce((so, { fsInodesUsed }) => so + fsInodesUsed, 0);
  return {
    podRef: { name, namespace, uid },
    startTime: worker.pod.status?.startTime ?? time,
    containers: containers.map((one) => containerStats(one, context)),
    ...cpuAndMemory(usage, time),
    ...(brief ? {} : { ...networkStats(network, time), 'ephemeral-storage': used(disk, fsUsed, inodesUsed), process_stats: { process_count: processes } }),
  };
}

/** GET /stats/summary. With `brief` (`only_cpu_and_memory=true`) nothing else is in it. */
export async function statsSummary(kubelet: Kubelet, { brief }: { readonly brief: boolean }): Promise<object> {
  const { env, config, nodeName } = kubelet.context;
  const time = rfc3339(env.clock.now());
  const { pods, ...node } = await nodeUsage(kubelet);
  const capacity = quantityValue(parseQuantity(config.memory));
  const capacityBytes = quantityValue(parseQuantity(config.ephemeralStorage));
  const inodes = Math.floor(capacityBytes / bytesPerInode);
  const usedBytes = pods.reduce((so, { containers }) => so + containers.reduce((sum, { fsUsedBytes }) => sum + fsUsedBytes, 0), 0);
  const disk: FileSystem = { time, capacityBytes, availableBytes: capacityBytes - usedBytes, inodes };
  const startTime = kubelet.node().metadata?.creationTimestamp ?? time;
  const usage = cpuAndMemory(node, time, capacity - node.workingSetBytes);
  const context = { time, disk, brief };
  return {
    node: {
      nodeName,
      systemContainers: [{ name: 'pods', startTime, ...usage }],
      startTime,
      ...usage,
      ...(brief ? {} : { fs: used(disk, usedBytes, 0), runtime: { imageFs: used(disk, 0, 0), containerFs: used(disk, usedBytes, 0) } }),
    },
    pods: pods.map((pod) => podStats(pod, context)),
  };
}
