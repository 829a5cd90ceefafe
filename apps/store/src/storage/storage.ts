import type { Disk, DiskLock } from '@orrery/runtime';
import { Snapshots, writeWhole } from './snapshots.ts';
import { Wal, type WalRecord } from './wal.ts';

export interface Identity {
  /** Unsigned 64-bit numbers in decimal. */
  readonly clusterId: string;
  readonly memberId: string;
  /** 2: a member of a cluster, whose log holds the consensus' records. Missing: a store alone. */
  readonly format?: number;
}

/** Formats of data directories that this program knows. */
export const dataFormats = { alone: 1, replicated: 2 } as const;

export interface StorageOptions {
  readonly disk: Disk;
  readonly dir: string;
  readonly segmentBytes: number;
  /** The identity of a new data directory. */
  readonly newIdentity: () => Identity;
}

/** What recovery hands over, in this order: the snapshot if there is one, then every entry after it. */
export interface Recovery {
  /** Returns the index of the last entry the snapshot covers, or, under consensus, the record that its file is named by. */
  snapshot(bytes: Uint8Array, fileIndex: number | undefined): number;
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

/** Who the member of a data directory is; undefined for a new one. Throws when the directory is of a newer program. */
export async function readIdentity({ disk, dir }: Pick<StorageOptions, 'disk' | 'dir'>): Promise<Identity | undefined> {
  if (!(await disk.list(dir)).includes(identityFile)) return undefined;
  const identity = JSON.parse(Buffer.from(await disk.read(`${dir}/${identityFile}`)).toString('utf8')) as Identity;
  const { format = dataFormats.alone } = identity;
  if (format > dataFormats.replicated) throw new Error(`data directory ${dir} has format ${format}: written by a newer version`);
  return identity;
}

export async function writeIdentity({ disk, dir }: Pick<StorageOptions, 'disk' | 'dir'>, identity: Identity): Promise<void> {
  await writeWhole(disk, { dir, name: identityFile }, once(Buffer.from(`${JSON.stringify(identity)}\n`)));
}

async function loadIdentity(options: StorageOptions): Promise<Identity> {
  const found = await readIdentity(options);
  if (found) return found;
  const identity = options.newIdentity();
  await writeIdentity(options, identity);
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
      afterIndex = recovery.snapshot(newest.bytes, newest.index);
    } catch (error) {
      throw new Error(`snapshot ${newest.path} cannot be used: ${(error as Error).message}`, { cause: error });
    }
  } else if (fresh && recovery.backup) {
    afterIndex = recovery.snapshot(recovery.backup, undefined);
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
