import type { Pod } from '@orrery/api/types';
import { isReady } from '../pods/pod-state.ts';
import { type PodGroups, type ReadinessSettings, groupPods, podRequests } from './pod-groups.ts';
import { MetricError, type PodSamples } from './readings.ts';

/** How far from 1 the ratio of what is to what should be may lie before anything is done. */
export interface Tolerance {
  readonly up: number;
  readonly down: number;
}

/** What a calculation is about. */
export interface Situation {
  /** Of the scale target's spec. */
  readonly current: number;
  /** Those that the scale's selector matches. */
  readonly pods: readonly Pod[];
  readonly tolerance: Tolerance;
  readonly settings: ReadinessSettings;
  readonly nowMs: number;
}

/** How many replicas a metric asks for, and what it was measured at (percent, or thousandths a pod). */
export interface Proposal {
  readonly replicas: number;
  readonly utilization: number;
  /** Of utilizations: thousandths a pod. */
  readonly raw?: number;
}

type Values = Map<string, number>;

interface Usage {
  readonly ratio: number;
  readonly utilization: number;
  readonly raw?: number;
}

/** A way to see usage, and what a pod without sample is taken for when others are below the target. */
interface Measure {
  usage(values: Values): Usage;
  missingBelow(pod: string): number;
}

const isWithin = (ratio: number, { up, down }: Tolerance): boolean => ratio >= 1 - down && ratio <= 1 + up;

const hasTurned = (before: number, after: number): boolean => (before < 1 && after > 1) || (before > 1 && after < 1);

function requirePods({ pods }: Situation): void {
  if (pods.length === 0) throw new MetricError('no pods returned by selector while calculating replica count');
}

/** The samples that count, once those of ignored and starting pods are gone. */
function trusted(samples: PodSamples, { ignored, unready }: PodGroups): Values {
  const values: Values = new Map();
  for (const [pod, { value }] of samples) if (!ignored.has(pod) && !unready.has(pod)) values.set(pod, value);
  return values;
}

const requireValues = (values: Values): void => {
  if (values.size === 0) throw new MetricError('did not receive metrics for targeted pods (pods might be unready)');
};

/**
 * Upstream's rule for metrics of pods: pods without samples count against a change, starting ones count as idle when others are
 * above the target, and a change whose direction that turns is none.
 */
function propose(values: Values, groups: PodGroups, { situation, measure }: { situation: Situation; measure: Measure }): Proposal {
  const { current, tolerance } = situation;
  const { ratio, ...seen } = measure.usage(values);
  const stay: Proposal = { replicas: current, ...seen };
  const withUnready = groups.unready.size > 0 && ratio > 1;
  if (!withUnready && groups.missing.size === 0) return isWithin(ratio, tolerance) ? stay : { ...seen, replicas: Math.ceil(ratio * groups.readyCount) };
  if (ratio !== 1) for (const pod of groups.missing) values.set(pod, ratio < 1 ? measure.missingBelow(pod) : 0);
  if (withUnready) for (const pod of groups.unready) values.set(pod, 0);
  const adjusted = measure.usage(values).ratio;
  if (isWithin(adjusted, tolerance) || hasTurned(ratio, adjusted)) return stay;
  const replicas = Math.ceil(adjusted * values.size);
  const isBackwards = (adjusted < 1 && replicas > current) || (adjusted > 1 && replicas < current);
  return isBackwards ? stay : { ...seen, replicas };
}

const sum = (values: Iterable<number>): number => [...values].reduce((so, value) => so + value, 0);

/** Percent of what pods request. */
function ofRequests(requests: ReadonlyMap<string, number>, target: number): Measure {
  const fallback = Math.max(100, target);
  return {
    usage(values) {
      const known = [...values].filter(([pod]) => requests.has(pod));
      const requested = sum(known.map(([pod]) => requests.get(pod) ?? 0));
      if (requested === 0) throw new MetricError('no metrics returned matched known pods');
      const used = sum(known.map(([, value]) => value));
      const utilization = Math.trunc((used * 100) / requested);
      return { ratio: utilization / target, utilization, raw: Math.trunc(used / known.length) };
    },
    missingBelow: (pod) => Math.trunc(((requests.get(pod) ?? 0) * fallback) / 100),
  };
}

/** An amount a pod. */
function ofAmount(target: number): Measure {
  return {
    usage(values) {
      const utilization = Math.trunc(sum(values.values()) / values.size);
      return { ratio: utilization / target, utilization };
    },
    missingBelow: () => target,
  };
}

export interface ResourceTarget {
  /** `cpu` or `memory`. */
  readonly resource: string;
  /** Empty: the whole pod. */
  readonly container: string;
}

/** For a share of the request, in percent. Throws MetricError. */
export function utilizationReplicas(samples: PodSamples, target: ResourceTarget & { readonly percent: number }, situation: Situation): Proposal {
  requirePods(situation);
  const { resource, container, percent } = target;
  const groups = groupPods(situation.pods, samples, { resource, ...situation });
  const values = trusted(samples, groups);
  requireValues(values);
  return propose(values, groups, { situation, measure: ofRequests(podRequests(situation.pods, resource, container), percent) });
}

/** For an amount a pod, in thousandths; `resource` is empty for metrics that are none. Throws MetricError. */
export function amountReplicas(samples: PodSamples, target: { readonly resource: string; readonly average: number }, situation: Situation): Proposal {
  requirePods(situation);
  const groups = groupPods(situation.pods, samples, { resource: target.resource, ...situation });
  const values = trusted(samples, groups);
  requireValues(values);
  return propose(values, groups, { situation, measure: ofAmount(target.average) });
}

/** For one value that all pods bring about together. From zero, ready pods and tolerance do not count. Throws MetricError. */
export function valueReplicas(value: number, target: number, situation: Situation): Proposal {
  const { current, pods, tolerance } = situation;
  const ratio = value / target;
  if (current === 0) return { replicas: Math.ceil(ratio), utilization: value };
  if (isWithin(ratio, tolerance)) return { replicas: current, utilization: value };
  if (pods.length === 0) throw new MetricError('unable to calculate ready pods: no pods returned by selector while calculating replica count');
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length;
  return { replicas: Math.ceil(ratio * ready), utilization: value };
}

/** For one value, of which each pod is to have so much; `replicas` are those of the scale's status. */
export function sharedReplicas(value: number, average: number, { replicas, tolerance }: { readonly replicas: number; readonly tolerance: Tolerance }): Proposal {
  const ratio = value / (average * replicas);
  return { replicas: isWithin(ratio, tolerance) ? replicas : Math.ceil(value / average), utilization: replicas === 0 ? 0 : Math.ceil(value / replicas) };
}
