import {
  chmodSync, closeSync, constants, fstatSync, ftruncateSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, readSync, readdirSync, readlinkSync,
  renameSync, rmdirSync, symlinkSync, unlinkSync, writeSync, type Stats,
} from 'node:fs';
import { join } from 'node:path';

/** What is at a path of a tree; the shape that emulated runtimes mount. */
export interface DirectoryEntry {
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ino: number;
  readonly nlink: number;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** An open file. Bytes are read and written whole, as programs of an emulated runtime do. */
export interface DirectoryFile {
  read(): Uint8Array;
  write(bytes: Uint8Array): void;
  append(bytes: Uint8Array): void;
  /** At most `max` bytes from there on; none at the end. */
  readAt(at: number, max: number): Uint8Array;
  /** Puts bytes there, the rest stays; what lies between the end and there becomes zeros. */
  writeAt(at: number, bytes: Uint8Array): void;
  size(): number;
  close(): void;
}

type Parts = readonly string[];

/** Files whose holder forgot to close them. */
const forgotten = new FinalizationRegistry<number>((fd) => closeSync(fd));

function readWhole(fd: number): Uint8Array {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  let at = 0;
  while (at < bytes.length) {
    const count = readSync(fd, bytes, at, bytes.length - at, at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

function writeWhole(fd: number, bytes: Uint8Array, from: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, from + at);
}

function directoryFile(fd: number): DirectoryFile {
  let open = true;
  const file: DirectoryFile = {
    read: () => readWhole(fd),
    write(bytes) {
      ftruncateSync(fd, 0);
      writeWhole(fd, bytes, 0);
    },
    append: (bytes) => writeWhole(fd, bytes, fstatSync(fd).size),
    readAt(at, max) {
      const bytes = Buffer.alloc(Math.max(0, Math.min(max, fstatSync(fd).size - at)));
      return bytes.subarray(0, bytes.length ? readSync(fd, bytes, 0, bytes.length, at) : 0);
    },
    writeAt: (at, bytes) => writeWhole(fd, bytes, at),
    size: () => fstatSync(fd).size,
    close() {
      if (!open) return;
      open = false;
      forgotten.unregister(file);
      closeSync(fd);
    },
  };
  forgotten.register(file, fd, file);
  return file;
}

/**
 * A directory (or one file) of this machine as a tree that can be mounted into emulated containers. Symbolic links are
 * never followed, so that nothing outside is reached. Whoever runs this process is root inside, and owners that are set
 * are remembered here instead of on the disk, as in a user namespace. Failures are those of node:fs.
 */
export class DirectoryTree {
  readonly source: string;
  readonly type: string;
  private readonly root: string;
  private readonly size: () => number | undefined;
  private readonly isWhole: boolean;
  private readonly owners = new Map<number, Owner>();
  private readonly self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

  /** `shown`: as a file system in memory, or as that of a disk, whose size is asked for whenever it is wanted; `whole`: the root is all of the disk. */
  constructor(root: string, shown?: { readonly sizeBytes?: number } | { readonly device: string; readonly sizeNow: () => number; readonly whole?: boolean }) {
    const isDisk = shown !== undefined && 'device' in shown;
    this.root = root;
    this.isWhole = isDisk && shown.whole === true;
    this.source = isDisk ? shown.device : shown ? 'tmpfs' : root;
    this.type = shown && !isDisk ? 'tmpfs' : 'ext4';
    this.size = () => (isDisk ? shown.sizeNow() : shown?.sizeBytes);
  }

  get sizeBytes(): number | undefined {
    return this.size();
  }

  /** Where the root is a file that holds what is on a disk: how much that has room for. What was never written is not in the file. */
  get diskBytes(): number | undefined {
    return this.isWhole ? this.size() : undefined;
  }

  stat(parts: Parts): DirectoryEntry | undefined {
    const found = lstatSync(this.path(parts), { throwIfNoEntry: false });
    return found && this.entry(found);
  }

  list(parts: Parts): string[] {
    return readdirSync(this.path(parts));
  }

  readlink(parts: Parts): string {
    return readlinkSync(this.path(parts));
  }

  open(parts: Parts, options: { create?: { mode: number; uid: number; gid: number }; truncate?: boolean; write?: boolean }): DirectoryFile {
    const { create, truncate, write } = options;
    const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    const path = this.path(parts);
    const isNew = create !== undefined && lstatSync(path, { throwIfNoEntry: false }) === undefined;
    const writes = write || truncate || isNew;
    const fd = openSync(path, (writes ? O_RDWR : O_RDONLY) | (isNew ? O_CREAT : 0) | (truncate ? O_TRUNC : 0) | O_NOFOLLOW, create?.mode ?? 0o644);
    if (isNew) this.own(parts, create);
    return directoryFile(fd);
  }

  mkdir(parts: Parts, owner: { mode: number; uid: number; gid: number }): void {
    mkdirSync(this.path(parts));
    chmodSync(this.path(parts), owner.mode);
    this.own(parts, owner);
  }

  symlink(parts: Parts, target: string): void {
    symlinkSync(target, this.path(parts));
  }

  link(from: Parts, to: Parts): void {
    linkSync(this.path(from), this.path(to));
  }

  remove(parts: Parts): void {
    const path = this.path(parts);
    const found = lstatSync(path);
    if (found.isDirectory()) rmdirSync(path);
    else unlinkSync(path);
    if (found.isDirectory() || found.nlink <= 1) this.owners.delete(found.ino);
  }

  rename(from: Parts, to: Parts): void {
    renameSync(this.path(from), this.path(to));
  }

  setAttributes(parts: Parts, attributes: { mode?: number; uid?: number; gid?: number; mtimeMs?: number }): void {
    const { mode, uid, gid, mtimeMs } = attributes;
    const path = this.path(parts);
    if (mode !== undefined && !lstatSync(path).isSymbolicLink()) chmodSync(path, mode & 0o7777);
    if (uid !== undefined || gid !== undefined) {
      const { uid: oldUid, gid: oldGid } = this.entry(lstatSync(path));
      this.own(parts, { uid: uid ?? oldUid, gid: gid ?? oldGid });
    }
    if (mtimeMs !== undefined) lutimesSync(path, mtimeMs / 1000, mtimeMs / 1000);
  }

  device(): undefined {
    return undefined;
  }

  private path(parts: Parts): string {
    return parts.length ? join(this.root, ...parts) : this.root;
  }

  private own(parts: Parts, { uid, gid }: Owner): void {
    const { ino } = lstatSync(this.path(parts));
    if (uid === 0 && gid === 0) this.owners.delete(ino);
    else this.owners.set(ino, { uid, gid });
  }

  private entry(found: Stats): DirectoryEntry {
    const { mode, size, mtimeMs, ino, nlink } = found;
    const owner = this.owners.get(ino) ?? { uid: found.uid === this.self.uid ? 0 : found.uid, gid: found.gid === this.self.gid ? 0 : found.gid };
    const kind = found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'symlink' : 'file';
    return { kind, mode: mode & 0o7777, ...owner, size, mtimeMs, ino, nlink };
  }
}
