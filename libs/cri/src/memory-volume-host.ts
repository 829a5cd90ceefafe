import { rfc3339 } from '@orrery/runtime';
import { type DirectoryAttributes, type GroupOwnership, type StorageUse, type VolumeFile, type VolumeHost, groupBits, isGivenToGroup, pathParts } from './volume-host.ts';

interface Owned {
  uid?: number;
  gid?: number;
}

/** A file of the memory tree. `bytes` is replaced, never written into, so equal content may be shared by many files. */
export interface MemoryFile extends Owned {
  readonly kind: 'file';
  bytes: Uint8Array;
  mode: number;
  mtimeMs: number;
}

const encoder = new TextEncoder();

/** A file that the kubelet wrote. Of thousands of tokens and `/etc/hosts` few are ever read: a text becomes bytes when it is. */
class WrittenFile implements MemoryFile {
  readonly kind = 'file';
  mode: number;
  mtimeMs: number;
  uid?: number;
  gid?: number;
  private content: Uint8Array | string;

  constructor({ bytes, mode, uid, gid }: VolumeFile, mtimeMs: number) {
    this.content = bytes;
    this.mode = mode;
    this.mtimeMs = mtimeMs;
    if (uid !== undefined) this.uid = uid;
    if (gid !== undefined) this.gid = gid;
  }

  get bytes(): Uint8Array {
    if (typeof this.content === 'string') this.content = encoder.encode(this.content);
    return this.content;
  }

  set bytes(bytes: Uint8Array) {
    this.content = bytes;
  }

  replace(bytes: Uint8Array | string): void {
    this.content = bytes;
  }

  holds(bytes: Uint8Array | string): boolean {
    return this.content === bytes || sameBytes(this.bytes, asBytes(bytes));
  }
}

export interface MemoryDirectory extends Owned {
  readonly kind: 'directory';
  /** Replaced as a whole when the kubelet updates a volume: hold the directory, not this map. */
  entries: Map<string, MemoryNode>;
  mode: number;
  mtimeMs: number;
  /** A file system in memory begins here, as containers see it. */
  tmpfs?: { readonly sizeBytes?: number };
}

export interface MemorySymlink extends Owned {
  readonly kind: 'symlink';
  target: string;
  mtimeMs: number;
}

export type MemoryNode = MemoryFile | MemoryDirectory | MemorySymlink;

/** A directory on the way to what is wanted. */
const plain: DirectoryAttributes = { mode: 0o755 };
const setgid = 0o2000;
const dataLink = '..data';
const maxLinks = 40;

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}

const asBytes = (content: Uint8Array | string): Uint8Array => (typeof content === 'string' ? encoder.encode(content) : content);

function isFile(node: MemoryNode | undefined, { bytes, mode, uid, gid }: VolumeFile): node is MemoryFile {
  if (node?.kind !== 'file' || node.mode !== mode || node.uid !== uid || node.gid !== gid) return false;
  return node instanceof WrittenFile ? node.holds(bytes) : sameBytes(node.bytes, asBytes(bytes));
}

function storageOf(node: MemoryNode): StorageUse {
  if (node.kind !== 'directory') return { bytes: node.kind === 'file' ? node.bytes.length : 0, inodes: 1 };
  let [bytes, inodes] = [0, 1];
  for (const child of node.entries.values()) {
    const use = storageOf(child);
    bytes += use.bytes;
    inodes += use.inodes;
  }
  return { bytes, inodes };
}

/** How many files lie below a directory. */
function countFiles(directory: MemoryDirectory): number {
  let count = 0;
  for (const node of directory.entries.values()) count += node.kind === 'directory' ? countFiles(node) : 1;
  return count;
}

/**
 * A node's file system in memory. An emulated runtime mounts `find(mount.hostPath)` itself, by reference, and may
 * change the nodes (create files in an emptyDir, append to a termination log) with plain assignments.
 */
