import { subTree } from './composed-tree.ts';
import { FsError } from './fs-error.ts';
import { type Mount, MountNamespace, type MountView, mountsBelow } from './mount-namespace.ts';
import type { FileRef, Parts, Stat, Tree } from './tree.ts';

export { type Mount, MountNamespace } from './mount-namespace.ts';

export interface Cred {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export const root: Cred = { uid: 0, gid: 0, groups: [0] };

interface Place {
  readonly mount: Mount;
  readonly parts: Parts;
  readonly path: string;
}

const maxLinks = 40;
const setgid = 0o2000;
const sticky = 0o1000;
const [readBit, writeBit, executeBit] = [4, 2, 1];

/** Joins and normalises: `..` and `.` are taken out textually. */
export function resolvePath(cwd: string, path: string): string {
  const out: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${cwd}/${path}`).split('/')) {
    if (part === '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  return `/${out.join('/')}`;
}

/** A container's file system: trees mounted into one another, seen by a user. Paths are absolute; errors are FsError. */
export class Vfs {
  private readonly view: MountView;
  private readonly cred: Cred;

  /** The first mount must be '/'. */
  constructor(mounts: readonly Mount[] | MountView, cred: Cred = root) {
    this.view = 'covering' in mounts ? mounts : new MountNamespace(mounts);
    this.cred = cred;
  }

  /** In the order in which they were mounted. */
  get mounts(): readonly Mount[] {
    return this.view.mounts;
  }

  /** The same files as another user sees them. */
  as(cred: Cred): Vfs {
    return new Vfs(this.view, cred);
  }

  /**
   * The files of who has a directory for his root. A file system that is mounted whole is a machine's: its devices and processes are those that
   * are seen here, where they are nowhere among its files. Throws FsError for what is no directory.
   */
  below(path: string): Vfs {
    const { place, stat } = this.existing(path);
    if (stat.kind !== 'directory') throw new FsError('ENOTDIR', path);
    if (place.path === '/') return this;
    const kept = place.parts.length ? [] : [{ at: '/dev', tree: subTree(this.rootMount.tree, ['dev']), readOnly: false }, ...this.mounts.filter(({ at }) => at === '/proc' || at === '/sys')];
    const top: Mount = { at: '/', tree: subTree(place.mount.tree, place.parts), readOnly: place.mount.readOnly };
    return new Vfs(mountsBelow(this.view, place.path, [top, ...kept]), this.cred);
  }

  private get rootMount(): Mount {
    return this.view.at('/') as Mount;
  }

  /** The mount that a path is in. */
  mountOf(path: string): Mount {
    return this.existing(path).place.mount;
  }

  /** The directory of the node that is seen at a path; undefined for what is the container's own. */
  nodePath(path: string): string | undefined {
    const { mount, parts } = this.existing(path).place;
    return mount.node && resolvePath(mount.node.path, parts.join('/'));
  }

  /** Mounts a tree over a directory, or a file over a file. */
  mount(path: string, what: { readonly tree: Tree; readonly readOnly: boolean }): void {
    const { place, stat } = this.existing(path);
    const isDirectory = what.tree.stat([])?.kind === 'directory';
    if (isDirectory !== (stat.kind === 'directory')) throw new FsError('ENOTDIR', path);
    this.view.mount({ at: place.path, ...what });
  }

  /** Mounts what is at a path at another one, too; `recursive`: with all that is mounted in it. */
  bind(from: string, to: string, options: { readonly recursive: boolean; readonly readOnly: boolean }): void {
    const { place } = this.existing(from);
    const at = this.existing(to).place.path;
    const within = options.recursive ? this.mounts.filter((mount) => mount.at.startsWith(place.path === '/' ? '/' : `${place.path}/`) && mount.at !== '/') : [];
    this.mount(to, { tree: subTree(place.mount.tree, place.parts), readOnly: options.readOnly || place.mount.readOnly });
    for (const { at: inner, tree, readOnly } of within) this.view.mount({ at: resolvePath(at, inner.slice(place.path.length).replace(/^\//, '')), tree, readOnly });
  }

  /** Takes the latest mount from a path. */
  unmount(path: string): void {
    this.view.unmount(this.existing(path).place.path);
  }

  /** Whether what is mounted at a path may be written from now on. */
  remount(path: string, readOnly: boolean): void {
    this.view.remount(this.existing(path).place.path, readOnly);
  }

  /** Walks to `path`, following links on the way and, unless told otherwise, at the end. The last part may not exist. */
  private locate(path: string, follow = true): Place {
    const pending = path.split('/').filter((part) => part !== '' && part !== '.').reverse();
    const done: { name: string; mount: Mount; parts: Parts }[] = [];
    let links = 0;
    let here: { mount: Mount; parts: Parts } = { mount: this.rootMount, parts: [] };
    while (pending.length) {
      const name = pending.pop() as string;
      if (name === '..') {
        done.pop();
        here = done.at(-1) ?? { mount: this.rootMount, parts: [] };
        continue;
      }
      const mounted = this.view.at(`/${[...done.map((d) => d.name), name].join('/')}`);
      const next = mounted ? { mount: mounted, parts: [] } : { mount: here.mount, parts: [...here.parts, name] };
      const stat = next.mount.tree.stat(next.parts);
      if (!stat && pending.length) throw new FsError('ENOENT', path);
      if (stat && stat.kind === 'symlink' && (pending.length || follow)) {
        if (++links > maxLinks) throw new FsError('ELOOP', path);
        const target = next.mount.tree.readlink(next.parts);
        if (target.startsWith('/')) {
          done.length = 0;
          here = { mount: this.rootMount, parts: [] };
        }
        pending.push(...target.split('/').filter((part) => part !== '' && part !== '.').reverse());
        continue;
      }
      if (stat && pending.length) {
        if (stat.kind !== 'directory') throw new FsError('ENOTDIR', path);
        this.check(stat, executeBit, path);
      }
      done.push({ name, ...next });
      here = next;
    }
    return { ...here, path: `/${done.map((d) => d.name).join('/')}` };
  }

  private check(stat: Stat, bit: number, path: string): void {
    const { uid, gid, groups } = this.cred;
    if (uid === 0) return;
    const shift = stat.uid === uid ? 6 : stat.gid === gid || groups.includes(stat.gid) ? 3 : 0;
    if (!((stat.mode >> shift) & bit)) throw new FsError('EACCES', path);
  }

  private statAt(place: Place): Stat | undefined {
    return place.mount.tree.stat(place.parts);
  }

  private existing(path: string, follow = true): { place: Place; stat: Stat } {
    const place = this.locate(path, follow);
    const stat = this.statAt(place);
    if (!stat) throw new FsError('ENOENT', path);
    return { place, stat };
  }

  /** A place whose entry is about to be added or removed: its directory must be writable. */
  private changing(path: string): Place {
    const place = this.locate(path, false);
    if (!place.parts.length) throw new FsError(this.statAt(place) && place.path !== '/' ? 'EBUSY' : 'EEXIST', path);
    const parent = place.mount.tree.stat(place.parts.slice(0, -1));
    if (!parent) throw new FsError('ENOENT', path);
    if (parent.kind !== 'directory') throw new FsError('ENOTDIR', path);
    if (place.mount.readOnly) throw new FsError('EROFS', path);
    this.check(parent, writeBit, path);
    return place;
  }

  /** Who owns what is made at a place: the user; the group is the directory's where it has the setgid bit. */
  private newOwner(place: Place, mode: number): { mode: number; uid: number; gid: number } {
    const parent = place.mount.tree.stat(place.parts.slice(0, -1));
    const gid = parent && parent.mode & setgid ? parent.gid : this.cred.gid;
    return { mode, uid: this.cred.uid, gid };
  }

  stat(path: string): Stat {
    return this.existing(path).stat;
  }

  lstat(path: string): Stat {
    return this.existing(path, false).stat;
  }

  exists(path: string): boolean {
    return this.tryStat(path) !== undefined;
  }

  tryStat(path: string): Stat | undefined {
    try {
      return this.statAt(this.locate(path));
    } catch (error) {
      if (error instanceof FsError) return undefined;
      throw error;
    }
  }

  isDirectory(path: string): boolean {
    return this.tryStat(path)?.kind === 'directory';
  }

  /** Whether the user may read ('r'), write ('w') or execute ('x'). */
  access(path: string, want: 'r' | 'w' | 'x'): boolean {
    try {
      const { place, stat } = this.existing(path);
      if (want === 'w' && place.mount.readOnly) return false;
      if (want === 'x' && this.cred.uid === 0) return stat.kind === 'directory' || (stat.mode & 0o111) !== 0;
      this.check(stat, { r: readBit, w: writeBit, x: executeBit }[want], path);
      return true;
    } catch (error) {
      if (error instanceof FsError) return false;
      throw error;
    }
  }

  /** Names in a directory, sorted. */
  list(path: string): string[] {
    const { place, stat } = this.existing(path);
    if (stat.kind !== 'directory') throw new FsError('ENOTDIR', path);
    this.check(stat, readBit, path);
    const names = new Set(place.mount.tree.list(place.parts));
    const prefix = place.path === '/' ? '/' : `${place.path}/`;
    for (const { at } of this.mounts) {
      const rest = at.startsWith(prefix) ? at.slice(prefix.length) : '';
      if (rest && !rest.includes('/')) names.add(rest);
    }
    return [...names].sort();
  }

  realpath(path: string): string {
    return this.existing(path).place.path;
  }

  readlink(path: string): string {
    const { place } = this.existing(path, false);
    return place.mount.tree.readlink(place.parts);
  }

  /** Device name when `path` is a device. */
  device(path: string): string | undefined {
    const place = this.locate(path);
    return place.mount.tree.device(place.parts);
  }

  /** Opens a regular file. `create` makes it with these permission bits when it is not there. */
  open(path: string, options: { read?: boolean; write?: boolean; create?: number; truncate?: boolean; exclusive?: boolean }): FileRef {
    let place = this.locate(path);
    const stat = this.statAt(place);
    if (stat && options.exclusive) throw new FsError('EEXIST', path);
    if (stat?.kind === 'directory' && (options.write || !options.read)) throw new FsError('EISDIR', path);
    if (!stat) {
      if (options.create === undefined) throw new FsError('ENOENT', path);
      place = this.changing(place.path);
    } else {
      if (options.read) this.check(stat, readBit, path);
      if (options.write) {
        if (place.mount.readOnly && stat.kind !== 'disk') throw new FsError('EROFS', path);
        this.check(stat, writeBit, path);
      }
    }
    const create = stat || options.create === undefined ? {} : { create: this.newOwner(place, options.create) };
    return place.mount.tree.open(place.parts, { ...create, write: options.write ?? false, truncate: options.truncate ?? false });
  }

  readFile(path: string): Uint8Array {
    const file = this.open(path, { read: true });
    try {
      return file.read();
    } finally {
      file.close?.();
    }
  }

  readText(path: string): string {
    return Buffer.from(this.readFile(path)).toString();
  }

  writeFile(path: string, bytes: Uint8Array | string, mode = 0o644): void {
    const file = this.open(path, { write: true, create: mode, truncate: true });
    try {
      file.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    } finally {
      file.close?.();
    }
  }

  mkdir(path: string, mode = 0o755): void {
    const place = this.locate(path, false);
    if (this.statAt(place)) throw new FsError('EEXIST', path);
    const at = this.changing(path);
    const owner = this.newOwner(at, mode);
    const inherits = (at.mount.tree.stat(at.parts.slice(0, -1))?.mode ?? 0) & setgid;
    at.mount.tree.mkdir(at.parts, { ...owner, mode: mode | inherits });
  }

  /** As mkdir -p. */
  makeDirs(path: string, mode = 0o755): void {
    let at = '';
    for (const part of path.split('/').filter(Boolean)) {
      at += `/${part}`;
      const stat = this.tryStat(at);
      if (!stat) this.mkdir(at, mode);
      else if (stat.kind !== 'directory') throw new FsError('ENOTDIR', path);
    }
  }

  symlink(target: string, path: string): void {
    const at = this.changing(path);
    at.mount.tree.symlink(at.parts, target);
  }

  link(from: string, to: string): void {
    const source = this.existing(from).place;
    const at = this.changing(to);
    if (source.mount !== at.mount) throw new FsError('EINVAL', to);
    at.mount.tree.link(source.parts, at.parts);
  }

  /** In a directory with the sticky bit only owners remove: of the file, or of the directory. */
  private removing(path: string, stat: Stat): Place {
    const at = this.changing(path);
    const parent = at.mount.tree.stat(at.parts.slice(0, -1));
    const { uid } = this.cred;
    if (uid !== 0 && parent && parent.mode & sticky && parent.uid !== uid && stat.uid !== uid) throw new FsError('EPERM', path);
    return at;
  }

  unlink(path: string): void {
    const { stat } = this.existing(path, false);
    if (stat.kind === 'directory') throw new FsError('EISDIR', path);
    const at = this.removing(path, stat);
    at.mount.tree.remove(at.parts);
  }

  rmdir(path: string): void {
    const { stat } = this.existing(path, false);
    if (stat.kind !== 'directory') throw new FsError('ENOTDIR', path);
    const at = this.removing(path, stat);
    at.mount.tree.remove(at.parts);
  }

  /** As rm -r. Contents of mounts below stay. */
  removeAll(path: string): void {
    const { stat } = this.existing(path, false);
    if (stat.kind !== 'directory') {
      this.unlink(path);
      return;
    }
    for (const name of this.list(path)) this.removeAll(resolvePath(path, name));
    this.rmdir(path);
  }

  rename(from: string, to: string): void {
    this.existing(from, false);
    const source = this.changing(from);
    const at = this.changing(to);
    if (source.mount === at.mount) {
      try {
        return source.mount.tree.rename(source.parts, at.parts);
      } catch (error) {
        if (!(error instanceof FsError && error.code === 'EXDEV')) throw error;
      }
    }
    this.copyAll(from, to);
    this.removeAll(from);
  }

  /** As cp -r, with permissions. */
  copyAll(from: string, to: string): void {
    const stat = this.lstat(from);
    if (stat.kind === 'symlink') this.symlink(this.readlink(from), to);
    else if (stat.kind === 'directory') {
      if (!this.isDirectory(to)) this.mkdir(to, stat.mode);
      for (const name of this.list(from)) this.copyAll(resolvePath(from, name), resolvePath(to, name));
    } else this.writeFile(to, this.readFile(from), stat.mode);
  }

  setAttributes(path: string, attributes: { mode?: number; uid?: number; gid?: number; mtimeMs?: number }): void {
    const { place, stat } = this.existing(path);
    if (place.mount.readOnly) throw new FsError('EROFS', path);
    const { uid, gid, groups } = this.cred;
    const foreignGroup = attributes.gid !== undefined && attributes.gid !== gid && !groups.includes(attributes.gid);
    if (uid !== 0 && (stat.uid !== uid || attributes.uid !== undefined || foreignGroup)) throw new FsError('EPERM', path);
    place.mount.tree.setAttributes(place.parts, attributes);
  }
}
