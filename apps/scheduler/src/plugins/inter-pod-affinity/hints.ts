import type { Node, Pod } from '@orrery/api/types';
import { type AffinityTerm, type NamespaceLabels, affinityTermsOf, allTermsMatch, termMatches } from '../../cache/affinity-terms.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { ClusterEvent } from '../../framework/types.ts';

function anyMatches(terms: readonly AffinityTerm[], pod: Pod, labelsOf: NamespaceLabels): boolean {
  return terms.some((term) => termMatches(term, pod, labelsOf));
}

/** Whether a pod that came, changed or went may have made room for a waiting one. */
export function podHelps(waiting: PodInfo, event: ClusterEvent, labelsOf: NamespaceLabels): boolean {
  const now = event.object as Pod;
  const affinity = waiting.affinity?.requiredAffinity ?? [];
  const antiAffinity = waiting.affinity?.requiredAntiAffinity ?? [];
  if (event.action === 'Add') return allTermsMatch(affinity, now, labelsOf);
  const before = event.action === 'Update' ? (event.old as Pod) : now;
  const [matched, matches] = [allTermsMatch(affinity, before, labelsOf), event.action === 'Update' && allTermsMatch(affinity, now, labelsOf)];
  if (matches && !matched) return true;
  // The last of a group gone, the waiting pod may be the first of a new one.
  if (matched && !matches && allTermsMatch(affinity, waiting.pod, labelsOf)) return true;
  if (event.action === 'Update') return antiAffinity.some((term) => termMatches(term, before, labelsOf) && !termMatches(term, now, labelsOf));
  return anyMatches(antiAffinity, now, labelsOf) || anyMatches(affinityTermsOf(now)?.requiredAntiAffinity ?? [], waiting.pod, labelsOf);
}

/** A node that lacks a topology key of required affinity is no place for the pod; a node that changed or went may have shifted a domain. */
export function nodeHelps(waiting: PodInfo, event: ClusterEvent): boolean {
  if (event.action === 'Delete') return true;
  const labels = (event.object as Node).metadata?.labels ?? {};
  if (event.action === 'Update') return JSON.stringify(labels) !== JSON.stringify((event.old as Node).metadata?.labels ?? {});
  return (waiting.affinity?.requiredAffinity ?? []).every(({ topologyKey }) => labels[topologyKey] !== undefined);
}
