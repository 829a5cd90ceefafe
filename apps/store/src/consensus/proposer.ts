import type { ConfChange, ProposedEntry, RaftStatus } from '@orrery/raft';
import type { Env } from '@orrery/runtime';
import type { Proposal } from '../commit-log.ts';
import { encodeEntry, noSpaceAlarm } from '../entry.ts';
import { type ChangeContext, writeChange } from './member-change.ts';
import type { MemberInfo } from './membership.ts';
import { Proposals, type Waiting } from './proposals.ts';
import { attributesKind, encodePayload } from './records.ts';

export interface ProposerOptions {
  readonly env: Env;
  /** Brings entries before the algorithm; whether it took them. */
  readonly bring: (entries: readonly ProposedEntry[]) => boolean;
  /** There is something new to bring. */
  readonly poke: () => void;
  /** A proposal of the store's own has come to nothing. */
  readonly failed: (proposal: Proposal, error: unknown) => void;
  /** Milliseconds after which the outcome is not waited for any more. */
  readonly timeoutMs: number;
}

/** A change of members that a leader may have dropped is proposed again. */
const proposeAgainMs = 1000;

/** What this member wants in the log, marked as its own, so that whoever asked for it is answered when it is applied. */
export class Proposer {
  /** Tells this life's proposals from those of others. */
  readonly origin: number;
  private readonly options: ProposerOptions;
  private readonly proposals = new Proposals();

  constructor(options: ProposerOptions) {
    const { random } = options.env;
    this.options = options;
    this.origin = random.int(2 ** 32) * 2 ** 20 + random.int(2 ** 20);
  }

  private get now(): number {
    return this.options.env.clock.monotonic();
  }

  /** An entry of the store; of a leader's own (`reign`: its term) only while it is that. */
  propose(proposal: Proposal, reign: number | undefined): void {
    const { poke, failed } = this.options;
    const sequence = this.proposals.nextSequence();
    const data = encodePayload({ origin: this.origin, sequence, ...encodeEntry(proposal.entry) });
    this.proposals.add({ sequence, since: this.now, entry: { type: 'normal', data }, proposal, reign, resolve: () => undefined, reject: (error) => failed(proposal, error) });
    poke();
  }

  /** A change of one member. Rejects with etcd's reason when it no longer makes sense by then. */
  change(type: ConfChange['type'], context: Omit<ChangeContext, 'origin' | 'sequence'>): Promise<void> {
    const sequence = this.proposals.nextSequence();
    return this.wait({ type: 'confChange', change: writeChange(type, { ...context, origin: this.origin, sequence }) }, sequence);
  }

  /** Under which name, and where, this member serves. */
  publish(attributes: Pick<MemberInfo, 'id' | 'name' | 'clientURLs'>): Promise<void> {
    const sequence = this.proposals.nextSequence();
    const bytes = Buffer.from(JSON.stringify(attributes));
    return this.wait({ type: 'normal', data: encodePayload({ origin: this.origin, sequence, kind: attributesKind, bytes }) }, sequence);
  }

  private wait(entry: ProposedEntry, sequence: number): Promise<void> {
    const { env, bring, poke } = this.options;
    return new Promise<void>((resolve, reject) => {
      const again = entry.type === 'confChange' ? env.clock.every(proposeAgainMs, () => void bring([entry])) : undefined;
      this.proposals.add({
        sequence,
        since: this.now,
        entry,
        resolve: () => (again?.cancel(), resolve()),
        reject: (error) => (again?.cancel(), reject(error as Error)),
      });
      poke();
    });
  }

  /** The alarm of a member whose disk is full: nobody waits for it. */
  alarm(memberId: string): ProposedEntry {
    return { type: 'normal', data: encodePayload({ origin: this.origin, sequence: this.proposals.nextSequence(), ...encodeEntry(noSpaceAlarm(memberId)) }) };
  }

  /** Brings what is new before the algorithm. */
  flush({ role, term }: RaftStatus): void {
    if (!this.proposals.queued) return;
    this.proposals.endReigns(role === 'leader' ? term : 0);
    this.proposals.flush(term, this.options.bring);
  }

  /** An entry is applied: what this member waits for, if it is that. */
  applied({ origin, sequence }: { origin: number; sequence: number }): Waiting | undefined {
    return origin === this.origin ? this.proposals.take(sequence) : undefined;
  }

  /** An entry of this later term is applied. */
  overtaken(term: number): void {
    this.proposals.overtaken(term);
  }

  leaderLost(): void {
    this.proposals.leaderLostAt = this.now;
  }

  tick(): void {
    this.proposals.expire(this.now - this.options.timeoutMs);
  }

  fail(error: unknown): void {
    this.proposals.fail(error);
  }
}
