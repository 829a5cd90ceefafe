import { close as closeFd, constants, fdatasync, fdatasyncSync, ftruncate, open as openFd, write, writeSync, writev } from 'node:fs';
import type { DiskFile } from '@orrery/runtime';

/** Room is made ahead in pieces as large as the file, within these bounds. Each piece makes the file system write metadata, once. */
const leastRoom = 4 * 1024 * 1024;
const mostRoom = 16 * 1024 * 1024;
/** Each write returns when its data is on disk: one trip to the kernel instead of two. Elsewhere that is not what this flag means. */
const durableWrites = process.platform === 'linux';
const zeros = Buffer.alloc(1024 * 1024);

function call(run: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
}

/** Writes all of `bytes` at `position`; the kernel may take less than asked, for instance when the disk fills up. */
function writeAt(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (from: number): void => {
      write(fd, bytes, from, bytes.length - from, position + from, (error, written) => {
        if (error) reject(error);
        else if (from + written < bytes.length) next(from + written);
        else resolve();
      });
    };
    if (bytes.length) next(0);
    else resolve();
  });
}

/**
 * A file for many small appends that are each synced. It is kept longer than its content, with zeros: overwriting blocks that are
 * there already needs no change of the file's metadata, which makes a sync several times cheaper. `close` cuts the zeros off.
 */
class JournalFile implements DiskFile {
  size: number;
  private readonly fd: number;
  /** How long the file is on disk. */
  private length: number;
  private making: Promise<void> | undefined;
  private roomless = false;
  private dirty = false;

  constructor(fd: number, size: number) {
    this.fd = fd;
    this.size = this.length = size;
    this.makeRoom();
  }

  async append(chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
    // Zeros that are on their way must not come after what is written in their place.
    if (this.making && this.size + bytes.length > this.length) await this.making;
    if (!durableWrites) this.dirty = true;
    await writeAt(this.fd, bytes, this.size);
    this.size += bytes.length;
    this.length = Math.max(this.length, this.size);
    this.makeRoom();
  }

  appendNow(bytes: Uint8Array): boolean {
    if (this.making && this.size + bytes.length > this.length) return false;
    for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at, bytes.length - at, this.size + at);
    if (!durableWrites) fdatasyncSync(this.fd);
    this.size += bytes.length;
    this.length = Math.max(this.length, this.size);
    this.makeRoom();
    return true;
  }

  private makeRoom(): void {
    const room = Math.min(Math.max(this.size, leastRoom), mostRoom);
    if (this.making || this.roomless || this.length - this.size > room / 2) return;
    this.making = this.fill(this.size + room)
      // A disk that has no room ahead may have enough for what is really appended, and says so then if not.
      .catch(() => void (this.roomless = true))
      .finally(() => (this.making = undefined));
  }

  private async fill(end: number): Promise<void> {
    for (let at = this.length; at < end; at = this.length) {
      const pieces = Array.from({ length: Math.ceil((end - at) / zeros.length) }, (_, i) => zeros.subarray(0, Math.min(zeros.length, end - at - i * zeros.length)));
      this.length += await new Promise<number>((resolve, reject) => writev(this.fd, pieces, at, (error, written) => (error ? reject(error) : resolve(written))));
    }
  }

  sync(): Promise<void> {
    if (!this.dirty) return Promise.resolve();
    this.dirty = false;
    return call((done) => fdatasync(this.fd, done));
  }

  async truncate(to: number): Promise<void> {
    await this.making;
    await call((done) => ftruncate(this.fd, to, done));
    this.size = this.length = to;
    this.roomless = false;
    this.dirty = true;
  }

  async close(): Promise<void> {
    await this.making;
    try {
      if (this.length > this.size) await call((done) => ftruncate(this.fd, this.size, done));
    } finally {
      await call((done) => closeFd(this.fd, done));
    }
  }
}

/** Opens a file for appending in synced pieces; `size` is that of an existing one, undefined creates it. */
export async function openJournal(path: string, size: number | undefined): Promise<DiskFile> {
  const flags = constants.O_RDWR | (size === undefined ? constants.O_CREAT | constants.O_EXCL : 0) | (durableWrites ? constants.O_DSYNC : 0);
  const fd = await new Promise<number>((resolve, reject) => openFd(path, flags, 0o600, (error, opened) => (error ? reject(error) : resolve(opened))));
  return new JournalFile(fd, size ?? 0);
}

/** For a component that has a process to itself: what it does when all that has come in so far is looked at. */
export const ownProcess = { atEndOfTurn: (run: () => void): void => void setImmediate(run) };
