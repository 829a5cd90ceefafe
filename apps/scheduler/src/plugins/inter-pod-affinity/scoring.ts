import { type AffinityTerm, type NamespaceLabels, termMatches } from '../../cache/affinity-terms.ts';
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

/**
 * Weights by domain: of the pod's preferred terms for every pod there that matches, and of the terms of pods that are there
 * and match the pod. Empty when nothing applies.
 */
export function scoreFacts(pod: PodInfo, options: ScoreOptions): TopologyCounts {
  const { snapshot, labelsOf, hardPodAffinityWeight, ignoreTheirs } = options;
  const counts: TopologyCounts = new Map();
  const preferred = pod.affinity?.preferredAffinity ?? [];
  const avoided = pod.affinity?.preferredAntiAffinity ?? [];
  const apply = (terms: readonly AffinityTerm[], to: PodInfo, at: { node: NodeInfo; sign: 1 | -1; weight?: number }): void => {
    for (const term of terms) if (termMatches(term, to.pod, labelsOf)) addTo(counts, at.node, term, at.sign * (at.weight ?? term.weight));
  };
  const own = preferred.length + avoided.length > 0;
  if (!own && (ignoreTheirs || snapshot.affinityPodCount === 0)) return counts;
  for (const node of snapshot.nodes) {
    if (own) {
      for (const other of node.pods.values()) {
        apply(preferred, other, { node, sign: 1 });
        apply(avoided, other, { node, sign: -1 });
      }
    }
    for (const { affinity } of node.affinityPods) {
      if (!affinity) continue;
      if (hardPodAffinityWeight > 0) apply(affinity.requiredAffinity, pod, { node, sign: 1, weight: hardPodAffinityWeight });
      apply(affinity.preferredAffinity, pod, { node, sign: 1 });
      apply(affinity.preferredAntiAffinity, pod, { node, sign: -1 });
    }
  }
  return counts;
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
  for (const score of scores) [low, high] = [Math.min(low, score), Math.max(high, score)];
  for (let i = 0; i < scores.length; i++) scores[i] = high > low ? Math.floor(maxNodeScore * (((scores[i] ?? 0) - low) / (high - low))) : 0;
}
