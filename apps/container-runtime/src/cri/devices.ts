import type { ContainerConfig, Device } from '@orrery/proto/cri';
import type { Clock } from '@orrery/runtime';
import { Code, RpcError } from '@orrery/rpc';
import { diskNode } from '../fs/disk.ts';
import type { DeviceNode, DiskNode, NodeTree } from '../fs/node-tree.ts';
import { resolvePath } from '../fs/vfs.ts';
import type { MountSource } from './mounts.ts';

/** Devices of characters that every machine has. */
const common: Readonly<Record<string, string>> = { '/dev/null': 'null', '/dev/zero': 'zero', '/dev/full': 'full', '/dev/random': 'random', '/dev/urandom': 'random', '/dev/tty': 'tty' };

interface Devices {
  readonly source: MountSource;
  readonly clock: Clock;
}

/** What a container has for a device of the node. A file of the node stands for a disk. Throws RpcError as containerd does where there is none. */
function deviceNode({ hostPath = '', permissions = '' }: Device, { source, clock }: Devices): DeviceNode | DiskNode {
  const path = resolvePath('/', hostPath);
  const nowMs = clock.now();
  const character = common[path];
  if (character) return { kind: 'device', device: character, mode: 0o666, mtimeMs: nowMs };
  const tree = source.find(path);
  const kind = tree?.stat([])?.kind;
  if (!tree || !kind) throw new RpcError(Code.UNKNOWN, `failed to generate container spec: lstat ${path}: no such file or directory`);
  if (kind !== 'file') throw new RpcError(Code.UNKNOWN, 'failed to generate container spec: not a device node');
  return diskNode(tree, { readOnly: permissions !== '' && !permissions.includes('w'), nowMs });
}

/** Throws RpcError for the first device that the node does not have. */
export function checkDevices(config: ContainerConfig, at: Devices): void {
  for (const device of config.devices ?? []) deviceNode(device, at);
}

/** Gives a container its devices: nodes in its own layer, which the runtime makes even where the container may not write. */
export function placeDevices(root: NodeTree, config: ContainerConfig, at: Devices): void {
  for (const device of config.devices ?? []) {
    const parts = resolvePath('/', device.containerPath ?? '').split('/').filter(Boolean);
    for (let n = 1; n < parts.length; n++) if (!root.stat(parts.slice(0, n))) root.mkdir(parts.slice(0, n), { mode: 0o755, uid: 0, gid: 0 });
    root.placeDevice(parts, deviceNode(device, at));
  }
}
