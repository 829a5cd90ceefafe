import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { specReplicas, totalReplicas } from './replica-sets.ts';
import { fenceposts } from './scaling.ts';

/** 2^31-1 seconds means: no deadline. */
const noDeadline = 2_147_483_647;

export function deadlineSeconds(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === noDeadline ? undefined : seconds;
}

export function conditionOf(status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function newCondition(type: string, status: string, why: { reason: string; message: string; nowMs: number }): DeploymentCondition {
  const at = rfc3339(why.nowMs);
  return { type, status, reason: why.reason, message: why.message, lastUpdateTime: at, lastTransitionTime: at };
}

/** Sets a condition; one of the same status and reason stays as it is, one of the same status keeps its transition time. */
export function setCondition(status: DeploymentStatus, condition: DeploymentCondition): DeploymentStatus {
  const known = conditionOf(status, condition.type);
  if (known && known.status === condition.status && known.reason === condition.reason) return status;
  const kept = known?.status === condition.status && known.lastTransitionTime ? { lastTransitionTime: known.lastTransitionTime } : {};
  return { ...status, conditions: [...(status.conditions ?? []).filter((c) => c.type !== condition.type), { ...condition, ...kept }] };
}

export function removeCondition(status: DeploymentStatus, type: string): DeploymentStatus {
  if (!conditionOf(status, type)) return status;
  return { ...status, conditions: status.conditions?.filter((condition) => condition.type !== type) ?? [] };
}

function sum(sets: readonly ReplicaSet[], field: 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas'): number {
  return sets.reduce((total, set) => total + (set.status?.[field] ?? 0), 0);
}

/** The counts, and whether the Deployment is available. Zero counts are left out, as upstream's omitempty does. */
export function calculateStatus(deployment: Deployment, sets: readonly ReplicaSet[], newSet: ReplicaSet | undefined, nowMs: number): DeploymentStatus {
  const available = sum(sets, 'availableReplicas');
  const counts = {
    replicas: sum(sets, 'replicas'),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(sets, 'readyReplicas'),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, totalReplicas(sets) - available),
  };
  const present = Object.fromEntries(Object.entries(counts).filter(([, value]) => value > 0));
  const { collisionCount, conditions } = deployment.status ?? {};
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    ...present,
    terminatingReplicas: sum(sets, 'terminatingReplicas'),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions ? { conditions } : {}),
  };
  const enough = available >= specReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  const reason = enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable';
  const message = enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.';
  return setCondition(status, newCondition('Available', enough ? 'True' : 'False', { reason, message, nowMs }));
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = specReplicas(deployment);
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, observedGeneration = 0 } = status;
  return updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted && observedGeneration >= (deployment.metadata?.generation ?? 0);
}

function isProgressing(old: DeploymentStatus, now: DeploymentStatus): boolean {
  const outdated = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus): number => replicas - updatedReplicas;
  return (
    (now.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    outdated(now) < outdated(old) ||
    (now.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  );
}

function deadlineMs(deployment: Deployment, progressing: DeploymentCondition): number {
  return Date.parse(progressing.lastUpdateTime ?? '') + (deadlineSeconds(deployment) ?? 0) * 1000;
}

function isTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const progressing = conditionOf(status, 'Progressing');
  if (!progressing || progressing.reason === 'NewReplicaSetAvailable') return false;
  if (progressing.reason === 'ProgressDeadlineExceeded') return true;
  return nowMs > deadlineMs(deployment, progressing);
}

/** `old` is the status before this reconcile. */
export interface RolloutContext {
  readonly deployment: Deployment;
  readonly old: DeploymentStatus;
  readonly sets: readonly ReplicaSet[];
  readonly newSet: ReplicaSet | undefined;
  readonly nowMs: number;
}

function withProgress(status: DeploymentStatus, { deployment, old, newSet, nowMs }: RolloutContext): DeploymentStatus {
  const current = conditionOf(old, 'Progressing');
  const settled = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable';
  if (settled) return status;
  const subject = newSet ? `ReplicaSet "${newSet.metadata?.name ?? ''}"` : `Deployment "${deployment.metadata?.name ?? ''}"`;
  if (isComplete(deployment, status)) {
    return setCondition(status, newCondition('Progressing', 'True', { reason: 'NewReplicaSetAvailable', message: `${subject} has successfully progressed.`, nowMs }));
  }
  if (isProgressing(old, status)) {
    const condition = newCondition('Progressing', 'True', { reason: 'ReplicaSetUpdated', message: `${subject} is progressing.`, nowMs });
    const kept = current?.status === 'True' && current.lastTransitionTime ? { lastTransitionTime: current.lastTransitionTime } : {};
    return setCondition(removeCondition(status, 'Progressing'), { ...condition, ...kept });
  }
  if (isTimedOut(deployment, status, nowMs)) {
    return setCondition(status, newCondition('Progressing', 'False', { reason: 'ProgressDeadlineExceeded', message: `${subject} has timed out progressing.`, nowMs }));
  }
  return status;
}

function withReplicaFailure(status: DeploymentStatus, { sets, newSet }: RolloutContext): DeploymentStatus {
  const failing = [...(newSet ? [newSet] : []), ...sets.filter((set) => set !== newSet)]
    .flatMap((set) => set.status?.conditions ?? [])
    .find((condition) => condition.type === 'ReplicaFailure');
  if (!failing) return removeCondition(status, 'ReplicaFailure');
  const { type, status: value, reason = '', message = '', lastTransitionTime = '' } = failing;
  return setCondition(status, { type, status: value, reason, message, lastTransitionTime, lastUpdateTime: lastTransitionTime });
}

/** The status at the end of a step of a rollout: counts, availability, progress and failures. */
export function rolloutStatus(context: RolloutContext): DeploymentStatus {
  const { deployment, sets, newSet, nowMs } = context;
  const counted = calculateStatus(deployment, sets, newSet, nowMs);
  const progressed = deadlineSeconds(deployment) === undefined ? removeCondition(counted, 'Progressing') : withProgress(counted, context);
  return withReplicaFailure(progressed, context);
}

/** When a rollout that neither moves nor is done must be looked at again for its deadline. */
export function deadlineCheckMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const progressing = conditionOf(status, 'Progressing');
  if (deadlineSeconds(deployment) === undefined || !progressing) return undefined;
  if (progressing.reason === 'ProgressDeadlineExceeded' || isComplete(deployment, status)) return undefined;
  return Math.max(0, deadlineMs(deployment, progressing) - nowMs) + 1000;
}
