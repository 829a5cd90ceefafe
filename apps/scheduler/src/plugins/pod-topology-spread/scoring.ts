import type { Pod } from '@orrery/api/types';
import type { DeltaLog, PodDelta } from '../../cache/delta-log.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Scores, maxNodeScore } from '../../framework/types.ts';
import { type Constraint, countPods, counts, hostnameKey, isEligible } from './constraints.ts';

/** A raw score that says: the node lacks a topology key and gets nothing. */
const ignored = -1;
/** The domain of a node that lacks the topology key. */
const nowhere = -1;

/** The domains of one constraint, by number: labels of thousands of nodes are looked at once and not for every pod. */
interface Domains {
  readonly constraint: Constraint;
  /** As in `Layout`. A change of nodes or of their labels voids the sums, and these with them. */
  readonly at: Int32Array;
  /** By domain: matching pods. */
  readonly pods: Float64Array;
}

/** By constraint. */
export type ScoreCounts = readonly Domains[];

export interface ScoreFacts {
  readonly counts: ScoreCounts;
  /** By constraint: grows with the number of domains, so that few large domains do not drown many small ones. */
  readonly weights: readonly number[];
  /** Nodes without all keys get nothing. Not so for upstream's own default constraints. */
  readonly needsAllKeys: boolean;
}

/** What is counted, and where. */
export interface ScoreWish {
  readonly pod: Pod;
  readonly constraints: readonly Constraint[];
  readonly needsAllKeys: boolean;
}

/** In which domain each node is, for one topology key. */
interface Layout {
  /** By the slot of a node its domain. */
  readonly at: Int32Array;
  readonly domains: number;
}

function layoutOf(topologyKey: string, nodes: readonly NodeInfo[]): Layout {
  const numbers = new Map<string, number>();
  const at = new Int32Array(nodes.reduce((most, { slot }) => Math.max(most, slot), -1) + 1).fill(nowhere);
  for (const { slot, name, labels } of nodes) {
    const label = labels[topologyKey];
    if (label === undefined) continue;
    const domain = topologyKey === hostnameKey ? name : label;
    let number = numbers.get(domain);
    if (number === undefined) numbers.set(domain, (number = numbers.size));
    at[slot] = number;
  }
  return { at, domains: numbers.size };
}

/** By topology key, as long as nodes and their labels stay: groups of pods are many, and it is the same for all. */
const layouts = new WeakMap<DeltaLog, { readonly epoch: number; readonly byKey: Map<string, Layout> }>();

function layoutIn({ deltas, nodes }: Snapshot, topologyKey: string): Layout {
  if (!deltas) return layoutOf(topologyKey, nodes);
  const { epoch } = deltas.mark();
  let known = layouts.get(deltas);
  if (known?.epoch !== epoch) layouts.set(deltas, (known = { epoch, byKey: new Map() }));
  let layout = known.byKey.get(topologyKey);
  if (!layout) known.byKey.set(topologyKey, (layout = layoutOf(topologyKey, nodes)));
  return layout;
}

function domainsOf(constraint: Constraint, snapshot: Snapshot): Domains {
  const { at, domains } = layoutIn(snapshot, constraint.topologyKey);
  return { constraint, at, pods: new Float64Array(domains) };
}

function domainOf({ at }: Domains, { slot }: NodeInfo): number {
  return at[slot] ?? nowhere;
}

function hasAllKeys(sums: ScoreCounts, node: NodeInfo): boolean {
  for (const domains of sums) if (domainOf(domains, node) === nowhere) return false;
  return true;
}

function add({ pod, needsAllKeys }: ScoreWish, sums: ScoreCounts, domains: Domains, where: { node: NodeInfo; by: number }): void {
  const { node, by } = where;
  const { constraint, pods } = domains;
  const domain = domainOf(domains, node);
  if (domain === nowhere || (needsAllKeys && !hasAllKeys(sums, node))) return;
  if (constraint.topologyKey === hostnameKey || isEligible(constraint, pod, node)) pods[domain] = (pods[domain] ?? 0) + by;
}

/** Matching pods over all nodes. */
export function countForScore(wish: ScoreWish, snapshot: Snapshot): ScoreCounts {
  const sums = wish.constraints.map((constraint) => domainsOf(constraint, snapshot));
  for (const domains of sums) countPods(domains.constraint, wish.pod.metadata?.namespace, snapshot, (node, by) => add(wish, sums, domains, { node, by }));
  return sums;
}

/** Counts a pod that came or went. */
export function countScoreDelta(wish: ScoreWish, sums: ScoreCounts, { node, pod: other, sign }: PodDelta): void {
  if (other.pod.metadata?.namespace !== wish.pod.metadata?.namespace || !node.node) return;
  for (const domains of sums) if (counts(domains.constraint, other.pod)) add(wish, sums, domains, { node, by: sign });
}

/** In how many domains the nodes are. */
function spreadOf(domains: Domains, nodes: readonly NodeInfo[], takesPart: (node: NodeInfo) => boolean): number {
  const seen = new Uint8Array(domains.pods.length);
  let found = 0;
  for (let i = 0; i < nodes.length && found < seen.length; i++) {
    const node = nodes[i] as NodeInfo;
    const domain = domainOf(domains, node);
    if (domain === nowhere || seen[domain] || !takesPart(node)) continue;
    seen[domain] = 1;
    found += 1;
  }
  return found;
}

/** `nodes` are those that passed the filters: a constraint weighs by how many domains they are in. */
export function scoreFacts(sums: ScoreCounts, nodes: readonly NodeInfo[], needsAllKeys: boolean): ScoreFacts {
  const takesPart = (node: NodeInfo): boolean => !needsAllKeys || hasAllKeys(sums, node);
  const weights = sums.map((domains) => {
    if (domains.constraint.topologyKey !== hostnameKey) return Math.log(spreadOf(domains, nodes, takesPart) + 2);
    return Math.log((needsAllKeys ? nodes.filter(takesPart).length : nodes.length) + 2);
  });
  return { counts: sums, weights, needsAllKeys };
}

/** Low is good: matching pods in the nodes' domains, weighed. */
export function scoreAll({ counts: sums, weights, needsAllKeys }: ScoreFacts, nodes: readonly NodeInfo[], scores: Scores): void {
  for (let n = 0; n < nodes.length; n++) scores[n] = 0;
  for (let i = 0; i < sums.length; i++) {
    const { at, pods, constraint } = sums[i] as Domains;
    const weight = weights[i] ?? 0;
    const more = constraint.maxSkew - 1;
    for (let n = 0; n < nodes.length; n++) {
      const domain = at[(nodes[n] as NodeInfo).slot] ?? nowhere;
      if (domain === nowhere) scores[n] = needsAllKeys ? Number.NaN : (scores[n] ?? 0);
      else scores[n] = (scores[n] ?? 0) + (pods[domain] ?? 0) * weight + more;
    }
  }
  for (let n = 0; n < nodes.length; n++) scores[n] = Number.isNaN(scores[n]) ? ignored : Math.round(scores[n] ?? 0);
}

/** Turns the scale round: the emptiest domains get 100. */
export function reverse(scores: Scores): void {
  let [low, high] = [Infinity, 0];
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] ?? 0;
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
