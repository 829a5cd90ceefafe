import type { ReadState } from '@orrery/raft';
import { etcdError } from '../errors.ts';

/** How often a question that got no answer is asked again. */
const askAgainMs = 500;

export interface ReadBarrierOptions {
  readonly now: () => number;
  /** Asks the leader for the index that a read must see. */
  readonly ask: (requestId: number) => void;
  readonly timeoutMs: number;
  /** Drawn at each start: an answer to a question of an earlier life must not be taken for one of this. */
  readonly firstRequest: number;
}

interface Wait {
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Linearizable reads: one question to the leader at a time serves all that came before it was asked. Its answer, an
 * index, is waited for; then the state of this member is at least as new as it was anywhere when the reads came.
 */
export class ReadBarrier {
  private readonly options: ReadBarrierOptions;
  private next: Wait[] = [];
  private asked: { requestId: number; at: number; waits: Wait[] } | undefined;
  private known: { readonly index: number; readonly waits: readonly Wait[] }[] = [];
  private nextRequest: number;

  constructor(options: ReadBarrierOptions) {
    this.options = options;
    this.nextRequest = options.firstRequest;
  }

  /** Resolves when the applied state is new enough. Rejects with etcd's timeout. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.next.push({ since: this.options.now(), resolve, reject });
    });
  }

  /** Whether the leader is to be asked. */
  get isDue(): boolean {
    return !this.asked && this.next.length > 0;
  }

  ask(): void {
    const waits = [...(this.asked?.waits ?? []), ...this.next];
    this.next = [];
    const requestId = this.nextRequest++;
    this.asked = { requestId, at: this.options.now(), waits };
    this.options.ask(requestId);
  }

  answered(reads: readonly ReadState[]): void {
    for (const { requestId, index } of reads) {
      if (this.asked?.requestId !== requestId) continue;
      this.known.push({ index, waits: this.asked.waits });
      this.asked = undefined;
    }
  }

  applied(index: number): void {
    if (this.known.length === 0) return;
    const ripe = this.known.filter((one) => one.index <= index);
    if (ripe.length === 0) return;
    this.known = this.known.filter((one) => one.index > index);
    for (const { waits } of ripe) for (const { resolve } of waits) resolve();
  }

  /** There is another leader, who knows nothing of the question. */
  leaderChanged(): void {
    if (this.asked) this.ask();
  }

  /** Time passes: asks again, gives up on what took too long. */
  tick(): void {
    const now = this.options.now();
    const late = ({ since, reject }: Wait): boolean => {
      if (now - since < this.options.timeoutMs) return false;
      reject(etcdError('timeout'));
      return true;
    };
    this.next = this.next.filter((wait) => !late(wait));
    this.known = this.known.map(({ index, waits }) => ({ index, waits: waits.filter((wait) => !late(wait)) })).filter(({ waits }) => waits.length > 0);
    if (!this.asked) return;
    this.asked.waits = this.asked.waits.filter((wait) => !late(wait));
    if (this.asked.waits.length === 0) this.asked = undefined;
    else if (now - this.asked.at >= askAgainMs) this.ask();
  }

  /** Nothing will be answered any more. */
  fail(error: unknown): void {
    const all = [...this.next, ...(this.asked?.waits ?? []), ...this.known.flatMap(({ waits }) => waits)];
    this.next = [];
    this.asked = undefined;
    this.known = [];
    for (const { reject } of all) reject(error);
  }
}
