import type { Core } from './core.ts';
import type { MemberId, Message } from './messages.ts';
import { quorumOf } from './quorum.ts';

function release(core: Core, to: MemberId, requestId: number, index: number): void {
  if (to === core.id) core.reads.push({ requestId, index });
  else core.send({ type: 'readIndexResponse', to, requestId, index });
}

/**
 * A leader is asked what a linearizable read must see: what is committed now, once a majority has confirmed that it still
 * is the leader. Returns whether a heartbeat must ask them.
 */
export function requestRead(core: Core, from: MemberId, requestId: number): boolean {
  if (!core.hasCommittedInTerm) {
    core.earlyReads.push({ from, requestId });
    return false;
  }
  if (quorumOf(core.configuration.voters) === 1 && core.isVoter) {
    release(core, from, requestId, core.log.committed);
    return false;
  }
  core.pendingReads.push({ id: core.nextReadId++, index: core.log.committed, from, requestId });
  return true;
}

/** A member confirms that it follows this leader: all reads asked for before that heartbeat count it. */
export function confirmReads(core: Core, message: Extract<Message, { type: 'heartbeatResponse' }>): void {
  const progress = core.progress.get(message.from);
  if (!progress || message.readId === 0) return;
  progress.readId = Math.max(progress.readId, message.readId);
  answerReads(core);
}

/** Releases what a majority has confirmed, in order. */
export function answerReads(core: Core): void {
  if (core.earlyReads.length && core.hasCommittedInTerm) {
    const early = core.earlyReads;
    core.earlyReads = [];
    for (const { from, requestId } of early) requestRead(core, from, requestId);
  }
  const { voters } = core.configuration;
  const quorum = quorumOf(voters);
  for (let read = core.pendingReads[0]; read; read = core.pendingReads[0]) {
    const { id } = read;
    const confirmed = voters.filter((voter) => voter === core.id || (core.progress.get(voter)?.readId ?? 0) >= id).length;
    if (confirmed < quorum) return;
    core.pendingReads.shift();
    release(core, read.from, read.requestId, read.index);
  }
}
