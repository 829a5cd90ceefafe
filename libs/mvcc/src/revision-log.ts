import type { StoredKv } from './stored-kv.ts';

/**
 * Every retained version in order of writing: the watch history. One pointer a version. Entries are dropped from the
 * front as compaction proceeds.
 */
export class RevisionLog {
  private entries: StoredKv[] = [];
  private head = 0;

  append(kv: StoredKv): void {
    this.entries.push(kv);
  }

  get length(): number {
    return this.entries.length - this.head;
  }

  at(i: number): StoredKv {
    return this.entries[this.head + i] as StoredKv;
  }

  /** Position of the first entry whose mod revision is at least `revision`; `length` if there is none. */
  seek(revision: number): number {
    let low = this.head;
    let high = this.entries.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if ((this.entries[mid] as StoredKv).modRevision < revision) low = mid + 1;
      else high = mid;
    }
    return low - this.head;
  }

  /** Drops the first `count` entries. */
  drop(count: number): void {
    this.head += count;
    if (this.head < 1024 || this.head * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.head = 0;
  }
}
