import { watch } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ManifestFile, ManifestReader } from '../manifest-reader.ts';
import { inNodeRoot } from './node-root.ts';

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

/** A file that goes while it is read was not there. */
async function read(path: string): Promise<ManifestFile[]> {
  try {
    return (await stat(path)).isFile() ? [{ name: basename(path), text: await readFile(path, 'utf8') }] : [];
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Manifests in files of this machine, or of the emulated node whose `/` is `root`. */
export function directoryManifests(root = '/'): ManifestReader {
  return {
    async list(path) {
      const place = inNodeRoot(root, path);
      try {
        const names = (await readdir(place)).filter((name) => !name.startsWith('.')).sort();
        return (await Promise.all(names.map((name) => read(join(place, name))))).flat();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return read(place);
        if (isMissing(error)) return [];
        throw error;
      }
    },
    watch(path, changed) {
      try {
        const watcher = watch(inNodeRoot(root, path), { persistent: false }, () => changed());
        watcher.on('error', () => changed());
        return () => watcher.close();
      } catch (error) {
        if (isMissing(error)) return () => undefined;
        throw error;
      }
    },
  };
}
