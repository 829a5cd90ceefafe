import type { AffinityTerm } from '../../cache/affinity-terms.ts';
import type { NodeInfo } from '../../cache/node-info.ts';

/** Sums by topology key and its value. */
export type TopologyCounts = Map<string, Map<string, number>>;

/** Adds to the domain that a node is in; nodes without the key are in none. What comes to nothing is left out. */
export function addTo(counts: TopologyCounts, node: NodeInfo, { topologyKey }: AffinityTerm, amount: number): void {
  const value = node.labels[topologyKey];
  if (value === undefined) return;
  let domains = counts.get(topologyKey);
  if (!domains) counts.set(topologyKey, (domains = new Map()));
  const sum = (domains.get(value) ?? 0) + amount;
  if (sum !== 0) {
    domains.set(value, sum);
    return;
  }
  domains.delete(value);
  if (domains.size === 0) counts.delete(topologyKey);
}

/** The sum of one domain. */
export function countIn(counts: TopologyCounts, topologyKey: string, value: string): number {
  return counts.get(topologyKey)?.get(value) ?? 0;
}
