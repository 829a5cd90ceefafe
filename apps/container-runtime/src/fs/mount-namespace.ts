import { FsError } from './fs-error.ts';
import type { Tree } from './tree.ts';

/** Where what is mounted later shows up, as the kernel has it: here alone, here if the node mounts it, or everywhere. */
export type Propagation = 'private' | 'slave' | 'shared';

export interface Mount {
  /** Absolute, normalised; '/' is the root. */
  readonly at: string;
  readonly tree: Tree;
  readonly readOnly: boolean;
  /** Of what shows a directory of the node: which one, and whether mounts below it are shared with the node. */
  readonly node?: { readonly path: string; readonly propagation: Propagation };
}

/** What is mounted where, as those see it who have the same root. */
export interface MountView {
  /** In the order in which they were mounted. */
  readonly mounts: readonly Mount[];
  /** What is mounted at this very path, the latest where there are several. */
  at(path: string): Mount | undefined;
  /** What a path without symbolic links is in. */
  covering(path: string): Mount;
  /** Mounts over what is there, and, where that is shared, in all namespaces of the node that it is shared with. */
  mount(mount: Omit<Mount, 'node'>): void;
  /** Takes the latest mount from a path. Throws FsError: EINVAL where nothing is mounted, EBUSY where something is mounted in it. */
  unmount(at: string): void;
  /** Whether the latest mount at a path may be written from now on. Throws FsError EINVAL where nothing is mounted. */
  remount(at: string, readOnly: boolean): void;
}

const isWithin = (path: string, directory: string): boolean => directory === '/' || path === directory || path.startsWith(`${directory}/`);
const below = (path: string, directory: string): string => (directory === '/' ? (path === '/' ? '' : path) : path.slice(directory.length));
const joined = (directory: string, rest: string): string => (directory === '/' ? rest || '/' : `${directory}${rest}`);

/** What is mounted where, for all processes of a container or of the node itself. */
export class MountNamespace implements MountView {
  /** In the order in which they were mounted; the first is '/'. */
  private list: readonly Mount[];
  private top: ReadonlyMap<string, Mount>;
  private readonly peers: MountPeers | undefined;

  /** `peers`: the node's namespaces, which mounts may be shared with; it has to join them to hear of theirs. */
  constructor(mounts: readonly Mount[], peers?: MountPeers) {
    this.list = mounts;
    this.top = new Map(mounts.map((mount) => [mount.at, mount]));
    this.peers = peers;
  }

  get mounts(): readonly Mount[] {
    return this.list;
  }

  at(path: string): Mount | undefined {
    return this.top.get(path);
  }

  covering(path: string): Mount {
    let found = this.list[0] as Mount;
    for (const mount of this.list) if (isWithin(path, mount.at) && mount.at.length >= found.at.length) found = mount;
    return found;
  }

  private replace(mounts: readonly Mount[]): void {
    this.list = mounts;
    this.top = new Map(mounts.map((mount) => [mount.at, mount]));
  }

  mount({ at, tree, readOnly }: Omit<Mount, 'node'>): void {
    const parent = this.covering(at);
    if (parent.node?.propagation === 'shared' && this.peers) this.peers.mount(joined(parent.node.path, below(at, parent.at)), { tree, readOnly });
    else this.replace([...this.list, { at, tree, readOnly }]);
  }

  unmount(at: string): void {
    const mount = this.top.get(at);
    if (!mount || at === '/') throw new FsError('EINVAL', at);
    const later = this.list.slice(this.list.indexOf(mount) + 1);
    if (later.some((other) => other.at !== at && isWithin(other.at, at))) throw new FsError('EBUSY', at);
    const rest = this.list.filter((other) => other !== mount);
    const parent = new MountNamespace(rest).covering(at);
    if (parent.node?.propagation === 'shared' && mount.node && this.peers) this.peers.unmount(joined(parent.node.path, below(at, parent.at)));
    else this.replace(rest);
  }

