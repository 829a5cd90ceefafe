import type { Pod } from '@orrery/api/types';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';

/** Above this, what is over is looked for. */
const tidyAt = 1_000;

/** Preemptions whose evictions the cache has not seen yet: their pods would only choose further victims. */
export interface PendingEvictions {
  begin(pod: PodInfo, nodeName: string, victims: readonly PodInfo[]): void;
  /** No victim is on its way out yet, as far as the cache knows. */
  isPending(uid: string): boolean;
  /** An event is about a victim of the pod. */
  concerns(uid: string, victim: Pod): boolean;
  end(uid: string): void;
}

export function createPendingEvictions(snapshot: () => Snapshot): PendingEvictions {
  const pending = new Map<string, { readonly nodeName: string; readonly victims: ReadonlySet<string> }>();
  const isPending = (uid: string): boolean => {
    const found = pending.get(uid);
    if (!found) return false;
    const there = snapshot().get(found.nodeName);
    for (const victim of found.victims) {
      const pod = there?.pods.get(victim)?.pod;
      if (pod && !pod.metadata?.deletionTimestamp) return true;
    }
    pending.delete(uid);
    return false;
  };
  return {
    begin(pod, nodeName, victims) {
      if (pending.size >= tidyAt) for (const uid of [...pending.keys()]) isPending(uid);
      pending.set(pod.uid, { nodeName, victims: new Set(victims.map(({ uid }) => uid)) });
    },
    isPending,
    concerns: (uid, victim) => pending.get(uid)?.victims.has(victim.metadata?.uid ?? '') ?? false,
    end: (uid) => void pending.delete(uid),
  };
}
