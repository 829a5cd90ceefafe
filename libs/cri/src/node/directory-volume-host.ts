import { chmod, chown, lchown, lstat, mkdir, open, readFile, readdir, readlink, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { appendState, nodeDisk } from '@orrery/node-io';
import { markTmpfs } from './tmpfs-marker.ts';
import { type DirectoryAttributes, type GroupOwnership, type StorageUse, type VolumeFile, type VolumeHost, groupBits, isGivenToGroup, pathParts } from '../volume-host.ts';

const dataLink = '..data';

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether the directory that `..data` names holds exactly these files. */
async function holds(directory: string, files: ReadonlyMap<string, VolumeFile>): Promise<boolean> {
  const entries = await unlessMissing(readdir(directory, { recursive: true, withFileTypes: true }));
  if (!entries) return false;
  if (entries.filter((entry) => entry.isFile()).length !== files.size) return false;
  for (const [name, { bytes, mode }] of files) {
    const path = join(directory, name);
    const [content, info] = await Promise.all([unlessMissing(readFile(path)), unlessMissing(stat(path))]);
    if (!content || !info || (info.mode & 0o777) !== mode || Buffer.compare(content, Buffer.from(bytes)) !== 0) return false;
  }
  return true;
}

/** Blocks that are taken, as `du` counts them. What vanishes meanwhile takes nothing. */
async function storageOf(path: string): Promise<StorageUse | undefined> {
  const info = await unlessMissing(lstat(path));
  if (!info) return undefined;
  let [bytes, inodes] = [info.blocks * 512, 1];
  if (!info.isDirectory()) return { bytes, inodes };
  for (const name of (await unlessMissing(readdir(path))) ?? []) {
    const use = await storageOf(join(path, name));
    bytes += use?.bytes ?? 0;
    inodes += use?.inodes ?? 0;
  }
  return { bytes, inodes };
}

/** Only root may give files away; for everyone else they stay their own. */
async function own(path: string, owner: { uid?: number; gid?: number }): Promise<void> {
  if (process.getuid?.() === 0 && (owner.uid !== undefined || owner.gid !== undefined)) await chown(path, owner.uid ?? 0, owner.gid ?? 0);
}

/** A tree on a real disk, links not followed; what vanishes meanwhile needs nothing. */
async function giveToGroup(path: string, options: GroupOwnership): Promise<void> {
  const info = await unlessMissing(lstat(path));
  if (!info) return;
  if (process.getuid?.() === 0) await unlessMissing(lchown(path, info.uid, options.gid));
  if (info.isSymbolicLink()) return;
  // After the owner: giving a file away takes its setgid bit.
  await unlessMissing(chmod(path, (info.mode & 0o7777) | groupBits(info.isDirectory(), options.readOnly)));
  if (info.isDirectory()) for (const name of (await unlessMissing(readdir(path))) ?? []) await giveToGroup(join(path, name), options);
}

async function makeDirectory(path: string, { mode, tmpfs, ...owner }: DirectoryAttributes): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  if (!made) return;
  await own(path, owner);
  await chmod(path, mode);
  if (tmpfs) markTmpfs(path, tmpfs);
}

/**
 * Volumes in real directories, written as upstream's AtomicWriter does: the files lie in a directory of their own,
 * `..data` is a symbolic link to it that is replaced by one rename, and each top-level name links through `..data`.
 */
export function directoryVolumeHost(options: { stamp: () => string }): VolumeHost {
  const currentData = (path: string): Promise<string | undefined> => unlessMissing(readlink(join(path, dataLink)));
  return {
    async writeVolume(path, files, directory = { mode: 0o777 }) {
      pathParts(path);
      await makeDirectory(path, directory);
      const old = await currentData(path);
      if (old && (await holds(join(path, old), files))) return;
      const fresh = `..${options.stamp()}`;
      for (const [name, { bytes, mode, ...owner }] of files) {
        const file = join(path, fresh, ...pathParts(name));
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, bytes, { mode });
        await own(file, owner);
        await chmod(file, mode);
      }
      await mkdir(join(path, fresh), { recursive: true });
      await symlink(fresh, join(path, `${dataLink}_tmp`));
      await rename(join(path, `${dataLink}_tmp`), join(path, dataLink));
      const wanted = new Set([...files.keys()].map((name) => pathParts(name)[0] ?? ''));
      for (const name of wanted) if (!(await unlessMissing(lstat(join(path, name))))) await symlink(join(dataLink, name), join(path, name));
      for (const name of await readdir(path)) if (!name.startsWith('..') && !wanted.has(name)) await rm(join(path, name), { recursive: true, force: true });
      if (old) await rm(join(path, old), { recursive: true, force: true });
    },
    async writeFile(path, { bytes, mode }) {
      pathParts(path);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes, { mode });
      await chmod(path, mode);
    },
    async writeCheckpoint(path, text) {
      pathParts(path);
      const directory = dirname(path);
      await mkdir(directory, { recursive: true });
      await appendState(path).replace(text);
      // The new name is on disk only with its directory.
      await nodeDisk.syncDir(directory);
    },
    async readFile(path, maxBytes) {
      const handle = await unlessMissing(open(path, 'r'));
      if (!handle) return undefined;
      try {
        const { size } = await handle.stat();
        const length = Math.min(size, maxBytes ?? size);
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    },
    async makeDir(path, attributes) {
      pathParts(path);
      await makeDirectory(path, typeof attributes === 'number' ? { mode: attributes } : attributes);
    },
    async kind(path) {
      const info = await unlessMissing(stat(path));
      return info && (info.isDirectory() ? 'directory' : 'file');
    },
    async resolve(path) {
      const real = await unlessMissing(realpath(path));
      return real === undefined ? undefined : { path: real, mode: (await stat(real)).mode & 0o7777 };
    },
    list: async (path) => (await unlessMissing(readdir(path))) ?? [],
    usage: storageOf,
    async giveToGroup(path, options) {
      const real = await unlessMissing(realpath(path));
      if (real === undefined) return;
      const { gid, mode } = await stat(real);
      if (!options.onlyOnMismatch || !isGivenToGroup({ gid, mode: mode & 0o7777 }, options)) await giveToGroup(real, options);
    },
    async mountedBelow(path) {
      // The kernel's table, in which blanks of paths are octal numbers; there is none on other systems.
      const table = (await unlessMissing(readFile('/proc/self/mountinfo', 'utf8'))) ?? '';
      const places = table.split('\n').map((line) => (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))));
      return places.filter((place) => place.startsWith(`${path}/`));
    },
    async remove(path) {
      if (pathParts(path).length < 2) throw new Error(`refusing to remove ${path}`);
      await rm(path, { recursive: true, force: true });
    },
  };
}
