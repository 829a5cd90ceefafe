import type { ConfChange, Entry, MemberId, Message, Raft, RaftStatus, Ready } from '@orrery/raft';
import type { Env, Timer } from '@orrery/runtime';
import type { CommitLog, CommitSink, Proposal } from '../commit-log.ts';
import { type Entry as StoreEntry, decodeEntry } from '../entry.ts';
import { etcdError } from '../errors.ts';
import type { PinnedSnapshot } from '../member.ts';
import { DiskRoom } from './disk-room.ts';
import type { Journal } from './journal.ts';
import { Leadership } from './leadership.ts';
import type { Links } from './links.ts';
import { type ChangeContext, applyChange, readChange } from './member-change.ts';
import type { MemberInfo, Membership, MembershipState } from './membership.ts';
import { Proposer } from './proposer.ts';
import { ReadBarrier } from './read-barrier.ts';
import { attributesKind, decodePayload } from './records.ts';
import { type SnapshotMessage, SnapshotTransfer } from './snapshot-transfer.ts';

/** The state that committed entries go to. */
export interface ReplicaSink extends CommitSink {
  /** An entry that another member proposed, or this one in an earlier life. */
  applied(entry: StoreEntry | undefined, at: { index: number; term: number }): void;
  /** Decodes a leader's snapshot; throws when it is damaged. What it returns replaces the state by it, and returns the list of members in it. */
  prepare(snapshot: Uint8Array): () => MembershipState;
  snapshot(): PinnedSnapshot;
  /** This member leads from now on, or no longer does. */
  leading(leads: boolean): void;
  /** This member was taken out of the cluster: it must stop serving. */
  removed(): void;
}

export interface ReplicatedLogOptions {
  readonly env: Env;
  readonly raft: Raft;
  readonly journal: Journal;
  readonly membership: Membership;
  readonly sink: ReplicaSink;
  readonly links: (log: ReplicatedLog) => Links;
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

/** Time a proposal or a read may take beyond two elections, as etcd's. */
const requestMs = 5000;
/** Entries that are kept for members that lag a little; those further behind get a snapshot. */
const keptEntries = 5000;
/** A member that was taken out tells others what it still has to say for this long. */
const farewellMs = 1000;

/**
 * The log of a store with several members. One loop does what the algorithm asks for, in the order in which it is safe:
 * send, write and sync, acknowledge, apply. What comes while the disk is busy gathers for the next round.
 */
export class ReplicatedLog implements CommitLog {
  readonly membership: Membership;
  readonly links: Links;
  readonly timeoutMs: number;
  private readonly options: ReplicatedLogOptions;
  private readonly env: Env;
  private readonly raft: Raft;
  private readonly proposer: Proposer;
  private readonly reads: ReadBarrier;
  private wasRemoved = false;
  private running: Promise<void> | undefined;
  private poked = false;
  private timer: Timer | undefined;
  private stopped = false;
  private readonly room: DiskRoom;
  private readonly leadership: Leadership;
  private readonly snapshots: SnapshotTransfer;
  private lastAppliedTerm = 0;

  constructor(options: ReplicatedLogOptions) {
    const { env, raft, membership, sink, electionMs } = options;
    this.options = options;
    this.env = env;
    this.raft = raft;
    this.membership = membership;
    this.room = new DiskRoom({ env, stopped: () => this.stopped, raiseAlarm: () => this.raiseAlarm() });
    this.timeoutMs = requestMs + 2 * electionMs;
    this.proposer = new Proposer({
      env,
      timeoutMs: this.timeoutMs,
      bring: (entries) => raft.propose(entries) === undefined,
      poke: () => this.poke(),
      failed: (proposal, error) => sink.failed(proposal, error),
    });
    this.reads = new ReadBarrier({
      now: () => env.clock.monotonic(),
      ask: (requestId) => void raft.readIndex(requestId),
      timeoutMs: this.timeoutMs,
      firstRequest: this.proposer.origin,
    });
    this.leadership = new Leadership({
      env,
      electionMs,
      status: () => raft.status,
      changed: (leader, before) => this.leaderChanged(leader, before),
      leading: (leads) => sink.leading(leads),
    });
    this.snapshots = new SnapshotTransfer({
      env,
      links: () => this.links,
      prepare: (bytes) => sink.prepare(bytes),
      snapshot: () => sink.snapshot(),
      arrived: (member, did) => {
        raft.reportSnapshot(member, did);
        this.poke();
      },
    });
    this.links = options.links(this);
  }

  start(): void {
    this.timer = this.env.clock.every(this.options.heartbeatMs, () => this.tick());
    const { voters } = this.status.configuration;
    if (voters.length === 1 && voters[0] === this.status.id) this.raft.campaign();
    // Its snapshot may say so: then it has nobody to call, and nobody calls it.
    this.checkRemoved();
    this.poke();
  }

