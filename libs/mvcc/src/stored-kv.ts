import type { KeyValue } from '@orrery/proto/etcd';

const none = Buffer.alloc(0);

/**
 * One version of one key. It is what responses and events carry, by reference, so it never changes for a reader; the
 * chain to older versions is private. A version of 0 is a tombstone: key and mod revision only, as etcd's delete
 * events show it.
 */
export class StoredKv implements KeyValue {
  readonly key: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Buffer;
  readonly lease: string;
  /** Position within the transaction that wrote it. */
  readonly #sub: number;
  #older: StoredKv | undefined;

  constructor(kv: { key: Buffer; createRevision: number; modRevision: number; version: number; value: Buffer; lease: string }, sub: number, older?: StoredKv) {
    this.key = kv.key;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
    this.version = kv.version;
    this.value = kv.value;
    this.lease = kv.lease;
    this.#sub = sub;
    this.#older = older;
  }

  static tombstone(key: Buffer, modRevision: number, sub: number, older?: StoredKv): StoredKv {
    return new StoredKv({ key, createRevision: 0, modRevision, version: 0, value: none, lease: '0' }, sub, older);
  }

  static sub(kv: StoredKv): number {
    return kv.#sub;
  }

  static older(kv: StoredKv): StoredKv | undefined {
    return kv.#older;
  }

  static setOlder(kv: StoredKv, older: StoredKv | undefined): void {
    kv.#older = older;
  }
}

/** The version that was current at `revision`, tombstone or not. */
export function versionAt(head: StoredKv, revision: number): StoredKv | undefined {
  let kv: StoredKv | undefined = head;
  while (kv && kv.modRevision > revision) kv = StoredKv.older(kv);
  return kv;
}

/** The value before this version, unless the key was absent or that version was compacted. */
export function previousOf(kv: StoredKv): StoredKv | undefined {
  const older = StoredKv.older(kv);
  return older && older.version > 0 ? older : undefined;
}

/** Order of writing. */
export function byRevision(a: StoredKv, b: StoredKv): number {
  return a.modRevision - b.modRevision || StoredKv.sub(a) - StoredKv.sub(b);
}

/** What one version counts towards the size of the database: its bytes and a flat share for the bookkeeping. */
export function footprint(kv: StoredKv): number {
  return kv.key.length + kv.value.length + 96;
}
