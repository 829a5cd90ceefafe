import { FsError } from './fs-error.ts';
import type { FileRef, Parts, Stat, Tree } from './tree.ts';

/**
 * Nodes of an in-memory tree. The shapes are those of the memory volume host (libs/cri), so that volumes are mounted by
 * reference; owners are ours. `shared` nodes belong to an image layer: they are copied before they change.
 */
export interface FileNode {
  readonly kind: 'file';
  bytes: Uint8Array;
  mode: number;
  mtimeMs: number;
  uid?: number;
  gid?: number;
  shared?: boolean;
  links?: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  entries: Map<string, TreeNode>;
  mode: number;
  mtimeMs: number;
  uid?: number;
  gid?: number;
  shared?: boolean;
}

export interface SymlinkNode {
  readonly kind: 'symlink';
  target: string;
  mtimeMs: number;
  uid?: number;
  gid?: number;
  shared?: boolean;
}

export interface DeviceNode {
  readonly kind: 'device';
  readonly device: string;
  mode: number;
  mtimeMs: number;
  uid?: number;
  gid?: number;
  shared?: boolean;
}

/** A block device; its content lies elsewhere. */
export interface DiskNode {
  readonly kind: 'disk';
  mode: number;
  mtimeMs: number;
  uid?: number;
  gid?: number;
  shared?: boolean;
  /** Throws FsError when it may not be written. */
  open(write: boolean): FileRef;
}

export type TreeNode = FileNode | DirectoryNode | SymlinkNode | DeviceNode | DiskNode;

const inodes = new WeakMap<TreeNode, number>();
let nextInode = 1000;

function inode(node: TreeNode): number {
  let ino = inodes.get(node);
  if (ino === undefined) inodes.set(node, (ino = nextInode++));
  return ino;
}

/** Buffers with room behind a file's bytes, so that appending line by line does not copy the file each time. */
const spare = new WeakMap<FileNode, Uint8Array>();

function append(node: FileNode, bytes: Uint8Array): void {
  const at = node.bytes.length;
  const total = at + bytes.length;
  let buffer = spare.get(node);
  if (!buffer || buffer.length < total || node.bytes.buffer !== buffer.buffer) {
    buffer = new Uint8Array(Math.max(256, total * 2));
    buffer.set(node.bytes);
    spare.set(node, buffer);
  }
  buffer.set(bytes, at);
  node.bytes = buffer.subarray(0, total);
}

/** What a directory itself takes. */
export const directoryBytes = 4096;

/** What is not shared with an image below a node. */
function writtenBelow(node: TreeNode): { bytes: number; inodes: number } {
  if (node.shared) return { bytes: 0, inodes: 0 };
  let [bytes, inodes] = [sizeOf(node), 1];
  if (node.kind !== 'directory') return { bytes, inodes };
  for (const child of node.entries.values()) {
    const below = writtenBelow(child);
    bytes += below.bytes;
    inodes += below.inodes;
  }
  return { bytes, inodes };
}

function sizeOf(node: TreeNode): number {
  if (node.kind === 'file') return node.bytes.length;
  if (node.kind === 'symlink') return node.target.length;
  return node.kind === 'directory' ? directoryBytes : 0;
}

function unshared(node: TreeNode): TreeNode {
  if (node.kind === 'directory') return { ...node, entries: new Map(node.entries), shared: false };
  return { ...node, shared: false };
}

/** A tree over in-memory nodes, with copy-on-write over shared ones. */
export class NodeTree implements Tree {
  readonly source: string;
  readonly type: string;
  readonly sizeBytes: number | undefined;
  private root: TreeNode;
  private readonly now: () => number;

  constructor(options: { root: TreeNode; now: () => number; source?: string; type?: string; sizeBytes?: number }) {
    this.root = options.root;
    this.now = options.now;
    this.source = options.source ?? 'overlay';
    this.type = options.type ?? 'overlay';
    this.sizeBytes = options.sizeBytes;
  }

  /** What this tree has changed or added: the size of the writable layer of a container. */
  written(): { bytes: number; inodes: number } {
    return this.root.shared ? { bytes: directoryBytes, inodes: 1 } : writtenBelow(this.root);
  }

