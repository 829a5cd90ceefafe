import { type AffinityTerm, type NamespaceLabels, termMatches } from '../../cache/affinity-terms.ts';
import type { PodDelta } from '../../cache/delta-log.ts';
import type { Folding } from '../../cache/fold.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Scores, maxNodeScore } from '../../framework/types.ts';
import { type TopologyCounts, addTo } from './topology-counts.ts';

export interface ScoreOptions {
  readonly snapshot: Snapshot;
  readonly labelsOf: NamespaceLabels;
  /** What a required affinity term of a pod that is there is worth to an incoming pod it matches. */
  readonly hardPodAffinityWeight: number;
  /** What pods that are there prefer counts only for pods that prefer something themselves. */
  readonly ignoreTheirs: boolean;
}

/** A pod that is there, came (1) or went (-1), as the preferences of both sides see it. */
function weigh(counts: TopologyCounts, pod: PodInfo, { node, pod: other, sign }: PodDelta, options: ScoreOptions): void {
  const { labelsOf, hardPodAffinityWeight } = options;
  const apply = (terms: readonly AffinityTerm[], to: PodInfo, by: number, weight?: number): void => {
    for (const term of terms) if (termMatches(term, to.pod, labelsOf)) addTo(counts, node, term, by * (weight ?? term.weight));
  };
  if (pod.affinity) {
    apply(pod.affinity.preferredAffinity, other, sign);
    apply(pod.affinity.preferredAntiAffinity, other, -sign);
  }
  const theirs = other.affinity;
  if (!theirs || isIgnoring(pod, options)) return;
  if (hardPodAffinityWeight > 0) apply(theirs.requiredAffinity, pod, sign, hardPodAffinityWeight);
  apply(theirs.preferredAffinity, pod, sign);
  apply(theirs.preferredAntiAffinity, pod, -sign);
}

const prefers = ({ affinity }: PodInfo): boolean => Boolean(affinity?.preferredAffinity.length || affinity?.preferredAntiAffinity.length);
const isIgnoring = (pod: PodInfo, { ignoreTheirs }: ScoreOptions): boolean => ignoreTheirs && !prefers(pod);

/** No preference, the pod's own or another's, can have any bearing on the pod. */
export function cannotScore(pod: PodInfo, options: ScoreOptions): boolean {
  return !prefers(pod) && (options.ignoreTheirs || options.snapshot.affinityPodCount === 0);
}

/**
 * Weights by domain: of the pod's preferred terms for every pod there that matches, and of the terms of pods that are there
 * and match the pod. Empty when nothing applies.
 */
export function scoreFolding(pod: PodInfo, options: ScoreOptions): Folding<TopologyCounts> {
  return {
    make() {
      const counts: TopologyCounts = new Map();
      const own = prefers(pod);
      for (const node of options.snapshot.nodes) for (const other of own ? node.pods.values() : node.affinityPods) weigh(counts, pod, { node, pod: other, sign: 1 }, options);
      return counts;
    },
    apply(counts, delta) {
      if (delta.node.node) weigh(counts, pod, delta, options);
    },
  };
}

export function scoreOf(counts: TopologyCounts, node: NodeInfo): number {
  let total = 0;
  for (const [topologyKey, domains] of counts) {
    const value = node.labels[topologyKey];
    if (value !== undefined) total += domains.get(value) ?? 0;
  }
  return total;
}

/** The lowest becomes 0, the highest 100; all 0 when they are equal. Raw scores may be negative. */
export function stretch(scores: Scores): void {
  let [low, high] = [Infinity, -Infinity];
  for (const score of scores) {
    if (score < low) low = score;
    if (score > high) high = score;
  }
  for (let i = 0; i < scores.length; i++) scores[i] = high > low ? Math.floor(maxNodeScore * (((scores[i] ?? 0) - low) / (high - low))) : 0;
}
