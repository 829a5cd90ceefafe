import type { Pod, StatefulSet, StatefulSetStatus } from '@orrery/api/types';
import { resolveIntOrPercent } from '../deployment/scaling.ts';
import { isAvailable, isReady } from '../pods/pod-state.ts';
import { firstOrdinal, ordinalOf, restoredIdentity, revisionOfPod } from './identity.ts';

export interface SetObserved {
  readonly set: StatefulSet;
  readonly pods: readonly Pod[];
  /** Names of the revisions that the set comes from and goes to. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly collisionCount: number | undefined;
  /** Whether `maxUnavailable` means anything: the gate MaxUnavailableStatefulSet. */
  readonly hasMaxUnavailable: boolean;
}

export type SetAction =
  | { readonly type: 'create'; readonly ordinal: number; readonly revision: string }
  | { readonly type: 'delete'; readonly pod: Pod }
  | { readonly type: 'restore'; readonly pod: Pod }
  /** A pod cannot start without its claims: those that are missing are made again. */
  | { readonly type: 'claims'; readonly ordinal: number };

export interface SetPlan {
  readonly actions: readonly SetAction[];
  readonly status: StatefulSetStatus;
}

const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod);
const isTerminating = (pod: Pod): boolean => pod.metadata?.deletionTimestamp !== undefined;
const isEnded = (pod: Pod): boolean => pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
const isCreated = (pod: Pod): boolean => Boolean(pod.status?.phase);
const isPending = (pod: Pod): boolean => pod.status?.phase === 'Pending';

class Draft {
  readonly observed: SetObserved;
  readonly nowMs: number;
  readonly actions: SetAction[] = [];
  readonly replicas: (Pod | undefined)[];
  readonly condemned: Pod[] = [];
  readonly monotonic: boolean;
  readonly start: number;

  constructor(observed: SetObserved, nowMs: number) {
    this.observed = observed;
    this.nowMs = nowMs;
    const { set, pods } = observed;
    this.start = firstOrdinal(set);
    this.monotonic = set.spec?.podManagementPolicy !== 'Parallel';
    this.replicas = Array.from({ length: set.spec?.replicas ?? 1 }, () => undefined);
    for (const pod of pods) {
      const ordinal = ordinalOf(set, pod);
      if (ordinal === undefined) continue;
      const i = ordinal - this.start;
      if (i >= 0 && i < this.replicas.length) this.replicas[i] = pod;
      else this.condemned.push(pod);
    }
    this.condemned.sort((a, b) => (ordinalOf(set, b) ?? 0) - (ordinalOf(set, a) ?? 0));
  }

  available(pod: Pod): boolean {
    return isRunningAndReady(pod) && isAvailable(pod, this.observed.set.spec?.minReadySeconds ?? 0, this.nowMs);
  }

  /** The revision a missing pod is made at: below the partition (or the pods already moved) it is the one the set comes from. */
  revisionFor(ordinal: number): string {
    const { set, currentRevision, updateRevision } = this.observed;
    const strategy = set.spec?.updateStrategy;
    if (strategy?.type === 'OnDelete' || currentRevision === updateRevision) return updateRevision;
    const partition = strategy?.rollingUpdate?.partition;
    const below = this.start + (partition ?? set.status?.currentReplicas ?? 0);
    return ordinal < below ? currentRevision : updateRevision;
  }

  status(): StatefulSetStatus {
    const { set, currentRevision, updateRevision, collisionCount, pods } = this.observed;
    const known = pods.filter((pod) => ordinalOf(set, pod) !== undefined);
    const live = known.filter((pod) => isCreated(pod) && !isTerminating(pod));
    const at = (revision: string): number => live.filter((pod) => revisionOfPod(pod) === revision).length;
    const updated = at(updateRevision);
    const ready = known.filter(isRunningAndReady).length;
    const replicas = known.filter(isCreated).length;
    // A rollout is over when every pod is there, updated and ready.
    const done = updateRevision !== currentRevision && updated === replicas && ready === replicas && replicas === this.replicas.length && set.spec?.updateStrategy?.type !== 'OnDelete';
    const current = done || updateRevision === currentRevision ? updated : at(currentRevision);
    const { conditions } = set.status ?? {};
    return {
      observedGeneration: set.metadata?.generation ?? 0,
      replicas,
      ...(ready ? { readyReplicas: ready } : {}),
      ...(current ? { currentReplicas: current } : {}),
      ...(updated ? { updatedReplicas: updated } : {}),
      availableReplicas: known.filter((pod) => this.available(pod)).length,
      currentRevision: done ? updateRevision : currentRevision,
      updateRevision,
      collisionCount: collisionCount ?? 0,
      ...(conditions ? { conditions } : {}),
    };
  }
}

