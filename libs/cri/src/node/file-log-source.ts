import { watch } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import type { LogSource } from '../log-source.ts';

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Logs in real files. */
export const fileLogSource: LogSource = {
  async extent(path) {
    try {
      return { start: 0, end: (await stat(path)).size };
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
    try {
      const watcher = watch(path, { persistent: false }, () => changed());
      watcher.on('error', () => changed());
      return () => watcher.close();
    } catch (error) {
      if (isMissing(error)) return () => undefined;
      throw error;
    }
  },
  async remove(path) {
    if (path.split('/').filter(Boolean).length < 2) throw new Error(`refusing to remove ${path}`);
    await rm(path, { recursive: true, force: true });
  },
};
