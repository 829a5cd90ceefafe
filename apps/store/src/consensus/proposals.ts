import type { ProposedEntry } from '@orrery/raft';
import type { Proposal } from '../commit-log.ts';
import { etcdError } from '../errors.ts';

/** Something this member wants in the log, until it is applied here or given up. */
export interface Waiting {
  readonly sequence: number;
  readonly since: number;
  readonly entry: ProposedEntry;
  /** Of the store's own entries. Others only need to know when. */
  readonly proposal?: Proposal;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Only for the log while this member leads in this term; 0 if it did not even then. */
  readonly reign?: number | undefined;
  /** In which it was handed to the algorithm. */
  term?: number;
}

/** Most bytes handed to the algorithm in one piece. */
const maxBatchBytes = 4 * 1024 * 1024;

const bytesOf = (entry: ProposedEntry): number => (entry.type === 'normal' ? entry.data.length : 0);

/** What this member has proposed: first waiting for a leader to take it, then for its turn in the log. */
export class Proposals {
  private queue: Waiting[] = [];
  private readonly sent = new Map<number, Waiting>();
  private sequence = 0;
  /** Of those queued, how many have a reign. */
  private bound = 0;
  /** When there last was a leader that is none any more. */
  leaderLostAt = -Infinity;

  nextSequence(): number {
    return ++this.sequence;
  }

  add(waiting: Waiting): void {
    this.queue.push(waiting);
    if (waiting.reign !== undefined) this.bound += 1;
  }

  /** Fails what was to be proposed in a reign that is over. */
  endReigns(current: number): void {
    if (this.bound === 0) return;
    const over = this.queue.filter(({ reign }) => reign !== undefined && reign !== current);
    this.queue = this.queue.filter((waiting) => !over.includes(waiting));
    this.bound = 0;
    for (const { reign } of this.queue) if (reign !== undefined) this.bound += 1;
    for (const { reject } of over) reject(etcdError('leaderChanged'));
  }

  get queued(): number {
    return this.queue.length;
  }

  /** Hands what is queued to `propose`, which says whether it was taken; stops at the first refusal. Changes of members go alone. */
  flush(term: number, propose: (entries: readonly ProposedEntry[]) => boolean): void {
    while (this.queue.length) {
      let bytes = 0;
      let end = 0;
      for (; end < this.queue.length; end++) {
        const { entry } = this.queue[end] as Waiting;
        bytes += bytesOf(entry);
        if (end > 0 && (bytes > maxBatchBytes || entry.type === 'confChange')) break;
        if (entry.type !== 'confChange') continue;
        end += 1;
        break;
      }
      const batch = this.queue.slice(0, end);
      // Before: a member alone may have it applied within the call.
      for (const waiting of batch) {
        waiting.term = term;
        this.sent.set(waiting.sequence, waiting);
      }
      if (!propose(batch.map(({ entry }) => entry))) {
        for (const { sequence } of batch) this.sent.delete(sequence);
        // A change of members that has to wait holds up nothing else.
        if (batch[0]?.entry.type !== 'confChange' || this.queue.length === 1) return;
        this.queue.push(this.queue.shift() as Waiting);
        if (this.queue.every(({ entry }) => entry.type === 'confChange')) return;
        continue;
      }
      this.queue = this.queue.slice(end);
    }
  }

  /** The entry with this number is being applied. */
  take(sequence: number): Waiting | undefined {
    const waiting = this.sent.get(sequence);
    if (waiting) this.sent.delete(sequence);
    return waiting;
  }

  /**
   * An entry of a later term is being applied: what was handed to an earlier leader and is not in the log by now has died with
   * it, or will come as late as any message may. Its client is told at once instead of when its time is up. Changes of members
   * are proposed again by themselves.
   */
  overtaken(term: number): void {
    const lost = [...this.sent.values()].filter((waiting) => (waiting.term ?? term) < term && waiting.entry.type !== 'confChange');
    for (const { sequence, reject } of lost) {
      this.sent.delete(sequence);
      reject(etcdError('timeoutLeaderFail'));
    }
  }

  /** Gives up what has waited since before `deadline`. It may still come to pass: nobody knows. */
  expire(deadline: number): void {
    const late: Waiting[] = [];
    for (const waiting of this.sent.values()) {
      if (waiting.since > deadline) break;
      late.push(waiting);
    }
    for (const { sequence } of late) this.sent.delete(sequence);
    if (this.queue[0] && this.queue[0].since <= deadline) {
      late.push(...this.queue.filter(({ since }) => since <= deadline));
      this.queue = this.queue.filter(({ since }) => since > deadline);
    }
    for (const { since, reject } of late) reject(etcdError(since <= this.leaderLostAt ? 'timeoutLeaderFail' : 'timeout'));
  }

  fail(error: unknown): void {
    const all = [...this.sent.values(), ...this.queue];
    this.sent.clear();
    this.queue = [];
    for (const { reject } of all) reject(error);
  }
}
