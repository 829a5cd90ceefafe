import { type ContainerConfig, type Mount as CriMount, MountPropagation } from '@orrery/proto/cri';
import type { MemoryVolumeHost } from '@orrery/cri';
import type { Clock } from '@orrery/runtime';
import { Code, RpcError } from '@orrery/rpc';
import { NodeTree, type TreeNode } from '../fs/node-tree.ts';
import type { Tree } from '../fs/tree.ts';
import type { Propagation } from '../fs/mount-namespace.ts';
import { type Mount, resolvePath } from '../fs/vfs.ts';
import type { ImageStore } from './image-store.ts';
import type { Binding } from './machine.ts';

/** Opens paths of the node, made by the kubelet or named by hostPath volumes, for mounting into containers. */
export interface MountSource {
  /** The tree whose root is the file or directory at `hostPath`. As containerd, a path that is not there becomes a directory. */
  open(hostPath: string): Tree;
  /** The same; undefined where nothing is there. */
  find(hostPath: string): Tree | undefined;
}

/** Mounts the very nodes of the kubelet's memory tree, so both see each other's changes. */
export function memoryMounts(volumes: MemoryVolumeHost, clock: Clock): MountSource {
  const treeAt = (path: string, found: ReturnType<MemoryVolumeHost['find']>): Tree => {
    const root = (found?.node ?? volumes.ensureDirectory(path)) as TreeNode;
    return new NodeTree({ root, now: () => clock.now(), ...(found?.tmpfs ? { source: 'tmpfs', type: 'tmpfs' } : { source: '/dev/vda1', type: 'ext4' }), ...(found?.tmpfs?.sizeBytes === undefined ? {} : { sizeBytes: found.tmpfs.sizeBytes }) });
  };
  return {
    open(hostPath) {
      const path = resolvePath('/', hostPath);
      return treeAt(path, volumes.find(path));
    },
    find(hostPath) {
      const path = resolvePath('/', hostPath);
      const found = volumes.find(path);
      return found && treeAt(path, found);
    },
  };
}

/** Opens an image as a volume: the directory at `subPath` in it. Throws RpcError when there is none. */
export type ImageMounts = (reference: string, subPath: string) => TreeNode;

/** The images of a node as volumes. */
export function imageMounts(images: ImageStore): ImageMounts {
  return (reference, subPath) => {
    const stored = images.find(reference);
    if (!stored) throw new RpcError(Code.NOT_FOUND, `failed to resolve image ${JSON.stringify(reference)}: not found`);
    let node: TreeNode | undefined = stored.image.root();
    for (const part of subPath.split('/').filter((name) => name !== '' && name !== '.')) node = node?.kind === 'directory' ? node.entries.get(part) : undefined;
    if (node?.kind !== 'directory') throw new RpcError(Code.UNKNOWN, `failed to mount image volume ${JSON.stringify(reference)}: sub path ${JSON.stringify(subPath)} is no directory of it`);
    return node;
  };
}

function fileTree(text: string, at: string, clock: Clock): Tree {
  const root: TreeNode = { kind: 'file', bytes: Buffer.from(text), mode: 0o644, mtimeMs: clock.now() };
  return new NodeTree({ root, now: () => clock.now(), source: at, type: 'ext4' });
}

const maxLinks = 40;
const shmBytes = 64 * 1024 ** 2;

/** Where a mount lands: links of the image on the way are followed inside its root (`/var/run/secrets` in `/run`). */
function mountPoint(root: Tree, containerPath: string): string {
  let path = resolvePath('/', containerPath);
  for (let links = 0; links < maxLinks; links++) {
    const parts = path.split('/').filter(Boolean);
    const at = parts.findIndex((_, i) => root.stat(parts.slice(0, i + 1))?.kind === 'symlink');
    if (at < 0) return path;
    const target = resolvePath(`/${parts.slice(0, at).join('/')}`, root.readlink(parts.slice(0, at + 1)));
    path = resolvePath(target, parts.slice(at + 1).join('/') || '.');
  }
  return path;
}

