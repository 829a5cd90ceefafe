import type { Pod } from '@orrery/api/types';
import type { PodDelta } from '../../cache/delta-log.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Status, unresolvable, unschedulable } from '../../framework/status.ts';
import { type Constraint, countPods, counts, hasAllKeys, isEligible } from './constraints.ts';

const refused = unschedulable("node(s) didn't match pod topology spread constraints");
const labelMissing = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");

/** One constraint over the whole snapshot. */
export interface Spread {
  readonly topologyKey: string;
  readonly counts: ReadonlyMap<string, number>;
  /** A domain may hold this many matching pods before the pod joins it. */
  readonly limit: number;
}

/** By constraint: matching pods by domain. */
export type DomainCounts = readonly Map<string, number>[];

/** A domain is a value of the topology key on an eligible node that carries the keys of all constraints. */
export function countDomains(pod: Pod, constraints: readonly Constraint[], snapshot: Snapshot): DomainCounts {
  const nodes = snapshot.nodes.filter((node) => hasAllKeys(node.labels, constraints));
  return constraints.map((constraint) => {
    const domains = new Map<string, number>();
    for (const node of nodes) if (isEligible(constraint, pod, node)) domains.set(node.labels[constraint.topologyKey] ?? '', 0);
    countPods(constraint, pod.metadata?.namespace, snapshot, (node, count) => {
      const value = node.labels[constraint.topologyKey] ?? '';
      const sum = domains.get(value);
      if (sum !== undefined && hasAllKeys(node.labels, constraints) && isEligible(constraint, pod, node)) domains.set(value, sum + count);
    });
    return domains;
  });
}

/** Counts a pod that came or went. */
export function countDelta(pod: Pod, constraints: readonly Constraint[], domains: DomainCounts, { node, pod: other, sign }: PodDelta): void {
  if (other.pod.metadata?.namespace !== pod.metadata?.namespace || !node.node || !hasAllKeys(node.labels, constraints)) return;
  constraints.forEach((constraint, i) => {
    const value = node.labels[constraint.topologyKey] ?? '';
    const sum = domains[i]?.get(value);
    if (sum !== undefined && counts(constraint, other.pod) && isEligible(constraint, pod, node)) domains[i]?.set(value, sum + sign);
  });
}

export function spreadsOf(pod: Pod, constraints: readonly Constraint[], domains: DomainCounts): Spread[] {
  return constraints.map((constraint, i) => {
    const sums = domains[i] ?? new Map<string, number>();
    let least = sums.size < constraint.minDomains ? 0 : Infinity;
    for (const sum of sums.values()) if (sum < least) least = sum;
    const self = constraint.selector.matches(pod.metadata?.labels) ? 1 : 0;
    return { topologyKey: constraint.topologyKey, counts: sums, limit: least + constraint.maxSkew - self };
  });
}

export function judge(spreads: readonly Spread[], node: NodeInfo): Status | undefined {
  for (const { topologyKey, counts: sums, limit } of spreads) {
    const value = node.labels[topologyKey];
    if (value === undefined) return labelMissing;
    if ((sums.get(value) ?? 0) > limit) return refused;
  }
  return undefined;
}