  get status(): RaftStatus {
    return this.raft.status;
  }

  get term(): number {
    return this.raft.hardState.term;
  }

  get failed(): boolean {
    return this.options.journal.failed;
  }

  /** Empty: there is none that this member knows of. */
  get leaderId(): MemberId {
    return this.leadership.leader;
  }

  get isLeader(): boolean {
    return this.leadership.leads;
  }

  get isStopped(): boolean {
    return this.stopped;
  }

  /** The term of the last applied entry. */
  get appliedTerm(): number {
    return this.raft.log.termAt(this.raft.log.applied) ?? this.raft.status.term;
  }

  propose(proposal: Proposal): void {
    const { sink } = this.options;
    if (this.stopped) return sink.failed(proposal, etcdError('stopped'));
    if (this.room.isFull) return sink.failed(proposal, etcdError('noSpace'));
    this.proposer.propose(proposal, proposal.asLeader ? this.leadership.reign : undefined);
  }

  /** Puts a change of one member through the log. Rejects with etcd's reason when it no longer makes sense by then. */
  async change(type: ConfChange['type'], context: Omit<ChangeContext, 'origin' | 'sequence'>): Promise<void> {
    if (this.stopped) throw etcdError('stopped');
    await this.proposer.change(type, context);
  }

  /** Says under which name, and where, this member serves. */
  async publish(attributes: Pick<MemberInfo, 'id' | 'name' | 'clientURLs'>): Promise<void> {
    if (this.stopped) throw etcdError('stopped');
    await this.proposer.publish(attributes);
  }

  /** Resolves when the state of this member is as new as any was when this was called. */
  readBarrier(): Promise<void> {
    if (this.stopped) return Promise.reject(etcdError('stopped'));
    const done = this.reads.wait();
    this.poke();
    return done;
  }

  /** Hands leadership to a voter that is in step. Rejects with etcd's error when it takes too long. */
  async transferLeader(to: MemberId): Promise<void> {
    const until = this.env.clock.monotonic() + this.options.electionMs;
    this.raft.transferLeader(to);
    this.poke();
    while (this.leaderId !== to) {
      if (this.env.clock.monotonic() >= until || this.stopped) throw etcdError('timeoutTransfer');
      await this.leadership.change(until - this.env.clock.monotonic());
    }
  }

  /** A message of another member. */
  receive(message: Message): void {
    if (this.stopped || message.to !== this.status.id || message.type === 'snapshot') return;
    this.raft.step(message);
    this.poke();
  }

  /** A snapshot of the leader, whole. Throws when it is damaged. */
  receiveSnapshot(message: SnapshotMessage, chunks: readonly Uint8Array[]): void {
    if (this.stopped || message.to !== this.status.id) return;
    this.snapshots.receive(message, chunks);
    this.raft.step(message);
    this.poke();
  }

  /** Calls `hook` when there was no leader for three elections' time; returns how to take it back. */
  onLeaderless(hook: () => void): () => void {
    return this.leadership.onLeaderless(hook);
  }

  unreachable(member: MemberId): void {
    this.raft.reportUnreachable(member);
  }

  private tick(): void {
    this.raft.tick();
    this.reads.tick();
    this.proposer.tick();
    this.links.check();
    this.leadership.tick();
    this.poke();
  }

  poke(): void {
    this.poked = true;
    if (this.stopped) return;
    this.running ??= Promise.resolve()
      .then(() => this.run())
      .catch((error: unknown) => {
        if (!this.stopped) this.halt(error);
      })
      .finally(() => {
        this.running = undefined;
        if (this.poked && !this.stopped) this.poke();
      });
  }

  private async run(): Promise<void> {
    while (this.poked && !this.stopped) {
      this.poked = false;
      this.ask();
      for (let ready = this.raft.ready(); ready && !this.stopped; ready = this.raft.ready()) {
        await this.handle(ready);
        this.ask();
      }
      this.snapshots.forget();
      this.leadership.notice();
      await this.options.sink.idle?.(this.raft.log.applied);
    }
  }

  /** Brings proposals and questions of this member before the algorithm. */
  private ask(): void {
    if (this.leaderId) this.proposer.flush(this.status);
    if (this.reads.isDue) this.reads.ask();
  }

  private async handle(ready: Ready): Promise<void> {
    this.send(ready.messages);
    const { snapshot } = ready;
    if (snapshot) await this.install(ready);
    else if (ready.mustSync) await this.room.write(() => this.options.journal.write(ready, this.isLeader));
    this.raft.persisted(ready);
    this.send(ready.afterPersist);
    this.leadership.notice();
    for (const entry of ready.committed) this.apply(entry);
    this.reads.answered(ready.reads);
    this.reads.applied(this.raft.log.applied);
    const { log } = this.raft;
    if (log.applied - log.snapshotMeta.index > 2 * keptEntries) this.raft.compact(log.applied, keptEntries);
  }

