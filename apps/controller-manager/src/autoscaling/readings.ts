import type { LabelSelector } from '@orrery/api/types';

/** What one pod was measured at; `value` in thousandths. */
export interface PodSample {
  readonly value: number;
  readonly timestampMs: number;
  readonly windowMs: number;
}

/** By the pod's name. */
export type PodSamples = ReadonlyMap<string, PodSample>;

/** What a metrics API said for one metric of an autoscaler: a value a pod, or one value (in thousandths). */
export type Reading = { readonly samples: PodSamples } | { readonly value: number };

/** Why there is no proposal, in upstream's words. */
export class MetricError extends Error {}

const quoted = (labels: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}: ${value},`).join('');

/** A label selector as Go's `%+v` prints it: messages and reasons of events name external metrics with it. */
export function printSelector(selector: LabelSelector | undefined): string {
  if (!selector) return 'nil';
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${(values ?? []).join(' ')}],},`);
  return `&LabelSelector{MatchLabels:map[string]string{${quoted(selector.matchLabels)}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
