/**
 * Durable files for logs and snapshots. Nothing is on disk before the `sync` (of a file's data) or `syncDir` (of a
 * directory's entries) that follows has resolved. Paths are the platform's; directories are joined with `/`.
 * Failures keep the platform's error `code`: ENOSPC and EDQUOT for a full disk, ENOENT for a missing file.
 */
export interface Disk {
  /** Creates the directory and its parents, durably, readable by the owner only; existing ones are left alone. */
  makeDir(path: string): Promise<void>;
  /** Names in a directory, sorted. */
  list(dir: string): Promise<string[]>;
  /** A whole file. */
  read(path: string): Promise<Uint8Array>;
  /**
   * Opens for appending; with `create` the file must not exist yet. Private to the owner. A `journal` is appended to in small
   * pieces, each of which is synced: that is made cheap by room ahead, so after a crash zeros may follow what was appended.
   */
  open(path: string, options: { create: boolean; journal?: boolean }): Promise<DiskFile>;
  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDir(path: string): Promise<void>;
  /**
   * Takes a lock that ends with the process. Rejects with a `DiskLockedError` that names the holder while that lives;
   * the lock of a dead process is taken over.
   */
  lock(path: string): Promise<DiskLock>;
}

/** A file open for appending. One call at a time. */
export interface DiskFile {
  /** Bytes in the file. */
  readonly size: number;
  /** Appends all chunks, or rejects having appended any part of them. */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Of a journal: appends and syncs while the whole process waits, which is quicker than asking for it where nothing else is to be done.
   * False: not now, nothing was done. Throws having appended any part. To be followed by neither `append` nor `sync` for these bytes.
   */
  appendNow?(bytes: Uint8Array): boolean;
  /** Makes all data, and the size, durable. */
  sync(): Promise<void>;
  /** Cuts the file to `size` bytes. */
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface DiskLock {
  release(): Promise<void>;
}

/** The lock is held by another living process. */
export class DiskLockedError extends Error {
  readonly pid: number;

  constructor(path: string, pid: number) {
    super(`${path} is in use by process ${pid}; stop it, or use another directory`);
    this.name = 'DiskLockedError';
    this.pid = pid;
  }
}

/** True for the errors of a full disk or an exhausted quota. */
export function isDiskFull(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === 'ENOSPC' || code === 'EDQUOT';
}
