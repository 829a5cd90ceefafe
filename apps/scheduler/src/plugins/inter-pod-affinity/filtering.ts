import { type AffinityTerm, type NamespaceLabels, allTermsMatch, termMatches } from '../../cache/affinity-terms.ts';
import type { PodDelta } from '../../cache/delta-log.ts';
import type { Folding } from '../../cache/fold.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Status, unresolvable, unschedulable } from '../../framework/status.ts';
import { type TopologyCounts, addTo, countIn } from './topology-counts.ts';

const affinityRefused = unresolvable("node(s) didn't match pod affinity rules");
const antiAffinityRefused = unschedulable("node(s) didn't match pod anti-affinity rules");
const existingRefused = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

/** What the required terms come to over the whole snapshot, so that a node is judged by look-ups alone. */
export interface FilterFacts {
  readonly affinity: readonly AffinityTerm[];
  readonly antiAffinity: readonly AffinityTerm[];
  /** Pods that match all affinity terms of the incoming pod. */
  readonly wanted: TopologyCounts;
  /** Pods that match an anti-affinity term of the incoming pod. */
  readonly unwanted: TopologyCounts;
  /** Pods with an anti-affinity term that matches the incoming pod. */
  readonly unwelcoming: TopologyCounts;
  /** The pod satisfies its own affinity, so it may be the first of its group. */
  readonly matchesItself: boolean;
}

/** A pod that is there, came (1) or went (-1), as the required terms see it. */
function count(facts: FilterFacts, pod: PodInfo, { node, pod: other, sign }: PodDelta, labelsOf: NamespaceLabels): void {
  const { affinity, antiAffinity } = facts;
  for (const term of other.affinity?.requiredAntiAffinity ?? []) if (termMatches(term, pod.pod, labelsOf)) addTo(facts.unwelcoming, node, term, sign);
  if (affinity.length && allTermsMatch(affinity, other.pod, labelsOf)) for (const term of affinity) addTo(facts.wanted, node, term, sign);
  for (const term of antiAffinity) if (termMatches(term, other.pod, labelsOf)) addTo(facts.unwanted, node, term, sign);
}

/** How the facts about a pod are made, and kept as pods come and go. */
export function folding(pod: PodInfo, snapshot: Snapshot, labelsOf: NamespaceLabels): Folding<FilterFacts> {
  const affinity = pod.affinity?.requiredAffinity ?? [];
  const antiAffinity = pod.affinity?.requiredAntiAffinity ?? [];
  return {
    make() {
      const facts: FilterFacts = { affinity, antiAffinity, wanted: new Map(), unwanted: new Map(), unwelcoming: new Map(), matchesItself: allTermsMatch(affinity, pod.pod, labelsOf) };
      const own = affinity.length + antiAffinity.length > 0;
      for (const node of snapshot.nodes) for (const other of own ? node.pods.values() : node.affinityPods) count(facts, pod, { node, pod: other, sign: 1 }, labelsOf);
      return facts;
    },
    apply(facts, delta) {
      if (delta.node.node) count(facts, pod, delta, labelsOf);
    },
  };
}

/** No required term, the pod's own or another's, has any bearing on the pod. */
export function isIdle({ affinity, antiAffinity, unwelcoming }: FilterFacts): boolean {
  return affinity.length + antiAffinity.length + unwelcoming.size === 0;
}

/** None can have, without a look. */
export function cannotMatter({ affinity }: PodInfo, snapshot: Snapshot): boolean {
  return snapshot.affinityPodCount === 0 && !affinity?.requiredAffinity.length && !affinity?.requiredAntiAffinity.length;
}

function meetsAffinity({ affinity, wanted, matchesItself }: FilterFacts, node: NodeInfo): boolean {
  let present = true;
  for (const { topologyKey } of affinity) {
    const value = node.labels[topologyKey];
    if (value === undefined) return false;
    if (countIn(wanted, topologyKey, value) === 0) present = false;
  }
  return present || (wanted.size === 0 && matchesItself);
}

function meetsAntiAffinity({ antiAffinity, unwanted }: FilterFacts, node: NodeInfo): boolean {
  for (const { topologyKey } of antiAffinity) {
    const value = node.labels[topologyKey];
    if (value !== undefined && countIn(unwanted, topologyKey, value) > 0) return false;
  }
  return true;
}

function isWelcome({ unwelcoming }: FilterFacts, node: NodeInfo): boolean {
  for (const [topologyKey, domains] of unwelcoming) {
    const value = node.labels[topologyKey];
    if (value !== undefined && (domains.get(value) ?? 0) > 0) return false;
  }
  return true;
}

/** In upstream's order: the first rule broken names the reason. */
export function judge(facts: FilterFacts, node: NodeInfo): Status | undefined {
  if (!meetsAffinity(facts, node)) return affinityRefused;
  if (!meetsAntiAffinity(facts, node)) return antiAffinityRefused;
  return isWelcome(facts, node) ? undefined : existingRefused;
}
