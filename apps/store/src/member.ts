import { type MvccState, type WatchHub, applyTxn, decodeSnapshot, encodeSnapshot } from '@orrery/mvcc';
import {
  type AlarmMember,
  type CompactionRequest,
  type CompactionResponse,
  type LeaseCheckpointRequest,
  type ResponseHeader,
  type TxnRequest,
  type TxnResponse,
  AlarmType,
} from '@orrery/proto/etcd';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { type AuthSnapshot, root } from './auth/auth-state.ts';
import { Tokens } from './auth/tokens.ts';
import { type CommitLog, type CommitSink, type Proposal, DiskLog, MemoryLog } from './commit-log.ts';
import type { MembershipState } from './consensus/membership.ts';
import type { Replica } from './consensus/replica.ts';
import { type Entry, type Results, decodeEntry, noSpaceAlarm } from './entry.ts';
import { etcdError, isRefusal, toEtcdError } from './errors.ts';
import { LeaseCheckpoints } from './lease-checkpoints.ts';
import { LeaseClock } from './lease-clock.ts';
import { StateMachine, needsSpace } from './state-machine.ts';
import type { Alone } from './storage/quick-append.ts';
import type { Identity, Recovery, Storage } from './storage/storage.ts';
import { DiskFullError } from './storage/wal.ts';

/** An answer whose header lacks only what the server knows. */
interface Answer {
  header?: ResponseHeader | undefined;
}

/** The part of a snapshot that is not keys. */
export interface SnapshotExtra {
  readonly index: number;
  readonly term: number;
  readonly alarms: Required<AlarmMember>[];
  readonly auth?: AuthSnapshot;
  /** What leases had left by their last checkpoints. */
  readonly leaseSeconds?: readonly (readonly [id: string, seconds: number])[];
  /** Of a member of a cluster: who was in it. */
  readonly membership?: MembershipState;
}

export interface PinnedSnapshot {
  /** The last entry it covers. */
  readonly index: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  release(): void;
}

export interface MemberOptions {
  /** Bytes of data beyond which the NOSPACE alarm goes on. */
  readonly quotaBytes: number;
  /** Milliseconds between checkpoints of leases; 0: none. */
  readonly leaseCheckpointMs?: number;
  /** The process is this member's alone. */
  readonly alone?: Alone | undefined;
}

/** Versions freed per slice of background work. */
const scrubSlice = 2000;

/** Fills a fresh machine from a snapshot. */
function filled(machine: StateMachine, bytes: Uint8Array): SnapshotExtra {
  const extra = decodeSnapshot(machine.state, bytes) as SnapshotExtra;
  for (const alarm of extra.alarms) machine.raise(alarm);
  if (extra.auth) machine.auth.restore(extra.auth);
  for (const [id, seconds] of extra.leaseSeconds ?? []) machine.leaseSeconds.set(id, seconds);
  return extra;
}

/** One member: takes proposals, has them committed, applies them, and does what only a leader does (leases run out). Alone, it leads. */
export class Member implements CommitSink {
  machine = new StateMachine();
  readonly leaseClock: LeaseClock;
  private readonly checkpoints: LeaseCheckpoints;
  readonly tokens: Tokens;
  identity: Identity = { clusterId: '0', memberId: '0' };
  /** In a cluster: what only the consensus knows. */
  replica: Replica | undefined;
  private ownTerm = 1;
  appliedIndex = 0;
  /** Called between commits; see `CommitSink.idle`. */
  idle?: (lastIndex: number) => Promise<void>;
  private readonly env: Env;
  private readonly options: MemberOptions;
  /** Proposals that are neither committed nor failed yet. */
  pending = 0;
  private log: CommitLog = new MemoryLog(this);
  private readonly stopHooks = new Set<() => void>();
  private readonly restoreHooks = new Set<() => void>();
  private scrubbing: Promise<void> | undefined;
  private pins = 0;
  private readonly whenUnpinned: (() => void)[] = [];
  private stopped = false;

  constructor(env: Env, options: MemberOptions) {
    this.env = env;
    this.options = options;
    this.tokens = new Tokens(env.clock);
    this.leaseClock = new LeaseClock({ clock: env.clock, leases: () => this.state.leases, recorded: (id) => this.machine.leaseSeconds.get(id), expired: (ids) => this.revokeExpired(ids) });
    this.checkpoints = new LeaseCheckpoints({
      clock: env.clock,
      intervalMs: options.leaseCheckpointMs ?? 0,
      longer: (ttl) => this.leaseClock.longer(ttl),
      isRecorded: (id) => this.machine.leaseSeconds.has(id),
      propose: (request) => this.propose({ kind: 'leaseCheckpoint', request }),
      failed: (error) => this.stopped || env.log.warn('cannot write down how much leases have left', { error }),
    });
  }

  get state(): MvccState {
    return this.machine.state;
  }

  get hub(): WatchHub {
    return this.machine.hub;
  }

