import type { Member } from './member.ts';
import { etcdError } from './errors.ts';

/** Clients tell a snapshot with a checksum by its length: a multiple of this, and the SHA-256. */
const sector = 512;
const digestBytes = 32;

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

/**
 * A backup as the Snapshot call streams it: a snapshot, zeros up to a whole sector, and the SHA-256 of all before. Built
 * in memory, so that a slow client does not hold up the freeing of history.
 */
export async function createBackup(member: Member): Promise<Uint8Array> {
  const snapshot = member.snapshot();
  const parts: Uint8Array[] = [];
  try {
    for await (const chunk of snapshot.chunks) parts.push(chunk);
  } finally {
    snapshot.release();
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = Math.ceil(length / sector) * sector;
  const out = new Uint8Array(padded + digestBytes);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  out.set(await sha256(out.subarray(0, padded)), padded);
  return out;
}

/** The snapshot in a backup; throws when the checksum is missing or wrong. */
export async function openBackup(backup: Uint8Array): Promise<Uint8Array> {
  const padded = backup.length - digestBytes;
  if (padded <= 0 || padded % sector !== 0) throw etcdError('badSnapshot');
  const snapshot = backup.subarray(0, padded);
  const digest = await sha256(snapshot);
  if (Buffer.compare(digest, backup.subarray(padded)) !== 0) throw etcdError('badSnapshot');
  return snapshot;
}
