import type { Pod } from '@orrery/api/types';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Status, unresolvable, unschedulable } from '../../framework/status.ts';
import { type Constraint, countOn, hasAllKeys, isEligible } from './constraints.ts';

const refused = unschedulable("node(s) didn't match pod topology spread constraints");
const labelMissing = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");

/** One constraint over the whole snapshot. */
export interface Spread {
  readonly topologyKey: string;
  readonly counts: ReadonlyMap<string, number>;
  /** A domain may hold this many matching pods before the pod joins it. */
  readonly limit: number;
}

/** A domain is a value of the topology key on an eligible node that carries the keys of all constraints. */
export function spreadsOf(pod: Pod, constraints: readonly Constraint[], snapshot: Snapshot): Spread[] {
  const nodes = snapshot.nodes.filter((node) => hasAllKeys(node.labels, constraints));
  return constraints.map((constraint) => {
    const counts = new Map<string, number>();
    for (const node of nodes) {
      if (!isEligible(constraint, pod, node)) continue;
      const value = node.labels[constraint.topologyKey] ?? '';
      counts.set(value, (counts.get(value) ?? 0) + countOn(node, constraint, pod.metadata?.namespace));
    }
    let least = counts.size < constraint.minDomains ? 0 : Infinity;
    for (const count of counts.values()) least = Math.min(least, count);
    const self = constraint.selector.matches(pod.metadata?.labels) ? 1 : 0;
    return { topologyKey: constraint.topologyKey, counts, limit: least + constraint.maxSkew - self };
  });
}

export function judge(spreads: readonly Spread[], node: NodeInfo): Status | undefined {
  for (const { topologyKey, counts, limit } of spreads) {
    const value = node.labels[topologyKey];
    if (value === undefined) return labelMissing;
    if ((counts.get(value) ?? 0) > limit) return refused;
  }
  return undefined;
}
