import type { Clock, Disk, DiskFile, Random } from '@orrery/runtime';
import type { MemoryDisk } from '../testing/memory-disk.ts';
import type { Process } from './process.ts';

/** How a disk behaves just now. Milliseconds. */
export interface DiskHealth {
  /** Longest time of a sync. */
  syncMs: number;
  /** Syncs that will fail, after which it is unknown what the disk holds. */
  failingSyncs: number;
}

/** A disk as a process sees it: every operation takes virtual time, and none ends for one that was killed. */
export function timedDisk(disk: MemoryDisk, options: { process: Process; time: Clock; random: Random; health: DiskHealth }): Disk {
  const { process, time, random, health } = options;
  /** The effect comes at the end of the wait: a crash before it finds nothing of it. */
  const later = <T>(longestMs: number, work: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      time.after(1 + random.int(Math.max(1, longestMs)), () => {
        if (!process.isAlive) return;
        const done = work();
        // One that stands still hears of a failure later.
        done.catch(() => undefined);
        process.enter(() => done.then(resolve, reject));
      });
    });
  const quick = <T>(work: () => Promise<T>): Promise<T> => (process.isAlive ? work() : new Promise<T>(() => undefined));
  const sync = async (work: () => Promise<void>): Promise<void> => {
    if (health.failingSyncs > 0) {
      health.failingSyncs -= 1;
      throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
    }
    await work();
  };
  const file = (inner: DiskFile): DiskFile => ({
    get size() {
      return inner.size;
    },
    append: (chunks) => quick(() => inner.append(chunks)),
    sync: () => later(health.syncMs, () => sync(() => inner.sync())),
    truncate: (size) => quick(() => inner.truncate(size)),
    close: () => quick(() => inner.close()),
  });
  return {
    makeDir: (path) => quick(() => disk.makeDir(path)),
    list: (dir) => quick(() => disk.list(dir)),
    read: (path) => later(1, () => disk.read(path)),
    open: (path, how) => quick(async () => file(await disk.open(path, how))),
    rename: (from, to) => quick(() => disk.rename(from, to)),
    remove: (path) => quick(() => disk.remove(path)),
    syncDir: (dir) => later(health.syncMs, () => sync(() => disk.syncDir(dir))),
    lock: (path) => quick(() => disk.lock(path)),
  };
}
