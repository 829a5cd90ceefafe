import type { DiskContents } from '@orrery/cloud/component';
import { MemoryMounts, type MemoryDirectory, type MemoryNode, MemoryVolumeHost, type NodeMount, type NodeMounts, pathParts } from '@orrery/cri';

const folder = (id: string): string => `/disks/${id}`;

function copyOf(node: MemoryNode): MemoryNode {
  if (node.kind !== 'directory') return { ...node };
  return { ...node, entries: new Map([...node.entries].map(([name, child]) => [name, copyOf(child)])) };
}

/** What is on the disks of a simulated cloud: a folder each, in memory. */
export class SimulatedDisks implements DiskContents {
  readonly files: MemoryVolumeHost;

  constructor(now: () => number) {
    this.files = new MemoryVolumeHost(now);
  }

  path(id: string): string {
    return folder(id);
  }

  async create(id: string, from: string): Promise<void> {
    const all = this.files.ensureDirectory('/disks');
    if (all.entries.has(id)) return;
    const source = from ? this.files.lookup(folder(from)) : undefined;
    // As every file system that was just made, open to all until a Pod's fsGroup says otherwise.
    if (source) all.entries.set(id, copyOf(source));
    else this.files.ensureDirectory(folder(id), { mode: 0o777 });
  }

  remove(id: string): Promise<void> {
    return this.files.remove(folder(id));
  }

  /** The directory that is the disk's file system. Throws for a folder that no disk has. */
  root(source: string): MemoryDirectory {
    const node = this.files.lookup(source);
    if (node?.kind !== 'directory') throw new Error(`there is no disk ${source}`);
    return node;
  }
}

/** Mounts of a node whose files are in memory: the disk's directory itself stands where it is mounted, so that all who have it see the same files. */
export class GraftedMounts implements NodeMounts {
  private readonly table = new MemoryMounts();
  private readonly covered = new Map<string, MemoryNode | undefined>();
  private readonly node: MemoryVolumeHost;
  private readonly disks: SimulatedDisks;

  constructor(node: MemoryVolumeHost, disks: SimulatedDisks) {
    this.node = node;
    this.disks = disks;
  }

  list(): ReadonlyMap<string, NodeMount> {
    return this.table.list();
  }

  mount(path: string, mount: NodeMount): void {
    const { above, name } = this.place(path);
    // The same again, such as with another size, covers nothing more.
    if (!this.covered.has(path)) this.covered.set(path, above.entries.get(name));
    above.entries.set(name, this.disks.root(mount.source));
    this.table.mount(path, mount);
  }

  unmount(path: string): void {
    if (!this.covered.has(path)) return;
    const { above, name } = this.place(path);
    const before = this.covered.get(path);
    this.covered.delete(path);
    if (before) above.entries.set(name, before);
    else above.entries.delete(name);
    this.table.unmount(path);
  }

  private place(path: string): { above: MemoryDirectory; name: string } {
    const parts = pathParts(path);
    const name = parts.pop() ?? '';
    return { above: this.node.ensureDirectory(`/${parts.join('/')}`), name };
  }
}
