import type { Core } from './core.ts';
import type { Entry, MemberId, Message, ProposedEntry } from './messages.ts';
import { type Progress, acknowledge, becomeProbe, becomeReplicate, becomeSnapshot, isPaused, refuse } from './progress.ts';
import { reachedByQuorum } from './quorum.ts';
import { entryBytes } from './raft-log.ts';
import { answerReads, confirmReads } from './reads.ts';

/** Sends what the member lacks, if it may be sent anything now. Without entries only when `evenEmpty`. */
function sendAppend(core: Core, to: MemberId, evenEmpty: boolean): boolean {
  const progress = core.progress.get(to);
  if (!progress || isPaused(progress, core.options.maxInFlight)) return false;
  const { log } = core;
  const prevIndex = progress.next - 1;
  const prevTerm = log.termAt(prevIndex);
  const entries = prevTerm === undefined ? undefined : log.slice(progress.next, log.lastIndex, core.options.maxMessageBytes);
  if (prevTerm === undefined || entries === undefined) return sendSnapshot(core, to, progress);
  if (entries.length === 0 && !evenEmpty) return false;
  core.send({ type: 'append', to, prevIndex, prevTerm, entries, commit: log.committed });
  if (progress.state === 'replicate') {
    const last = entries.at(-1);
    if (last) {
      progress.next = last.index + 1;
      progress.inFlight.push(last.index);
    }
  } else progress.paused = true;
  return true;
}

/** The state machine as it is now stands for all entries that are gone. */
function sendSnapshot(core: Core, to: MemberId, progress: Progress): boolean {
  if (!progress.recentlyActive) return false;
  const { log, configuration } = core;
  const term = log.termAt(log.applied);
  if (term === undefined || log.applied === 0) return false;
  core.send({ type: 'snapshot', to, snapshot: { index: log.applied, term, configuration } });
  becomeSnapshot(progress, log.applied);
  return true;
}

export function broadcastAppend(core: Core): void {
  for (const member of core.others) sendAppend(core, member, true);
}

export function broadcastHeartbeat(core: Core): void {
  const readId = core.pendingReads.at(-1)?.id ?? 0;
  for (const member of core.others) {
    const match = core.progress.get(member)?.match ?? 0;
    // Never more than the member is known to have: it takes this for true.
    core.send({ type: 'heartbeat', to: member, commit: Math.min(match, core.log.committed), readId });
  }
}

/** Says whether more became committed. Only an entry of the leader's own term commits by count; earlier ones with it. */
export function advanceCommit(core: Core): boolean {
  const { log } = core;
  const index = reachedByQuorum(core.configuration.voters, (member) => core.progress.get(member)?.match ?? 0);
  if (index <= log.committed || log.termAt(index) !== core.term) return false;
  for (const entry of log.slice(log.committed + 1, index) ?? []) core.uncommittedBytes = Math.max(0, core.uncommittedBytes - entryBytes(entry));
  log.committed = index;
  answerReads(core);
  return true;
}

/** Puts entries at the end of the leader's log. */
export function appendOwn(core: Core, proposed: readonly (ProposedEntry | { readonly type: 'empty' })[]): void {
  let index = core.log.lastIndex;
  const entries = proposed.map((entry): Entry => ({ ...entry, index: ++index, term: core.term }));
  for (const entry of entries) core.uncommittedBytes += entryBytes(entry);
  core.log.append(entries);
}

/** The leader's own disk has everything up to `index`. */
export function acknowledgeOwn(core: Core, index: number): void {
  const progress = core.progress.get(core.id);
  if (core.role !== 'leader' || !progress) return;
  acknowledge(progress, index);
  if (advanceCommit(core)) broadcastAppend(core);
}

type AppendResponse = Extract<Message, { type: 'appendResponse' }>;

export function acceptAppendResponse(core: Core, message: AppendResponse): void {
  const { from } = message;
  const progress = core.progress.get(from);
  if (!progress) return;
  progress.recentlyActive = true;
  if (message.rejected) {
    // Skip a whole term at once: the member cannot agree where its term is newer than what the leader has there.
    const hint = message.hintTerm > 0 ? core.log.findConflict(message.hintIndex, message.hintTerm).index : message.hintIndex;
    if (refuse(progress, message.index, hint)) sendAppend(core, from, true);
    return;
  }
  const wasPaused = isPaused(progress, core.options.maxInFlight);
  const isNews = acknowledge(progress, message.index);
  if (!isNews && progress.state !== 'probe' && progress.state !== 'snapshot') return;
  if (progress.state === 'probe') becomeReplicate(progress);
  else if (progress.state === 'snapshot' && progress.match + 1 >= core.log.firstIndex && progress.match >= progress.pendingSnapshot) {
    becomeProbe(progress);
    becomeReplicate(progress);
  }
  if (advanceCommit(core)) broadcastAppend(core);
  // The follower was told the last commit with its entries, unless it had to wait for its turn.
  else if (wasPaused) sendAppend(core, from, true);
  while (sendAppend(core, from, false));
  if (core.transferee === from && progress.match === core.log.lastIndex) core.send({ type: 'timeoutNow', to: from });
}

export function acceptHeartbeatResponse(core: Core, message: Extract<Message, { type: 'heartbeatResponse' }>): void {
  const progress = core.progress.get(message.from);
  if (!progress) return;
  progress.recentlyActive = true;
  progress.paused = false;
  // Room for one more, should acknowledgements have been lost.
  if (progress.state === 'replicate' && progress.inFlight.length >= core.options.maxInFlight) progress.inFlight.shift();
  if (progress.match < core.log.lastIndex || progress.state === 'probe') sendAppend(core, message.from, true);
  confirmReads(core, message);
}

/** The last message to a member was lost, as far as its carrier can tell. */
export function unreachable(core: Core, member: MemberId): void {
  const progress = core.progress.get(member);
  if (core.role === 'leader' && progress?.state === 'replicate') becomeProbe(progress);
}

/** The snapshot for a member arrived there, or did not. */
export function snapshotSent(core: Core, member: MemberId, arrived: boolean): void {
  const progress = core.progress.get(member);
  if (core.role !== 'leader' || progress?.state !== 'snapshot') return;
  if (!arrived) progress.pendingSnapshot = 0;
  becomeProbe(progress);
  // When it arrived its acknowledgement says so; when not, the next heartbeat's answer tries again.
  progress.paused = true;
}
