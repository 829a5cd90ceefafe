import { MvccState, type StoredKv, encodeSnapshot, fromBackend, keyOf } from '@orrery/mvcc';
import { AlarmMember } from '@orrery/proto/etcd';
import type { AuthSnapshot } from '../auth/auth-state.ts';
import type { SnapshotExtra } from '../member.ts';
import { BoltError, BoltFile } from './bolt-reader.ts';
import { names, readLease, readRole, readUser } from './database.ts';

type Values = ReadonlyMap<string, Buffer>;

function valuesOf(file: BoltFile, bucket: string): Values {
  return new Map([...file.bucket(bucket)].map(({ key, value }) => [Buffer.from(key).toString('latin1'), Buffer.from(value)]));
}

/** A number of 64 bits, or the first half of a revision. */
function numberIn(values: Values, name: string): number {
  const bytes = values.get(name);
  return bytes && bytes.length >= 8 ? Number(bytes.readBigUInt64BE(0)) : 0;
}

/** In order of writing, without what the compaction had made unreadable and nobody had removed yet. */
function readable(file: BoltFile, compactRevision: number): { versions: StoredKv[]; last: number } {
  const all = [...file.bucket(names.keys)].map(({ key, value }) => fromBackend(key, value));
  const superseded = new Set<string>();
  const versions: StoredKv[] = [];
  for (const kv of all.toReversed()) {
    if (kv.modRevision <= compactRevision) {
      const key = keyOf(kv.key);
      if (superseded.has(key)) continue;
      superseded.add(key);
      if (kv.version === 0 && kv.modRevision < compactRevision) continue;
    }
    versions.push(kv);
  }
  return { versions: versions.reverse(), last: all.at(-1)?.modRevision ?? 0 };
}

function authOf(file: BoltFile): AuthSnapshot {
  const values = valuesOf(file, names.auth);
  return {
    enabled: values.get(names.authEnabled)?.[0] === 1,
    revision: Math.max(1, numberIn(values, names.authRevision)),
    users: [...file.bucket(names.users)].map(({ value }) => readUser(value)),
    roles: [...file.bucket(names.roles)].map(({ value }) => readRole(value)),
  };
}

/**
 * The state in an etcd's database, as a snapshot of this program: keys with their history, leases, alarms, users and roles. Who was
 * in its cluster is left out, as `etcdctl snapshot restore` does. Throws BoltError when the file is damaged.
 */
export function importDatabase(bytes: Uint8Array): Buffer {
  try {
    return imported(new BoltFile(bytes));
  } catch (error) {
    // Offsets that lead out of the file, texts that are no messages.
    if (error instanceof RangeError || (error as Error).name === 'Error') throw new BoltError((error as Error).message);
    throw error;
  }
}

function imported(file: BoltFile): Buffer {
  const meta = valuesOf(file, names.meta);
  const compactRevision = Math.max(numberIn(meta, names.scheduledCompact), numberIn(meta, names.finishedCompact));
  const { versions, last } = readable(file, compactRevision);
  const leases = [...file.bucket(names.leases)].map(({ value }) => readLease(value));
  const extra: SnapshotExtra = {
    index: Math.max(1, numberIn(meta, names.consistentIndex)),
    term: Math.max(1, numberIn(meta, names.term)),
    alarms: [...file.bucket(names.alarms)].map(({ key }) => AlarmMember.decode(key)).map(({ memberID = '0', alarm = 0 }) => ({ memberID, alarm })),
    auth: authOf(file),
    leaseSeconds: leases.filter(({ remaining }) => remaining > 0).map(({ id, remaining }) => [id, remaining] as const),
  };
  const state = new MvccState();
  for (const { id, ttl } of leases) state.leases.grant(id, ttl);
  state.restore({ revision: Math.max(1, last, compactRevision), compactRevision }, versions);
  return Buffer.concat([...encodeSnapshot(state, extra)]);
}
