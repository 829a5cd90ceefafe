import { applyConfChange } from './configuration.ts';
import { Core, type RaftOptions, type ReadState, type Role } from './core.ts';
import { acceptVote, answerVote, campaign, ownVotePersisted } from './election.ts';
import { acceptAppend, acceptHeartbeat, acceptSnapshot } from './follower.ts';
import type { ConfChange, Configuration, Entry, HardState, MemberId, Message, ProposedEntry, SnapshotMeta } from './messages.ts';
import { type Progress, newProgress } from './progress.ts';
import type { RaftLog } from './raft-log.ts';
import { requestRead } from './reads.ts';
import { acceptAppendResponse, acceptHeartbeatResponse, acknowledgeOwn, advanceCommit, appendOwn, broadcastAppend, broadcastHeartbeat, snapshotSent, unreachable } from './replication.ts';

/**
 * What the caller has to do, in this order: send `messages`; write `snapshot`, `entries` and `hardState` to disk (and sync
 * when `mustSync`); call `persisted`; send `afterPersist`. `committed` may be applied, and `reads` served, at any time
 * after; only one Ready is out at a time.
 */
export interface Ready {
  readonly hardState: HardState;
  readonly mustSync: boolean;
  readonly entries: readonly Entry[];
  /** Received from the leader, in place of all that is here: its data came with the message. */
  readonly snapshot: SnapshotMeta | undefined;
  readonly messages: readonly Message[];
  readonly afterPersist: readonly Message[];
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadState[];
}

/** Why a proposal was not taken. */
export type Refusal = 'noLeader' | 'transferring' | 'tooMuch' | 'confChangePending' | 'notMember';

export interface RaftStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: number;
  readonly leader: MemberId;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly configuration: Configuration;
  /** Of a leader. */
  readonly progress: ReadonlyMap<MemberId, Readonly<Progress>>;
}

/**
 * One member of a Raft cluster as a state machine: messages and ticks go in, `ready()` says what to do. No clock, no disk, no
 * network, no chance of its own.
 */
export class Raft {
  private readonly core: Core;
  private saved: HardState;
  private restored: SnapshotMeta | undefined;

  constructor(options: RaftOptions) {
    this.core = new Core(options);
    this.saved = options.hardState;
  }

  get log(): RaftLog {
    return this.core.log;
  }

  get status(): RaftStatus {
    const { configuration, id, leader, log, progress, role, term } = this.core;
    return { id, role, term, leader, commit: log.committed, applied: log.applied, lastIndex: log.lastIndex, configuration, progress };
  }

  /** Time passes. */
  tick(): void {
    const { core } = this;
    core.electionElapsed += 1;
    if (core.role !== 'leader') {
      // Who may not stand goes on counting: else it would seem, again and again, to have just heard the leader.
      if (core.electionElapsed >= core.electionTimeout && core.isVoter) {
        core.electionElapsed = 0;
        campaign(core, 'ask');
      }
      return;
    }
    core.heartbeatElapsed += 1;
    if (core.electionElapsed >= core.options.electionTicks) {
      core.electionElapsed = 0;
      // Whoever was to take over did not within an election's time.
      core.transferee = '';
      if (core.options.checkQuorum && !this.hearsFromQuorum()) {
        core.becomeFollower(core.term, '');
        return;
      }
    }
    if (core.heartbeatElapsed >= core.options.heartbeatTicks) {
      core.heartbeatElapsed = 0;
      broadcastHeartbeat(core);
    }
  }

  private hearsFromQuorum(): boolean {
    const { configuration, id, progress } = this.core;
    const active = configuration.voters.filter((voter) => voter === id || progress.get(voter)?.recentlyActive).length;
    for (const [member, one] of progress) if (member !== id) one.recentlyActive = false;
    return active > configuration.voters.length / 2;
  }

  /** Stands for election now. */
  campaign(): void {
    campaign(this.core, 'ask');
  }