  remount(at: string, readOnly: boolean): void {
    const mount = this.top.get(at);
    if (!mount) throw new FsError('EINVAL', at);
    this.replace(this.list.map((other) => (other === mount ? { ...mount, readOnly } : other)));
  }

  /** Where a path of the node is seen here by mounts that hear of the node's. */
  private placesOf(path: string, list: readonly Mount[]): { at: string; propagation: Propagation }[] {
    const view = new MountNamespace(list);
    const places = new Map<string, Propagation>();
    for (const { at, node } of list) {
      if (!node || node.propagation === 'private' || !isWithin(path, node.path)) continue;
      const place = joined(at, below(path, node.path));
      // Another mount may lie between.
      const parent = view.covering(place);
      if (parent.node && parent.node.propagation !== 'private' && joined(parent.node.path, below(place, parent.at)) === path) places.set(place, parent.node.propagation);
    }
    return [...places].map(([at, propagation]) => ({ at, propagation }));
  }

  /** The node, or who shares with it, has mounted something. */
  receive(path: string, what: { readonly tree: Tree; readonly readOnly: boolean }): void {
    const added = this.placesOf(path, this.list).map(({ at, propagation }): Mount => ({ ...what, at, node: { path, propagation } }));
    if (added.length) this.replace([...this.list, ...added]);
  }

  /** It is mounted no more. What came from elsewhere, or has something mounted in it, stays. */
  lose(path: string): void {
    for (const mount of [...this.list].reverse()) {
      if (mount.node?.path !== path || this.top.get(mount.at) !== mount) continue;
      const rest = this.list.filter((other) => other !== mount);
      const isBusy = rest.some(({ at }) => at !== mount.at && isWithin(at, mount.at) && this.list.findIndex((other) => other.at === at) > this.list.indexOf(mount));
      if (!isBusy && this.placesOf(path, rest).some(({ at }) => at === mount.at)) this.replace(rest);
    }
  }
}

/** The mounts of who has a directory for his root: those below it, and some that only he has. `own` begins with his '/'. */
export function mountsBelow(view: MountView, directory: string, own: readonly Mount[]): MountView {
  const here = (mount: Mount): Mount => ({ ...mount, at: mount.at.slice(directory.length) });
  const place = (at: string): string => joined(directory, at === '/' ? '' : at);
  const at = (path: string): Mount | undefined => {
    const found = path === '/' ? undefined : view.at(place(path));
    return found ? here(found) : own.find((mount) => mount.at === path);
  };
  const mounts = (): readonly Mount[] => {
    const theirs = view.mounts.filter((mount) => mount.at.startsWith(`${directory}/`)).map(here);
    return [...own.filter((mount) => !theirs.some((other) => other.at === mount.at)), ...theirs];
  };
  return {
    get mounts() {
      return mounts();
    },
    at,
    covering: (path) => new MountNamespace(mounts()).covering(path),
    mount: (mount) => view.mount({ ...mount, at: place(mount.at) }),
    unmount: (path) => view.unmount(place(path)),
    remount: (path, readOnly) => view.remount(place(path), readOnly),
  };
}

/** The mount namespaces of a node that hear of each other: its own, and those of containers whose volumes propagate mounts. */
export class MountPeers {
  /** The node's own. */
  readonly host: MountNamespace;
  private readonly members: Set<MountNamespace>;
  private readonly before: () => void;

  /** `before` is called before anything changes. */
  constructor(mounts: readonly Mount[], before: () => void) {
    this.host = new MountNamespace(mounts, this);
    this.members = new Set([this.host]);
    this.before = before;
  }

  join(namespace: MountNamespace): void {
    this.members.add(namespace);
  }

  leave(namespace: MountNamespace): void {
    this.members.delete(namespace);
  }

  mount(path: string, what: { readonly tree: Tree; readonly readOnly: boolean }): void {
    this.before();
    for (const member of this.members) member.receive(path, what);
  }

  unmount(path: string): void {
    for (const member of this.members) member.lose(path);
  }
}
