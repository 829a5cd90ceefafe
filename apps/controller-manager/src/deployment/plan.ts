import type { Deployment, DeploymentStatus, Pod, ReplicaSet } from '@orrery/api/types';
import { isTerminal } from '../pods/pod-state.ts';
import { templateHash } from '../pods/template-hash.ts';
import { annotationsFor, desiredReplicasAnnotation, findNew, hashLabel, maxReplicasAnnotation, revisionAnnotation, revisionOf, specReplicas } from './replica-sets.ts';
import { fenceposts, isScalingEvent, newReplicas, planScale, planScaleDown } from './scaling.ts';
import { calculateStatus, conditionOf, deadlineCheckMs, deadlineSeconds, isComplete, newCondition, rolloutStatus, setCondition } from './status.ts';

export interface DeploymentObserved {
  readonly deployment: Deployment;
  /** Its ReplicaSets, adopted ones included. */
  readonly replicaSets: readonly ReplicaSet[];
  /** Pods of a ReplicaSet; asked only by the Recreate strategy. */
  readonly podsOf: (set: ReplicaSet) => Iterable<Pod>;
}

export type DeploymentAction =
  | { readonly type: 'createReplicaSet'; readonly set: ReplicaSet }
  /** A new size, new annotations, or both; `from` is the size before. */
  | { readonly type: 'updateReplicaSet'; readonly set: ReplicaSet; readonly from: number }
  | { readonly type: 'deleteReplicaSet'; readonly set: ReplicaSet };

export interface DeploymentPlan {
  /** In the order they are to be done. */
  readonly actions: readonly DeploymentAction[];
  /** Of the Deployment, where another than it has: written together with the status. */
  readonly revision: string | undefined;
  readonly status: DeploymentStatus;
  readonly requeueAfterMs: number | undefined;
}

/** The ReplicaSets as they will be once the actions collected so far are done. */
class Draft {
  deployment: Deployment;
  readonly nowMs: number;
  readonly actions: DeploymentAction[] = [];
  revision: string | undefined;
  newSet: ReplicaSet | undefined;
  oldSets: ReplicaSet[];

  constructor({ deployment, replicaSets }: DeploymentObserved, nowMs: number) {
    this.deployment = deployment;
    this.nowMs = nowMs;
    this.newSet = findNew(deployment, replicaSets);
    this.oldSets = replicaSets.filter((set) => set !== this.newSet);
  }

  get all(): ReplicaSet[] {
    return this.newSet ? [...this.oldSets, this.newSet] : [...this.oldSets];
  }

  private progressing(status: string, reason: string, message: string): void {
    const condition = newCondition('Progressing', status, { reason, message, nowMs: this.nowMs });
    this.deployment = { ...this.deployment, status: setCondition(this.deployment.status ?? {}, condition) };
  }

  /** Brings the new ReplicaSet's annotations and both revisions up to date, and creates it if it is missing and wanted. */
  syncRevision(create: boolean): void {
    const { deployment } = this;
    const revision = this.oldSets.reduce((highest, set) => (revisionOf(set) > highest ? revisionOf(set) : highest), 0n) + 1n;
    const tracked = deadlineSeconds(deployment) !== undefined;
    if (this.newSet) {
      const annotations = annotationsFor(deployment, this.newSet, revision);
      this.change(this.newSet, { annotations });
      if (tracked && !conditionOf(deployment.status, 'Progressing')) {
        this.progressing('True', 'FoundNewReplicaSet', `Found new replica set "${this.newSet.metadata?.name ?? ''}"`);
      }
    } else {
      if (!create) return;
      this.newSet = this.makeNew(revision);
      this.actions.push({ type: 'createReplicaSet', set: this.newSet });
      if (tracked) this.progressing('True', 'NewReplicaSetCreated', `Created new replica set "${this.newSet.metadata?.name ?? ''}"`);
    }
    const shown = this.newSet.metadata?.annotations?.[revisionAnnotation] ?? '';
    this.revision = deployment.metadata?.annotations?.[revisionAnnotation] === shown ? undefined : shown;
  }

  private sizes(): Record<string, string> {
    const wanted = specReplicas(this.deployment);
    return { [desiredReplicasAnnotation]: String(wanted), [maxReplicasAnnotation]: String(wanted + fenceposts(this.deployment).maxSurge) };
  }

  private makeNew(revision: bigint): ReplicaSet {
    const { deployment } = this;
    const { name = '', namespace = '' } = deployment.metadata ?? {};
    const template = deployment.spec?.template ?? {};
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template.metadata?.labels, [hashLabel]: hash };
    const selector = { ...deployment.spec?.selector, matchLabels: { ...deployment.spec?.selector?.matchLabels, [hashLabel]: hash } };
    const { minReadySeconds } = deployment.spec ?? {};
    return {
      metadata: { name: `${name}-${hash}`, namespace, labels, annotations: { ...annotationsFor(deployment, undefined, revision), ...this.sizes() } },
      spec: {
        replicas: newReplicas(deployment, this.oldSets, undefined),
        ...(minReadySeconds ? { minReadySeconds } : {}),
        selector,
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
  }

  private change(set: ReplicaSet, to: { replicas?: number; annotations?: Record<string, string> }): void {
    const { minReadySeconds } = this.deployment.spec ?? {};
    const from = specReplicas(set);
    const replicas = to.replicas ?? from;
    const annotations = to.annotations ?? { ...set.metadata?.annotations };
    const known = set.metadata?.annotations ?? {};
    const same = replicas === from && Object.keys(annotations).every((key) => annotations[key] === known[key]);
    const template = { minReadySeconds: minReadySeconds ?? 0 };
    const isNew = set === this.newSet;
    if (same && !(isNew && (set.spec?.minReadySeconds ?? 0) !== template.minReadySeconds)) return;
    const changed: ReplicaSet = {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...(set.spec as NonNullable<ReplicaSet['spec']>), replicas, ...(isNew ? template : {}) },
    };
    this.replace(set, changed, from);
  }

