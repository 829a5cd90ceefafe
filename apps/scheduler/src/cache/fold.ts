import type { Mark, PodDelta } from './delta-log.ts';
import type { Snapshot } from './snapshot.ts';

/** Sums over all pods for one group of pods: made once, then kept by what comes and goes. */
export interface Folding<Facts> {
  make(): Facts;
  apply(facts: Facts, delta: PodDelta): void;
}

/**
 * The sums of a group, up to date with the snapshot; of a what-if snapshot they are made anew. They are changed in place later: use them
 * within the cycle.
 */
export type Fold<Facts> = (group: string, snapshot: Snapshot, folding: Folding<Facts>) => Facts;

/** Keeps the groups asked for most lately. */
export function createFold<Facts>(limit = 32): Fold<Facts> {
  const kept = new Map<string, { mark: Mark; readonly facts: Facts }>();
  return (group, snapshot, folding) => {
    const { deltas } = snapshot;
    if (!deltas) return folding.make();
    const found = kept.get(group);
    kept.delete(group);
    if (found && deltas.since(found.mark, (delta) => folding.apply(found.facts, delta))) {
      found.mark = deltas.mark();
      kept.set(group, found);
      return found.facts;
    }
    const facts = folding.make();
    kept.set(group, { mark: deltas.mark(), facts });
    if (kept.size > limit) kept.delete(kept.keys().next().value as string);
    return facts;
  };
}
