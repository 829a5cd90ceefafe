import type { MemberId } from './messages.ts';

/** More than half. */
export function quorumOf(voters: readonly MemberId[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** The highest value that a majority has reached. */
export function reachedByQuorum(voters: readonly MemberId[], valueOf: (member: MemberId) => number): number {
  if (voters.length === 0) return 0;
  const values = voters.map(valueOf).sort((a, b) => b - a);
  return values[quorumOf(voters) - 1] as number;
}

export type VoteResult = 'won' | 'lost' | 'pending';

export function countVotes(voters: readonly MemberId[], votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const quorum = quorumOf(voters);
  if (granted >= quorum) return 'won';
  return granted + missing >= quorum ? 'pending' : 'lost';
}
