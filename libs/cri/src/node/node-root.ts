import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { LogSource } from '../log-source.ts';
import type { VolumeHost } from '../volume-host.ts';
import { type NodeMount, mountsOf, placeOf } from './node-mounts.ts';

const maxLinks = 40;

/** The path of the node with all symbolic links followed. */
function followed(root: string, mounts: ReadonlyMap<string, NodeMount>, path: string): string {
  let pending = resolve('/', path).split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; pending.length; ) {
    const [part = '', ...rest] = pending;
    pending = rest;
    const next = resolve(at, part);
    const found = lstatSync(placeOf(root, mounts, next), { throwIfNoEntry: false });
    // Nothing is below what is not there, and thousands of nodes without files ask again and again.
    if (!found && mounts.size === 0) return resolve(next, ...rest);
    if (!found?.isSymbolicLink()) {
      at = next;
      continue;
    }
    if (++links > maxLinks) throw Object.assign(new Error(`too many symbolic links: ${path}`), { code: 'ELOOP' });
    pending = [...resolve(at, readlinkSync(placeOf(root, mounts, next))).split('/').filter(Boolean), ...pending];
    at = '/';
  }
  return at;
}

/**
 * Where a path of the node lies on this machine, `root` being the node's `/`. Symbolic links are followed as the node
 * would, so that none leads out of the root and what is mounted there; what is not there yet stays as it is.
 */
export function inNodeRoot(root: string, path: string): string {
  const mounts = mountsOf(root);
  return placeOf(root, mounts, followed(root, mounts, path));
}

/** The last part is not followed: for what is replaced or removed as such. */
function placeInNodeRoot(root: string, path: string): string {
  const absolute = resolve('/', path);
  if (absolute === '/') return root;
  return join(inNodeRoot(root, dirname(absolute)), absolute.slice(absolute.lastIndexOf('/') + 1));
}

/** The same volumes with every path below `root`: the file system of an emulated node. */
export function volumesInNodeRoot(host: VolumeHost, root: string): VolumeHost {
  return {
    writeVolume: (path, files, directory) => host.writeVolume(inNodeRoot(root, path), files, directory),
    writeFile: (path, file) => host.writeFile(inNodeRoot(root, path), file),
    writeCheckpoint: (path, text) => host.writeCheckpoint(inNodeRoot(root, path), text),
    readFile: (path, maxBytes) => host.readFile(inNodeRoot(root, path), maxBytes),
    makeDir: (path, attributes) => host.makeDir(inNodeRoot(root, path), attributes),
    kind: (path) => host.kind(inNodeRoot(root, path)),
    async resolve(path) {
      const mounts = mountsOf(root);
      const real = followed(root, mounts, path);
      const found = await host.resolve(placeOf(root, mounts, real));
      return found && { ...found, path: real };
    },
    list: (path) => host.list(inNodeRoot(root, path)),
    usage: (path) => host.usage(placeInNodeRoot(root, path)),
    mountedBelow: async (path) => [...mountsOf(root).keys()].filter((place) => place.startsWith(`${path}/`)),
    remove: (path) => host.remove(placeInNodeRoot(root, path)),
    giveToGroup: (path, options) => host.giveToGroup(inNodeRoot(root, path), options),
  };
}

/** The same logs with every path below `root`. */
export function logsInNodeRoot(source: LogSource, root: string): LogSource {
  return {
    extent: (path) => source.extent(inNodeRoot(root, path)),
    read: (path, offset, length) => source.read(inNodeRoot(root, path), offset, length),
    watch: (path, changed) => source.watch(inNodeRoot(root, path), changed),
    remove: (path) => source.remove(placeInNodeRoot(root, path)),
    ...(source.rotate ? { rotate: (path, options) => source.rotate?.(inNodeRoot(root, path), options) ?? Promise.resolve() } : {}),
    // Where a link leads is a path of the node.
    ...(source.link ? { link: (path, log) => source.link?.(placeInNodeRoot(root, path), log) ?? Promise.resolve() } : {}),
    ...(source.unlink ? { unlink: (directory, log) => source.unlink?.(inNodeRoot(root, directory), log) ?? Promise.resolve() } : {}),
    ...(source.unrotate ? { unrotate: (path, stamp) => source.unrotate?.(placeInNodeRoot(root, path), stamp) ?? Promise.resolve() } : {}),
    async rotated(path) {
      const place = inNodeRoot(root, path);
      const found = await source.rotated?.(place);
      // As the node names it: beside the log.
      return found === undefined ? undefined : `${path}${found.slice(place.length)}`;
    },
  };
}