/** Makes missing pods, in order and one after the other unless the policy is Parallel. False: wait. */
function planReplicas(draft: Draft): boolean {
  const { set } = draft.observed;
  for (const [i, pod] of draft.replicas.entries()) {
    const ordinal = draft.start + i;
    if (!pod) {
      draft.actions.push({ type: 'create', ordinal, revision: draft.revisionFor(ordinal) });
      if (draft.monotonic) return false;
      continue;
    }
    if (isEnded(pod) && !isTerminating(pod)) {
      draft.actions.push({ type: 'delete', pod });
      if (draft.monotonic) return false;
      continue;
    }
    if (isPending(pod) && !isTerminating(pod) && set.spec?.volumeClaimTemplates?.length) draft.actions.push({ type: 'claims', ordinal });
    if (draft.monotonic && (isTerminating(pod) || !draft.available(pod))) return false;
    const restored = isTerminating(pod) ? undefined : restoredIdentity(set, pod, ordinal);
    if (restored) draft.actions.push({ type: 'restore', pod: restored });
  }
  return true;
}

/** Takes away pods beyond the size, from the highest ordinal down. False: wait. */
function planCondemned(draft: Draft): boolean {
  const unhealthy = [...draft.condemned].reverse().find((pod) => !draft.available(pod) || isTerminating(pod));
  for (const pod of draft.condemned) {
    if (isTerminating(pod)) {
      if (draft.monotonic) return false;
      continue;
    }
    if (draft.monotonic && !draft.available(pod) && pod !== unhealthy) return false;
    draft.actions.push({ type: 'delete', pod });
    if (draft.monotonic) return false;
  }
  return true;
}

/** How many pods a rolling update may take at once; undefined where the set does not say. Parts are rounded down, and one is the least. */
export function mostUnavailable(set: StatefulSet): number | undefined {
  const { maxUnavailable } = set.spec?.updateStrategy?.rollingUpdate ?? {};
  return maxUnavailable === undefined ? undefined : Math.max(1, resolveIntOrPercent(maxUnavailable, set.spec?.replicas ?? 1, 'down'));
}

/**
 * Replaces pods of other revisions, from the highest ordinal down to the partition. Without maxUnavailable that is one at a time, and only those above
 * are waited for: a Parallel set whose lower pods are broken is mended. With it every pod that is not available counts, wherever it stands; an old
 * one that is not available anyway may go all the same.
 */
function planUpdate(draft: Draft): void {
  const { set, updateRevision } = draft.observed;
  const strategy = set.spec?.updateStrategy;
  if (strategy?.type === 'OnDelete') return;
  const most = draft.observed.hasMaxUnavailable ? mostUnavailable(set) : undefined;
  const limit = most ?? 1;
  const isAway = (pod: Pod | undefined): boolean => !pod || isTerminating(pod) || !draft.available(pod);
  let spare = limit - (most === undefined ? 0 : draft.replicas.filter(isAway).length);
  let onTheWay = 0;
  for (let i = draft.replicas.length - 1; i >= Math.max(0, strategy?.rollingUpdate?.partition ?? 0); i--) {
    const pod = draft.replicas[i];
    if (onTheWay >= limit) return;
    // Pods that have ended go already.
    if (pod && revisionOfPod(pod) !== updateRevision && !isTerminating(pod) && !isEnded(pod)) {
      if (!isAway(pod) && spare-- <= 0) return;
      draft.actions.push({ type: 'delete', pod });
      onTheWay++;
    } else if (isAway(pod)) onTheWay++;
  }
}

/** How many of the set's pods are missing or not available. */
export function unavailableReplicas(set: StatefulSet, pods: readonly Pod[], nowMs: number): number {
  const draft = new Draft({ set, pods, currentRevision: '', updateRevision: '', collisionCount: undefined, hasMaxUnavailable: true }, nowMs);
  return draft.replicas.filter((pod) => !pod || isTerminating(pod) || !draft.available(pod)).length;
}

/** One step of a StatefulSet. With OrderedReady at most one pod is created or deleted at a time. */
export function plan(observed: SetObserved, nowMs: number): SetPlan {
  const draft = new Draft(observed, nowMs);
  if (!observed.set.metadata?.deletionTimestamp && planReplicas(draft) && planCondemned(draft)) planUpdate(draft);
  return { actions: draft.actions, status: draft.status() };
}