  /** Adds entries to the log, or passes them on to the leader. Undefined: taken, which is not yet committed. */
  propose(entries: readonly ProposedEntry[]): Refusal | undefined {
    const { core } = this;
    if (core.role !== 'leader') {
      if (!core.leader) return 'noLeader';
      core.send({ type: 'propose', to: core.leader, entries });
      return undefined;
    }
    if (!core.progress.has(core.id)) return 'notMember';
    if (core.transferee) return 'transferring';
    for (const entry of entries) {
      if (entry.type !== 'confChange') continue;
      // One at a time, and only by a leader that knows what is committed: so every two majorities share a member.
      if (core.pendingConfIndex > core.log.applied || !core.hasCommittedInTerm) return 'confChangePending';
      if (entry.change.type === 'remove' && core.configuration.voters.every((voter) => voter === entry.change.member)) return 'notMember';
    }
    const bytes = entries.reduce((sum, entry) => sum + (entry.type === 'normal' ? entry.data.length : 0), 0);
    if (core.uncommittedBytes > 0 && bytes > 0 && core.uncommittedBytes + bytes > core.options.maxUncommittedBytes) return 'tooMuch';
    const at = entries.findIndex(({ type }) => type === 'confChange');
    if (at >= 0) core.pendingConfIndex = core.log.lastIndex + 1 + at;
    appendOwn(core, entries);
    broadcastAppend(core);
    return undefined;
  }

  /** Asks for the index that a linearizable read must see; the answer comes in `reads`, or never: ask again after a while. */
  readIndex(requestId: number): Refusal | undefined {
    const { core } = this;
    if (core.role === 'leader') {
      if (requestRead(core, core.id, requestId)) broadcastHeartbeat(core);
      return undefined;
    }
    if (!core.leader) return 'noLeader';
    core.send({ type: 'readIndex', to: core.leader, requestId });
    return undefined;
  }

  /** Hands leadership over; without effect when it does not succeed within an election's time. */
  transferLeader(transferee: MemberId): void {
    const { core } = this;
    if (core.role !== 'leader') {
      if (core.leader) core.send({ type: 'transferLeader', to: core.leader, transferee });
      return;
    }
    const progress = core.progress.get(transferee);
    if (!progress || transferee === core.id || !core.configuration.voters.includes(transferee)) return;
    core.electionElapsed = 0;
    core.transferee = transferee;
    if (progress.match === core.log.lastIndex) core.send({ type: 'timeoutNow', to: transferee });
    else broadcastAppend(core);
  }

  /** The carrier of messages could not deliver. */
  reportUnreachable(member: MemberId): void {
    unreachable(this.core, member);
  }

  reportSnapshot(member: MemberId, arrived: boolean): void {
    snapshotSent(this.core, member, arrived);
  }

  /** Call for each committed change of members, as it is applied. Returns who counts from now on. */
  applyConfChange(change: ConfChange): Configuration {
    const { core } = this;
    const next = applyConfChange(core.configuration, change);
    if (next === core.configuration) return next;
    core.configuration = next;
    for (const member of core.members) {
      if (core.progress.has(member)) continue;
      // It counts as active: else the next check of the quorum would find it silent before it could speak.
      core.progress.set(member, { ...newProgress(core.log.lastIndex, member === core.id), recentlyActive: true });
    }
    for (const member of [...core.progress.keys()]) if (!core.members.includes(member)) core.progress.delete(member);
    if (core.role !== 'leader') return next;
    if (!core.isVoter) {
      core.becomeFollower(core.term, '');
      return next;
    }
    if (core.transferee && !next.voters.includes(core.transferee)) core.transferee = '';
    // Fewer voters may be a majority that is there already.
    advanceCommit(core);
    broadcastAppend(core);
    return next;
  }

  /** A message from another member. */
  step(message: Message): void {
    const { core } = this;
    if (message.term > core.term) {
      if (this.ignoresNewer(message)) return;
      const isAboutFuture = message.type === 'preVote' || (message.type === 'preVoteResponse' && message.granted);
      if (!isAboutFuture) {
        const isLeader = message.type === 'append' || message.type === 'heartbeat' || message.type === 'snapshot';
        core.becomeFollower(message.term, isLeader ? message.from : '');
      }
    } else if (message.term < core.term) {
      this.answerOlder(message);
      return;
    }
    this.dispatch(message);
  }

