import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { rfc3339 } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import { type PodStorage, imageStorage, podStorage } from './storage-usage.ts';
import { type ContainerUsage, type NetworkUsage, type PodUsage, type Usage, nodeUsage } from './usage.ts';

/** Inodes that a node's file system is said to have, one for so many bytes as ext4 makes them. */
export const bytesPerInode = 16_384;
/** Process numbers that a node has, the kernel's default on 64 bits. */
export const maxProcesses = 4_194_304;

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

interface StatsContext {
  readonly time: string;
  readonly disk: FileSystem;
  /** Undefined when nothing but CPU and memory is wanted. */
  readonly storage: PodStorage | undefined;
}

function containerStats(one: ContainerUsage, { time, disk, storage }: StatsContext): object {
  return {
    name: one.container.name,
    startTime: rfc3339(one.container.startedMs),
    ...cpuAndMemory(one, time),
    ...(storage ? { rootfs: used(disk, one.fsUsedBytes, one.fsInodesUsed), logs: used(disk, storage.logs.get(one.container.name) ?? 0, 1) } : {}),
  };
}

function podStats(pod: PodUsage, context: StatsContext): object {
  const { worker, containers, network, processes, ...usage } = pod;
  const { name, namespace, uid } = worker.pod.metadata ?? {};
  const { time, disk, storage } = context;
  return {
    podRef: { name, namespace, uid },
    startTime: worker.pod.status?.startTime ?? time,
    containers: containers.map((one) => containerStats(one, context)),
    ...cpuAndMemory(usage, time),
    ...(storage
      ? {
          ...networkStats(network, time),
          ...(storage.volumes.size ? { volume: [...storage.volumes].map(([volume, use]) => ({ name: volume, ...used(disk, use.bytes, use.inodes) })) } : {}),
          'ephemeral-storage': used(disk, storage.total.bytes, storage.total.inodes),
          process_stats: { process_count: processes },
        }
      : {}),
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
  const storages = brief ? [] : await Promise.all(pods.map((pod) => podStorage(kubelet, pod)));
  const images = brief ? { bytes: 0, inodes: 0 } : await imageStorage(kubelet);
  const ofPods = storages.reduce((so, { total }) => ({ bytes: so.bytes + total.bytes, inodes: so.inodes + total.inodes }), { bytes: 0, inodes: 0 });
  const usedBytes = ofPods.bytes + images.bytes;
  const disk: FileSystem = { time, capacityBytes, availableBytes: Math.max(0, capacityBytes - usedBytes), inodes };
  const startTime = kubelet.node().metadata?.creationTimestamp ?? time;
  const usage = cpuAndMemory(node, time, capacity - node.workingSetBytes);
  return {
    node: {
      nodeName,
      systemContainers: [{ name: 'pods', startTime, ...usage }],
      startTime,
      ...usage,
      ...(brief ? {} : { fs: used(disk, usedBytes, ofPods.inodes + images.inodes), runtime: { imageFs: used(disk, images.bytes, images.inodes), containerFs: used(disk, ofPods.bytes, ofPods.inodes) }, rlimit: { time, maxpid: maxProcesses, curproc: pods.reduce((so, { processes }) => so + processes, 0) } }),
    },
    pods: pods.map((pod, i) => podStats(pod, { time, disk, storage: storages[i] })),
  };
}
