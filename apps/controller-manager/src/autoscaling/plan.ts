import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus, MetricStatus, Pod, Scale } from '@orrery/api/types';
import { parseQuantity, quantityAsNumber } from '@orrery/apimachinery';
import type { EventInput } from '@orrery/client';
import { rfc3339 } from '@orrery/runtime';
import { type History, startHistory } from './history.ts';
import type { ReadinessSettings } from './pod-groups.ts';
import { type MetricProposal, ProposalError, propose } from './proposals.ts';
import type { MetricWish } from './metrics.ts';
import type { MetricError, Reading } from './readings.ts';
import { type Condition, type Rules, applyRules, rememberChange } from './scaling-rules.ts';

export interface AutoscalingSettings extends ReadinessSettings {
  readonly tolerance: number;
  readonly downscaleStabilizationMs: number;
}

/** What was read for the metrics of an autoscaler: one outcome each, and the pods that its scale selects; or why that cannot be. */
export type Measured = { readonly outcomes: readonly (Reading | MetricError)[]; readonly pods: readonly Pod[] } | { readonly refusal: Refusal };

/** The scale's selector does not do. */
export interface Refusal {
  readonly eventReason: string;
  readonly conditionReason: string;
  readonly message: string;
  /** The condition's, where that is not `message`. */
  readonly conditionMessage?: string;
}

export interface Observed {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly scale: Scale;
  readonly history: History | undefined;
  /** Only needed where `sizeBounds` says nothing. */
  readonly measured: Measured | undefined;
  readonly settings: AutoscalingSettings;
}

/** What to do, and what to tell. */
export interface Decision {
  /** Set the scale to so many; absent: leave it. */
  readonly rescaleTo?: number;
  /** Of a rescale. */
  readonly reason: string;
  readonly conditions: readonly Condition[];
  readonly events: readonly EventInput[];
  readonly metrics: readonly MetricStatus[];
  /** What each metric asks for. */
  readonly wishes: readonly MetricWish[];
  /** Nothing was decided: the status keeps what it desired. */
  readonly failed: boolean;
  /** Some of the metrics could not be told, whatever came of the others. */
  readonly hasErrors: boolean;
  readonly history: History;
}

const warning = (reason: string, message: string): EventInput => ({ type: 'Warning', reason, message });

const minimum = ({ spec }: HorizontalPodAutoscaler): number => spec?.minReplicas ?? 1;

/** What the bounds alone say about a scale: nothing to be done, a size to go to, or undefined: look at the metrics. */
export function sizeBounds(autoscaler: HorizontalPodAutoscaler, scale: Scale): Pick<Decision, 'reason' | 'conditions'> & { readonly rescaleTo?: number } | undefined {
  const current = scale.spec?.replicas ?? 0;
  const max = autoscaler.spec?.maxReplicas ?? 0;
  const min = minimum(autoscaler);
  if (current === 0 && min !== 0) {
    return { reason: '', conditions: [{ type: 'ScalingActive', status: 'False', reason: 'ScalingDisabled', message: 'scaling is disabled since the replica count of the target is zero' }] };
  }
  if (current > max) return { rescaleTo: max, reason: 'Current number of replicas above Spec.MaxReplicas', conditions: [] };
  if (current < min) return { rescaleTo: min, reason: 'Current number of replicas below Spec.MinReplicas', conditions: [] };
  return undefined;
}

interface Sought {
  /** The highest proposal; undefined: no decision can be made. */
  readonly best: MetricProposal | undefined;
  readonly statuses: readonly MetricStatus[];
  readonly wishes: readonly MetricWish[];
  readonly condition: Condition;
  readonly events: readonly EventInput[];
  readonly failure?: string;
}

const rulesOf = ({ spec }: HorizontalPodAutoscaler): Rules | undefined => spec?.behavior && { scaleUp: spec.behavior.scaleUp ?? {}, scaleDown: spec.behavior.scaleDown ?? {} };

