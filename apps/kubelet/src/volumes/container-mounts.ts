import type { Container, Pod, VolumeMount } from '@orrery/api/types';
import type { VolumeHost } from '@orrery/cri';
import { type Device, type Mount, MountPropagation } from '@orrery/proto/cri';
import { ConfigFault } from '../env/environment.ts';
import { expand } from '../env/expansion.ts';
import type { MountedVolume } from './volume-manager.ts';

const propagations: Readonly<Record<string, MountPropagation>> = {
  HostToContainer: MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
  Bidirectional: MountPropagation.PROPAGATION_BIDIRECTIONAL,
};

/** Bytes are never written into. */
const nothing = new Uint8Array(0);

export interface MountInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly volumes: ReadonlyMap<string, MountedVolume>;
  /** Images that are mounted as volumes, by volume: as the runtime knows them. */
  readonly images: ReadonlyMap<string, string>;
  readonly environment: ReadonlyMap<string, string>;
  readonly host: VolumeHost;
  /** Directory of the pod on the node. */
  readonly podDir: string;
  /** Where the termination message of this very instance goes. */
  readonly terminationLog: string;
  /** The runtime can make mounts read-only with all that is mounted below. */
  readonly recursiveReadOnly: boolean;
}

/** Whether what is mounted below a volume is read-only, too. Throws ConfigFault where that cannot be had; upstream's words. */
export function isRecursivelyReadOnly({ name, readOnly, mountPropagation, recursiveReadOnly = 'Disabled' }: VolumeMount, isSupported: boolean): boolean {
  if (recursiveReadOnly === 'Disabled') return false;
  const asked = `failed to resolve recursive read-only mode: volume "${name}" requested recursive read-only mode, but it is`;
  if (!readOnly) throw new ConfigFault(`${asked} not read-only`);
  if (mountPropagation !== undefined && mountPropagation !== 'None') throw new ConfigFault(`${asked} not compatible with propagation "${mountPropagation}"`);
  if (recursiveReadOnly === 'Enabled' && !isSupported) throw new ConfigFault(`${asked} not supported by the runtime`);
  return isSupported;
}

function subPathOf(mount: { subPath?: string; subPathExpr?: string }, environment: ReadonlyMap<string, string>): string {
  const missing = new Set<string>();
  const value = (name: string): string => {
    const found = environment.get(name) ?? '';
    // An empty value would silently mean the whole volume.
    if (found === '') missing.add(name);
    return found;
  };
  const path = mount.subPathExpr ? expand(mount.subPathExpr, value) : (mount.subPath ?? '');
  if (missing.size) throw new ConfigFault(`missing value for ${[...missing].sort().join(', ')}`);
  if (path.startsWith('/')) throw new ConfigFault(`error SubPath \`${path}\` must not be an absolute path`);
  if (path.split('/').includes('..')) throw new ConfigFault(`unable to provision SubPath \`${path}\`: must not contain '..'`);
  return path;
}

/** Makes every directory on the way that is not there. */
async function makeDirs(host: VolumeHost, base: string, { subPath, mode }: { subPath: string; mode: number }): Promise<void> {
  let path = base;
  for (const part of subPath.split('/').filter(Boolean)) {
    path += `/${part}`;
    if (!(await host.resolve(path))) await host.makeDir(path, mode);
  }
}

/** Where a sub-path of a volume really is, made like the volume's own directory when it is not there. No link leads out of the volume. */
async function subPathIn(host: VolumeHost, volumePath: string, { subPath, volume, container }: { subPath: string; volume: string; container: string }): Promise<string> {
  const path = `${volumePath}/${subPath}`;
  const base = await host.resolve(volumePath);
  try {
    if (base && !(await host.resolve(path))) await makeDirs(host, volumePath, { subPath, mode: base.mode });
  } catch (cause) {
    // A link that leads nowhere, or a file on the way; upstream does not tell which.
    throw new ConfigFault(`failed to create subPath directory for volumeMount "${volume}" of container "${container}"`, { cause });
  }
  const found = await host.resolve(path);
  if (!base || !found || !`${found.path}/`.startsWith(`${base.path}/`)) throw new ConfigFault(`failed to prepare subPath for volumeMount "${volume}" of container "${container}"`);
  return found.path;
}

/** Volumes that a container has as block devices. */
export function containerDevices(container: Container, volumes: ReadonlyMap<string, MountedVolume>): Device[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const volume = volumes.get(name);
    if (!volume?.device) throw new ConfigFault(`cannot find volume "${name}" to pass into container "${container.name}"`);
    return { hostPath: volume.hostPath, containerPath: devicePath, permissions: volume.readOnly ? 'r' : 'mrw' };
  });
}

/** Mounts of a container: its volumes, `/etc/hosts` and the termination log. Creates sub-paths that are not there. */
export async function containerMounts(input: MountInput): Promise<Mount[]> {
  const { container, volumes, environment, host, podDir } = input;
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumes.get(mount.name);
    if (!volume) throw new ConfigFault(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
    const subPath = subPathOf(mount, environment);
    const containerPath = mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`;
    const readonly = volume.readOnly || mount.readOnly === true;
    if (volume.image) {
      mounts.push({ containerPath, readonly: true, image: { image: input.images.get(mount.name) ?? volume.image.reference, userSpecifiedImage: volume.image.reference }, imageSubPath: subPath });
      continue;
    }
    const hostPath = subPath ? await subPathIn(host, volume.hostPath, { subPath, volume: mount.name, container: container.name }) : volume.hostPath;
    const propagation = propagations[mount.mountPropagation ?? ''] ?? MountPropagation.PROPAGATION_PRIVATE;
    const made: Mount = { containerPath, hostPath, readonly, propagation };
    if (mount.recursiveReadOnly !== undefined && isRecursivelyReadOnly(mount, input.recursiveReadOnly)) made.recursiveReadOnly = true;
    mounts.push(made);
  }
  const mountsHosts = mounts.some(({ containerPath }) => containerPath === '/etc/hosts');
  if (!mountsHosts) mounts.push({ containerPath: '/etc/hosts', hostPath: `${podDir}/etc-hosts`, readonly: false });
  const messagePath = container.terminationMessagePath ?? '/dev/termination-log';
  if (messagePath) {
    await host.writeFile(input.terminationLog, { bytes: nothing, mode: 0o666 });
    mounts.push({ containerPath: messagePath, hostPath: input.terminationLog, readonly: false });
  }
  return mounts;
}
