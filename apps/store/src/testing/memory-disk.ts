import { type Disk, type DiskFile, DiskLockedError } from '@orrery/runtime';

interface Inode {
  /** What a reader sees now. */
  content: Buffer;
  /** What a crash leaves for certain. */
  durable: Buffer;
}

/** Zeros behind a journal's content. */
const journalRoom = 128;

/** What a crash does to writes that were not synced. */
export type Loss = 'all lost' | 'all kept' | 'garbled';

class PowerOff extends Error {
  readonly code = 'EIO';
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/**
 * A disk in memory that distinguishes written from durable, as the contract of `Disk` allows a real one to. It can lose
 * its power after any number of steps (a byte appended, or one other operation), fill up, damage bytes.
 */
export class MemoryDisk implements Disk {
  /** Steps left until the power fails. */
  budget = Infinity;
  /** Most bytes in all files together. */
  capacity = Infinity;
  /** Steps taken. */
  steps = 0;
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private readonly locks = new Set<string>();

  /** The disk as it is found after the power came back. */
  reboot(loss: Loss): MemoryDisk {
    const after = new MemoryDisk();
    for (const [path, inode] of loss === 'all kept' ? this.names : this.durableNames) {
      const content = survive(inode, loss);
      after.names.set(path, { content, durable: content });
    }
    after.durableNames = new Map(after.names);
    return after;
  }

  /** Flips a byte, durably. */
  damage(path: string, offset: number): void {
    const inode = this.inode(path);
    const content = Buffer.from(inode.content);
    content[offset] = (content[offset] as number) ^ 0xff;
    inode.content = inode.durable = content;
  }

  /** Turns what follows the first `offset` bytes into zeros, durably. */
  blank(path: string, offset: number): void {
    const inode = this.inode(path);
    inode.content = inode.durable = Buffer.concat([inode.content.subarray(0, offset), Buffer.alloc(inode.content.length - offset)]);
  }

  files(): string[] {
    return [...this.names.keys()].sort();
  }

  private inode(path: string): Inode {
    const inode = this.names.get(path);
    if (!inode) throw failure('ENOENT', path);
    return inode;
  }

  private step(): void {
    if (this.steps >= this.budget) throw new PowerOff('power off');
    this.steps += 1;
  }

  /** Bytes in all files together, zeros behind journals included. */
  get usedBytes(): number {
    let bytes = 0;
    for (const { content } of this.names.values()) bytes += content.length;
    return bytes;
  }

  async makeDir(_path: string): Promise<void> {
    this.step();
  }

  async list(dir: string): Promise<string[]> {
    this.step();
    return [...this.names.keys()].filter((path) => path.startsWith(`${dir}/`)).map((path) => path.slice(dir.length + 1)).sort();
  }

  async read(path: string): Promise<Uint8Array> {
    this.step();
    return Buffer.from(this.inode(path).content);
  }

  async open(path: string, { create, journal = false }: { create: boolean; journal?: boolean }): Promise<DiskFile> {
    this.step();
    if (create) {
      if (this.names.has(path)) throw failure('EEXIST', path);
      this.names.set(path, { content: Buffer.alloc(0), durable: Buffer.alloc(0) });
    }
    return this.handle(path, this.inode(path), journal);
  }

  /** A journal has zeros behind its content, where they fit. */
  private handle(path: string, inode: Inode, journal: boolean): DiskFile {
    let size = inode.content.length;
    return {
      get size() {
        return size;
      },
      append: async (chunks) => {
        const bytes = Buffer.concat(chunks);
        const room = Math.min(bytes.length, Math.max(0, this.budget - this.steps), Math.max(0, this.capacity - this.usedBytes + inode.content.length - size));
        inode.content = Buffer.concat([inode.content.subarray(0, size), bytes.subarray(0, room), inode.content.subarray(size + room)]);
        size += room;
        this.steps += room;
        if (room === bytes.length) {
          if (journal && inode.content.length === size && this.capacity - this.usedBytes > journalRoom) inode.content = Buffer.concat([inode.content, Buffer.alloc(journalRoom)]);
          return;
        }
        if (this.steps >= this.budget) throw new PowerOff('power off');
        throw failure('ENOSPC', path);
      },
      sync: async () => {
        this.step();
        inode.durable = inode.content;
      },
      truncate: async (to) => {
        this.step();
        size = to;
        inode.content = inode.content.subarray(0, to);
      },
      close: async () => undefined,
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.step();
    const inode = this.inode(from);
    this.names.delete(from);
    this.names.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    this.step();
    this.names.delete(path);
  }

  async syncDir(dir: string): Promise<void> {
    this.step();
    const inside = (path: string): boolean => path.startsWith(`${dir}/`);
    for (const path of this.durableNames.keys()) if (inside(path) && !this.names.has(path)) this.durableNames.delete(path);
    for (const [path, inode] of this.names) if (inside(path)) this.durableNames.set(path, inode);
  }

  async lock(path: string): Promise<{ release(): Promise<void> }> {
    this.step();
    if (this.locks.has(path)) throw new DiskLockedError(path, 1);
    this.locks.add(path);
    return { release: async () => void this.locks.delete(path) };
  }
}

function survive({ content, durable }: Inode, loss: Loss): Buffer {
  if (loss === 'all kept') return content;
  if (loss === 'all lost') return durable;
  // Some of the blocks that changed never got there: the first half of them, which a reader meets first.
  const garbled = Buffer.from(content);
  let first = 0;
  while (first < content.length && content[first] === durable[first]) first += 1;
  const lost = Math.ceil((content.length - first) / 2);
  for (let at = first; at < first + lost; at++) garbled[at] = durable[at] ?? 0;
  return garbled;
}
