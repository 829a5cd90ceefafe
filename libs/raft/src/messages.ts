/** A member of the cluster: etcd's 64-bit id in decimal. */
export type MemberId = string;

/** Who counts. Learners get everything and decide nothing. Both sorted. */
export interface Configuration {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
}

export type ConfChange =
  | { readonly type: 'addVoter' | 'addLearner' | 'remove'; readonly member: MemberId; readonly context?: Uint8Array }
  /** Changes what is known of a member (its addresses), not who counts. */
  | { readonly type: 'update'; readonly member: MemberId; readonly context?: Uint8Array };

export type Entry =
  | { readonly index: number; readonly term: number; readonly type: 'normal'; readonly data: Uint8Array }
  | { readonly index: number; readonly term: number; readonly type: 'confChange'; readonly change: ConfChange }
  /** What a new leader begins its term with. */
  | { readonly index: number; readonly term: number; readonly type: 'empty' };

/** What must be on disk before any answer that depends on it. */
export interface HardState {
  readonly term: number;
  /** Empty: nobody yet. */
  readonly vote: MemberId;
  readonly commit: number;
}

/** Everything up to an entry, in place of the entries. The data itself is the caller's: it knows it by index. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

interface Header {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's term; of pre-votes the term the candidate would have. */
  readonly term: number;
}

export type Message = Header &
  (
    | { readonly type: 'vote' | 'preVote'; readonly lastIndex: number; readonly lastTerm: number; /** Asked by the leader itself: leases do not count. */ readonly transfer: boolean }
    | { readonly type: 'voteResponse' | 'preVoteResponse'; readonly granted: boolean }
    | { readonly type: 'append'; readonly prevIndex: number; readonly prevTerm: number; readonly entries: readonly Entry[]; readonly commit: number }
    | { readonly type: 'appendResponse'; readonly index: number; readonly rejected: false }
    /** `index` is what was refused; `hint` the last place where the logs may agree, with its term there. */
    | { readonly type: 'appendResponse'; readonly index: number; readonly rejected: true; readonly hintIndex: number; readonly hintTerm: number }
    | { readonly type: 'heartbeat'; readonly commit: number; /** The newest read that waits to hear that this is still the leader. */ readonly readId: number }
    | { readonly type: 'heartbeatResponse'; readonly readId: number }
    | { readonly type: 'snapshot'; readonly snapshot: SnapshotMeta }
    /** Where a follower's request for a read goes; answered with the index that the read must see. */
    | { readonly type: 'readIndex'; readonly requestId: number }
    | { readonly type: 'readIndexResponse'; readonly requestId: number; readonly index: number }
    /** A follower passes on what was proposed to it. */
    | { readonly type: 'propose'; readonly entries: readonly ProposedEntry[] }
    | { readonly type: 'transferLeader'; readonly transferee: MemberId }
    | { readonly type: 'timeoutNow' }
  );

export type ProposedEntry = { readonly type: 'normal'; readonly data: Uint8Array } | { readonly type: 'confChange'; readonly change: ConfChange };
