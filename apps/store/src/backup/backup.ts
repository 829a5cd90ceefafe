import { type MvccState, type StoredKv, byRevision } from '@orrery/mvcc';
import type { Clock } from '@orrery/runtime';
import { etcdError } from '../errors.ts';
import type { Member } from '../member.ts';
import { isBolt } from './bolt-format.ts';
import { writeBolt } from './bolt-writer.ts';
import { databaseBuckets } from './database.ts';
import { importDatabase } from './import.ts';

/** Clients tell a snapshot with a checksum by its length: a multiple of this, and the SHA-256. */
const sector = 512;
const digestBytes = 32;
/** Versions that are looked at, and pages that are written, before others have their turn. */
const sliceVersions = 5000;
const slicePages = 100;

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

/** All readable versions of this moment, in groups that follow each other: none is sorted before it is needed. */
async function versionsOf(state: MvccState, clock: Clock): Promise<Iterable<StoredKv>> {
  const { revision, compactRevision } = state;
  const groups: StoredKv[][] = [];
  const width = Math.max(1, Math.ceil(revision / 256));
  for (let after: string | undefined = ''; after !== undefined; ) {
    after = state.visitVersions({ after, revision, compactRevision, most: sliceVersions }, (kv) => (groups[Math.floor(kv.modRevision / width)] ??= []).push(kv));
    if (after !== undefined) await clock.sleep(0);
  }
  return (function* () {
    for (const group of groups) if (group) yield* group.sort(byRevision);
  })();
}

/** The pages of an etcd's database with all that the member holds. */
async function database(member: Member, clock: Clock): Promise<Buffer[]> {
  const { state } = member;
  const contents = { revision: state.revision, compactRevision: state.compactRevision, leases: [...state.leases.all()].map(({ id, ttl }) => ({ id, ttl })), extra: member.snapshotExtra() };
  const release = member.pin();
  let versions: Iterable<StoredKv>;
  try {
    versions = await versionsOf(state, clock);
  } finally {
    release();
  }
  const writer = writeBolt(databaseBuckets(contents, versions));
  for (let made = 1; ; made++) {
    const step = writer.next();
    if (step.done) return step.value;
    if (made % slicePages === 0) await clock.sleep(0);
  }
}

/**
 * A backup as the Snapshot call streams it: an etcd's database, and its SHA-256. Built in memory, so that a slow client does not
 * hold up the freeing of history.
 */
export async function createBackup(member: Member, clock: Clock): Promise<Uint8Array> {
  const pages = await database(member, clock);
  const length = pages.reduce((sum, page) => sum + page.length, 0);
  const out = new Uint8Array(length + digestBytes);
  let at = 0;
  for (const page of pages) {
    out.set(page, at);
    at += page.length;
  }
  out.set(await sha256(out.subarray(0, length)), length);
  return out;
}

/** The state in a backup, of an etcd or of this program, as a snapshot of this program; throws when the checksum is missing or wrong. */
export async function openBackup(backup: Uint8Array): Promise<Uint8Array> {
  const padded = backup.length - digestBytes;
  if (padded <= 0 || padded % sector !== 0) throw etcdError('badSnapshot');
  const content = backup.subarray(0, padded);
  const digest = await sha256(content);
  if (Buffer.compare(digest, backup.subarray(padded)) !== 0) throw etcdError('badSnapshot');
  return isBolt(content) ? importDatabase(content) : content;
}
