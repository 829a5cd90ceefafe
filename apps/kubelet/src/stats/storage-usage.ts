import type { StorageUse, VolumeHost } from '@orrery/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { Kubelet } from '../component.ts';
import { containerLogDirectory } from '../runtime/container-config.ts';
import { podLogDirectory } from '../runtime/sandbox-config.ts';
import type { PodUsage } from './usage.ts';

const nothing: StorageUse = { bytes: 0, inodes: 0 };

/** What a pod keeps on its node besides the writable layers of its containers. */
export interface PodStorage {
  /** Of its emptyDir volumes, by name; those in memory too. */
  readonly volumes: ReadonlyMap<string, StorageUse>;
  /** Bytes of the logs of its running containers, by container. */
  readonly logs: ReadonlyMap<string, number>;
  /** Writable layers, logs, and volumes on disk together. */
  readonly total: StorageUse;
}

async function logBytes({ context }: Kubelet, pod: PodUsage): Promise<Map<string, number>> {
  const { logs, config } = context;
  const sizes = new Map<string, number>();
  for (const { container } of pod.containers) {
    const path = container.logPath || `${podLogDirectory(pod.worker.pod, config.podLogsDir)}/${containerLogDirectory(container.name)}/${container.restartCount}.log`;
    const extent = await logs.extent(path);
    sizes.set(container.name, extent ? extent.end - extent.start : 0);
  }
  return sizes;
}

async function used(host: VolumeHost, path: string): Promise<StorageUse> {
  return (await host.usage(path)) ?? nothing;
}

const noVolumes: ReadonlyMap<string, StorageUse> = new Map();

export async function podStorage(kubelet: Kubelet, pod: PodUsage): Promise<PodStorage> {
  const { volumes: manager, host } = kubelet.context;
  const directories = manager.emptyDirs(pod.worker.pod);
  const volumes = directories.length ? new Map<string, StorageUse>() : undefined;
  const total = { bytes: 0, inodes: 0 };
  for (const { name, path, inMemory } of directories) {
    const use = await used(host, path);
    volumes?.set(name, use);
    if (inMemory) continue;
    total.bytes += use.bytes;
    total.inodes += use.inodes;
  }
  const logs = await logBytes(kubelet, pod);
  for (const { container, fsUsedBytes, fsInodesUsed } of pod.containers) {
    total.bytes += fsUsedBytes + (logs.get(container.name) ?? 0);
    total.inodes += fsInodesUsed + 1;
  }
  return { volumes: volumes ?? noVolumes, logs, total };
}

/** What images take on the node's disk. */
export async function imageStorage({ context }: Kubelet): Promise<StorageUse> {
  try {
    const { imageFilesystems = [] } = await context.runtime.clients.images.imageFsInfo({});
    const sum = (pick: (one: (typeof imageFilesystems)[number]) => bigint | undefined): number => imageFilesystems.reduce((so, one) => so + Number(pick(one) ?? 0n), 0);
    return { bytes: sum(({ usedBytes }) => usedBytes?.value), inodes: sum(({ inodesUsed }) => inodesUsed?.value) };
  } catch (error) {
    if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED) return nothing;
    throw error;
  }
}
