import type { Clock, Disk, DiskFile, Random } from '@orrery/runtime';

/** What is wrong with a disk. */
export interface DiskFault {
  readonly kind: 'disk-full' | 'disk-slow' | 'fsync-error';
  /** Of slow ones: how much longer a write or a sync takes, milliseconds. */
  readonly delayMs?: number;
  /** Share of operations that are struck; default 100. */
  readonly percent?: number;
}

/** The faults of one disk, by who put them there. */
export class DiskFaults {
  private readonly faults = new Map<string, DiskFault>();

  add(id: string, fault: DiskFault): void {
    this.faults.set(id, fault);
  }

  remove(id: string): void {
    this.faults.delete(id);
  }

  get active(): boolean {
    return this.faults.size > 0;
  }

  values(): Iterable<DiskFault> {
    return this.faults.values();
  }
}

export interface FaultyDiskOptions {
  readonly disk: Disk;
  readonly faults: DiskFaults;
  readonly clock: Clock;
  readonly random: Random;
}

function failed(code: 'ENOSPC' | 'EIO', what: string): Error {
  return Object.assign(new Error(`${code}: ${code === 'ENOSPC' ? 'no space left on device' : 'i/o error'}, ${what}`), { code });
}

/** A disk that does what `faults` say, and is the disk below where they say nothing. */
export function faultyDisk({ disk, faults, clock, random }: FaultyDiskOptions): Disk {
  const strikes = ({ percent = 100 }: DiskFault): boolean => percent >= 100 || random.next() * 100 < percent;
  const meet = async (operation: 'write' | 'sync', what: string): Promise<void> => {
    for (const fault of faults.values()) {
      if (!strikes(fault)) continue;
      if (fault.kind === 'disk-slow') await clock.sleep(fault.delayMs ?? 0);
      else if (fault.kind === 'disk-full' && operation === 'write') throw failed('ENOSPC', what);
      else if (fault.kind === 'fsync-error' && operation === 'sync') throw failed('EIO', what);
    }
  };
  const wrap = (file: DiskFile, path: string): DiskFile => ({
    get size() {
      return file.size;
    },
    async append(chunks) {
      if (faults.active) await meet('write', `write ${path}`);
      await file.append(chunks);
    },
    // What takes time or fails is not for the quick way.
    ...(file.appendNow ? { appendNow: (bytes: Uint8Array) => !faults.active && (file.appendNow?.(bytes) ?? false) } : {}),
    async sync() {
      if (faults.active) await meet('sync', `fsync ${path}`);
      await file.sync();
    },
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  });
  return {
    makeDir: (path) => disk.makeDir(path),
    list: (dir) => disk.list(dir),
    read: (path) => disk.read(path),
    async open(path, options) {
      if (faults.active && options.create) await meet('write', `open ${path}`);
      return wrap(await disk.open(path, options), path);
    },
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    async syncDir(path) {
      if (faults.active) await meet('sync', `fsync ${path}`);
      await disk.syncDir(path);
    },
    lock: (path) => disk.lock(path),
  };
}
