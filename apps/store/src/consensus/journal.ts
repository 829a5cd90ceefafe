import { type Entry, type HardState, type Ready, RaftLog, type SnapshotMeta } from '@orrery/raft';
import { FrameBuilder } from '../storage/frame.ts';
import type { Alone, QuickAppend } from '../storage/quick-append.ts';
import type { Storage } from '../storage/storage.ts';
import type { WalRecord } from '../storage/wal.ts';
import { type Bootstrap, type Record, bootstrapRecord, entryRecord, hardStateRecord, readEntry, readJson, recordKinds } from './records.ts';

/** What a member of a cluster finds in its log when it starts. */
export class JournalReplay {
  hardState: HardState = { term: 0, vote: '', commit: 0 };
  bootstrap: Bootstrap | undefined;
  private entries: Entry[] = [];
  /** The last record that is on disk; where the next goes. */
  lastRecord = 0;

  /** Whether there is anything of a cluster at all. */
  get isEmpty(): boolean {
    return this.bootstrap === undefined && this.hardState.term === 0 && this.entries.length === 0;
  }

  visit(record: WalRecord): void {
    this.lastRecord = record.index;
    if (record.kind === recordKinds.hardState) this.hardState = readJson<HardState>(record);
    else if (record.kind === recordKinds.bootstrap) this.bootstrap = readJson<Bootstrap>(record);
    else if (record.kind === recordKinds.normal || record.kind === recordKinds.empty || record.kind === recordKinds.confChange) this.entry(readEntry(record));
    else throw new Error(`log record of unknown kind ${record.kind}: written by a newer version`);
  }

  /** What a later leader wrote takes the place of what was there, from its index on. */
  private entry(entry: Entry): void {
    const first = this.entries[0]?.index ?? entry.index;
    const at = entry.index - first;
    if (at > this.entries.length) throw new Error(`log entry ${first + this.entries.length} is missing before ${entry.index}: restore a backup, or join the cluster anew`);
    if (at < 0) this.entries = [];
    else this.entries.length = at;
    this.entries.push(entry);
  }

  /** The log after `snapshot`, whose entries the state has. */
  log(snapshot: SnapshotMeta): RaftLog {
    const entries = this.entries.filter(({ index }) => index > snapshot.index);
    if (entries[0] && entries[0].index !== snapshot.index + 1) {
      throw new Error(`log entries ${snapshot.index + 1} to ${entries[0].index - 1} are missing: restore a backup, or join the cluster anew`);
    }
    return new RaftLog({ snapshot, entries, committed: snapshot.index, applied: snapshot.index });
  }
}

/** More entries go to the disk in the background. */
const fewEntries = 4;

/**
 * The consensus' part of a data directory. The write-ahead log's own numbers count records here, not entries of the
 * algorithm: those carry their index and term in the record, and a tail that a new leader replaces is simply followed by
 * its replacement. A snapshot file is named by the last record that it makes superfluous; each one is preceded by the
 * member's vote and by what the snapshot lacks, so that there is no moment at which a crash loses either.
 */
export class Journal {
  private readonly storage: Storage;
  private readonly frame = new FrameBuilder();
  private readonly quick: QuickAppend | undefined;
  private readonly alone: Alone | undefined;
  private lastRecord: number;

  /** With `quick` small writes that nothing else waits behind are made while the process waits. */
  constructor(storage: Storage, options: { lastRecord: number; quick?: QuickAppend | undefined; alone?: Alone | undefined }) {
    this.storage = storage;
    this.lastRecord = options.lastRecord;
    this.quick = options.quick;
    this.alone = options.alone;
  }

  private async append(records: readonly Record[], term: number, log: Pick<QuickAppend, 'append'> = this.storage.wal): Promise<void> {
    for (const { kind, bytes } of records) this.frame.add(kind, bytes);
    const firstIndex = this.lastRecord + 1;
    await log.append(this.frame.seal({ firstIndex, term }), firstIndex);
    this.lastRecord += records.length;
  }

  /** Begins a member's log. */
  begin(bootstrap: Bootstrap): Promise<void> {
    const { index, term } = bootstrap;
    return this.append([bootstrapRecord(bootstrap), hardStateRecord({ term, vote: '', commit: index })], term);
  }

  /**
   * One write and one sync for everything. Rejects as `Wal.append` does, with nothing written when the disk is full. A leader is
   * `busy`: what it has just said to others is to leave before its own disk works.
   */
  async write({ entries, hardState }: Pick<Ready, 'entries' | 'hardState'>, busy = true): Promise<void> {
    const few = entries.length <= fewEntries;
    if (few && busy && this.alone) await new Promise<void>((resolve) => this.alone?.atEndOfTurn(resolve));
    const log = few ? this.quick : undefined;
    await this.append([...entries.map(entryRecord), hardStateRecord(hardState)], hardState.term, log);
  }

  /** Begins a new segment with `carried`; returns the last record that a snapshot taken now makes superfluous. */
  async mark(carried: Pick<Ready, 'entries' | 'hardState'>): Promise<number> {
    const covered = this.lastRecord;
    await this.storage.wal.cut(covered + 1);
    await this.write(carried);
    return covered;
  }

  /** Takes a leader's snapshot in place of everything. */
  async install(snapshot: AsyncIterable<Uint8Array>, { entries, hardState }: Pick<Ready, 'entries' | 'hardState'>): Promise<void> {
    // Should the snapshot not get there, this state must fit the old log: it says nothing about what is committed.
    const covered = await this.mark({ entries: [], hardState: { ...hardState, commit: 0 } });
    await this.storage.snapshots.save(covered, snapshot);
    await this.write({ entries, hardState });
    await this.storage.wal.dropThrough(covered);
  }

  get failed(): boolean {
    return this.storage.wal.failed;
  }
}