function refused({ eventReason, conditionReason, message, conditionMessage = message }: Refusal): Sought {
  return {
    best: undefined,
    statuses: [],
    wishes: [],
    condition: { type: 'ScalingActive', status: 'False', reason: conditionReason, message: conditionMessage },
    events: [warning(eventReason, message)],
    failure: message,
  };
}

/** The highest of what the metrics ask for. With some that failed, only up: they might have wanted more. */
function seek({ autoscaler, scale, measured, settings }: Observed, nowMs: number): Sought {
  if (!measured) throw new Error('an autoscaler within its bounds is to be measured');
  if ('refusal' in measured) return refused(measured.refusal);
  const specs = autoscaler.spec?.metrics ?? [];
  const tolerance = (of: 'scaleUp' | 'scaleDown'): number => {
    const own = autoscaler.spec?.behavior?.[of]?.tolerance;
    return own === undefined ? settings.tolerance : quantityAsNumber(parseQuantity(own));
  };
  const current = scale.spec?.replicas ?? 0;
  const input = {
    namespace: autoscaler.metadata?.namespace ?? '',
    current,
    statusReplicas: scale.status?.replicas ?? 0,
    pods: measured.pods,
    tolerance: { up: tolerance('scaleUp'), down: tolerance('scaleDown') },
    settings,
    nowMs,
  };
  const errors: ProposalError[] = [];
  const wishes: MetricWish[] = [];
  let best: MetricProposal | undefined;
  const statuses = specs.map((spec, i): MetricStatus => {
    try {
      const proposal = propose(spec, measured.outcomes[i] as Reading | MetricError, input);
      if (!best || best.replicas === 0 || proposal.replicas > best.replicas) best = proposal;
      wishes.push({ type: spec.type, replicas: proposal.replicas });
      return proposal.status;
    } catch (error) {
      if (!(error instanceof ProposalError)) throw error;
      errors.push(error);
      wishes.push({ type: spec.type, replicas: undefined });
      return { type: '' };
    }
  });
  const events = errors.map(({ reason, cause }) => warning(reason, cause));
  const [first] = errors;
  const failure = first && `invalid metrics (${errors.length} invalid out of ${specs.length}), first error is: ${first.message}`;
  if (first && failure && (!best || best.replicas < current)) return { best: undefined, statuses, wishes, condition: first.condition, events, failure };
  const condition: Condition = { type: 'ScalingActive', status: 'True', reason: 'ValidMetricFound', message: `the HPA was able to successfully calculate a replica count from ${best?.metric ?? ''}` };
  return { best, statuses, wishes, condition, events, ...(failure ? { failure } : {}) };
}

const gotScale: Condition = { type: 'AbleToScale', status: 'True', reason: 'SucceededGetScale', message: "the HPA controller was able to get the target's current scale" };

/** Upstream's reconcileAutoscaler between reading the scale and writing it. */
export function plan(observed: Observed, nowMs: number): Decision {
  const { autoscaler, scale, settings } = observed;
  const current = scale.spec?.replicas ?? 0;
  const history = observed.history ?? startHistory(current, nowMs);
  const bounds = sizeBounds(autoscaler, scale);
  if (bounds) return { events: [], metrics: [], wishes: [], failed: false, hasErrors: false, history, ...bounds, conditions: [gotScale, ...bounds.conditions] };
  const { best, statuses, wishes, condition, events, failure } = seek(observed, nowMs);
  if (!best && failure !== undefined) {
    return { reason: '', conditions: [gotScale, condition], events: [...events, warning('FailedComputeMetricsReplicas', failure)], metrics: statuses, wishes, failed: true, hasErrors: true, history };
  }
  const wanted = Math.max(0, best?.replicas ?? 0);
  const reason = wanted > current ? `${best?.metric ?? ''} above target` : wanted < current ? 'All metrics below target' : '';
  const limits = { current, wanted, min: minimum(autoscaler), max: autoscaler.spec?.maxReplicas ?? 0, rules: rulesOf(autoscaler), stabilizationMs: settings.downscaleStabilizationMs, history };
  const ruled = applyRules(limits, nowMs);
  return {
    ...(ruled.replicas === current ? {} : { rescaleTo: ruled.replicas }),
    reason,
    conditions: [gotScale, condition, ...ruled.conditions],
    events,
    metrics: statuses,
    wishes,
    failed: false,
    hasErrors: failure !== undefined,
    history: ruled.history,
  };
}