  /** Has the leader log the alarm: this member cannot write what it would propose. False while it knows of none but itself. */
  private raiseAlarm(): boolean {
    const { leader, id, term } = this.status;
    if (!leader || leader === id) return false;
    this.links.send([{ type: 'propose', from: id, to: leader, term, entries: [this.proposer.alarm(id)] }]);
    return true;
  }

  private async install(ready: Ready): Promise<void> {
    const index = ready.snapshot?.index as number;
    const { chunks, use } = this.snapshots.take(index);
    const source = async function* (): AsyncIterable<Uint8Array> {
      yield* chunks;
    };
    await this.room.write(() => this.options.journal.install(source(), ready));
    const { members, removed } = use();
    this.membership.replace(members, removed);
    this.links.prune((id) => this.membership.get(id) !== undefined);
    this.env.log.info('took a snapshot of the leader', { index });
    this.checkRemoved();
  }

  private send(messages: readonly Message[]): void {
    if (!messages.some(({ type }) => type === 'snapshot')) return this.links.send(messages);
    this.links.send(messages.filter(({ type }) => type !== 'snapshot'));
    const at = { index: this.raft.log.applied, term: this.appliedTerm, configuration: this.status.configuration };
    for (const message of messages) if (message.type === 'snapshot') this.snapshots.send(message, at);
  }

  private leaderChanged(leader: MemberId, before: MemberId): void {
    if (before) this.proposer.leaderLost();
    if (leader) this.reads.leaderChanged();
    this.poked = true;
  }

  private apply(entry: Entry): void {
    const { sink } = this.options;
    const { index, term } = entry;
    if (term > this.lastAppliedTerm) this.proposer.overtaken((this.lastAppliedTerm = term));
    if (entry.type === 'normal') {
      const payload = decodePayload(entry.data);
      const { kind, bytes } = payload;
      const own = this.proposer.applied(payload);
      if (kind === attributesKind) {
        this.describe(JSON.parse(Buffer.from(bytes).toString('utf8')) as Pick<MemberInfo, 'id' | 'name' | 'clientURLs'>);
        sink.applied(undefined, entry);
        own?.resolve();
      } else if (own?.proposal) sink.committed(own.proposal, { index, term });
      else sink.applied(decodeEntry(kind, bytes), entry);
    } else {
      sink.applied(undefined, entry);
      if (entry.type === 'confChange') this.applyChange(entry.change);
    }
    this.raft.applied(index);
  }

  private describe({ id, name, clientURLs }: Pick<MemberInfo, 'id' | 'name' | 'clientURLs'>): void {
    const member = this.membership.get(id);
    if (member) this.membership.set({ ...member, name, clientURLs });
  }

  private applyChange(change: ConfChange): void {
    const context = readChange(change);
    const own = this.proposer.applied(context);
    try {
      applyChange(this.membership, change, context);
    } catch (error) {
      own?.reject(error);
      return;
    }
    this.raft.applyConfChange(change);
    this.links.prune((id) => this.membership.get(id) !== undefined);
    this.env.log.info('members changed', { change: change.type, member: change.member });
    own?.resolve();
    this.checkRemoved();
  }

  private checkRemoved(): void {
    if (this.membership.isRemoved(this.status.id)) this.leave();
  }

  /** This member is told that it is out, or has applied so. */
  leave(): void {
    if (this.wasRemoved || this.stopped) return;
    this.wasRemoved = true;
    this.env.log.error('this member was removed from the cluster');
    this.env.clock.after(farewellMs, () => this.options.sink.removed());
  }

  private halt(error: unknown): void {
    this.env.log.error('the log failed, this member takes no part until a restart', { error });
    this.close(error);
  }

  private close(error: unknown): void {
    this.stopped = true;
    this.timer?.cancel();
    this.links.close();
    this.proposer.fail(error);
    this.reads.fail(error);
    this.leadership.end();
  }

  /** Stops taking part; a leader hands over first, so that the others need not wait for an election. */
  async drain(): Promise<void> {
    if (this.stopped) return;
    const heir = this.wasRemoved ? undefined : this.leadership.heir();
    if (heir) await this.transferLeader(heir).catch((error: unknown) => this.env.log.warn('nobody took over', { error }));
    this.close(etcdError('stopped'));
    await this.running;
  }

  /** For `Snapshotter`: begins a new segment with what a snapshot taken now will lack. */
  mark(): Promise<number> {
    const { hardState, log } = this.raft;
    return this.options.journal.mark({ entries: log.slice(log.applied + 1, log.stable) ?? [], hardState });
  }
}
