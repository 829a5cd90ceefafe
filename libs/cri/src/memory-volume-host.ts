import { pathParts, type VolumeFile, type VolumeHost } from './volume-host.ts';

/** A file of the memory tree. `bytes` is replaced, never written into, so equal content may be shared by many files. */
export interface MemoryFile {
  readonly kind: 'file';
  bytes: Uint8Array;
  mode: number;
  mtimeMs: number;
}

export interface MemoryDirectory {
  readonly kind: 'directory';
  /** Replaced as a whole when the kubelet updates a volume: hold the directory, not this map. */
  entries: Map<string, MemoryNode>;
  mode: number;
  mtimeMs: number;
}

export interface MemorySymlink {
  readonly kind: 'symlink';
  target: string;
  mtimeMs: number;
}

export type MemoryNode = MemoryFile | MemoryDirectory | MemorySymlink;

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}

/**
 * A node's file system in memory. An emulated runtime mounts `lookup(mount.hostPath)` itself, by reference, and may
 * change the nodes (create files in an emptyDir, append to a termination log) with plain assignments.
 */
export class MemoryVolumeHost implements VolumeHost {
  readonly root: MemoryDirectory;
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
    this.root = this.directory(0o755);
  }

  /** The node at `path`, or undefined. Symbolic links are returned as they are, not followed. */
  lookup(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.root;
    for (const part of pathParts(path)) {
      if (node?.kind !== 'directory') return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  /** The directory at `path`, created with its parents when it is not there. Throws when a file is in the way. */
  ensureDirectory(path: string, mode = 0o755): MemoryDirectory {
    let at = this.root;
    const parts = pathParts(path);
    for (const [i, part] of parts.entries()) {
      let next = at.entries.get(part);
      if (!next) at.entries.set(part, (next = this.directory(i === parts.length - 1 ? mode : 0o755)));
      if (next.kind !== 'directory') throw new Error(`${path}: ${part} is not a directory`);
      at = next;
    }
    return at;
  }

  async writeVolume(path: string, files: ReadonlyMap<string, VolumeFile>): Promise<void> {
    const directory = this.ensureDirectory(path);
    const entries = new Map<string, MemoryNode>();
    for (const [name, file] of files) this.place(entries, name, { file, old: this.lookup(`${path}/${name}`) });
    directory.entries = entries;
    directory.mtimeMs = this.now();
  }

  async writeFile(path: string, file: VolumeFile): Promise<void> {
    const parts = pathParts(path);
    const name = parts.pop() ?? '';
    const directory = this.ensureDirectory(parts.join('/'));
    const old = directory.entries.get(name);
    if (old?.kind === 'directory') throw new Error(`${path} is a directory`);
    if (old?.kind === 'file') Object.assign(old, { bytes: file.bytes, mode: file.mode, mtimeMs: this.now() });
    else directory.entries.set(name, this.file(file));
  }

  async readFile(path: string, maxBytes?: number): Promise<Uint8Array | undefined> {
    const node = this.lookup(path);
    if (node?.kind !== 'file') return undefined;
    return maxBytes === undefined ? node.bytes : node.bytes.subarray(Math.max(0, node.bytes.length - maxBytes));
  }

  async makeDir(path: string, mode: number): Promise<void> {
    this.ensureDirectory(path, mode);
  }

  async kind(path: string): Promise<'file' | 'directory' | undefined> {
    const node = this.lookup(path);
    if (node?.kind === 'symlink') return this.kind(node.target);
    return node?.kind;
  }

  async remove(path: string): Promise<void> {
    const parts = pathParts(path);
    const name = parts.pop();
    const parent = this.lookup(parts.join('/'));
    if (name !== undefined && parent?.kind === 'directory') parent.entries.delete(name);
  }

  private place(entries: Map<string, MemoryNode>, name: string, content: { file: VolumeFile; old: MemoryNode | undefined }): void {
    const { file, old } = content;
    const parts = pathParts(name);
    const leaf = parts.pop() ?? '';
    let at = entries;
    for (const part of parts) {
      let next = at.get(part);
      if (next?.kind !== 'directory') at.set(part, (next = this.directory(0o755)));
      at = next.entries;
    }
    const unchanged = old?.kind === 'file' && old.mode === file.mode && sameBytes(old.bytes, file.bytes);
    at.set(leaf, unchanged ? old : this.file(file));
  }

  private directory(mode: number): MemoryDirectory {
    return { kind: 'directory', entries: new Map(), mode, mtimeMs: this.now() };
  }

  private file({ bytes, mode }: VolumeFile): MemoryFile {
    return { kind: 'file', bytes, mode, mtimeMs: this.now() };
  }
}
