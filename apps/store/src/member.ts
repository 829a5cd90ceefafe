import { type MvccState, type WatchHub, applyTxn } from '@orrery/mvcc';
import { type CompactionRequest, type CompactionResponse, type ResponseHeader, type TxnRequest, type TxnResponse } from '@orrery/proto/etcd';
import type { Env } from '@orrery/runtime';
import type { Entry, Results } from './entry.ts';
import { etcdError, toEtcdError } from './errors.ts';
import { LeaseClock } from './lease-clock.ts';
import { StateMachine } from './state-machine.ts';

export interface Identity {
  readonly clusterId: string;
  readonly memberId: string;
}

/** An answer whose header lacks only what the server knows. */
interface Answer {
  header?: ResponseHeader | undefined;
}

/** Versions freed per slice of background work. */
const scrubSlice = 2000;

/** One member: takes proposals, has them committed, applies them, and does what only a leader does (leases run out). */
export class Member {
  readonly identity: Identity;
  readonly machine = new StateMachine();
  readonly leaseClock: LeaseClock;
  term = 1;
  appliedIndex = 0;
  private readonly env: Env;
  private readonly stopHooks = new Set<() => void>();
  private scrubbing: Promise<void> | undefined;
  private stopped = false;

  constructor(env: Env, options: { identity: Identity }) {
    this.env = env;
    this.identity = options.identity;
    this.leaseClock = new LeaseClock({ clock: env.clock, leases: this.state.leases, expired: (ids) => this.revokeExpired(ids) });
  }

  get state(): MvccState {
    return this.machine.state;
  }

  get hub(): WatchHub {
    return this.machine.hub;
  }

  header(revision = this.state.revision): ResponseHeader {
    return { ...this.identity, revision, raftTerm: this.term };
  }

  /** Completes the header of an answer that nobody else holds yet. */
  answer<T extends Answer>(answer: T): T {
    answer.header = this.header(answer.header?.revision);
    return answer;
  }

  /** Resolves when the entry is committed and applied. Rejects with etcd's error, the state being as it was. */
  async propose<E extends Entry>(entry: E): Promise<Results[E['kind']]> {
    if (this.stopped) throw etcdError('stopped');
    try {
      return this.apply(entry) as Results[E['kind']];
    } catch (error) {
      throw toEtcdError(error);
    }
  }

  /** A transaction that only reads needs no entry. */
  readTxn(request: TxnRequest): TxnResponse {
    return this.answer(applyTxn(this.state, request).response);
  }

  async compact(request: CompactionRequest): Promise<CompactionResponse> {
    const response = await this.propose({ kind: 'compact', request });
    const done = this.scrub();
    if (request.physical) await done;
    return response;
  }

  /** Frees what compaction left behind, in slices between other work. */
  private scrub(): Promise<void> {
    this.scrubbing ??= (async () => {
      while (!this.stopped && !this.state.scrub(scrubSlice)) await this.env.clock.sleep(0);
    })().finally(() => (this.scrubbing = undefined));
    return this.scrubbing;
  }

  private apply(entry: Entry): Results[keyof Results] {
    this.appliedIndex += 1;
    const result = this.machine.apply(entry);
    if (entry.kind === 'leaseGrant') this.leaseClock.started(entry.request.ID ?? '0');
    else if (entry.kind === 'leaseRevoke') this.leaseClock.ended(entry.request.ID ?? '0');
    return result && this.answer(result as Answer);
  }

  private revokeExpired(ids: string[]): void {
    for (const ID of ids) {
      this.propose({ kind: 'leaseRevoke', request: { ID } }).catch((error: unknown) => {
        if (!this.stopped) this.env.log.warn('cannot revoke an expired lease', { lease: ID, error });
      });
    }
  }

  /** Calls `hook` when the member stops; returns how to take it back. */
  onStop(hook: () => void): () => void {
    this.stopHooks.add(hook);
    return () => this.stopHooks.delete(hook);
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.leaseClock.stop();
    for (const hook of this.stopHooks) hook();
    await this.scrubbing;
  }
}
