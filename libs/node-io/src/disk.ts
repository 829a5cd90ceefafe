import { type Stats, fdatasync, ftruncate, fsync, open as openFd, close as closeFd, writev } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '@orrery/runtime';
import { lockFile } from './disk-lock.ts';
import { openJournal } from './journal-file.ts';

/** `writev` takes at most IOV_MAX buffers on Linux. */
const maxChunks = 1024;

function call(run: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
}

/** Writes all of `chunks` at the end; the kernel may take less than asked, for instance when the disk fills up. */
async function writeAll(fd: number, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.byteLength > 0);
  while (rest.length) {
    const part = rest.slice(0, maxChunks);
    let written = await new Promise<number>((resolve, reject) => {
      writev(fd, part, null, (error, bytes) => (error ? reject(error) : resolve(bytes)));
    });
    let whole = 0;
    while (whole < part.length && written >= (part[whole] as Uint8Array).byteLength) written -= (part[whole++] as Uint8Array).byteLength;
    rest = rest.slice(whole);
    if (written > 0) rest[0] = (rest[0] as Uint8Array).subarray(written);
  }
}

function nodeFile(fd: number, initialSize: number): DiskFile {
  let size = initialSize;
  return {
    get size() {
      return size;
    },
    async append(chunks) {
      await writeAll(fd, chunks);
      for (const chunk of chunks) size += chunk.byteLength;
    },
    sync: () => call((done) => fdatasync(fd, done)),
    async truncate(to) {
      await call((done) => ftruncate(fd, to, done));
      size = to;
    },
    close: () => call((done) => closeFd(fd, done)),
  };
}

async function syncDir(path: string): Promise<void> {
  // Windows cannot open directories; its renames are durable by the file system's journal.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await new Promise<void>((resolve, reject) => fsync(handle.fd, (error) => (error ? reject(error) : resolve())));
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function makeDir(path: string): Promise<void> {
  if (await exists(path)) return;
  const parent = dirname(path);
  await makeDir(parent);
  await mkdir(path, { recursive: true, mode: 0o700 });
  await syncDir(parent);
}

/** The real file system. */
export const nodeDisk: Disk = {
  makeDir,
  list: async (dir) => (await readdir(dir)).sort(),
  read: (path) => readFile(path),
  async open(path, { create, journal = false }) {
    if (journal) return openJournal(path, create ? undefined : (await stat(path)).size);
    const fd = await new Promise<number>((resolve, reject) => {
      openFd(path, create ? 'ax' : 'a', 0o600, (error, opened) => (error ? reject(error) : resolve(opened)));
    });
    return nodeFile(fd, create ? 0 : (await stat(path)).size);
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { force: true }),
  syncDir,
  lock: lockFile,
};
