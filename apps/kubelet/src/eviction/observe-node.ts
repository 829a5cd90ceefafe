import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import type { Kubelet } from '../component.ts';
import { reservedResources } from '../node/node-capacity.ts';
import { type PodStorage, imageStorage, podStorage } from '../stats/storage-usage.ts';
import { bytesPerInode, maxProcesses } from '../stats/summary.ts';
import { type PodUsage, nodeUsage } from '../stats/usage.ts';
import type { VolumeBytes } from './local-storage.ts';
import type { Observation, Observations } from './pressure.ts';
import type { Candidate, Use } from './ranking.ts';
import type { Signal } from './thresholds.ts';

export interface ObservedPod extends Candidate {
  readonly volumes: VolumeBytes;
}

export interface ObservedNode {
  readonly observations: Observations;
  readonly pods: readonly ObservedPod[];
}

const none: VolumeBytes = new Map();

function observedPod(pod: PodUsage, storage: PodStorage): ObservedPod {
  const use: Use = { memoryBytes: pod.workingSetBytes, diskBytes: storage.total.bytes, inodes: storage.total.inodes, processes: pod.processes };
  const containers = pod.containers.map(({ container, workingSetBytes, fsUsedBytes, fsInodesUsed }) => ({
    name: container.name,
    use: { memoryBytes: workingSetBytes, diskBytes: fsUsedBytes + (storage.logs.get(container.name) ?? 0), inodes: fsInodesUsed, processes: 0 },
  }));
  return { pod: pod.worker.pod, use, containers, volumes: storage.volumes.size ? new Map([...storage.volumes].map(([name, { bytes }]) => [name, bytes])) : none };
}

const left = (capacity: number, used: number): Observation => ({ capacity, available: Math.max(0, capacity - used) });

/**
 * What is left of the node's memory, disk and process numbers, and what its pods use. The node has one disk for images and
 * all else, so every file system signal tells of the same. Processes are counted only when asked for.
 */
export async function observeNode(kubelet: Kubelet, { processes }: { processes: boolean }): Promise<ObservedNode> {
  const { config } = kubelet.context;
  const [usage, images] = await Promise.all([nodeUsage(kubelet, { sandboxes: processes }), imageStorage(kubelet)]);
  const pods = await Promise.all(usage.pods.map(async (pod) => observedPod(pod, await podStorage(kubelet, pod))));
  const sum = (pick: (use: Use) => number): number => pods.reduce((so, { use }) => so + (use ? pick(use) : 0), 0);
  const memory = quantityValue(parseQuantity(config.memory));
  const forPods = memory - quantityValue(parseQuantity(reservedResources(config)['memory'] ?? '0'));
  const disk = quantityValue(parseQuantity(config.ephemeralStorage));
  const bytes = left(disk, images.bytes + sum(({ diskBytes }) => diskBytes));
  const inodes = left(Math.floor(disk / bytesPerInode), images.inodes + sum((use) => use.inodes));
  const observations = new Map<Signal, Observation>([
    ['memory.available', left(memory, usage.workingSetBytes)],
    ['allocatableMemory.available', left(forPods, usage.workingSetBytes)],
    ['nodefs.available', bytes],
    ['imagefs.available', bytes],
    ['containerfs.available', bytes],
    ['nodefs.inodesFree', inodes],
    ['imagefs.inodesFree', inodes],
    ['containerfs.inodesFree', inodes],
    ...(processes ? [['pid.available', left(maxProcesses, sum((use) => use.processes))] as const] : []),
  ]);
  return { observations, pods };
}
