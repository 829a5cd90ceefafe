import type { ConfChange, Entry, MemberId, Message, Raft, RaftStatus, Ready } from '@orrery/raft';
import type { Env, Timer } from '@orrery/runtime';
import type { CommitLog, CommitSink, Proposal } from '../commit-log.ts';
import { type Entry as StoreEntry, decodeEntry, encodeEntry, noSpaceAlarm } from '../entry.ts';
import { etcdError } from '../errors.ts';
import type { PinnedSnapshot } from '../member.ts';
import { DiskRoom } from './disk-room.ts';
import type { Journal } from './journal.ts';
import type { Links } from './links.ts';
import { type ChangeContext, applyChange, readChange, writeChange } from './member-change.ts';
import type { MemberInfo, Membership, MembershipState } from './membership.ts';
import { Proposals } from './proposals.ts';
import { ReadBarrier } from './read-barrier.ts';
import { attributesKind, decodePayload, encodePayload } from './records.ts';

/** The state that committed entries go to. */
export interface ReplicaSink extends CommitSink {
  /** An entry that another member proposed, or this one in an earlier life. */
  applied(entry: StoreEntry | undefined, at: { index: number; term: number }): void;
  /** Replaces the state by a leader's snapshot; returns the list of members in it. */
  restore(snapshot: Uint8Array): MembershipState;
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
/** A change of members that a leader may have dropped is proposed again. */
const proposeAgainMs = 1000;
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
  private readonly proposals = new Proposals();
  private readonly reads: ReadBarrier;
  /** Tells this life's proposals from those of others. */
  private readonly origin: number;
  private readonly incoming = new Map<number, readonly Uint8Array[]>();
  private leader: MemberId = '';
  private leads = false;
  /** The term in which it leads, 0 while it does not: as those know who were told. */
  private reign = 0;
  private wasRemoved = false;
  private running: Promise<void> | undefined;
  private poked = false;
  private timer: Timer | undefined;
  private stopped = false;
  private readonly room: DiskRoom;
  private lastAppliedTerm = 0;
  private leaderWaits: (() => void)[] = [];
  private readonly leaderlessHooks = new Set<() => void>();
  /** When the last leader was lost; undefined while there is one, and once the hooks were called. */
  private leaderlessSince: number | undefined;

  constructor(options: ReplicatedLogOptions) {
    const { env, raft, membership } = options;
    this.options = options;
    this.env = env;
    this.raft = raft;
    this.membership = membership;
    this.room = new DiskRoom({ env, stopped: () => this.stopped, raiseAlarm: () => this.raiseAlarm() });
    this.timeoutMs = requestMs + 2 * options.electionMs;
    this.origin = env.random.int(2 ** 32) * 2 ** 20 + env.random.int(2 ** 20);
    this.reads = new ReadBarrier({
      now: () => env.clock.monotonic(),
      ask: (requestId) => void raft.readIndex(requestId),
      timeoutMs: this.timeoutMs,
      firstRequest: this.origin,
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
    return this.leader;
  }

  get isLeader(): boolean {
    return this.leads;
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
    const { kind, bytes } = encodeEntry(proposal.entry);
    const sequence = this.proposals.nextSequence();
    const data = encodePayload({ origin: this.origin, sequence, kind, bytes });
    this.proposals.add({
      sequence,
      since: this.env.clock.monotonic(),
      entry: { type: 'normal', data },
      proposal,
      reign: proposal.asLeader ? this.reign : undefined,
      resolve: () => undefined,
      reject: (error) => sink.failed(proposal, error),
    });
    this.poke();
  }

  /** Puts a change of one member through the log. Rejects with etcd's reason when it no longer makes sense by then. */
  change(type: ConfChange['type'], context: Omit<ChangeContext, 'origin' | 'sequence'>): Promise<void> {
    const sequence = this.proposals.nextSequence();
    const change = writeChange(type, { ...context, origin: this.origin, sequence });
    return this.wait({ type: 'confChange', change }, sequence);
  }

  /** Says under which name, and where, this member serves. */
  publish(attributes: Pick<MemberInfo, 'id' | 'name' | 'clientURLs'>): Promise<void> {
    const sequence = this.proposals.nextSequence();
    const bytes = Buffer.from(JSON.stringify(attributes));
    return this.wait({ type: 'normal', data: encodePayload({ origin: this.origin, sequence, kind: attributesKind, bytes }) }, sequence);
  }

  private wait(entry: { type: 'confChange'; change: ConfChange } | { type: 'normal'; data: Uint8Array }, sequence: number): Promise<void> {
    if (this.stopped) return Promise.reject(etcdError('stopped'));
    return new Promise<void>((resolve, reject) => {
      const again = entry.type === 'confChange' ? this.env.clock.every(proposeAgainMs, () => void this.raft.propose([entry])) : undefined;
      this.proposals.add({
        sequence,
        since: this.env.clock.monotonic(),
        entry,
        resolve: () => (again?.cancel(), resolve()),
        reject: (error) => (again?.cancel(), reject(error as Error)),
      });
      this.poke();
    });
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
    while (this.leader !== to) {
      if (this.env.clock.monotonic() >= until || this.stopped) throw etcdError('timeoutTransfer');
      await this.leaderChange(until - this.env.clock.monotonic());
    }
  }

  /** Resolves when there is another leader or none, or after a while. */
  private leaderChange(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.env.clock.after(withinMs, resolve);
      this.leaderWaits.push(() => (timer.cancel(), resolve()));
    });
  }

