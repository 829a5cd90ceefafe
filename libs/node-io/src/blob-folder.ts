import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Content by its digest (`sha256:…`), written in pieces under a name of its own until it is whole. */
export interface BlobFolder {
  /** undefined: there is none. */
  size(digest: string): Promise<number | undefined>;
  /** Of an existing one, from a byte on. */
  read(digest: string, from?: number): AsyncIterable<Uint8Array>;
  /** Bytes of an upload so far; undefined: there is none. */
  uploaded(upload: string): Promise<number | undefined>;
  /** Adds to an upload, which the first piece begins. Gives its size. */
  append(upload: string, pieces: AsyncIterable<Uint8Array>): Promise<number>;
  /** Makes the upload the content of that digest. False, and it is gone, when its digest is another. */
  commit(upload: string, digest: string): Promise<boolean>;
  discard(upload: string): Promise<void>;
  remove(digest: string): Promise<void>;
  /** Forgets all uploads that were begun. */
  discardAll(): Promise<void>;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

async function withFile<T>(path: string, flags: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Blobs below a folder. Digests and upload names must be checked before: they become names of files. */
export function blobFolder(root: string): BlobFolder {
  const blob = (digest: string): string => join(root, 'blobs', digest.replace(':', '-'));
  const upload = (name: string): string => join(root, 'uploads', name);
  const ready = async (): Promise<void> => void (await Promise.all(['blobs', 'uploads'].map((dir) => mkdir(join(root, dir), { recursive: true, mode: 0o700 }))));
  return {
    size: (digest) => sizeOf(blob(digest)),
    read: (digest, from = 0) => createReadStream(blob(digest), { start: from }),
    uploaded: (name) => sizeOf(upload(name)),
    async append(name, pieces) {
      await ready();
      return withFile(upload(name), 'a', async (file) => {
        for await (const piece of pieces) await file.writeFile(piece);
        return (await file.stat()).size;
      });
    },
    async commit(name, digest) {
      const path = upload(name);
      if ((await digestOf(path)) !== digest) {
        await rm(path, { force: true });
        return false;
      }
      await withFile(path, 'r+', (file) => file.sync());
      await rename(path, blob(digest));
      return true;
    },
    discard: (name) => rm(upload(name), { force: true }),
    discardAll: () => rm(join(root, 'uploads'), { recursive: true, force: true }),
    remove: (digest) => rm(blob(digest), { force: true }),
  };
}