  private find(parts: Parts): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (const part of parts) {
      if (node?.kind !== 'directory') return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  private must(parts: Parts): TreeNode {
    const node = this.find(parts);
    if (!node) throw new FsError('ENOENT', parts.join('/'));
    return node;
  }

  /** The node at `parts`, made ours along the whole way. */
  private own(parts: Parts): TreeNode {
    if (this.root.shared) this.root = unshared(this.root);
    let node = this.root;
    for (const part of parts) {
      if (node.kind !== 'directory') throw new FsError('ENOTDIR', parts.join('/'));
      let next = node.entries.get(part);
      if (!next) throw new FsError('ENOENT', parts.join('/'));
      if (next.shared) node.entries.set(part, (next = unshared(next)));
      node = next;
    }
    return node;
  }

  private ownParent(parts: Parts): { directory: DirectoryNode; name: string } {
    const name = parts.at(-1);
    if (name === undefined) throw new FsError('EBUSY');
    const directory = this.own(parts.slice(0, -1));
    if (directory.kind !== 'directory') throw new FsError('ENOTDIR', parts.join('/'));
    return { directory, name };
  }

  private insert(parts: Parts, node: TreeNode): void {
    const { directory, name } = this.ownParent(parts);
    if (directory.entries.has(name)) throw new FsError('EEXIST', parts.join('/'));
    directory.entries.set(name, node);
    directory.mtimeMs = this.now();
  }

  stat(parts: Parts): Stat | undefined {
    const node = this.find(parts);
    if (!node) return undefined;
    const nlink = node.kind === 'file' ? (node.links ?? 1) : node.kind === 'directory' ? 2 : 1;
    const mode = node.kind === 'symlink' ? 0o777 : node.mode;
    return { kind: node.kind, mode, uid: node.uid ?? 0, gid: node.gid ?? 0, size: sizeOf(node), mtimeMs: node.mtimeMs, ino: inode(node), nlink };
  }

  list(parts: Parts): string[] {
    const node = this.must(parts);
    if (node.kind !== 'directory') throw new FsError('ENOTDIR', parts.join('/'));
    return [...node.entries.keys()];
  }

  readlink(parts: Parts): string {
    const node = this.must(parts);
    if (node.kind !== 'symlink') throw new FsError('EINVAL', parts.join('/'));
    return node.target;
  }

  open(parts: Parts, options: { create?: { mode: number; uid: number; gid: number }; truncate?: boolean; write?: boolean }): FileRef {
    let node = this.find(parts);
    if (!node && options.create) {
      node = { kind: 'file', bytes: new Uint8Array(0), mtimeMs: this.now(), ...options.create };
      this.insert(parts, node);
    }
    if (!node) throw new FsError('ENOENT', parts.join('/'));
    if (node.kind === 'directory') throw new FsError('EISDIR', parts.join('/'));
    if (node.kind === 'disk') return node.open(options.write ?? false);
    if (node.kind !== 'file') throw new FsError('ENXIO', parts.join('/'));
    if (options.write || options.truncate) node = this.own(parts) as FileNode;
    const file = node as FileNode;
    if (options.truncate) this.replace(file, new Uint8Array(0));
    return {
      read: () => file.bytes,
      size: () => file.bytes.length,
      write: (bytes) => this.replace(file, bytes),
      append: (bytes) => {
        append(file, bytes);
        file.mtimeMs = this.now();
      },
    };
  }

  private replace(file: FileNode, bytes: Uint8Array): void {
    file.bytes = bytes;
    file.mtimeMs = this.now();
  }

  mkdir(parts: Parts, owner: { mode: number; uid: number; gid: number }): void {
    this.insert(parts, { kind: 'directory', entries: new Map(), mtimeMs: this.now(), ...owner });
  }

  /** Puts a device there, in place of what was there. */
  placeDevice(parts: Parts, node: DeviceNode | DiskNode): void {
    const { directory, name } = this.ownParent(parts);
    directory.entries.set(name, node);
  }

  symlink(parts: Parts, target: string): void {
    this.insert(parts, { kind: 'symlink', target, mtimeMs: this.now() });
  }

  link(from: Parts, to: Parts): void {
    const node = this.own(from);
    if (node.kind !== 'file') throw new FsError('EPERM', from.join('/'));
    this.insert(to, node);
    node.links = (node.links ?? 1) + 1;
  }

  remove(parts: Parts): void {
    const node = this.must(parts);
    if (node.kind === 'directory' && node.entries.size) throw new FsError('ENOTEMPTY', parts.join('/'));
    const { directory, name } = this.ownParent(parts);
    if (node.kind === 'file' && node.links) node.links--;
    directory.entries.delete(name);
    directory.mtimeMs = this.now();
  }

  rename(from: Parts, to: Parts): void {
    const node = this.must(from);
    const target = this.find(to);
    if (target === node) return;
    if (to.length > from.length && from.every((part, i) => part === to[i])) throw new FsError('EINVAL', from.join('/'));
    if (target?.kind === 'directory') {
      if (node.kind !== 'directory') throw new FsError('EISDIR', to.join('/'));
      if (target.entries.size) throw new FsError('ENOTEMPTY', to.join('/'));
    } else if (target && node.kind === 'directory') throw new FsError('ENOTDIR', to.join('/'));
    const source = this.ownParent(from);
    const destination = this.ownParent(to);
    source.directory.entries.delete(source.name);
    destination.directory.entries.set(destination.name, node);
    source.directory.mtimeMs = destination.directory.mtimeMs = this.now();
  }

  setAttributes(parts: Parts, attributes: { mode?: number; uid?: number; gid?: number; mtimeMs?: number }): void {
    Object.assign(this.own(parts), attributes);
  }

  device(parts: Parts): string | undefined {
    const node = this.find(parts);
    return node?.kind === 'device' ? node.device : undefined;
  }
}
