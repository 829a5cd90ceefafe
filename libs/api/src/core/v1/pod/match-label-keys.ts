import type { LabelSelector, Pod, PodAffinityTerm } from '../../../../gen/types.ts';

interface Keyed {
  labelSelector?: LabelSelector;
  matchLabelKeys?: string[];
  mismatchLabelKeys?: string[];
}

function requireOwnValues(term: Keyed | undefined, { labels, keys, operator }: { labels: Record<string, string>; keys: readonly string[] | undefined; operator: string }): void {
  if (!term?.labelSelector) return;
  for (const key of keys ?? []) {
    const value = labels[key];
    if (value === undefined) continue;
    term.labelSelector.matchExpressions = [...(term.labelSelector.matchExpressions ?? []), { key, operator, values: [value] }];
  }
}

function affinityTerms(pod: Pod): PodAffinityTerm[] {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  return [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm ?? {}),
  ]);
}

/** Turns `matchLabelKeys` of affinity and spreading into requirements with the pod's own label values, as the API server does on create. */
export function mergeMatchLabelKeys(pod: Pod): void {
  const labels = pod.metadata?.labels ?? {};
  for (const term of affinityTerms(pod)) {
    requireOwnValues(term, { labels, keys: term?.matchLabelKeys, operator: 'In' });
    requireOwnValues(term, { labels, keys: term?.mismatchLabelKeys, operator: 'NotIn' });
  }
  for (const constraint of pod.spec?.topologySpreadConstraints ?? []) {
    requireOwnValues(constraint, { labels, keys: constraint.matchLabelKeys, operator: 'In' });
  }
}
