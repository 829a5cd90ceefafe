import type { Pod } from '@orrery/api/types';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Scores, maxNodeScore } from '../../framework/types.ts';
import { type Constraint, countOn, hasAllKeys, hostnameKey, isEligible } from './constraints.ts';

/** A raw score that says: the node lacks a topology key and gets nothing. */
const ignored = -1;

export interface ScoreFacts {
  readonly constraints: readonly Constraint[];
  /** By constraint: matching pods by domain; empty for host names, which are counted node by node. */
  readonly counts: readonly ReadonlyMap<string, number>[];
  /** By constraint: grows with the number of domains, so that few large domains do not drown many small ones. */
  readonly weights: readonly number[];
}

export interface Candidates {
  /** The nodes that passed the filters. */
  readonly nodes: readonly NodeInfo[];
  readonly snapshot: Snapshot;
}

/** Domains are those of the candidates; the pods in them are counted over all nodes. */
export function scoreFacts(pod: Pod, constraints: readonly Constraint[], { nodes, snapshot }: Candidates): ScoreFacts {
  const scored = nodes.filter((node) => hasAllKeys(node.labels, constraints));
  const counts = constraints.map(({ topologyKey }) => {
    const domains = new Map<string, number>();
    if (topologyKey !== hostnameKey) for (const node of scored) domains.set(node.labels[topologyKey] ?? '', 0);
    return domains;
  });
  const weights = constraints.map(({ topologyKey }, i) => Math.log((topologyKey === hostnameKey ? scored.length : (counts[i]?.size ?? 0)) + 2));
  for (const node of snapshot.nodes) {
    if (!hasAllKeys(node.labels, constraints)) continue;
    constraints.forEach((constraint, i) => {
      const domains = counts[i];
      const value = node.labels[constraint.topologyKey] ?? '';
      const sum = domains?.get(value);
      if (sum !== undefined && isEligible(constraint, pod, node)) domains?.set(value, sum + countOn(node, constraint, pod.metadata?.namespace));
    });
  }
  return { constraints, counts, weights };
}

/** Low is good: matching pods in the node's domains, weighed. */
export function scoreOf({ constraints, counts, weights }: ScoreFacts, pod: Pod, node: NodeInfo): number {
  if (!hasAllKeys(node.labels, constraints)) return ignored;
  let score = 0;
  for (let i = 0; i < constraints.length; i++) {
    const constraint = constraints[i] as Constraint;
    const { topologyKey } = constraint;
    const count = topologyKey === hostnameKey ? countOn(node, constraint, pod.metadata?.namespace) : (counts[i]?.get(node.labels[topologyKey] ?? '') ?? 0);
    score += count * (weights[i] ?? 0) + constraint.maxSkew - 1;
  }
  return Math.round(score);
}

/** Turns the scale round: the emptiest domains get 100. */
export function reverse(scores: Scores): void {
  let [low, high] = [Infinity, 0];
  for (const score of scores) if (score !== ignored) [low, high] = [Math.min(low, score), Math.max(high, score)];
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] ?? 0;
    if (score === ignored) scores[i] = 0;
    else scores[i] = high === 0 ? maxNodeScore : Math.floor((maxNodeScore * (high + low - score)) / high);
  }
}