export class MemoryVolumeHost implements VolumeHost {
  readonly root: MemoryDirectory;
  private readonly now: () => number;
  private stamps = 0;

  constructor(now: () => number) {
    this.now = now;
    this.root = this.directory(0o755);
  }

  /** The node at `path`, or undefined. Symbolic links are returned as they are, not followed. */
  lookup(path: string): MemoryNode | undefined {
    return this.at(pathParts(path));
  }

  private at(parts: readonly string[]): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.root;
    for (const part of parts) {
      if (node?.kind !== 'directory') return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  /** The node at `path` with symbolic links followed, where it really is, and the file system in memory that it is in. */
  find(path: string): { path: string; node: Exclude<MemoryNode, MemorySymlink>; tmpfs: MemoryDirectory['tmpfs'] } | undefined {
    const pending = pathParts(path).reverse();
    let way: { name: string; node: MemoryDirectory | MemoryFile }[] = [];
    const here = (): MemoryDirectory | MemoryFile => way.at(-1)?.node ?? this.root;
    for (let links = 0; pending.length; ) {
      const name = pending.pop() as string;
      const at = here();
      if (at.kind !== 'directory') return undefined;
      const next = name === '..' ? undefined : at.entries.get(name);
      if (name === '..') way.pop();
      else if (!next) return undefined;
      else if (next.kind !== 'symlink') way.push({ name, node: next });
      else {
        if (++links > maxLinks) return undefined;
        if (next.target.startsWith('/')) way = [];
        pending.push(...next.target.split('/').filter((part) => part !== '' && part !== '.').reverse());
      }
    }
    const mount = way.findLast(({ node }) => node.kind === 'directory' && node.tmpfs)?.node as MemoryDirectory | undefined;
    return { path: `/${way.map(({ name }) => name).join('/')}`, node: here(), tmpfs: mount?.tmpfs };
  }

  /** The directory at `path`, created with its parents when it is not there. Throws when a file is in the way. */
  ensureDirectory(path: string, attributes: DirectoryAttributes = plain): MemoryDirectory {
    return this.directoryAt(pathParts(path), attributes);
  }

  private directoryAt(parts: readonly string[], attributes: DirectoryAttributes): MemoryDirectory {
    let at = this.root;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string;
      let next = at.entries.get(part);
      if (!next) at.entries.set(part, (next = this.childDirectory(at, i === parts.length - 1 ? attributes : plain)));
      if (next.kind !== 'directory') throw new Error(`/${parts.join('/')}: ${part} is not a directory`);
      at = next;
    }
    return at;
  }

  async writeVolume(path: string, files: ReadonlyMap<string, VolumeFile>, attributes: DirectoryAttributes = { mode: 0o777 }): Promise<void> {
    const directory = this.ensureDirectory(path, attributes);
    const current = directory.entries.has(dataLink) ? this.find(`${path}/${dataLink}`)?.node : undefined;
    const old = current?.kind === 'directory' ? current : undefined;
    const oldFile = (name: string): MemoryNode | undefined => (old ? this.find(`${path}/${dataLink}/${name}`)?.node : undefined);
    if (old && countFiles(old) === files.size && [...files].every(([name, file]) => isFile(oldFile(name), file))) return;
    const data = this.childDirectory(directory, plain);
    for (const [name, file] of files) this.place(data, name, { file, old: oldFile(name) });
    const stamp = `..${rfc3339(this.now()).slice(0, 19).replace(/[-T:]/g, '_')}.${++this.stamps}`;
    const entries = new Map<string, MemoryNode>();
    entries.set(stamp, data);
    entries.set(dataLink, this.symlink(stamp));
    for (const name of data.entries.keys()) entries.set(name, directory.entries.get(name) ?? this.symlink(`${dataLink}/${name}`));
    directory.entries = entries;
    directory.mtimeMs = this.now();
  }