  /** Someone who does not hear the leader asks for votes: those who hear it do not listen. */
  private ignoresNewer(message: Message): boolean {
    const { core } = this;
    if (message.type !== 'vote' && message.type !== 'preVote') return false;
    return !message.transfer && core.options.checkQuorum && core.leader !== '' && core.electionElapsed < core.options.electionTicks;
  }

  private answerOlder(message: Message): void {
    const { core } = this;
    const { from, type } = message;
    if (type === 'append' || type === 'heartbeat') {
      // A leader of an older term learns of the newer one; otherwise one who was away could never come back.
      core.send({ type: 'appendResponse', to: from, index: core.log.committed, rejected: false });
    } else if (type === 'preVote') core.send({ type: 'preVoteResponse', to: from, granted: false });
  }

  private dispatch(message: Message): void {
    const { core } = this;
    switch (message.type) {
      case 'vote':
      case 'preVote':
        return answerVote(core, message);
      case 'voteResponse':
      case 'preVoteResponse':
        return acceptVote(core, message);
      case 'append':
        return acceptAppend(core, message);
      case 'heartbeat':
        return acceptHeartbeat(core, message);
      case 'snapshot':
        this.restored = acceptSnapshot(core, message) ?? this.restored;
        return;
      case 'readIndexResponse':
        core.reads.push({ requestId: message.requestId, index: message.index });
        return;
      case 'propose':
        // A refusal is silent: whoever proposed finds that nothing comes of it.
        if (core.role === 'leader') void this.propose(message.entries);
        return;
      case 'timeoutNow':
        return campaign(core, 'transfer');
      case 'transferLeader':
        if (core.role === 'leader') this.transferLeader(message.transferee);
        return;
      default:
        if (core.role === 'leader') this.dispatchToLeader(message);
    }
  }

  private dispatchToLeader(message: Extract<Message, { type: 'appendResponse' | 'heartbeatResponse' | 'readIndex' }>): void {
    const { core } = this;
    if (message.type === 'appendResponse') acceptAppendResponse(core, message);
    else if (message.type === 'heartbeatResponse') acceptHeartbeatResponse(core, message);
    else if (requestRead(core, message.from, message.requestId)) broadcastHeartbeat(core);
  }

  /** What must be on disk by now, or soon: the latest Ready may still be being written. */
  get hardState(): HardState {
    const { log, term, vote } = this.core;
    return { term, vote, commit: log.committed };
  }

  /** What there is to do; undefined when there is nothing. */
  ready(): Ready | undefined {
    const { core } = this;
    const { hardState, restored: snapshot } = this;
    const entries = core.log.unstable;
    const committed = core.log.applicable;
    const { messages, afterPersist, reads } = core;
    const hasNews = hardState.term !== this.saved.term || hardState.vote !== this.saved.vote;
    const nothing = !hasNews && !snapshot && hardState.commit === this.saved.commit && entries.length + committed.length + messages.length + afterPersist.length + reads.length === 0;
    if (nothing) return undefined;
    core.messages = [];
    core.afterPersist = [];
    core.reads = [];
    this.restored = undefined;
    return { hardState, mustSync: hasNews || entries.length > 0 || snapshot !== undefined, entries, snapshot, messages, afterPersist, committed, reads };
  }

  /** The Ready's entries and state are on disk. */
  persisted(ready: Ready): void {
    const { core } = this;
    this.saved = ready.hardState;
    const last = ready.entries.at(-1);
    // Meanwhile a leader may have cut the tail off that was being written.
    if (last && core.log.matches(last.index, last.term)) core.log.stable = Math.max(core.log.stable, last.index);
    if (ready.hardState.term !== core.term) return;
    if (ready.hardState.vote === core.id) ownVotePersisted(core);
    acknowledgeOwn(core, core.log.stable);
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: number): void {
    this.core.log.applied = Math.max(this.core.log.applied, index);
  }

  /** The state machine's state up to `index` is on disk: the entries before may go, but for the last `keep`. */
  compact(index: number, keep = 0): void {
    const { configuration, log } = this.core;
    const at = Math.min(index, log.applied) - keep;
    const term = log.termAt(at);
    if (at > log.snapshotMeta.index && term !== undefined) log.compact({ index: at, term, configuration });
  }
}
