import { watch } from 'node:fs';
import { mkdir, open, readFile, readdir, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { LogSource } from '../log-source.ts';

const compressed = promisify(gzip);
const logMode = 0o640;

/** `PATH.STAMP` and `PATH.STAMP.gz`, oldest first: stamps sort as text. */
async function rotatedFiles(path: string): Promise<string[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch((error: unknown) => (isMissing(error) ? [] : Promise.reject(error as Error)));
  return names.filter((name) => name.startsWith(prefix)).sort().map((name) => join(dirname(path), name));
}

async function compress(path: string): Promise<void> {
  const unfinished = `${path}.tmp`;
  await writeFile(unfinished, await compressed(await readFile(path)), { mode: logMode });
  await rename(unfinished, `${path}.gz`);
  await rm(path, { force: true });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Makes a link, in place of one that is there. */
async function link(at: string, log: string): Promise<void> {
  await mkdir(dirname(at), { recursive: true });
  await rm(at, { force: true });
  await symlink(log, at);
}

async function unlink(directory: string, log: string): Promise<void> {
  const names = await readdir(directory).catch((error: unknown) => (isMissing(error) ? [] : Promise.reject(error as Error)));
  for (const name of names) {
    const at = join(directory, name);
    // What is no link, or is gone by now, is nothing to us.
    const target = await readlink(at).catch(() => undefined);
    if (target !== undefined && (target === log || target.startsWith(`${log}/`))) await rm(at, { force: true });
  }
}

/** Logs in real files. */
export const fileLogSource: LogSource = {
  async extent(path) {
    try {
      const { size, ino } = await stat(path);
      return { start: 0, end: size, file: String(ino) };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  async read(path, offset, length) {
    try {
      const file = await open(path, 'r');
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return new Uint8Array(0);
      throw error;
    }
  },
  watch(path, changed) {
    // While a log is being rotated it is not there for a moment: its directory tells when it is back.
    for (const place of [path, dirname(path)]) {
      try {
        const watcher = watch(place, { persistent: false }, () => changed());
        watcher.on('error', () => changed());
        return () => watcher.close();
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
    return () => undefined;
  },
  async remove(path) {
    if (path.split('/').filter(Boolean).length < 2) throw new Error(`refusing to remove ${path}`);
    const past = path.endsWith('.log') ? await rotatedFiles(path) : [];
    for (const file of [path, ...past]) await rm(file, { recursive: true, force: true });
  },
  async rotate(path, { maxFiles, stamp }) {
    for (const file of await rotatedFiles(path)) if (file.endsWith('.tmp')) await rm(file, { force: true });
    const past = await rotatedFiles(path);
    // One place is the new file's, another that of the one which is moved now.
    const excess = past.splice(0, Math.max(0, past.length - Math.max(0, maxFiles - 2)));
    for (const file of excess) await rm(file, { force: true });
    for (const file of past) if (!file.endsWith('.gz')) await compress(file);
    await rename(path, `${path}.${stamp}`);
  },
  link,
  unlink,
  unrotate: (path, stamp) => rename(`${path}.${stamp}`, path),
  rotated: async (path) => (await rotatedFiles(path)).findLast((file) => !/\.(?:gz|tmp)$/.test(file)),
};
