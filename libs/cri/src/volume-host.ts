/**
 * The part of a node's file system that the kubelet fills and container runtimes mount from: volumes, `/etc/hosts`
 * files, termination messages. The kubelet writes below its root directory (`/var/lib/kubelet/pods/<uid>/…`) and hands
 * the paths to the runtime as `Mount.host_path`; hostPath volumes name any other path.
 *
 * Two implementations: real directories (`directoryVolumeHost`, for containerd and for an emulated runtime in another
 * process) and `MemoryVolumeHost`, one a node, handed to the kubelet and to the emulated runtime of that node alike. The
 * runtime mounts the very nodes of the memory tree (see `MemoryVolumeHost.lookup`), so a container sees what the
 * kubelet writes later, and what a container writes into an emptyDir is seen by the other containers of its pod.
 */
export interface VolumeFile {
  /** Never changed after it was handed over; writers replace it. A text is written as UTF-8, in memory when somebody reads it. */
  readonly bytes: Uint8Array | string;
  /** Permission bits, e.g. 0o644. */
  readonly mode: number;
  /** Default 0. Real directories know owners only when the kubelet runs as root. */
  readonly uid?: number;
  readonly gid?: number;
}

/** What a directory of a volume is like. */
export interface DirectoryAttributes {
  /** Permission bits with setgid and sticky. */
  readonly mode: number;
  /** Default 0. Real directories know owners only when the kubelet runs as root. */
  readonly gid?: number;
  /** Containers of an emulated runtime see a file system in memory there. Bytes, when it is limited. */
  readonly tmpfs?: { readonly sizeBytes?: number };
}

/** What a file or tree takes. */
export interface StorageUse {
  readonly bytes: number;
  readonly inodes: number;
}

export interface VolumeHost {
  /**
   * Makes the directory at `path` hold exactly `files` (keys are relative, `/` between parts, never `..`). The change is
   * atomic: a reader sees all old or all new files. Unchanged content is not written again. As upstream's AtomicWriter lays it out: the
   * files lie in a directory of their own, `..data` is a link to it that is replaced, each top-level name links through `..data`.
   */
  writeVolume(path: string, files: ReadonlyMap<string, VolumeFile>, directory?: DirectoryAttributes): Promise<void>;
  /** Writes one file, creating its parents; replaces the content of a file that is there, keeping what is mounted from it. */
  writeFile(path: string, file: VolumeFile): Promise<void>;
  /**
   * Writes what a later kubelet goes by, for its owner alone (0600), creating parents: on disk when it resolves, and after a crash
   * either all of the old text or all of the new. One call at a time for a path; one that was cut short leaves `PATH.new`.
   */
  writeCheckpoint(path: string, text: string): Promise<void>;
  /** The content, or undefined when there is no such file. `maxBytes` reads no more than the last so many bytes. */
  readFile(path: string, maxBytes?: number): Promise<Uint8Array | undefined>;
  /** Creates the directory and its parents; no error when it is there, which then stays as it is. */
  makeDir(path: string, attributes: number | DirectoryAttributes): Promise<void>;
  /** What is at `path`, symbolic links followed. */
  kind(path: string): Promise<'file' | 'directory' | undefined>;
  /** The path with all symbolic links followed, and the permission bits of what is there; undefined when there is nothing. */
  resolve(path: string): Promise<{ readonly path: string; readonly mode: number } | undefined>;
  /** Names in a directory; empty when there is none. */
  list(path: string): Promise<string[]>;
  /** What is there takes so much, links not followed; undefined when there is nothing. */
  usage(path: string): Promise<StorageUse | undefined>;
  /** Where file systems are mounted below a directory; absent where none can be. */
  mountedBelow?(path: string): Promise<string[]>;
  /** Removes the file or tree; no error when it is gone already. */
  remove(path: string): Promise<void>;
  /**
   * Lets a group use a whole tree, as upstream does for `fsGroup`: everything in it becomes the group's, which may read it and, unless
   * `readOnly`, write it; directories hand the group on. With `onlyOnMismatch` nothing is done where the root is so already.
   */
  giveToGroup(path: string, options: GroupOwnership): Promise<void>;
}

export interface GroupOwnership {
  readonly gid: number;
  readonly readOnly: boolean;
  readonly onlyOnMismatch: boolean;
}

const setgid = 0o2000;

/** The permission bits that `giveToGroup` sees to. */
export function groupBits(isDirectory: boolean, readOnly: boolean): number {
  return (readOnly ? 0o440 : 0o660) | (isDirectory ? 0o110 | setgid : 0);
}

/** Whether a volume's root is as `giveToGroup` would make it. */
export function isGivenToGroup({ gid, mode }: { gid: number; mode: number }, wanted: GroupOwnership): boolean {
  const bits = groupBits(true, wanted.readOnly);
  return gid === wanted.gid && (mode & bits) === bits;
}

/** Splits an absolute path; `.` and empty parts vanish, `..` is refused. */
export function pathParts(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') throw new Error(`path ${path} must not contain ".."`);
    if (part !== '' && part !== '.') parts.push(part);
  }
  return parts;
}
