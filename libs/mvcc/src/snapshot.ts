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
const chunkHeader = 8;
const kvHeader = 44;

interface Head {
  magic: string;
  revision: number;
  compactRevision: number;
  /** Id and TTL. */
  leases: [string, number][];
  extra: unknown;
}

function sealed(chunk: Buffer): Buffer {
  chunk.writeUInt32LE(chunk.length - chunkHeader, 0);
  chunk.writeUInt32LE(crc32c(chunk, { start: chunkHeader }), 4);
  return chunk;
}

function chunkOf(bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(chunkHeader + bytes.length);
  out.set(bytes, chunkHeader);
  return sealed(out);
}

const sizeOf = ({ key, value }: StoredKv): number => kvHeader + key.length + value.length;

/** Writes a version at `at` and returns the place after it. */
function writeKv(out: Buffer, kv: StoredKv, at: number): number {
  const { key, value, lease } = kv;
  out.writeUInt32LE(key.length, at);
  out.writeUInt32LE(value.length, at + 4);
  out.writeUInt32LE(StoredKv.sub(kv), at + 8);
  out.writeDoubleLE(kv.createRevision, at + 12);
  out.writeDoubleLE(kv.modRevision, at + 20);
  out.writeDoubleLE(kv.version, at + 28);
  if (lease === '0') out.fill(0, at + 36, at + kvHeader);
  else out.writeBigInt64LE(BigInt(lease), at + 36);
  out.set(key, at + kvHeader);
  out.set(value, at + kvHeader + key.length);
  return at + kvHeader + key.length + value.length;
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
  yield chunkOf(Buffer.from(JSON.stringify(head)));
  for (let after: string | undefined = ''; after !== undefined; ) {
    const versions: StoredKv[] = [];
    let bytes = chunkHeader;
    // Values differ in size by orders of magnitude: a slice of keys at a time until the chunk is full.
    do {
      after = state.visitVersions({ after, revision, compactRevision, most: 64 }, (kv) => {
        versions.push(kv);
        bytes += sizeOf(kv);
      });
    } while (after !== undefined && bytes < chunkBytes);
    if (versions.length === 0) continue;
    const chunk = Buffer.allocUnsafe(bytes);
    let at = chunkHeader;
    for (const kv of versions) at = writeKv(chunk, kv, at);
    yield sealed(chunk);
  }
  yield chunkOf(Buffer.alloc(0));
}

/** Reads the chunks; throws `badSnapshot` with the offset of what does not add up. */
function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; ; ) {
    const bad = (what: string): MvccError => new MvccError('badSnapshot', `${what} at offset ${at}`);
    if (at + chunkHeader > bytes.length) throw bad('file ends early');
    const end = at + chunkHeader + bytes.readUInt32LE(at);
    if (end > bytes.length) throw bad('file ends early');
    const content = bytes.subarray(at + chunkHeader, end);
    if (crc32c(content) !== bytes.readUInt32LE(at + 4)) throw bad('checksum mismatch');
    if (content.length === 0) return;
    yield content;
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
