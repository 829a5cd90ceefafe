import { InstancesDefinition, OperationsDefinition } from '@orrery/proto/cloud';
import type { NodeMount, NodeMounts } from '@orrery/cri';
import { NodeDefinition, NodeServiceCapability_RPC_Type as Rpc, VolumeUsage_Unit as Unit } from '@orrery/proto/csi';
import { RegistrationDefinition } from '@orrery/proto/registration';
import { type Channel, Code, RpcError, type ServedService, createClient, service } from '@orrery/rpc';
import type { Logger } from '@orrery/runtime';
import { driverName, sockets, zoneKey } from '../names.ts';

export interface NodeServiceOptions {
  readonly nodeName: string;
  readonly cloud: Channel;
  readonly log: Logger;
  /** What is mounted on the node. */
  readonly mounts: NodeMounts;
  /** Zone that the Node's labels tell; empty for none. */
  readonly labelledZone: () => Promise<string>;
  /** What a folder of this machine holds; undefined when it is not there. */
  readonly usage: (folder: string) => Promise<{ readonly bytes: number; readonly inodes: number } | undefined>;
  /** The file in such a folder that is the disk where no file system is wanted; made at the first time. */
  readonly content: (folder: string) => string;
}

const abilities = [Rpc.STAGE_UNSTAGE_VOLUME, Rpc.EXPAND_VOLUME, Rpc.GET_VOLUME_STATS];
/** As many as a file system of that size has at ext4's default of 16 KiB each. */
const bytesPerInode = 16_384;

function required(value: string | undefined, field: string): string {
  if (!value) throw new RpcError(Code.INVALID_ARGUMENT, `${field} is required`);
  return value;
}

