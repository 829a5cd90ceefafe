import type { Disk, DiskLock } from '@orrery/runtime';
import { Snapshots, writeWhole } from './snapshots.ts';
import { Wal, type WalRecord } from './wal.ts';

export interface Identity {
  /** Unsigned 64-bit numbers in decimal. */
  readonly clusterId: string;
  readonly memberId: string;
}

export interface StorageOptions {
  readonly disk: Disk;
  readonly dir: string;
  readonly segmentBytes: number;
  /** The identity of a new data directory. */
  readonly newIdentity: () => Identity;
}

/** What recovery hands over, in this order: the snapshot if there is one, then every entry after it. */
export interface Recovery {
  /** Returns the index of the last entry the snapshot covers. */
  snapshot(bytes: Uint8Array): number;
  record(record: WalRecord): void;
  /** A snapshot that a new directory begins with. Ignored when there is data already. */
  readonly backup?: Uint8Array;
}

const identityFile = 'member.json';

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** A locked data directory: who the member is, its snapshots, its log. */
export interface Storage {
  readonly identity: Identity;
  readonly snapshots: Snapshots;
  readonly wal: Wal;
  /** The last entry that the snapshot found at the start covers; 0 without one. */
  readonly coveredIndex: number;
  close(): Promise<void>;
}

async function loadIdentity(options: StorageOptions): Promise<Identity> {
  const { disk, dir } = options;
  if ((await disk.list(dir)).includes(identityFile)) {
    return JSON.parse(Buffer.from(await disk.read(`${dir}/${identityFile}`)).toString('utf8')) as Identity;
  }
  const identity = options.newIdentity();
  await writeWhole(disk, { dir, name: identityFile }, once(Buffer.from(`${JSON.stringify(identity)}\n`)));
  return identity;
}

async function recover(options: StorageOptions, recovery: Recovery): Promise<Omit<Storage, 'close'>> {
  const { disk, dir, segmentBytes } = options;
  const identity = await loadIdentity(options);
  const snapshots = new Snapshots(disk, dir);
  const newest = await snapshots.load();
  const fresh = !newest && !(await Wal.exists(disk, dir));
  let afterIndex = 0;
  if (newest) {
    try {
      afterIndex = recovery.snapshot(newest.bytes);
    } catch (error) {
      throw new Error(`snapshot ${newest.path} cannot be used: ${(error as Error).message}`, { cause: error });
    }
  } else if (fresh && recovery.backup) {
    afterIndex = recovery.snapshot(recovery.backup);
    await snapshots.save(afterIndex, once(recovery.backup));
  }
  const wal = await Wal.open({ disk, dir, segmentBytes, afterIndex }, (record) => recovery.record(record));
  return { identity, snapshots, wal, coveredIndex: afterIndex };
}

/** Locks the directory, recovers the state, and leaves the log open. Throws DiskLockedError, WalCorruptError. */
export async function openStorage(options: StorageOptions, recovery: Recovery): Promise<Storage> {
  const { disk, dir } = options;
  await disk.makeDir(dir);
  const lock: DiskLock = await disk.lock(`${dir}/LOCK`);
  try {
    const parts = await recover(options, recovery);
    const close = async (): Promise<void> => {
      await parts.wal.close();
      await lock.release();
    };
    return { ...parts, close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