/** The files a runtime gives each container; a mount of the kubelet at the same path replaces them. */
export interface RuntimeFiles {
  readonly hostname: string;
  readonly hosts: string;
  readonly resolvConf: string;
}

const propagations: Readonly<Partial<Record<MountPropagation, Propagation>>> = {
  [MountPropagation.PROPAGATION_HOST_TO_CONTAINER]: 'slave',
  [MountPropagation.PROPAGATION_BIDIRECTIONAL]: 'shared',
};

/** A volume: the node's directory, with what is mounted in it by now, as containerd binds it. */
function volumeMounts({ hostPath = '', readonly: readOnly = false, propagation = MountPropagation.PROPAGATION_PRIVATE, recursiveReadOnly = false }: CriMount, at: string, bind: (hostPath: string) => Binding): Mount[] {
  const path = resolvePath('/', hostPath);
  const { tree, within } = bind(path);
  const how = propagations[propagation] ?? 'private';
  const inner = within.map((mount): Mount => ({ at: resolvePath(at, mount.at.slice(path.length).replace(/^\//, '')), tree: mount.tree, readOnly: mount.readOnly || recursiveReadOnly, node: { path: mount.at, propagation: how } }));
  return [{ at, tree, readOnly, node: { path, propagation: how } }, ...inner];
}

/** All mounts of a container, outer before inner. */
export function containerMounts(options: {
  root: Tree;
  rootReadOnly: boolean;
  proc: Tree;
  sys: Tree;
  cgroup: Tree;
  files: RuntimeFiles;
  config: ContainerConfig;
  bind: (hostPath: string) => Binding;
  images: ImageMounts;
  clock: Clock;
}): Mount[] {
  const { clock, files, config, bind, images } = options;
  const tmpfs = (): Tree => new NodeTree({ root: { kind: 'directory', entries: new Map(), mode: 0o1777, mtimeMs: clock.now() }, now: () => clock.now(), source: 'shm', type: 'tmpfs', sizeBytes: shmBytes });
  const mounts: Mount[] = [
    { at: '/', tree: options.root, readOnly: options.rootReadOnly },
    { at: '/proc', tree: options.proc, readOnly: false },
    { at: '/sys', tree: options.sys, readOnly: true },
    { at: '/sys/fs/cgroup', tree: options.cgroup, readOnly: true },
    { at: '/dev/shm', tree: tmpfs(), readOnly: false },
    { at: '/etc/hostname', tree: fileTree(`${files.hostname}\n`, '/etc/hostname', clock), readOnly: false },
    { at: '/etc/hosts', tree: fileTree(files.hosts, '/etc/hosts', clock), readOnly: false },
    { at: '/etc/resolv.conf', tree: fileTree(files.resolvConf, '/etc/resolv.conf', clock), readOnly: false },
  ];
  const given = (config.mounts ?? []).flatMap((mount: CriMount): Mount[] => {
    const at = mountPoint(options.root, mount.containerPath ?? '');
    if (mount.image?.image) return [{ at, tree: new NodeTree({ root: images(mount.image.image, mount.imageSubPath ?? ''), now: () => clock.now() }), readOnly: true }];
    return volumeMounts(mount, at, bind);
  });
  const replaced = new Set(given.map(({ at }) => at));
  return [...mounts.filter(({ at }) => !replaced.has(at)), ...given].sort((a, b) => a.at.length - b.at.length);
}

/** Mount points need not exist in the image: makes them, and their parents, in the container's own layer. */
export function makeMountPoints(mounts: readonly Mount[]): void {
  const rootTree = mounts[0]?.tree;
  if (!rootTree) return;
  const isMounted = (path: string): boolean => mounts.slice(1).some(({ at }) => path === at || path.startsWith(`${at}/`));
  for (const { at } of mounts.slice(1)) {
    const parts = at.split('/').filter(Boolean);
    for (let n = 1; n < parts.length; n++) {
      const parent = parts.slice(0, n);
      if (isMounted(`/${parent.join('/')}`)) break;
      const stat = rootTree.stat(parent);
      if (!stat) rootTree.mkdir(parent, { mode: 0o755, uid: 0, gid: 0 });
      else if (stat.kind !== 'directory') break;
    }
  }
}
