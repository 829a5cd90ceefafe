import type { RangeRequest } from '@orrery/proto/etcd';
import BTreeModule from 'sorted-btree';
import { MvccError } from './errors.ts';
import { type Key, type KeyRange, endOfKeys, keyOf, rangeOf } from './keys.ts';
import { Leases } from './leases.ts';
import { type RangeResult, fetchLimit, finishRange } from './range.ts';
import { RevisionLog } from './revision-log.ts';
import { StoredKv, footprint, previousOf, versionAt } from './stored-kv.ts';

// The package is CommonJS: Node and bundlers disagree on where its default export sits.
const BTree = ((BTreeModule as unknown as { default?: typeof BTreeModule }).default ?? BTreeModule) as typeof BTreeModule;

/** A key of the index: anchors the chain of its versions, newest first. */
export interface Entry {
  head: StoredKv;
}

const byKey = (a: Key, b: Key): number => (a < b ? -1 : a > b ? 1 : 0);
const noBytes = Buffer.alloc(0);

/**
 * The multi-version state: an ordered index of keys to version chains, the log of all retained versions, leases.
 * Synchronous and without I/O. All writes go through `write`, which makes one main revision of everything done in it.
 */
export class MvccState {
  readonly index = new BTree<Key, Entry>(undefined, byKey);
  readonly log = new RevisionLog();
  readonly leases = new Leases();
  private currentRevision = 1;
  private compactedAt = 0;
  private bytes = 0;

  /** The latest revision; 1 when nothing was ever written. */
  get revision(): number {
    return this.currentRevision;
  }

  /** Reads before this revision fail with `compacted`; 0 when there was no compaction. */
  get compactRevision(): number {
    return this.compactedAt;
  }

  /** Estimated bytes of all retained versions. */
  get sizeBytes(): number {
    return this.bytes;
  }

  /** Runs `work`, which must check everything that may fail before its first write, and commits what it wrote. */
  write<T>(work: (txn: WriteTxn) => T): { result: T; written: readonly StoredKv[] } {
    const txn = new WriteTxn(this);
    const result = work(txn);
    const { written } = txn;
    if (written.length) this.commit(written);
    return { result, written };
  }

  private commit(written: readonly StoredKv[]): void {
    this.currentRevision += 1;
    for (const kv of written) this.retain(kv);
  }

  private retain(kv: StoredKv): void {
    this.log.append(kv);
    this.bytes += footprint(kv);
  }

  /** Fails unless `revision` (0 is the latest) can be read. */
  checkRevision(revision: number, latest = this.currentRevision): void {
    if (revision > latest) throw new MvccError('futureRevision');
    if (revision > 0 && revision < this.compactedAt) throw new MvccError('compacted');
  }

  range(request: RangeRequest, latest = this.currentRevision): RangeResult {
    const asked = request.revision ?? 0;
    this.checkRevision(asked, latest);
    const revision = asked > 0 ? asked : latest;
    const range = rangeOf(request.key, request.rangeEnd);
    if (range.single) {
      const kv = this.get(range.start, revision);
      if (!kv) return { kvs: [], count: 0, more: false };
      return request.countOnly ? { kvs: [], count: 1, more: false } : finishRange(request, [kv], 1);
    }
    const found: StoredKv[] = [];
    const most = request.countOnly ? -1 : fetchLimit(request);
    let count = 0;
    this.scan(range, revision, (kv) => {
      count += 1;
      if (most === 0 || found.length < most) found.push(kv);
    });
    return request.countOnly ? { kvs: [], count, more: false } : finishRange(request, found, count);
  }

  /** The value of one key as of `revision`, or undefined. */
  get(key: Key, revision = this.currentRevision): StoredKv | undefined {
    const entry = this.index.get(key);
    const kv = entry && versionAt(entry.head, revision);
    return kv && kv.version > 0 ? kv : undefined;
  }

  /** Visits the keys of `range` that exist at `revision`, in order. */
  scan(range: KeyRange, revision: number, visit: (kv: StoredKv, key: Key) => void): void {
    if (range.start >= range.end) return;
    this.index.forRange(range.start, range.end, false, (key, entry) => {
      const kv = versionAt(entry.head, revision);
      if (kv && kv.version > 0) visit(kv, key);
    });
  }

  /**
   * Makes revisions before `revision` unreadable at once; the memory is given back by `scrub`.
   * Throws `compacted` if that was done already, `futureRevision` beyond the latest.
   */
  compact(revision: number): void {
    if (revision <= this.compactedAt) throw new MvccError('compacted');
    if (revision > this.currentRevision) throw new MvccError('futureRevision');
    this.compactedAt = revision;
  }

  /**
   * Frees up to `budget` versions that compaction made unreachable, oldest first. True when nothing is left to free.
   * Cost is that of the compacted writes, not of the whole key space.
   */
  scrub(budget: number): boolean {
    const { log, compactedAt } = this;
    const unreachable = log.seek(compactedAt);
    const end = Math.min(unreachable, budget);
    for (let i = 0; i < end; i++) {
      const kv = log.at(i);
      this.supersede(kv);
      if (kv.version === 0) this.forget(kv);
    }
    log.drop(end);
    if (end < unreachable) return false;
    // What was written at the compacted revision itself stays in the history: a watch may start there.
    for (let i = log.seek(compactedAt + 1) - 1; i >= 0; i--) this.supersede(log.at(i));
    return true;
  }

