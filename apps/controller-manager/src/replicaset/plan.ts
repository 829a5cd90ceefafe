import type { Pod, ReplicaSetCondition, ReplicaSetStatus } from '@orrery/api/types';
import { type Labels, labelMapMatcher } from '@orrery/client';
import { availableInMs, compareForDeletion, isActive, isReady, isTerminal } from '../pods/pod-state.ts';

/** Most pods created or deleted in one go. */
export const burstReplicas = 4096;

export interface ReplicasObserved {
  /** spec.replicas, defaulted to 1. */
  readonly replicas: number;
  readonly minReadySeconds: number;
  readonly generation: number;
  readonly templateLabels: Labels | undefined;
  readonly deleting: boolean;
  readonly status: ReplicaSetStatus | undefined;
  /** The pods claimed, whatever their phase. */
  readonly pods: readonly Pod[];
  /** Active pods on a node that belong to siblings, our own included; asked only when pods must go. */
  readonly siblingsOn: (nodeName: string) => number;
  /** False: earlier creations or deletions are still on their way, so none may be decided now. */
  readonly expectationsMet: boolean;
  /** Was asked to be deleted, although the cache does not show it yet. */
  readonly isGoing?: (pod: Pod) => boolean;
}

export interface ReplicasPlan {
  readonly create: number;
  readonly remove: readonly Pod[];
  /** Status without conditions. */
  readonly counts: ReplicaSetStatus;
  /** When a ready pod will next become available. */
  readonly requeueAfterMs: number | undefined;
}

/** How many pods to make and which to delete so that as many are active as the spec says. */
export function planReplicas(observed: ReplicasObserved, nowMs: number): ReplicasPlan {
  const { minReadySeconds, replicas } = observed;
  const matchesTemplate = observed.templateLabels && Object.keys(observed.templateLabels).length ? labelMapMatcher(observed.templateLabels) : () => true;
  const active: Pod[] = [];
  let [ready, available, labelled, terminating] = [0, 0, 0, 0];
  let requeueAfterMs: number | undefined;
  for (const pod of observed.pods) {
    if (isTerminal(pod)) continue;
    if (pod.metadata?.deletionTimestamp || observed.isGoing?.(pod)) {
      terminating++;
      continue;
    }
    active.push(pod);
    if (matchesTemplate(pod.metadata?.labels)) labelled++;
    const waitMs = availableInMs(pod, minReadySeconds, nowMs);
    if (waitMs === 0) available++;
    else if (waitMs !== undefined) requeueAfterMs = Math.min(requeueAfterMs ?? waitMs, waitMs);
    if (waitMs !== undefined || isReady(pod)) ready++;
  }
  const counts: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: labelled,
    readyReplicas: ready,
    availableReplicas: available,
    terminatingReplicas: terminating,
    observedGeneration: observed.generation,
  };
  const excess = observed.expectationsMet && !observed.deleting ? active.length - replicas : 0;
  if (excess <= 0) return { create: Math.min(-excess, burstReplicas), remove: [], counts, requeueAfterMs };
  const remove = excessPods(active, Math.min(excess, burstReplicas), observed, nowMs);
  // Nobody is to rely on what is about to go: a Deployment would take other pods away for it.
  const condemned = remove.filter((pod) => availableInMs(pod, minReadySeconds, nowMs) === 0).length;
  return { create: 0, remove, counts: { ...counts, availableReplicas: available - condemned }, requeueAfterMs };
}

function excessPods(active: readonly Pod[], count: number, observed: ReplicasObserved, nowMs: number): readonly Pod[] {
  if (count === active.length) return active;
  const ranked = active.map((pod) => ({ pod, siblings: pod.spec?.nodeName ? observed.siblingsOn(pod.spec.nodeName) : 0 }));
  ranked.sort((a, b) => compareForDeletion(a, b, nowMs));
  return ranked.slice(0, count).map(({ pod }) => pod);
}

/**
 * For each ready pod that is to go its age by that of the youngest ready one: how much the choice spares what has run for long. Upstream
 * thinks 2 the most.
 */
export function deletionAgeRatios(pods: readonly Pod[], remove: readonly Pod[], nowMs: number): number[] {
  const ageOf = ({ metadata }: Pod): number => nowMs - Date.parse(metadata?.creationTimestamp ?? '');
  const youngest = pods.reduce((least, pod) => (isActive(pod) && isReady(pod) ? Math.min(least, ageOf(pod)) : least), Number.POSITIVE_INFINITY);
  return remove.filter(isReady).map((pod) => ageOf(pod) / youngest).filter(Number.isFinite);
}

/** The conditions after an attempt to create or delete pods, `failure` being the first thing that went wrong. */
export function replicaFailure(
  conditions: readonly ReplicaSetCondition[] | undefined,
  attempt: { failure: Error | undefined; reason: 'FailedCreate' | 'FailedDelete'; at: string },
): ReplicaSetCondition[] | undefined {
  const known = conditions?.find((condition) => condition.type === 'ReplicaFailure');
  if (attempt.failure && !known) {
    const { reason, at } = attempt;
    return [...(conditions ?? []), { type: 'ReplicaFailure', status: 'True', reason, message: attempt.failure.message, lastTransitionTime: at }];
  }
  if (!attempt.failure && known) return conditions?.filter((condition) => condition !== known);
  return conditions ? [...conditions] : undefined;
}
