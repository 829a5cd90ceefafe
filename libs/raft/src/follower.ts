import type { Core } from './core.ts';
import type { Message, SnapshotMeta } from './messages.ts';

/** A message of the leader of this term: whoever stood against it gives up. */
function follow(core: Core, leader: string): void {
  if (core.role === 'leader') throw new Error(`two leaders of term ${core.term}: ${core.id} and ${leader}`);
  if (core.role !== 'follower' || core.leader !== leader) core.becomeFollower(core.term, leader);
  core.electionElapsed = 0;
}

export function acceptAppend(core: Core, message: Extract<Message, { type: 'append' }>): void {
  follow(core, message.from);
  const { log } = core;
  const { entries, from: to, prevIndex, prevTerm } = message;
  if (prevIndex < log.committed) {
    core.send({ type: 'appendResponse', to, index: log.committed, rejected: false });
    return;
  }
  if (!log.matches(prevIndex, prevTerm)) {
    const { index: hintIndex, term: hintTerm } = log.findConflict(prevIndex, prevTerm);
    core.send({ type: 'appendResponse', to, index: prevIndex, rejected: true, hintIndex, hintTerm });
    return;
  }
  log.merge(entries);
  const last = entries.at(-1)?.index ?? prevIndex;
  log.committed = Math.max(log.committed, Math.min(message.commit, last));
  core.send({ type: 'appendResponse', to, index: last, rejected: false });
}

export function acceptHeartbeat(core: Core, message: Extract<Message, { type: 'heartbeat' }>): void {
  follow(core, message.from);
  const { log } = core;
  if (message.commit > log.lastIndex) throw new Error(`heartbeat commits ${message.commit}, the log ends at ${log.lastIndex}: was it lost?`);
  log.committed = Math.max(log.committed, message.commit);
  core.send({ type: 'heartbeatResponse', to: message.from, readId: message.readId });
}

/** Returns the snapshot when it takes the place of what is here. */
export function acceptSnapshot(core: Core, message: Extract<Message, { type: 'snapshot' }>): SnapshotMeta | undefined {
  follow(core, message.from);
  const { log } = core;
  const { from: to, snapshot } = message;
  const isNeeded = snapshot.index > log.committed && !log.matches(snapshot.index, snapshot.term);
  if (!isNeeded) {
    log.committed = Math.max(log.committed, Math.min(snapshot.index, log.lastIndex));
    core.send({ type: 'appendResponse', to, index: log.committed, rejected: false });
    return undefined;
  }
  log.restore(snapshot);
  core.configuration = snapshot.configuration;
  core.becomeFollower(core.term, to);
  core.send({ type: 'appendResponse', to, index: snapshot.index, rejected: false });
  return snapshot;
}
