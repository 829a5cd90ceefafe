import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DirectoryTree } from './directory-tree.ts';

/** The file system of a disk, mounted at a path of an emulated node; or the disk itself, as the device at that path. */
export interface NodeMount {
  /** Folder of this machine that holds the disk's files; or the file with its bytes (`diskContent`). */
  readonly source: string;
  /** As which device the node has the disk, `/dev/vdb`. */
  readonly device: string;
  /** What the file system tells as its size. */
  readonly sizeBytes: number;
  /** The disk itself, without a file system. */
  readonly isDevice?: boolean;
}

/** What is mounted on an emulated node, by absolute path. */
export interface NodeMounts {
  list(): ReadonlyMap<string, NodeMount>;
  mount(path: string, mount: NodeMount): void;
  /** Nothing happens where nothing is mounted. */
  unmount(path: string): void;
}

/** Mounts that end with the process. */
export class MemoryMounts implements NodeMounts {
  private readonly mounts = new Map<string, NodeMount>();

  list(): ReadonlyMap<string, NodeMount> {
    return this.mounts;
  }

  mount(path: string, mount: NodeMount): void {
    this.mounts.set(resolve('/', path), mount);
  }

  unmount(path: string): void {
    this.mounts.delete(resolve('/', path));
  }
}

const none: ReadonlyMap<string, NodeMount> = new Map();
const read = new Map<string, { readonly stamp: string; readonly mounts: ReadonlyMap<string, NodeMount> }>();

/** Beside the root, where nothing that runs on the node can write it. */
const tableOf = (root: string): string => `${resolve(root)}.mounts.json`;

/** What is mounted on the node whose `/` is `root`; nothing where that is this machine's own. */
export function mountsOf(root: string): ReadonlyMap<string, NodeMount> {
  if (resolve(root) === '/') return none;
  const path = tableOf(root);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return none;
  // Every change is a new file.
  const stamp = `${found.ino} ${found.mtimeMs} ${found.size}`;
  const known = read.get(path);
  if (known?.stamp === stamp) return known.mounts;
  const mounts = new Map(Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, NodeMount>));
  read.set(path, { stamp, mounts });
  return mounts;
}

/** The mounts of the node whose `/` is `root`, kept in a file beside it, so that all its processes see them. One process may change them. */
export function fileMounts(root: string): NodeMounts {
  const change = (edit: (mounts: Map<string, NodeMount>) => void): void => {
    const path = tableOf(root);
    const mounts = new Map(mountsOf(root));
    edit(mounts);
    if (mounts.size === 0) {
      rmSync(path, { force: true });
      return;
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.next`, JSON.stringify(Object.fromEntries(mounts), null, 1));
    renameSync(`${path}.next`, path);
  };
  return {
    list: () => mountsOf(root),
    mount: (path, mount) => change((mounts) => mounts.set(resolve('/', path), mount)),
    unmount: (path) => change((mounts) => mounts.delete(resolve('/', path))),
  };
}

/** The mount that an absolute path is in, and where that is mounted. */
export function mountAt(mounts: ReadonlyMap<string, NodeMount>, path: string): { readonly at: string; readonly mount: NodeMount } | undefined {
  if (mounts.size === 0) return undefined;
  for (let at = resolve('/', path); at !== '/'; at = dirname(at)) {
    const mount = mounts.get(at);
    if (mount) return { at, mount };
  }
  return undefined;
}

/** Where a path of the node without symbolic links lies on this machine. */
export function placeOf(root: string, mounts: ReadonlyMap<string, NodeMount>, path: string): string {
  const found = mountAt(mounts, path);
  // What is mounted may be a file, whose name ends in no slash.
  return found ? join(found.mount.source, path.slice(found.at.length)) : path === '/' ? root : join(root, path);
}

/** The tree at a path of the node that is in a mount, as containers are to see it; `real`: where it lies on this machine. */
export function mountedTree(mounts: NodeMounts | (() => ReadonlyMap<string, NodeMount>), { path, real }: { path: string; real: string }): DirectoryTree | undefined {
  const list = typeof mounts === 'function' ? mounts : () => mounts.list();
  const found = mountAt(list(), path);
  if (!found) return undefined;
  const { device, sizeBytes } = found.mount;
  return new DirectoryTree(real, { device, sizeNow: () => list().get(found.at)?.sizeBytes ?? sizeBytes, whole: found.mount.isDevice === true });
}

/** The file with the bytes of a disk that is used without a file system, in the folder that the cloud keeps for it; made where there is none. */
export function diskContent(folder: string): string {
  const path = join(folder, 'disk');
  closeSync(openSync(path, 'a', 0o600));
  return path;
}