  private replace(set: ReplicaSet, changed: ReplicaSet, from: number): void {
    const earlier = this.actions.findIndex((action) => action.type === 'updateReplicaSet' && action.set === set);
    const known = this.actions[earlier];
    if (known?.type === 'updateReplicaSet') this.actions[earlier] = { ...known, set: changed };
    else this.actions.push({ type: 'updateReplicaSet', set: changed, from });
    if (set === this.newSet) this.newSet = changed;
    else this.oldSets = this.oldSets.map((other) => (other === set ? changed : other));
  }

  /** Resizes and notes the Deployment's size on the ReplicaSet. With `touch` the note is brought up to date even if the size stays. */
  scale(set: ReplicaSet, to: number, touch = false): boolean {
    if (specReplicas(set) === to && !touch) return false;
    this.change(set, { replicas: to, annotations: { ...set.metadata?.annotations, ...this.sizes() } });
    return true;
  }

  /** Deletes ReplicaSets of old revisions beyond the history limit, the oldest first. */
  cleanUp(): void {
    const { revisionHistoryLimit } = this.deployment.spec ?? {};
    if (revisionHistoryLimit === undefined) return;
    const alive = this.oldSets.filter((set) => !set.metadata?.deletionTimestamp);
    const excess = alive.length - revisionHistoryLimit;
    if (excess <= 0) return;
    for (const set of alive.sort((a, b) => Number(revisionOf(a) - revisionOf(b))).slice(0, excess)) {
      const { replicas = 0, observedGeneration = 0 } = set.status ?? {};
      if (replicas === 0 && specReplicas(set) === 0 && (set.metadata?.generation ?? 0) <= observedGeneration) {
        this.actions.push({ type: 'deleteReplicaSet', set });
      }
    }
  }
}

function rolling(draft: Draft): void {
  draft.syncRevision(true);
  const { deployment } = draft;
  const newSet = draft.newSet as ReplicaSet;
  const wanted = specReplicas(deployment);
  const size = specReplicas(newSet);
  if (size !== wanted && draft.scale(newSet, size > wanted ? wanted : newReplicas(deployment, draft.all, newSet))) return;
  const resizes = planScaleDown(deployment, draft.newSet as ReplicaSet, draft.oldSets);
  for (const { set, to } of resizes) draft.scale(set, to);
  if (!resizes.length && isComplete(deployment, deployment.status ?? {})) draft.cleanUp();
}

function recreate(draft: Draft, podsOf: DeploymentObserved['podsOf']): void {
  draft.syncRevision(false);
  const running = draft.oldSets.filter((set) => specReplicas(set) > 0);
  for (const set of running) draft.scale(set, 0);
  if (running.length) return;
  for (const set of draft.oldSets) for (const pod of podsOf(set)) if (!isTerminal(pod)) return;
  if (!draft.newSet) draft.syncRevision(true);
  draft.scale(draft.newSet as ReplicaSet, specReplicas(draft.deployment));
  if (isComplete(draft.deployment, draft.deployment.status ?? {})) draft.cleanUp();
}

/** Progress is not measured while a Deployment is paused; resuming starts the clock anew. */
function pauseConditions(deployment: Deployment, nowMs: number): Deployment {
  const known = conditionOf(deployment.status, 'Progressing');
  if (deadlineSeconds(deployment) === undefined || known?.reason === 'ProgressDeadlineExceeded') return deployment;
  const paused = deployment.spec?.paused === true;
  if (paused === (known?.reason === 'DeploymentPaused')) return deployment;
  const why = paused ? { reason: 'DeploymentPaused', message: 'Deployment is paused', nowMs } : { reason: 'DeploymentResumed', message: 'Deployment is resumed', nowMs };
  return { ...deployment, status: setCondition(deployment.status ?? {}, newCondition('Progressing', 'Unknown', why)) };
}

/** One step of a Deployment towards its spec. Every observation between steps keeps to maxSurge and maxUnavailable. */
export function plan(observed: DeploymentObserved, nowMs: number): DeploymentPlan {
  const draft = new Draft(observed, nowMs);
  if (observed.deployment.metadata?.deletionTimestamp) {
    return { actions: [], revision: undefined, status: calculateStatus(draft.deployment, draft.all, draft.newSet, nowMs), requeueAfterMs: undefined };
  }
  draft.deployment = pauseConditions(draft.deployment, nowMs);
  const paused = draft.deployment.spec?.paused === true;
  if (paused || isScalingEvent(draft.deployment, draft.all)) {
    draft.syncRevision(false);
    for (const { set, to } of planScale(draft.deployment, draft.newSet, draft.oldSets)) draft.scale(set, to, true);
    if (paused) draft.cleanUp();
    return { actions: draft.actions, revision: draft.revision, status: calculateStatus(draft.deployment, draft.all, draft.newSet, nowMs), requeueAfterMs: undefined };
  }
  if (draft.deployment.spec?.strategy?.type === 'Recreate') recreate(draft, observed.podsOf);
  else rolling(draft);
  const { actions, deployment, newSet, revision, all: sets } = draft;
  const status = rolloutStatus({ deployment, old: deployment.status ?? {}, sets, newSet, nowMs });
  return { actions, revision, status, requeueAfterMs: deadlineCheckMs(deployment, status, nowMs) };
}
