import type { Pod } from '@orrery/api/types';
import type { PodDelta } from '../../cache/delta-log.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Scores, maxNodeScore } from '../../framework/types.ts';
import { type Constraint, countPods, counts, hasAllKeys, hostnameKey, isEligible } from './constraints.ts';

/** A raw score that says: the node lacks a topology key and gets nothing. */
const ignored = -1;

/** By constraint: matching pods by domain, of domains that may have some; for host names by the name of the node. */
export type ScoreCounts = readonly Map<string, number>[];

export interface ScoreFacts {
  readonly constraints: readonly Constraint[];
  readonly counts: ScoreCounts;
  /** By constraint: grows with the number of domains, so that few large domains do not drown many small ones. */
  readonly weights: readonly number[];
  /** Nodes without all keys get nothing. Not so for upstream's own default constraints. */
  readonly needsAllKeys: boolean;
}

const domainOf = (node: NodeInfo, topologyKey: string): string => (topologyKey === hostnameKey ? node.name : (node.labels[topologyKey] ?? ''));

function takesPart(node: NodeInfo, constraint: Constraint, pod: Pod): boolean {
  return node.labels[constraint.topologyKey] !== undefined && (constraint.topologyKey === hostnameKey || isEligible(constraint, pod, node));
}

/** What is counted, and where. */
export interface ScoreWish {
  readonly pod: Pod;
  readonly constraints: readonly Constraint[];
  readonly needsAllKeys: boolean;
}

function add({ pod, constraints, needsAllKeys }: ScoreWish, sums: ScoreCounts, i: number, where: { node: NodeInfo; by: number }): void {
  const { node, by } = where;
  const constraint = constraints[i] as Constraint;
  if ((needsAllKeys && !hasAllKeys(node.labels, constraints)) || !takesPart(node, constraint, pod)) return;
  const domain = domainOf(node, constraint.topologyKey);
  sums[i]?.set(domain, (sums[i]?.get(domain) ?? 0) + by);
}

/** Matching pods over all nodes. */
export function countForScore(wish: ScoreWish, snapshot: Snapshot): ScoreCounts {
  const sums = wish.constraints.map(() => new Map<string, number>());
  wish.constraints.forEach((constraint, i) => countPods(constraint, wish.pod.metadata?.namespace, snapshot, (node, by) => add(wish, sums, i, { node, by })));
  return sums;
}

/** Counts a pod that came or went. */
export function countScoreDelta(wish: ScoreWish, sums: ScoreCounts, { node, pod: other, sign }: PodDelta): void {
  if (other.pod.metadata?.namespace !== wish.pod.metadata?.namespace || !node.node) return;
  wish.constraints.forEach((constraint, i) => {
    if (counts(constraint, other.pod)) add(wish, sums, i, { node, by: sign });
  });
}

/** `nodes` are those that passed the filters: a constraint weighs by how many domains they are in. */
export function scoreFacts(constraints: readonly Constraint[], sums: ScoreCounts, nodes: readonly NodeInfo[], needsAllKeys: boolean): ScoreFacts {
  const scored = needsAllKeys ? nodes.filter((node) => hasAllKeys(node.labels, constraints)) : nodes;
  const weights = constraints.map(({ topologyKey }) => {
    if (topologyKey === hostnameKey) return Math.log(scored.length + 2);
    const domains = new Set<string>();
    for (const { labels } of scored) if (labels[topologyKey] !== undefined) domains.add(labels[topologyKey]);
    return Math.log(domains.size + 2);
  });
  return { constraints, counts: sums, weights, needsAllKeys };
}

/** Low is good: matching pods in the node's domains, weighed. */
export function scoreOf({ constraints, counts: sums, weights, needsAllKeys }: ScoreFacts, node: NodeInfo): number {
  if (needsAllKeys && !hasAllKeys(node.labels, constraints)) return ignored;
  let score = 0;
  for (let i = 0; i < constraints.length; i++) {
    const { topologyKey, maxSkew } = constraints[i] as Constraint;
    if (node.labels[topologyKey] === undefined) continue;
    score += (sums[i]?.get(domainOf(node, topologyKey)) ?? 0) * (weights[i] ?? 0) + maxSkew - 1;
  }
  return Math.round(score);
}

/** Turns the scale round: the emptiest domains get 100. */
export function reverse(scores: Scores): void {
  let [low, high] = [Infinity, 0];
  for (const score of scores) {
    if (score === ignored) continue;
    if (score < low) low = score;
    if (score > high) high = score;
  }
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] ?? 0;
    if (score === ignored) scores[i] = 0;
    else scores[i] = high === 0 ? maxNodeScore : Math.floor((maxNodeScore * (high + low - score)) / high);
  }
}