  async writeFile(path: string, file: VolumeFile): Promise<void> {
    const parts = pathParts(path);
    const name = parts.pop() ?? '';
    const directory = this.directoryAt(parts, plain);
    const old = directory.entries.get(name);
    if (old?.kind === 'directory') throw new Error(`${path} is a directory`);
    if (old?.kind === 'file') {
      if (old instanceof WrittenFile) old.replace(file.bytes);
      else old.bytes = asBytes(file.bytes);
      old.mode = file.mode;
      old.mtimeMs = this.now();
    } else directory.entries.set(name, new WrittenFile(file, this.now()));
  }

  writeCheckpoint(path: string, text: string): Promise<void> {
    return this.writeFile(path, { bytes: text, mode: 0o600 });
  }

  async readFile(path: string, maxBytes?: number): Promise<Uint8Array | undefined> {
    const node = this.find(path)?.node;
    if (node?.kind !== 'file') return undefined;
    return maxBytes === undefined ? node.bytes : node.bytes.subarray(Math.max(0, node.bytes.length - maxBytes));
  }

  async makeDir(path: string, attributes: number | DirectoryAttributes): Promise<void> {
    this.ensureDirectory(path, typeof attributes === 'number' ? { mode: attributes } : attributes);
  }

  async kind(path: string): Promise<'file' | 'directory' | undefined> {
    return this.find(path)?.node.kind;
  }

  async resolve(path: string): Promise<{ path: string; mode: number } | undefined> {
    const found = this.find(path);
    return found && { path: found.path, mode: found.node.mode };
  }

  async list(path: string): Promise<string[]> {
    const node = this.find(path)?.node;
    return node?.kind === 'directory' ? [...node.entries.keys()] : [];
  }

  async usage(path: string): Promise<StorageUse | undefined> {
    const node = this.lookup(path);
    return node && storageOf(node);
  }

  async remove(path: string): Promise<void> {
    const parts = pathParts(path);
    const name = parts.pop();
    const parent = this.at(parts);
    if (name !== undefined && parent?.kind === 'directory') parent.entries.delete(name);
  }

  async giveToGroup(path: string, options: GroupOwnership): Promise<void> {
    const root = this.find(path)?.node;
    if (!root || (options.onlyOnMismatch && isGivenToGroup({ gid: root.gid ?? 0, mode: root.mode }, options))) return;
    const give = (node: MemoryNode): void => {
      node.gid = options.gid;
      if (node.kind === 'symlink') return;
      node.mode |= groupBits(node.kind === 'directory', options.readOnly);
      if (node.kind === 'directory') for (const child of node.entries.values()) give(child);
    };
    give(root);
  }

  private place(directory: MemoryDirectory, name: string, content: { file: VolumeFile; old: MemoryNode | undefined }): void {
    const { file, old } = content;
    const kept = isFile(old, file) ? old : new WrittenFile(file, this.now());
    let at = directory;
    let leaf = name;
    if (name.includes('/')) {
      const parts = pathParts(name);
      leaf = parts.pop() ?? '';
      for (const part of parts) {
        let next = at.entries.get(part);
        if (next?.kind !== 'directory') at.entries.set(part, (next = this.childDirectory(at, plain)));
        at = next;
      }
    }
    at.entries.set(leaf, kept);
  }

  /** A new directory; below one with the setgid bit it has that one's group and bit, as the kernel does it. */
  private childDirectory(parent: MemoryDirectory, { mode, gid, tmpfs }: DirectoryAttributes): MemoryDirectory {
    const inherits = (parent.mode & setgid) !== 0;
    const group = gid ?? (inherits ? parent.gid : undefined);
    const made = this.directory(inherits ? mode | setgid : mode);
    if (group !== undefined) made.gid = group;
    if (tmpfs) made.tmpfs = tmpfs;
    return made;
  }

  private directory(mode: number): MemoryDirectory {
    return { kind: 'directory', entries: new Map(), mode, mtimeMs: this.now() };
  }

  private symlink(target: string): MemorySymlink {
    return { kind: 'symlink', target, mtimeMs: this.now() };
  }
}