/** Sets conditions in order; one that keeps its status keeps its time. */
export function withConditions(old: readonly HorizontalPodAutoscalerCondition[] | undefined, conditions: readonly Condition[], nowMs: number): HorizontalPodAutoscalerCondition[] {
  const list = [...(old ?? [])];
  for (const condition of conditions) {
    const at = list.findIndex(({ type }) => type === condition.type);
    const before = list[at];
    const lastTransitionTime = before?.status === condition.status && before.lastTransitionTime ? before.lastTransitionTime : rfc3339(nowMs);
    const next = { ...condition, lastTransitionTime };
    if (at < 0) list.push(next);
    else list[at] = next;
  }
  return list;
}

export interface Outcome {
  readonly status: HorizontalPodAutoscalerStatus;
  readonly events: readonly EventInput[];
  readonly history: History;
}

/** What a decision leaves behind, once its rescale was made or has failed. */
export function conclude({ autoscaler, scale }: Observed, decision: Decision, { rescaleError, nowMs }: { readonly rescaleError?: string | undefined; readonly nowMs: number }): Outcome {
  const old = autoscaler.status;
  const current = scale.spec?.replicas ?? 0;
  const { rescaleTo, reason, metrics } = decision;
  const scaled = rescaleTo !== undefined && rescaleError === undefined;
  const rescaled: Condition[] = rescaleTo === undefined ? [] : [
    scaled
      ? { type: 'AbleToScale', status: 'True', reason: 'SucceededRescale', message: `the HPA controller was able to update the target scale to ${rescaleTo}` }
      : { type: 'AbleToScale', status: 'False', reason: 'FailedUpdateScale', message: `the HPA controller was unable to update the target scale: ${rescaleError ?? ''}` },
  ];
  const told: EventInput[] = rescaleTo === undefined ? [] : [
    scaled
      ? { type: 'Normal', reason: 'SuccessfulRescale', message: `New size: ${rescaleTo}; reason: ${reason}` }
      : warning('FailedRescale', `New size: ${rescaleTo}; reason: ${reason}; error: ${rescaleError ?? ''}`),
  ];
  const desired = scaled ? rescaleTo : rescaleTo === undefined && !decision.failed ? current : (old?.desiredReplicas ?? 0);
  const lastScaleTime = scaled ? rfc3339(nowMs) : old?.lastScaleTime;
  const history = scaled ? rememberChange(decision.history, { from: current, to: rescaleTo, rules: rulesOf(autoscaler) }, nowMs) : decision.history;
  return {
    status: {
      ...(old?.observedGeneration === undefined ? {} : { observedGeneration: old.observedGeneration }),
      ...(lastScaleTime ? { lastScaleTime } : {}),
      currentReplicas: current,
      desiredReplicas: desired,
      ...(metrics.length ? { currentMetrics: [...metrics] } : {}),
      conditions: withConditions(old?.conditions, [...decision.conditions, ...rescaled], nowMs),
    },
    events: [...decision.events, ...told],
    history,
  };
}

/** What is said when the target, or its scale, cannot be found. */
export function withoutScale(autoscaler: HorizontalPodAutoscaler, why: string, nowMs: number): Pick<Outcome, 'status' | 'events'> {
  const condition: Condition = { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message: `the HPA controller was unable to get the target's current scale: ${why}` };
  const { status } = autoscaler;
  return {
    status: { ...status, desiredReplicas: status?.desiredReplicas ?? 0, conditions: withConditions(status?.conditions, [condition], nowMs) },
    events: [warning('FailedGetScale', why)],
  };
}
