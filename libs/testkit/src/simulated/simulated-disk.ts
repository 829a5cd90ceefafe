import { type Disk, type DiskFile, DiskLockedError } from '@orrery/runtime';

interface Inode {
  chunks: Uint8Array[];
  size: number;
}

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, ${path}`), { code: 'ENOENT' });
}

/** A disk in memory that outlives the process that writes to it, as a machine's does: what was appended is there after a kill. */
export class SimulatedDisk implements Disk {
  private readonly files = new Map<string, Inode>();
  private readonly locks = new Set<string>();

  makeDir(): Promise<void> {
    return Promise.resolve();
  }

  async list(dir: string): Promise<string[]> {
    return [...this.files.keys()].filter((path) => path.startsWith(`${dir}/`)).map((path) => path.slice(dir.length + 1)).sort();
  }

  async read(path: string): Promise<Uint8Array> {
    return Buffer.concat(this.inode(path).chunks);
  }

  async open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    if (create) {
      if (this.files.has(path)) throw Object.assign(new Error(`EEXIST: file already exists, ${path}`), { code: 'EEXIST' });
      this.files.set(path, { chunks: [], size: 0 });
    }
    const inode = this.inode(path);
    return {
      get size() {
        return inode.size;
      },
      async append(chunks) {
        for (const chunk of chunks) inode.chunks.push(Uint8Array.from(chunk));
        inode.size += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      },
      sync: () => Promise.resolve(),
      async truncate(size) {
        inode.chunks = [Buffer.concat(inode.chunks).subarray(0, size)];
        inode.size = size;
      },
      close: () => Promise.resolve(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, this.inode(from));
    this.files.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }

  syncDir(): Promise<void> {
    return Promise.resolve();
  }

  async lock(path: string): Promise<{ release(): Promise<void> }> {
    if (this.locks.has(path)) throw new DiskLockedError(path, 0);
    this.locks.add(path);
    return { release: async () => void this.locks.delete(path) };
  }

  /** Whoever held locks is dead. */
  breakLocks(): void {
    this.locks.clear();
  }

  private inode(path: string): Inode {
    const inode = this.files.get(path);
    if (!inode) throw missing(path);
    return inode;
  }
}
