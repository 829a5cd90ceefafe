import type { ProcessInfo } from '../process/proc.ts';

/** A device is one of characters; a disk is one of blocks. */
export type NodeKind = 'file' | 'directory' | 'symlink' | 'device' | 'disk';

export interface Stat {
  readonly kind: NodeKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** Identity within its tree: two paths with the same number are links to one file. */
  readonly ino: number;
  readonly nlink: number;
}

/** An open file: survives renames, sees what others write. */
export interface FileRef {
  read(): Uint8Array;
  write(bytes: Uint8Array): void;
  append(bytes: Uint8Array): void;
  size(): number;
  /** Where a part can be read or written without the whole: at most `max` bytes from there on; bytes put there, with zeros before them where the file ends earlier. */
  readAt?(at: number, max: number): Uint8Array;
  writeAt?(at: number, bytes: Uint8Array): void;
  /** Says that it is no longer used; where files of the machine are behind it. */
  close?(): void;
}

/** A path inside a tree, relative to its root; the root is []. Never holds '.', '..' or ''. */
export type Parts = readonly string[];

/**
 * A file system that can be mounted: a container's copy-on-write root, a volume in memory, a directory of the host,
 * /proc. Symbolic links are not followed here. All operations are synchronous and throw FsError.
 */
export interface Tree {
  /** Mount source and type as `mount` and /proc/mounts show them. */
  readonly source: string;
  readonly type: string;
  /** How much it holds at most, where that is limited. */
  readonly sizeBytes?: number | undefined;
  /** Where the root is a file that stands for a disk: how much that holds. The file may be shorter; what is missing are zeros. */
  readonly diskBytes?: number | undefined;
  /** Undefined when there is nothing. */
  stat(parts: Parts): Stat | undefined;
  list(parts: Parts): string[];
  readlink(parts: Parts): string;
  /** The parent exists and is a directory, the file may or may not exist. */
  open(parts: Parts, options: { create?: { mode: number; uid: number; gid: number }; truncate?: boolean; write?: boolean }): FileRef;
  mkdir(parts: Parts, owner: { mode: number; uid: number; gid: number }): void;
  symlink(parts: Parts, target: string): void;
  link(from: Parts, to: Parts): void;
  /** Removes a file, link or empty directory. */
  remove(parts: Parts): void;
  rename(from: Parts, to: Parts): void;
  setAttributes(parts: Parts, attributes: { mode?: number; uid?: number; gid?: number; mtimeMs?: number }): void;
  /** Of /proc: the processes that it shows. */
  processes?(): readonly ProcessInfo[];
  /** Device name (`null`, `zero` …) of a device node. */
  device(parts: Parts): string | undefined;
}
