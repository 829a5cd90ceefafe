import type { KeyValue } from '@orrery/proto/etcd';
import { inPlace, type Place, reserve } from './slab.ts';

const noBytes = Buffer.alloc(0);

/** All of a version but its key and value. */
export interface VersionOf {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string;
}

/**
 * One version of one key. It is what responses and events carry, by reference, so it never changes for a reader; the
 * chain to older versions is private. A version of 0 is a tombstone: key and mod revision only, as etcd's delete
 * events show it. Key and value lie one after the other among the bytes of others; who reads them gets views.
 */
export class StoredKv implements KeyValue {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string;
  readonly #slab: Buffer;
  readonly #at: number;
  readonly #keyBytes: number;
  readonly #valueBytes: number;
  /** Position within the transaction that wrote it. */
  readonly #sub: number;
  #older: StoredKv | undefined;

  private constructor(of: VersionOf, bytes: { place: Place; key: number; value: number }, link: { sub: number; older: StoredKv | undefined }) {
    this.createRevision = of.createRevision;
    this.modRevision = of.modRevision;
    this.version = of.version;
    this.lease = of.lease;
    this.#slab = bytes.place.slab;
    this.#at = bytes.place.at;
    this.#keyBytes = bytes.key;
    this.#valueBytes = bytes.value;
    this.#sub = link.sub;
    this.#older = link.older;
  }

  /** Copies key and value, unless they lie as they would here. */
  static make(of: VersionOf, bytes: { key: Uint8Array; value: Uint8Array }, link: { sub: number; older: StoredKv | undefined }): StoredKv {
    const { key, value } = bytes;
    let place = inPlace(key, value);
    if (!place) {
      place = reserve(key.length + value.length);
      place.slab.set(key, place.at);
      place.slab.set(value, place.at + key.length);
    }
    return new StoredKv(of, { place, key: key.length, value: value.length }, link);
  }

  static tombstone(before: StoredKv, modRevision: number, sub: number): StoredKv {
    // A copy of the key: among the bytes of the value it would hold on to those.
    return StoredKv.make({ createRevision: 0, modRevision, version: 0, lease: '0' }, { key: before.key, value: noBytes }, { sub, older: before });
  }

  get key(): Buffer {
    return this.#slab.subarray(this.#at, this.#at + this.#keyBytes);
  }

  get value(): Buffer {
    const start = this.#at + this.#keyBytes;
    return this.#slab.subarray(start, start + this.#valueBytes);
  }

  static bytes(kv: StoredKv): number {
    return kv.#keyBytes + kv.#valueBytes;
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
  return StoredKv.bytes(kv) + 96;
}