  /** A message of another member. */
  receive(message: Message): void {
    if (this.stopped || message.to !== this.status.id || message.type === 'snapshot') return;
    this.raft.step(message);
    this.poke();
  }

  /** A snapshot of the leader, whole. */
  receiveSnapshot(message: Extract<Message, { type: 'snapshot' }>, chunks: readonly Uint8Array[]): void {
    if (this.stopped || message.to !== this.status.id) return;
    this.incoming.set(message.snapshot.index, chunks);
    this.raft.step(message);
    this.poke();
  }

  /** Calls `hook` when there was no leader for three elections' time; returns how to take it back. */
  onLeaderless(hook: () => void): () => void {
    this.leaderlessHooks.add(hook);
    return () => this.leaderlessHooks.delete(hook);
  }

  unreachable(member: MemberId): void {
    this.raft.reportUnreachable(member);
  }

  private tick(): void {
    this.raft.tick();
    this.reads.tick();
    this.proposals.expire(this.env.clock.monotonic() - this.timeoutMs);
    this.links.check();
    if (this.leaderlessSince !== undefined && this.env.clock.monotonic() - this.leaderlessSince > 3 * this.options.electionMs) {
      this.leaderlessSince = undefined;
      for (const hook of this.leaderlessHooks) hook();
    }
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
      this.incoming.clear();
      this.noticeLeader();
      await this.options.sink.idle?.(this.raft.log.applied);
    }
  }

  /** Brings proposals and questions of this member before the algorithm. */
  private ask(): void {
    if (this.proposals.queued && this.leader) {
      const { role, term } = this.status;
      this.proposals.endReigns(role === 'leader' ? term : 0);
      this.proposals.flush(term, (entries) => this.raft.propose(entries) === undefined);
    }
    if (this.reads.isDue) this.reads.ask();
  }

  private async handle(ready: Ready): Promise<void> {
    this.send(ready.messages);
    const { snapshot } = ready;
    if (snapshot) await this.install(ready);
    else if (ready.mustSync) await this.room.write(() => this.options.journal.write(ready, this.leads));
    this.raft.persisted(ready);
    this.send(ready.afterPersist);
    this.noticeLeader();
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
    const data = encodePayload({ origin: this.origin, sequence: this.proposals.nextSequence(), ...encodeEntry(noSpaceAlarm(id)) });
    this.links.send([{ type: 'propose', from: id, to: leader, term, entries: [{ type: 'normal', data }] }]);
    return true;
  }

  private async install(ready: Ready): Promise<void> {
    const index = ready.snapshot?.index as number;
    const chunks = this.incoming.get(index);
    if (!chunks) throw new Error(`the data of snapshot ${index} is missing`);
    const source = async function* (): AsyncIterable<Uint8Array> {
      yield* chunks;
    };
    await this.room.write(() => this.options.journal.install(source(), ready));
    const { members, removed } = this.options.sink.restore(Buffer.concat(chunks));
    this.membership.replace(members, removed);
    this.links.prune((id) => this.membership.get(id) !== undefined);
    this.env.log.info('took a snapshot of the leader', { index });
    this.checkRemoved();
  }

  private send(messages: readonly Message[]): void {
    if (!messages.some(({ type }) => type === 'snapshot')) return this.links.send(messages);
    this.links.send(messages.filter(({ type }) => type !== 'snapshot'));
    for (const message of messages) if (message.type === 'snapshot') this.sendSnapshot(message);
  }

  /** The state as it is now, which may be newer than when the algorithm asked for it. */
  private sendSnapshot(message: Extract<Message, { type: 'snapshot' }>): void {
    const { configuration } = this.status;
    const index = this.raft.log.applied;
    const { chunks, release } = this.options.sink.snapshot();
    this.env.log.info('sending a snapshot', { member: message.to, index });
    const arrived = (did: boolean): void => {
      release();
      this.raft.reportSnapshot(message.to, did);
      this.poke();
    };
    this.links.sendSnapshot({ ...message, snapshot: { index, term: this.appliedTerm, configuration } }, chunks).then(
      () => arrived(true),
      (error: unknown) => {
        this.env.log.warn('a snapshot did not arrive', { member: message.to, error });
        arrived(false);
      },
    );
  }

  private noticeLeader(): void {
    const { leader, role, term } = this.status;
    if (leader !== this.leader) {
      if (this.leader) this.proposals.leaderLostAt = this.env.clock.monotonic();
      this.leader = leader;
      this.leaderlessSince = leader ? undefined : this.env.clock.monotonic();
      this.env.log.info(leader ? 'there is a leader' : 'there is no leader', { leader, term: this.status.term });
      if (leader) this.reads.leaderChanged();
      for (const wake of this.leaderWaits.splice(0)) wake();
      this.poked = true;
    }
    const reign = role === 'leader' ? term : 0;
    if (reign === this.reign) return;
    this.reign = reign;
    this.leads = reign > 0;
    this.options.sink.leading(this.leads);
  }

  private apply(entry: Entry): void {
    const { sink } = this.options;
    const { index, term } = entry;
    if (term > this.lastAppliedTerm) this.proposals.overtaken((this.lastAppliedTerm = term));
    if (entry.type === 'normal') {
      const { origin, sequence, kind, bytes } = decodePayload(entry.data);
      const own = origin === this.origin ? this.proposals.take(sequence) : undefined;
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
    const own = context.origin === this.origin ? this.proposals.take(context.sequence) : undefined;
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
    if (this.leads) this.options.sink.leading(false);
    this.leads = false;
    this.reign = 0;
    this.leader = '';
    this.links.close();
    this.proposals.fail(error);
    this.reads.fail(error);
    for (const wake of this.leaderWaits.splice(0)) wake();
  }

  /** Stops taking part; a leader hands over first, so that the others need not wait for an election. */
  async drain(): Promise<void> {
    if (this.stopped) return;
    const heir = this.wasRemoved ? undefined : this.heir();
    if (heir) await this.transferLeader(heir).catch((error: unknown) => this.env.log.warn('nobody took over', { error }));
    this.close(etcdError('stopped'));
    await this.running;
  }

  /** The voter that has most of the log. */
  private heir(): MemberId | undefined {
    const { role, configuration, id, progress } = this.status;
    if (role !== 'leader') return undefined;
    const others = configuration.voters.filter((voter) => voter !== id && progress.get(voter)?.recentlyActive);
    return others.sort((a, b) => (progress.get(b)?.match ?? 0) - (progress.get(a)?.match ?? 0))[0];
  }

  /** For `Snapshotter`: begins a new segment with what a snapshot taken now will lack. */
  mark(): Promise<number> {
    const { hardState, log } = this.raft;
    return this.options.journal.mark({ entries: log.slice(log.applied + 1, log.stable) ?? [], hardState });
  }
}
