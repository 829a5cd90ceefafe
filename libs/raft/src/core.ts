import type { Configuration, HardState, MemberId, Message } from './messages.ts';
import { type Progress, newProgress } from './progress.ts';
import type { RaftLog } from './raft-log.ts';

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** A read that may be served once the state machine is at `index`. */
export interface ReadState {
  readonly requestId: number;
  readonly index: number;
}

export interface RaftOptions {
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly hardState: HardState;
  readonly configuration: Configuration;
  /** A whole number from 0 up to, not including, `bound`. */
  readonly random: (bound: number) => number;
  /** Ticks without a leader after which a member stands for election (each draws up to twice as many). */
  readonly electionTicks?: number;
  readonly heartbeatTicks?: number;
  /** Ask whether an election could be won before disturbing anyone with a new term. */
  readonly preVote?: boolean;
  /** A leader that hears from no majority steps down; members that hear from a leader elect nobody else. */
  readonly checkQuorum?: boolean;
  readonly maxMessageBytes?: number;
  /** Append messages on their way to one member. */
  readonly maxInFlight?: number;
  /** Bytes proposed and not yet committed beyond which a leader takes no more. */
  readonly maxUncommittedBytes?: number;
}

export interface PendingRead {
  readonly id: number;
  readonly index: number;
  readonly from: MemberId;
  readonly requestId: number;
}

/** A message as its sender writes it: who sends it, and in which term, is filled in. */
type Draft<M> = M extends Message ? Omit<M, 'from' | 'term'> & { readonly term?: number } : never;

/** The state that all parts of the algorithm work on. What they decide collects in `messages`, `afterPersist` and `reads`. */
export class Core {
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly options: Required<Omit<RaftOptions, 'hardState' | 'configuration' | 'id' | 'log'>>;
  configuration: Configuration;
  role: Role = 'follower';
  term: number;
  vote: MemberId;
  leader: MemberId = '';
  /** Ticks since the leader was heard (follower), or since the quorum was checked (leader). */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout = 0;
  readonly votes = new Map<MemberId, boolean>();
  readonly progress = new Map<MemberId, Progress>();
  transferee: MemberId = '';
  /** Until this entry is applied no other change of the configuration is taken. */
  pendingConfIndex = 0;
  uncommittedBytes = 0;
  nextReadId = 1;
  pendingReads: PendingRead[] = [];
  /** Reads that came before this leader had committed an entry of its term. */
  earlyReads: { readonly from: MemberId; readonly requestId: number }[] = [];
  /** May go out at once. */
  messages: Message[] = [];
  /** Say that something is on this disk: only when it is. */
  afterPersist: Message[] = [];
  reads: ReadState[] = [];

  constructor(options: RaftOptions) {
    const { id, log, hardState, configuration, ...rest } = options;
    this.id = id;
    this.log = log;
    this.configuration = configuration;
    this.term = hardState.term;
    this.vote = hardState.vote;
    log.committed = Math.max(log.committed, Math.min(hardState.commit, log.lastIndex));
    this.options = { electionTicks: 10, heartbeatTicks: 1, preVote: true, checkQuorum: true, maxMessageBytes: 1024 * 1024, maxInFlight: 256, maxUncommittedBytes: 64 * 1024 * 1024, ...rest };
    this.becomeFollower(this.term, '');
  }

  get isVoter(): boolean {
    return this.configuration.voters.includes(this.id);
  }

  get members(): readonly MemberId[] {
    return [...this.configuration.voters, ...this.configuration.learners];
  }

  get others(): readonly MemberId[] {
    return this.members.filter((member) => member !== this.id);
  }

  /** Has this leader committed anything of its own term? Before that it does not know what is committed. */
  get hasCommittedInTerm(): boolean {
    return this.log.termAt(this.log.committed) === this.term;
  }

  send(draft: Draft<Message>): void {
    const message = { from: this.id, term: this.term, ...draft } as Message;
    // A promise (a vote, an acknowledgement) and a new term must survive a crash of the one who made it.
    const promises = message.type === 'vote' || message.type === 'voteResponse' || message.type === 'preVoteResponse' || message.type === 'appendResponse';
    (promises ? this.afterPersist : this.messages).push(message);
  }

  private reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = '';
    }
    this.leader = '';
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.electionTimeout = this.options.electionTicks + this.options.random(this.options.electionTicks);
    this.votes.clear();
    this.transferee = '';
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.pendingReads = [];
    this.earlyReads = [];
    this.progress.clear();
    for (const member of this.members) this.progress.set(member, newProgress(member === this.id ? this.log.stable : this.log.lastIndex, member === this.id));
  }

  becomeFollower(term: number, leader: MemberId): void {
    this.reset(term);
    this.role = 'follower';
    this.leader = leader;
  }

  /** Nothing changes but the role: a pre-vote binds nobody. */
  becomePreCandidate(): void {
    this.role = 'preCandidate';
    this.votes.clear();
    this.leader = '';
    this.electionElapsed = 0;
    this.electionTimeout = this.options.electionTicks + this.options.random(this.options.electionTicks);
  }

  becomeCandidate(): void {
    this.reset(this.term + 1);
    this.role = 'candidate';
    this.vote = this.id;
  }

  becomeLeader(): void {
    this.reset(this.term);
    this.role = 'leader';
    this.leader = this.id;
    // Changes of earlier terms may be among what is not applied yet.
    this.pendingConfIndex = this.log.lastIndex;
  }
}
