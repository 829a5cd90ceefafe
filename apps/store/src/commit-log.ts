import { type Entry, encodeEntry } from './entry.ts';
import { FrameBuilder } from './storage/frame.ts';
import { type Alone, QuickAppend } from './storage/quick-append.ts';
import type { Wal } from './storage/wal.ts';

/** An entry on its way through the log. */
export interface Proposal {
  readonly entry: Entry;
  /** What the leader decided as such: only for the log while this member still leads, in the term in which it did when it proposed. */
  readonly asLeader?: boolean;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What happens to committed and failed proposals. Called in log order. */
export interface CommitSink {
  committed(proposal: Proposal, at: { index: number; term: number }): void;
  /** The proposal is not in the log and never will be. */
  failed(proposal: Proposal, error: unknown): void;
  /** Between commits, with nothing in flight: the moment to cut the log. */
  idle?(lastIndex: number): Promise<void>;
}

/** Turns proposals into committed entries: one order, durable before it is acknowledged. The place of consensus. */
export interface CommitLog {
  propose(proposal: Proposal): void;
  /** Runs `idle` even if nothing is proposed. */
  poke(): void;
  /** Resolves when all that was proposed before is committed or failed. */
  drain(): Promise<void>;
}

/** Commits at once: a store without a data directory. */
export class MemoryLog implements CommitLog {
  private index = 0;
  private readonly sink: CommitSink;

  constructor(sink: CommitSink) {
    this.sink = sink;
  }

  propose(proposal: Proposal): void {
    this.sink.committed(proposal, { index: ++this.index, term: 1 });
  }

  poke(): void {}

  async drain(): Promise<void> {}
}

/** Bytes after which a batch is closed; what does not fit goes into the next write. */
const maxBatchBytes = 4 * 1024 * 1024;

/** A batch of more proposals goes to the disk in the background: there is something else to do meanwhile. */
const fewProposals = 4;
interface Batch {
  readonly frame: FrameBuilder;
  readonly proposals: Proposal[];
}

/**
 * Group commit over the write-ahead log: while one batch is being synced, proposals gather in the next. So the cost of a
 * sync is shared by all who wait, and a lone client does not wait for company. In a process of its own small batches are written
 * at once, without the detour over another thread, which costs more than a good disk.
 */
export class DiskLog implements CommitLog {
  private readonly wal: Wal;
  private readonly sink: CommitSink;
  private readonly term: number;
  private readonly whenAlone: Alone | undefined;
  private readonly quick: QuickAppend;
  private lastIndex: number;
  private readonly waiting: Batch[] = [];
  private readonly spare: FrameBuilder[] = [];
  private running: Promise<void> | undefined;
  /** Something came since the loop last looked. */
  private poked = false;

  constructor(options: { wal: Wal; sink: CommitSink; term: number; lastIndex: number; now: () => number; alone?: Alone | undefined }) {
    this.wal = options.wal;
    this.sink = options.sink;
    this.term = options.term;
    this.lastIndex = options.lastIndex;
    this.quick = new QuickAppend(options.wal, options.now);
    this.whenAlone = options.alone;
  }

  propose(proposal: Proposal): void {
    const { kind, bytes } = encodeEntry(proposal.entry);
    let batch = this.waiting[this.waiting.length - 1];
    if (!batch || batch.frame.bytes + bytes.length > maxBatchBytes) {
      batch = { frame: this.spare.pop() ?? new FrameBuilder(), proposals: [] };
      this.waiting.push(batch);
    }
    batch.frame.add(kind, bytes);
    batch.proposals.push(proposal);
    this.poke();
  }

  poke(): void {
    this.poked = true;
    // Later: everyone who proposes in answer to the same event shares the batch.
    this.running ??= this.gathered()
      .then(() => this.run())
      .finally(() => {
        this.running = undefined;
        if (this.poked) this.poke();
      });
  }

  private get alone(): Alone | undefined {
    return this.whenAlone?.isNow?.() === false ? undefined : this.whenAlone;
  }

  private gathered(): Promise<void> {
    const { alone } = this;
    return alone ? new Promise((resolve) => alone.atEndOfTurn(resolve)) : Promise.resolve();
  }

  async drain(): Promise<void> {
    while (this.running) await this.running;
  }

  private async run(): Promise<void> {
    while (this.poked) {
      this.poked = false;
      for (let batch = this.waiting.shift(); batch; batch = this.waiting.shift()) {
        await this.commit(batch);
        await this.sink.idle?.(this.lastIndex);
      }
      await this.sink.idle?.(this.lastIndex);
    }
  }

  private async commit({ frame, proposals }: Batch): Promise<void> {
    const { term } = this;
    const firstIndex = this.lastIndex + 1;
    try {
      const sealed = frame.seal({ firstIndex, term });
      const few = this.alone && proposals.length <= fewProposals;
      await (few ? this.quick : this.wal).append(sealed, firstIndex);
    } catch (error) {
      this.fail(proposals, error);
      return;
    }
    if (this.spare.length < 2) this.spare.push(frame);
    this.lastIndex += proposals.length;
    proposals.forEach((proposal, i) => this.sink.committed(proposal, { index: firstIndex + i, term }));
  }

  /** Fails those that wait behind, too: they were proposed before anyone knew. */
  private fail(proposals: readonly Proposal[], error: unknown): void {
    const behind = this.waiting.splice(0).flatMap((batch) => batch.proposals);
    for (const proposal of [...proposals, ...behind]) this.sink.failed(proposal, error);
  }
}