  /** Cuts off all that `kv`, now the oldest readable version of its key, replaced. */
  private supersede(kv: StoredKv): void {
    for (let old = StoredKv.older(kv); old; old = StoredKv.older(old)) this.bytes -= footprint(old);
    StoredKv.setOlder(kv, undefined);
  }

  /** Takes a compacted tombstone out of the index unless the key was written again. */
  private forget(tombstone: StoredKv): void {
    const key = keyOf(tombstone.key);
    if (this.index.get(key)?.head !== tombstone) return;
    this.index.delete(key);
    this.bytes -= footprint(tombstone);
  }

  /** The value an event's key had before it; undefined when there was none or compaction hides it. */
  previous(kv: StoredKv): StoredKv | undefined {
    return kv.modRevision > this.compactedAt ? previousOf(kv) : undefined;
  }

  /**
   * Every readable version of every key, tombstones included, key by key and newest first: what a snapshot holds. Goes on
   * after key `after` ('' starts), for at least `most` versions; the last key visited is returned, undefined at the end.
   * Versions beyond `revision`, and those unreadable since `compactRevision`, are left out.
   */
  visitVersions(from: { after: Key; revision: number; compactRevision: number; most: number }, visit: (kv: StoredKv) => void): Key | undefined {
    let seen = 0;
    let last: Key | undefined;
    this.index.forRange(`${from.after}\0`, endOfKeys, false, (key, entry) => {
      for (let kv = versionAt(entry.head, from.revision); kv; kv = StoredKv.older(kv)) {
        const oldest = kv.modRevision <= from.compactRevision;
        if (!oldest || kv.version > 0 || kv.modRevision === from.compactRevision) visit(kv);
        seen += 1;
        if (oldest) break;
      }
      if (seen < from.most) return undefined;
      last = key;
      return { break: true };
    });
    return last;
  }

  /** Fills an empty state. `versions` in order of writing; keys attach to their leases, which must be granted already. */
  restore(saved: { revision: number; compactRevision: number }, versions: Iterable<StoredKv>): void {
    for (const kv of versions) {
      const key = keyOf(kv.key);
      const entry = this.index.get(key);
      if (entry) {
        StoredKv.setOlder(kv, entry.head);
        if (entry.head.lease !== '0') this.leases.detach(entry.head.lease, key);
        entry.head = kv;
      } else this.index.set(key, { head: kv });
      if (kv.lease !== '0') this.leases.attach(kv.lease, key);
      this.bytes += footprint(kv);
      if (kv.modRevision >= saved.compactRevision) this.log.append(kv);
    }
    this.currentRevision = saved.revision;
    this.compactedAt = saved.compactRevision;
  }
}

/** The writes of one transaction. Reads through `range` see them. */
export class WriteTxn {
  readonly written: StoredKv[] = [];
  readonly state: MvccState;
  private readonly nextRevision: number;

  constructor(state: MvccState) {
    this.state = state;
    this.nextRevision = state.revision + 1;
  }

  /** The revision a read in this transaction sees: the new one from the first write on. */
  get revision(): number {
    return this.written.length ? this.nextRevision : this.nextRevision - 1;
  }

  range(request: RangeRequest): RangeResult {
    return this.state.range(request, this.revision);
  }

  /** Writes a value and moves the key to `lease` ('0' for none, otherwise granted). Returns the version before, if any. */
  put(put: { key: Buffer; value: Buffer | undefined; lease: string | undefined }): StoredKv | undefined {
    const { index, leases } = this.state;
    const key = keyOf(put.key);
    const lease = put.lease ?? '0';
    const entry = index.get(key);
    const before = entry && entry.head.version > 0 ? entry.head : undefined;
    const kv = StoredKv.make(
      {
        createRevision: before ? before.createRevision : this.nextRevision,
        modRevision: this.nextRevision,
        version: before ? before.version + 1 : 1,
        lease,
      },
      { key: put.key, value: put.value ?? noBytes },
      { sub: this.written.length, older: entry?.head },
    );
    if (entry) entry.head = kv;
    else index.set(key, { head: kv });
    if (before && before.lease !== '0' && before.lease !== lease) leases.detach(before.lease, key);
    if (lease !== '0') leases.attach(lease, key);
    this.written.push(kv);
    return before;
  }

  /** Deletes what exists in the range; returns the values that were there. */
  deleteRange(range: KeyRange): StoredKv[] {
    const gone: StoredKv[] = [];
    const keys: Key[] = [];
    if (range.single) {
      const kv = this.state.get(range.start, this.nextRevision);
      if (kv) {
        gone.push(kv);
        keys.push(range.start);
      }
    } else {
      this.state.scan(range, this.nextRevision, (kv, key) => {
        gone.push(kv);
        keys.push(key);
      });
    }
    gone.forEach((kv, i) => this.bury(kv, keys[i] as Key));
    return gone;
  }

  private bury(kv: StoredKv, key: Key): void {
    const entry = this.state.index.get(key) as Entry;
    const tombstone = StoredKv.tombstone(entry.head, this.nextRevision, this.written.length);
    entry.head = tombstone;
    if (kv.lease !== '0') this.state.leases.detach(kv.lease, key);
    this.written.push(tombstone);
  }
}