  /** Fills the fresh member from its data directory. Entries that failed when they were first applied fail again, alike. */
  readonly recovery: Recovery = {
    snapshot: (bytes) => {
      this.load(bytes);
      return this.appliedIndex;
    },
    record: ({ index, term, kind, bytes }) => {
      this.ownTerm = Math.max(this.ownTerm, term);
      this.appliedIndex = index;
      try {
        this.machine.apply(decodeEntry(kind, bytes));
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
    },
  };

  /** Fills the state, which must be fresh, from a snapshot. */
  load(bytes: Uint8Array): SnapshotExtra {
    const extra = filled(this.machine, bytes);
    this.ownTerm = extra.term;
    this.appliedIndex = extra.index;
    return extra;
  }

  /**
   * Decodes a snapshot of another member; throws when it is damaged, nothing having changed. What it returns replaces the state by it:
   * watches go on from what they have seen.
   */
  prepare(bytes: Uint8Array): () => SnapshotExtra {
    const machine = new StateMachine();
    const extra = filled(machine, bytes);
    return () => {
      this.machine = machine;
      this.ownTerm = extra.term;
      this.appliedIndex = extra.index;
      // What was skipped may have changed passwords or taken users away.
      this.tokens.clear();
      for (const hook of this.restoreHooks) hook();
      return extra;
    };
  }

  /** The term of the consensus; alone, one more at each start. */
  get term(): number {
    return this.replica?.log.term ?? this.ownTerm;
  }

  /** Alone, a member is its own leader. */
  get isLeader(): boolean {
    return this.replica?.log.isLeader ?? true;
  }

  /** Takes part in a cluster: others decide, too, what is applied here. */
  join(identity: Identity, replica: Replica): void {
    this.identity = identity;
    this.replica = replica;
    this.log = replica.log;
  }

  /** Alone, begins to lead: a new term over the recovered log, or in memory. Resolves when its first entry is committed. */
  async lead(identity: Identity, storage: Storage | undefined): Promise<void> {
    this.identity = identity;
    if (storage) {
      this.ownTerm += 1;
      this.log = new DiskLog({ wal: storage.wal, sink: this, term: this.ownTerm, lastIndex: this.appliedIndex, now: () => this.env.clock.monotonic(), alone: this.options.alone });
    }
    this.leading(true);
    await this.propose({ kind: 'term', request: {} });
    this.scrubSoon();
  }

  header(revision = this.state.revision): ResponseHeader {
    return { clusterId: this.identity.clusterId, memberId: this.identity.memberId, revision, raftTerm: this.term };
  }

  /** Completes the header of an answer that nobody else holds yet. */
  answer<T extends Answer>(answer: T): T {
    answer.header = this.header(answer.header?.revision);
    return answer;
  }

  /** Resolves when the entry is committed and applied. Rejects with etcd's error, the state being as it was. */
  propose<E extends Entry>(entry: E, asLeader = false): Promise<Results[E['kind']]> {
    if (this.stopped) return Promise.reject(etcdError('stopped'));
    const cost = needsSpace(entry);
    if (cost > 0 && !this.hasSpace(cost)) return Promise.reject(etcdError('noSpace'));
    return new Promise((resolve, reject) => {
      this.pending += 1;
      this.log.propose({ entry, asLeader, resolve, reject });
    });
  }

  /** Refuses what would exceed the quota, and raises the alarm for it. */
  private hasSpace(cost: number): boolean {
    if (this.machine.outOfSpace) return false;
    if (this.state.sizeBytes + cost <= this.options.quotaBytes) return true;
    this.env.log.warn('database quota exceeded, raising the NOSPACE alarm', { bytes: this.state.sizeBytes, quota: this.options.quotaBytes });
    this.propose(noSpaceAlarm(this.identity.memberId)).catch((error: unknown) => this.env.log.warn('cannot log the NOSPACE alarm', { error }));
    return false;
  }

  committed({ entry, resolve, reject }: Proposal, { index }: { index: number }): void {
    this.appliedIndex = index;
    this.pending -= 1;
    try {
      resolve(this.apply(entry) as never);
    } catch (error) {
      reject(toEtcdError(error));
    }
  }

  /** An entry that another member proposed; undefined for one that does not concern the state. */
  applied(entry: Entry | undefined, { index }: { index: number }): void {
    this.appliedIndex = index;
    if (!entry) return;
    try {
      this.apply(entry);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }

  failed({ reject }: Proposal, error: unknown): void {
    this.pending -= 1;
    if (error instanceof DiskFullError) {
      if (!this.machine.outOfSpace) this.env.log.error('disk full, raising the NOSPACE alarm', { error: error.message });
      // Cannot go through the log just now. No write is logged while it is on, so a replay without it gives the same state.
      this.machine.raise({ memberID: this.identity.memberId, alarm: AlarmType.NOSPACE });
      reject(etcdError('noSpace'));
    } else if (error instanceof RpcError) reject(error);
    else reject(new RpcError(Code.UNAVAILABLE, `etcdserver: ${(error as Error).message}`));
  }

  private apply(entry: Entry): Results[keyof Results] {
    const result = this.machine.apply(entry);
    if (entry.kind === 'leaseGrant') this.leaseClock.started(entry.request.ID ?? '0');
    else if (entry.kind === 'leaseRevoke') this.leaseClock.ended(entry.request.ID ?? '0');
    else if (entry.kind === 'compact') this.scrubSoon();
    else if (entry.kind === 'leaseCheckpoint') this.keepRenewed(entry.request);
    else this.tokens.applied(entry);
    return result && this.answer(result as Answer);
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

  private scrubSoon(): void {
    this.scrub().catch((error: unknown) => this.env.log.error('cannot free compacted history', { error }));
  }

  /** Resolves when a read of the applied state is linearizable; undefined: it is, alone it holds every acknowledged write. */
  readBarrier(): Promise<void> | undefined {
    return this.replica?.log.readBarrier();
  }

  /** Frees what compaction left behind, in slices between other work. */
  private scrub(): Promise<void> {
    this.scrubbing ??= (async () => {
      for (;;) {
        while (this.pins > 0) await new Promise<void>((resolve) => this.whenUnpinned.push(resolve));
        if (this.stopped || this.state.scrub(scrubSlice)) return;
        await this.env.clock.sleep(0);
      }
    })().finally(() => (this.scrubbing = undefined));
    return this.scrubbing;
  }

  /** What a snapshot of this moment says besides keys and leases. */
  snapshotExtra(): SnapshotExtra {
    return { index: this.appliedIndex, term: this.ownTerm, alarms: this.machine.listAlarms(), auth: this.machine.auth.snapshot(), leaseSeconds: [...this.machine.leaseSeconds], ...this.replica?.snapshotExtra() };
  }

  /** Nothing is freed from now on until what this returns is called, once or more often. */
  pin(): () => void {
    this.pins += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.pins -= 1;
      if (this.pins === 0) for (const wake of this.whenUnpinned.splice(0)) wake();
    };
  }

  /** The chunks of a snapshot of the state as of this call. Nothing is freed until `release`, so read them promptly. */
  snapshot(): PinnedSnapshot {
    const extra = this.snapshotExtra();
    const encoder = encodeSnapshot(this.state, extra);
    const first = encoder.next().value as Uint8Array;
    return { index: extra.index, chunks: this.paced(first, encoder), release: this.pin() };
  }

  private async *paced(first: Uint8Array, rest: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield first;
    for (const chunk of rest) {
      yield chunk;
      await this.env.clock.sleep(0);
    }
  }

  /** Has `idle` called soon. */
  poke(): void {
    this.log.poke();
  }

  /** Leases are counted by this member from now on, or no longer. */
  leading(leads: boolean): void {
    if (leads) {
      this.leaseClock.restart();
      this.checkpoints.start();
      return;
    }
    this.leaseClock.pause();
    this.checkpoints.stop();
  }

  /** A checkpoint of an earlier leader may come late: leases that were renewed since have more. */
  private keepRenewed({ checkpoints = [] }: LeaseCheckpointRequest): void {
    if (!this.isLeader) return;
    for (const { ID = '0', remainingTTL = 0 } of checkpoints) {
      if (remainingTTL === 0 || this.leaseClock.remaining(ID) <= remainingTTL) continue;
      this.checkpoints.forget(ID)?.catch((error: unknown) => this.stopped || this.env.log.warn('cannot take back what a lease has left', { lease: ID, error }));
    }
  }

  /** Of the leader: starts the lease's time anew; its TTL, or 0 when there is no such lease. */
  async renewLease(id: string): Promise<number> {
    await this.checkpoints.forget(id);
    return this.leaseClock.renew(id);
  }

  private revokeExpired(ids: string[]): void {
    // Root cannot be deleted while authentication is on; time is not asked for its permissions.
    const as = { user: root, revision: this.machine.auth.revision };
    for (const ID of ids) {
      // Another leader, and this one in a later term, gives the lease its full time again: it must not be revoked for what was before.
      this.propose({ kind: 'leaseRevoke', request: { ID }, ...(this.machine.auth.enabled ? { as } : {}) }, true).catch((error: unknown) => {
        if (!this.stopped) this.env.log.warn('cannot revoke an expired lease', { lease: ID, error });
      });
    }
  }

  /** Calls `hook` after the state was replaced; returns how to take it back. */
  onRestore(hook: () => void): () => void {
    this.restoreHooks.add(hook);
    return () => this.restoreHooks.delete(hook);
  }

  /** Calls `hook` when the member stops; returns how to take it back. */
  onStop(hook: () => void): () => void {
    this.stopHooks.add(hook);
    return () => this.stopHooks.delete(hook);
  }

  /** Takes no more proposals, finishes those in flight, ends the watches. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.leaseClock.stop();
    this.checkpoints.stop();
    await this.log.drain();
    for (const hook of this.stopHooks) hook();
    await this.scrubbing;
  }
}
