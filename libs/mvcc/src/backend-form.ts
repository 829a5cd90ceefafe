import { KeyValue } from '@orrery/proto/etcd';
import { StoredKv } from './stored-kv.ts';

/** A revision as etcd's back end spells it: big-endian main and sub with an underscore between, `t` after a tombstone's. */
export function revisionBytes(kv: StoredKv): Buffer {
  const bytes = mainRevisionBytes(kv.modRevision, StoredKv.sub(kv), kv.version > 0 ? 17 : 18);
  if (kv.version === 0) bytes[17] = 0x74;
  return bytes;
}

export function mainRevisionBytes(main: number, sub = 0, length = 17): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeBigUInt64BE(BigInt(main), 0);
  bytes[8] = 0x5f;
  bytes.writeBigUInt64BE(BigInt(sub), 9);
  return bytes;
}

/** As etcd stores it: a tombstone holds the key alone. */
export function valueBytes(kv: StoredKv): Uint8Array {
  return KeyValue.encode(kv.version > 0 ? kv : { key: kv.key }).finish();
}

/** A version as etcd's back end holds it. Throws RangeError for what is none. */
export function fromBackend(revision: Uint8Array, value: Uint8Array): StoredKv {
  const bytes = Buffer.from(revision.buffer, revision.byteOffset, revision.byteLength);
  if (bytes.length < 17 || bytes.length > 18 || bytes[8] !== 0x5f) throw new RangeError('not a revision');
  const modRevision = Number(bytes.readBigUInt64BE(0));
  const sub = Number(bytes.readBigUInt64BE(9));
  const { key = Buffer.alloc(0), value: content = Buffer.alloc(0), createRevision = 0, version = 0, lease = '0' } = KeyValue.decode(value);
  if (bytes.length === 18) return StoredKv.make({ createRevision: 0, modRevision, version: 0, lease: '0' }, { key, value: Buffer.alloc(0) }, { sub, older: undefined });
  return StoredKv.make({ createRevision, modRevision, version, lease }, { key, value: content }, { sub, older: undefined });
}
