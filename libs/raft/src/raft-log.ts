import type { Entry, SnapshotMeta } from './messages.ts';

/** Bytes an entry counts for when messages are filled. */
export function entryBytes(entry: Entry): number {
  if (entry.type === 'normal') return entry.data.length + 16;
  return entry.type === 'confChange' ? (entry.change.context?.length ?? 0) + 48 : 16;
}

/**
 * The log in memory: what came after the last snapshot. `stable` says how far it is on disk, `committed` how far a majority
 * has it, `applied` how far the state machine is. Entries never change; a conflict cuts the tail off.
 */
export class RaftLog {
  private snapshot: SnapshotMeta;
  private entries: Entry[];
  stable: number;
  committed: number;
  applied: number;

  constructor(options: { snapshot: SnapshotMeta; entries: readonly Entry[]; committed: number; applied: number }) {
    this.snapshot = options.snapshot;
    this.entries = [...options.entries];
    this.stable = this.lastIndex;
    this.committed = Math.max(options.committed, options.snapshot.index);
    this.applied = Math.max(options.applied, options.snapshot.index);
  }

  get snapshotMeta(): SnapshotMeta {
    return this.snapshot;
  }

  get firstIndex(): number {
    return this.snapshot.index + 1;
  }

  get lastIndex(): number {
    return this.snapshot.index + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.snapshot.term;
  }

  /** Undefined where the log no longer, or does not yet, reach. */
  termAt(index: number): number | undefined {
    if (index === this.snapshot.index) return this.snapshot.term;
    return this.entries[index - this.firstIndex]?.term;
  }

  matches(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `from` up to `to` (inclusive), as many as fit in `maxBytes` but at least one. Undefined: compacted away. */
  slice(from: number, to: number, maxBytes = Number.POSITIVE_INFINITY): readonly Entry[] | undefined {
    if (from < this.firstIndex) return undefined;
    let bytes = 0;
    let end = from;
    for (; end <= Math.min(to, this.lastIndex); end++) {
      bytes += entryBytes(this.entries[end - this.firstIndex] as Entry);
      if (bytes > maxBytes && end > from) break;
    }
    return this.entries.slice(from - this.firstIndex, end - this.firstIndex);
  }

  /** Appends the leader's own. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) this.entries.push(entry);
  }

  /**
   * Takes over what a leader sent after a place where the logs agree. The tail is cut only at a true conflict: messages may
   * come late, and must not take away what came since.
   */
  merge(entries: readonly Entry[]): void {
    const at = entries.findIndex((entry) => !this.matches(entry.index, entry.term));
    if (at < 0) return;
    const [first] = entries.slice(at);
    if (!first) return;
    if (first.index <= this.committed) throw new Error(`entry ${first.index} conflicts with what is committed (${this.committed})`);
    this.entries.length = Math.max(0, first.index - this.firstIndex);
    this.stable = Math.min(this.stable, first.index - 1);
    this.append(entries.slice(at));
  }

  /** The last place at or before `index` whose term is at most `term`: where the logs may agree. */
  findConflict(index: number, term: number): { index: number; term: number } {
    let at = Math.min(index, this.lastIndex);
    for (;;) {
      const own = this.termAt(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
      at -= 1;
    }
  }

  /** What is committed and on this disk but not applied yet. */
  get applicable(): readonly Entry[] {
    const to = Math.min(this.committed, this.stable);
    return to > this.applied ? (this.slice(this.applied + 1, to) ?? []) : [];
  }

  /** What is not on disk yet. */
  get unstable(): readonly Entry[] {
    return this.stable < this.lastIndex ? (this.slice(this.stable + 1, this.lastIndex) ?? []) : [];
  }

  /** Drops entries up to `index`, which the state machine has applied and a snapshot can stand for. */
  compact(meta: SnapshotMeta): void {
    if (meta.index <= this.snapshot.index) return;
    if (meta.index > this.applied) throw new Error(`cannot compact to ${meta.index}: applied is ${this.applied}`);
    this.entries.splice(0, meta.index - this.snapshot.index);
    this.snapshot = meta;
  }

  /** Everything there was is replaced by a snapshot of the leader. */
  restore(meta: SnapshotMeta): void {
    this.snapshot = meta;
    this.entries = [];
    this.stable = meta.index;
    this.committed = meta.index;
    this.applied = meta.index;
  }
}
