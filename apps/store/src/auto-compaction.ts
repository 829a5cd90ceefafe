import type { Env } from '@orrery/runtime';
import type { Member } from './member.ts';

/** Looks taken per retention period. */
const looks = 10;

/** Compacts to the revision that was current one retention period ago, as etcd's periodic mode. Returns how to stop it. */
export function startAutoCompaction(env: Env, member: Member, retentionMs: number): () => void {
  const seen: { at: number; revision: number }[] = [];
  const look = (): void => {
    const now = env.clock.monotonic();
    seen.push({ at: now, revision: member.state.revision });
    let target = 0;
    while (seen[0] && seen[0].at <= now - retentionMs) target = (seen.shift() as { revision: number }).revision;
    if (!member.isLeader || target <= Math.max(member.state.compactRevision, 1)) return;
    member.compact({ revision: target }).catch((error: unknown) => env.log.warn('automatic compaction failed', { revision: target, error }));
  };
  const timer = env.clock.every(retentionMs / looks, look);
  return () => timer.cancel();
}
