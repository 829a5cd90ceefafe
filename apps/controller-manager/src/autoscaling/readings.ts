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

/** The selector of a metric is none, so nobody was asked. */
export class MetricSelectorError extends MetricError {}
