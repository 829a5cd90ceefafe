import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '@orrery/api/types';
import { type Selector, SelectorError, selectorFromObject } from '@orrery/apimachinery';

/** One term of pod (anti-)affinity with its selectors parsed. */
export interface AffinityTerm {
  readonly topologyKey: string;
  /** Named namespaces; the pod's own when the term names none and selects none. */
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelector: Selector | undefined;
  /** The API server has merged `matchLabelKeys` and `mismatchLabelKeys` into it when the pod was created. */
  readonly selector: Selector;
  /** 0 for required terms. */
  readonly weight: number;
}

export interface PodAffinityTerms {
  readonly requiredAffinity: readonly AffinityTerm[];
  readonly requiredAntiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly AffinityTerm[];
  readonly preferredAntiAffinity: readonly AffinityTerm[];
  /** Why the terms could not be read; all lists are empty then. */
  readonly error?: string;
}

/** Labels of a namespace by its name; undefined when it is not known. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

function parse(pod: Pod, term: PodAffinityTerm, weight: number): AffinityTerm {
  const named = term.namespaces ?? [];
  const own = named.length === 0 && !term.namespaceSelector;
  return {
    topologyKey: term.topologyKey,
    namespaces: new Set(own ? [pod.metadata?.namespace ?? ''] : named),
    namespaceSelector: term.namespaceSelector ? selectorFromObject(term.namespaceSelector) : undefined,
    selector: selectorFromObject(term.labelSelector),
    weight,
  };
}

/** The pod affinity terms of a pod; undefined when it has none. */
export function affinityTermsOf(pod: Pod): PodAffinityTerms | undefined {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  if (!podAffinity && !podAntiAffinity) return undefined;
  const required = (terms: readonly PodAffinityTerm[] | undefined): AffinityTerm[] => (terms ?? []).map((term) => parse(pod, term, 0));
  const preferred = (terms: readonly WeightedPodAffinityTerm[] | undefined): AffinityTerm[] =>
    (terms ?? []).map(({ podAffinityTerm, weight }) => parse(pod, podAffinityTerm, weight));
  try {
    return {
      requiredAffinity: required(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
      requiredAntiAffinity: required(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
      preferredAffinity: preferred(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
      preferredAntiAffinity: preferred(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    };
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    return { requiredAffinity: [], requiredAntiAffinity: [], preferredAffinity: [], preferredAntiAffinity: [], error: error.message };
  }
}

/** The pod is one the term speaks of, wherever it runs. */
export function termMatches(term: AffinityTerm, pod: Pod, labelsOf: NamespaceLabels): boolean {
  const namespace = pod.metadata?.namespace ?? '';
  if (!term.namespaces.has(namespace) && !term.namespaceSelector?.matches(labelsOf(namespace))) return false;
  return term.selector.matches(pod.metadata?.labels);
}

/** All terms speak of the pod; false without terms. */
export function allTermsMatch(terms: readonly AffinityTerm[], pod: Pod, labelsOf: NamespaceLabels): boolean {
  return terms.length > 0 && terms.every((term) => termMatches(term, pod, labelsOf));
}
