import { crc32c } from './crc32c.ts';
import { MvccError } from './errors.ts';
import type { MvccState } from './state.ts';
import { StoredKv, byRevision } from './stored-kv.ts';

/**
 * A snapshot is a sequence of chunks `length u32, crc32c u32, bytes`, little-endian. The first is JSON: a magic word, the
 * state's revisions and leases, and what the owner adds. Then come versions, key by key. An empty chunk ends it, after
 * which bytes do not count.
 */
const magic = 'orrery-mvcc-1';
const chunkBytes = 256 * 1024;
const kvHeader = 44;

interface Head {
  magic: string;
  revision: number;
  compactRevision: number;
  /** Id and TTL. */
  leases: [string, number][];
  extra: unknown;
}

function chunk(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const out = Buffer.allocUnsafe(8 + length);
  let at = 8;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  out.writeUInt32LE(length, 0);
  out.writeUInt32LE(crc32c(out, { start: 8 }), 4);
  return out;
}

function encodeKv(kv: StoredKv): Uint8Array {
  const { key, value } = kv;
  const out = Buffer.allocUnsafe(kvHeader + key.length + value.length);
  out.writeUInt32LE(key.length, 0);
  out.writeUInt32LE(value.length, 4);
  out.writeUInt32LE(StoredKv.sub(kv), 8);
  out.writeDoubleLE(kv.createRevision, 12);
  out.writeDoubleLE(kv.modRevision, 20);
  out.writeDoubleLE(kv.version, 28);
  out.writeBigInt64LE(BigInt(kv.lease), 36);
  out.set(key, kvHeader);
  out.set(value, kvHeader + key.length);
  return out;
}

/** The same number in the form that takes no memory of its own, if it has one: what was read as a double stays a double. */
function small(value: number): number {
  return value <= 0x3fffffff ? value | 0 : value;
}

function decodeKv(bytes: Buffer, at: number): { kv: StoredKv; next: number } {
  const keyEnd = at + kvHeader + bytes.readUInt32LE(at);
  const next = keyEnd + bytes.readUInt32LE(at + 4);
  const lease = bytes.readBigInt64LE(at + 36);
  const of = {
    createRevision: small(bytes.readDoubleLE(at + 12)),
    modRevision: small(bytes.readDoubleLE(at + 20)),
    version: small(bytes.readDoubleLE(at + 28)),
    lease: lease === 0n ? '0' : String(lease),
  };
  const kv = StoredKv.make(of, { key: bytes.subarray(at + kvHeader, keyEnd), value: bytes.subarray(keyEnd, next) }, { sub: bytes.readUInt32LE(at + 8), older: undefined });
  return { kv, next };
}

/**
 * The chunks of a snapshot of the state as it is when the first is asked for. Writes may go on between chunks, but nothing
 * may be scrubbed until the last is out. `extra` is the owner's own part, as JSON.
 */
export function* encodeSnapshot(state: MvccState, extra: unknown): Generator<Uint8Array> {
  const { revision, compactRevision } = state;
  const leases = [...state.leases.all()].map(({ id, ttl }): [string, number] => [id, ttl]);
  const head: Head = { magic, revision, compactRevision, leases, extra };
  yield chunk([Buffer.from(JSON.stringify(head))]);
  for (let after: string | undefined = ''; after !== undefined; ) {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    // Values differ in size by orders of magnitude: a slice of keys at a time until the chunk is full.
    do {
      after = state.visitVersions({ after, revision, compactRevision, most: 64 }, (kv) => {
        const part = encodeKv(kv);
        parts.push(part);
        bytes += part.length;
      });
    } while (after !== undefined && bytes < chunkBytes);
    if (parts.length) yield chunk(parts);
  }
  yield chunk([]);
}

/** Reads the chunks; throws `badSnapshot` with the offset of what does not add up. */
function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; ; ) {
    const bad = (what: string): MvccError => new MvccError('badSnapshot', `${what} at offset ${at}`);
    if (at + 8 > bytes.length) throw bad('file ends early');
    const end = at + 8 + bytes.readUInt32LE(at);
    if (end > bytes.length) throw bad('file ends early');
    if (crc32c(bytes, { start: at + 8, end }) !== bytes.readUInt32LE(at + 4)) throw bad('checksum mismatch');
    if (end === at + 8) return;
    yield bytes.subarray(at + 8, end);
    at = end;
  }
}

function readHead(bytes: Buffer | undefined): Head {
  const text = bytes?.toString('utf8') ?? '';
  if (!text.startsWith(`{"magic":"${magic}"`)) throw new MvccError('badSnapshot', 'not a snapshot of this program');
  return JSON.parse(text) as Head;
}

/** Fills an empty state from a snapshot and returns the owner's part. Throws `badSnapshot`, the state then being unusable. */
export function decodeSnapshot(state: MvccState, file: Uint8Array): unknown {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const chunks = chunksOf(bytes);
  const head = readHead(chunks.next().value as Buffer | undefined);
  const versions: StoredKv[] = [];
  for (const part of chunks) {
    for (let at = 0; at < part.length; ) {
      const { kv, next } = decodeKv(part, at);
      versions.push(kv);
      at = next;
    }
  }
  for (const [id, ttl] of head.leases) state.leases.grant(id, ttl);
  state.restore(head, versions.sort(byRevision));
  return head.extra;
}