/** `csi.v1.Node` on an emulated node: a disk's file system is the folder that the cloud keeps for it, mounted into the node's tree. */
function nodeService({ nodeName, cloud, mounts, labelledZone, usage, content }: NodeServiceOptions): ServedService {
  const instances = createClient(InstancesDefinition, cloud);
  const operations = createClient(OperationsDefinition, cloud);
  const mountedAt = (path: string, field: string): NodeMount => {
    const mount = mounts.list().get(path);
    if (!mount) throw new RpcError(Code.NOT_FOUND, `${field}: nothing is mounted at ${path}`);
    return mount;
  };
  /** Its instance's, else what its labels say, else the first of the cloud. */
  const zone = async (zones: readonly string[]): Promise<string> => {
    const instance = await instances.get({ name: nodeName }).catch((error: unknown) => {
      if (error instanceof RpcError && error.code === Code.NOT_FOUND) return undefined;
      throw error;
    });
    const labelled = instance?.zone ?? (await labelledZone());
    return zones.includes(labelled) ? labelled : (zones[0] ?? '');
  };
  return service(NodeDefinition, {
    async nodeGetInfo() {
      const { zones = [], disksPerNode = 0 } = await operations.describe({});
      return { nodeId: nodeName, maxVolumesPerNode: disksPerNode, accessibleTopology: { segments: { [zoneKey]: await zone(zones) } } };
    },
    nodeGetCapabilities: async () => ({ capabilities: abilities.map((type) => ({ type: { $case: 'rpc' as const, value: { type } } })) }),
    async nodeStageVolume({ volumeId, stagingTargetPath, publishContext = {}, volumeCapability }) {
      const [id, path] = [required(volumeId, 'volume_id'), required(stagingTargetPath, 'staging_target_path')];
      if (!volumeCapability) throw new RpcError(Code.INVALID_ARGUMENT, 'volume_capability is required');
      const { source = '', device = '', sizeBytes = '0' } = publishContext;
      if (!source) throw new RpcError(Code.FAILED_PRECONDITION, `disk ${id} has no content: the cloud keeps none (--disk-dir)`);
      // A disk without a file system is published from where it is attached.
      if (volumeCapability.accessType?.$case === 'block') return {};
      const there = mounts.list().get(path);
      if (there && there.source !== source) throw new RpcError(Code.ALREADY_EXISTS, `${there.device} is mounted at ${path}`);
      if (!there) mounts.mount(path, { source, device, sizeBytes: Number(sizeBytes) });
      return {};
    },
    async nodeUnstageVolume({ volumeId, stagingTargetPath }) {
      required(volumeId, 'volume_id');
      mounts.unmount(required(stagingTargetPath, 'staging_target_path'));
      return {};
    },
    async nodePublishVolume({ volumeId, stagingTargetPath, targetPath, volumeCapability, publishContext = {} }) {
      const id = required(volumeId, 'volume_id');
      const [staged, target] = [required(stagingTargetPath, 'staging_target_path'), required(targetPath, 'target_path')];
      if (volumeCapability?.accessType?.$case === 'block') {
        const { source: folder = '', device = '', sizeBytes = '0' } = publishContext;
        if (!folder) throw new RpcError(Code.FAILED_PRECONDITION, `disk ${id} has no content: the cloud keeps none (--disk-dir)`);
        const source = content(folder);
        if (mounts.list().get(target)?.source !== source) mounts.mount(target, { source, device, sizeBytes: Number(sizeBytes), isDevice: true });
        return {};
      }
      const mount = mounts.list().get(staged);
      if (!mount) throw new RpcError(Code.FAILED_PRECONDITION, `staging_target_path: nothing is mounted at ${staged}`);
      if (mounts.list().get(target)?.source !== mount.source) mounts.mount(target, mount);
      return {};
    },
    async nodeUnpublishVolume({ volumeId, targetPath }) {
      required(volumeId, 'volume_id');
      mounts.unmount(required(targetPath, 'target_path'));
      return {};
    },
    async nodeExpandVolume({ volumeId, volumePath, capacityRange }) {
      required(volumeId, 'volume_id');
      const mount = mountedAt(required(volumePath, 'volume_path'), 'volume_path');
      const sizeBytes = Math.max(mount.sizeBytes, capacityRange?.requiredBytes ?? 0);
      for (const [path, one] of [...mounts.list()]) if (one.source === mount.source && one.sizeBytes !== sizeBytes) mounts.mount(path, { ...one, sizeBytes });
      return { capacityBytes: sizeBytes };
    },
    async nodeGetVolumeStats({ volumeId, volumePath }) {
      required(volumeId, 'volume_id');
      const { source, sizeBytes: total, isDevice } = mountedAt(required(volumePath, 'volume_path'), 'volume_path');
      // Of a disk nobody knows what is in use.
      if (isDevice) return { usage: [{ unit: Unit.BYTES, total }] };
      const { bytes, inodes } = (await usage(source)) ?? { bytes: 0, inodes: 0 };
      const allInodes = Math.floor(total / bytesPerInode);
      return {
        usage: [
          { unit: Unit.BYTES, total, used: bytes, available: Math.max(0, total - bytes) },
          { unit: Unit.INODES, total: allInodes, used: inodes, available: Math.max(0, allInodes - inodes) },
        ],
      };
    },
  });
}

/** How the driver introduces itself to the kubelet. */
function registrationService({ nodeName, log }: NodeServiceOptions): ServedService {
  return service(RegistrationDefinition, {
    getInfo: async () => ({ type: 'CSIPlugin', name: driverName, endpoint: sockets.driver, supportedVersions: ['1.0.0'] }),
    async notifyRegistrationStatus({ pluginRegistered = false, error = '' }) {
      if (!pluginRegistered) log.warn('the kubelet does not take the driver', { node: nodeName, error });
      return {};
    },
  });
}

/** What the driver serves on a node, by socket. */
export function nodeServices(options: NodeServiceOptions): ReadonlyMap<string, ServedService> {
  return new Map([[sockets.registration, registrationService(options)], [sockets.driver, nodeService(options)]]);
}
