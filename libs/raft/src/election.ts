import type { Core } from './core.ts';
import type { Message } from './messages.ts';
import { countVotes } from './quorum.ts';
import { acknowledgeOwn, appendOwn, broadcastAppend } from './replication.ts';

type VoteRequest = Extract<Message, { type: 'vote' | 'preVote' }>;
type VoteResponse = Extract<Message, { type: 'voteResponse' | 'preVoteResponse' }>;

/** May this member stand? Not a learner, not one that is not in, and none that has a change of members still to apply. */
function canStand(core: Core): boolean {
  if (core.role === 'leader' || !core.isVoter) return false;
  const { log } = core;
  return !(log.slice(log.applied + 1, log.committed) ?? []).some((entry) => entry.type === 'confChange');
}

function askForVotes(core: Core, type: 'vote' | 'preVote', transfer: boolean): void {
  const { lastIndex, lastTerm } = core.log;
  const term = type === 'preVote' ? core.term + 1 : core.term;
  for (const to of core.configuration.voters) if (to !== core.id) core.send({ type, to, term, lastIndex, lastTerm, transfer });
}

/** Stands for election: first asks whether it could be won, unless the leader itself hands over. */
export function campaign(core: Core, how: 'ask' | 'stand' | 'transfer'): void {
  if (!canStand(core)) return;
  if (how === 'ask' && core.options.preVote) {
    core.becomePreCandidate();
    core.votes.set(core.id, true);
    askForVotes(core, 'preVote', false);
    decide(core);
    return;
  }
  core.becomeCandidate();
  // Its own vote counts when it is on its disk: see `ownVotePersisted`.
  askForVotes(core, 'vote', how === 'transfer');
}

export function ownVotePersisted(core: Core): void {
  if (core.role !== 'candidate' || core.votes.has(core.id)) return;
  core.votes.set(core.id, true);
  decide(core);
}

function decide(core: Core): void {
  const result = countVotes(core.configuration.voters, core.votes);
  if (result === 'pending') return;
  if (result === 'lost') {
    // The term of a lost pre-vote was never taken.
    core.becomeFollower(core.term, '');
    return;
  }
  if (core.role === 'preCandidate') {
    campaign(core, 'stand');
    return;
  }
  core.becomeLeader();
  appendOwn(core, [{ type: 'empty' }]);
  acknowledgeOwn(core, core.log.stable);
  broadcastAppend(core);
}

export function answerVote(core: Core, message: VoteRequest): void {
  const { from, lastIndex, lastTerm, term, type } = message;
  const isPre = type === 'preVote';
  const isFree = core.vote === from || (core.vote === '' && core.leader === '') || (isPre && term > core.term);
  const granted = isFree && core.log.isUpToDate(lastIndex, lastTerm);
  // A granted pre-vote is answered in the term it is about; everything else in the member's own.
  core.send({ type: isPre ? 'preVoteResponse' : 'voteResponse', to: from, granted, term: granted ? term : core.term });
  if (!granted || isPre) return;
  core.electionElapsed = 0;
  core.vote = from;
}

export function acceptVote(core: Core, { from, granted, type }: VoteResponse): void {
  const wanted = core.role === 'preCandidate' ? 'preVoteResponse' : core.role === 'candidate' ? 'voteResponse' : undefined;
  if (type !== wanted || core.votes.has(from)) return;
  core.votes.set(from, granted);
  decide(core);
}
