import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const markerOf = (path: string): string => join(dirname(path), `.${basename(path)}.tmpfs`);

/** Notes beside a directory that containers are to see it as a file system in memory. */
export function markTmpfs(path: string, tmpfs: { readonly sizeBytes?: number }): void {
  writeFileSync(markerOf(path), JSON.stringify(tmpfs));
}

/** The file system in memory that a path below `root` is in, as noted by whoever made it. */
export function tmpfsAt(root: string, path: string): { readonly sizeBytes?: number } | undefined {
  for (let at = path; at.length > root.length; at = dirname(at)) {
    try {
      return JSON.parse(readFileSync(markerOf(at), 'utf8')) as { sizeBytes?: number };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    }
  }
  return undefined;
}
