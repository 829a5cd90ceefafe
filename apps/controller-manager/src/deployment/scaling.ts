import type { Deployment, ReplicaSet } from '@orrery/api/types';
import { byCreation, desiredReplicasAnnotation, maxReplicasAnnotation, specReplicas, totalReplicas } from './replica-sets.ts';

/** An absolute number, or a percentage of `total` rounded up or down. */
export function resolveIntOrPercent(value: number | string | undefined, total: number, round: 'up' | 'down'): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value);
  if (!percent) return Number(value) || 0;
  const exact = (Number(percent[1]) * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}

export interface Fenceposts {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** How far a rolling update may go above and below; never both zero, or it could not move. */
export function fenceposts(deployment: Deployment): Fenceposts {
  const { strategy } = deployment.spec ?? {};
  const replicas = specReplicas(deployment);
  if (strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 };
  const maxSurge = resolveIntOrPercent(strategy?.rollingUpdate?.maxSurge ?? '25%', replicas, 'up');
  const maxUnavailable = resolveIntOrPercent(strategy?.rollingUpdate?.maxUnavailable ?? '25%', replicas, 'down');
  const atLeast = maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable;
  return { maxSurge, maxUnavailable: replicas === 0 ? 0 : Math.min(atLeast, replicas) };
}

/** How large the new ReplicaSet may be now. */
export function newReplicas(deployment: Deployment, sets: readonly ReplicaSet[], newSet: ReplicaSet | undefined): number {
  const wanted = specReplicas(deployment);
  if (deployment.spec?.strategy?.type === 'Recreate') return wanted;
  const present = newSet ? specReplicas(newSet) : 0;
  const room = wanted + fenceposts(deployment).maxSurge - totalReplicas(sets);
  return room <= 0 ? present : present + Math.min(room, wanted - present);
}

function annotationNumber(set: ReplicaSet, name: string): number | undefined {
  const text = set.metadata?.annotations?.[name];
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** True when the Deployment was resized since its ReplicaSets were last told its size. */
export function isScalingEvent(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = annotationNumber(set, desiredReplicasAnnotation);
    return specReplicas(set) > 0 && desired !== undefined && desired !== specReplicas(deployment);
  });
}

/** The new ReplicaSet is at full size and available, so the others may go. */
function isSaturated(deployment: Deployment, newSet: ReplicaSet | undefined): boolean {
  if (!newSet) return false;
  const wanted = specReplicas(deployment);
  const desired = annotationNumber(newSet, desiredReplicasAnnotation);
  return specReplicas(newSet) === wanted && desired === wanted && (newSet.status?.availableReplicas ?? 0) === wanted;
}

/** The share of a change of size that falls to one ReplicaSet. */
function proportion(set: ReplicaSet, deployment: Deployment, room: { toAdd: number; added: number }): number {
  const size = specReplicas(set);
  const { toAdd, added } = room;
  if (size === 0 || toAdd === 0 || toAdd === added) return 0;
  const wanted = specReplicas(deployment);
  let share = -size;
  if (wanted > 0) {
    const before = annotationNumber(set, maxReplicasAnnotation) || deployment.status?.replicas || wanted;
    share = Math.round((size * (wanted + fenceposts(deployment).maxSurge)) / before) - size;
  }
  const allowed = toAdd - added;
  return toAdd > 0 ? Math.min(share, allowed) : Math.max(share, allowed);
}

export interface Resize {
  readonly set: ReplicaSet;
  readonly to: number;
}

/** The sizes after a Deployment was resized or while it is paused: in proportion when several ReplicaSets are active. */
export function planScale(deployment: Deployment, newSet: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): Resize[] {
  const wanted = specReplicas(deployment);
  const all = newSet ? [...oldSets, newSet] : [...oldSets];
  const active = all.filter((set) => specReplicas(set) > 0);
  if (active.length <= 1) {
    // One that has the size already is still to note what it is the size of: it would be taken for resized for ever, and never roll out (upstream's never does).
    const only = active[0] ?? newSet ?? [...oldSets].sort(byCreation).at(-1);
    return only ? [{ set: only, to: wanted }] : [];
  }
  if (isSaturated(deployment, newSet)) return active.filter((set) => set !== newSet).map((set) => ({ set, to: 0 }));
  if (deployment.spec?.strategy?.type === 'Recreate') return [];
  const allowed = wanted > 0 ? wanted + fenceposts(deployment).maxSurge : 0;
  const toAdd = allowed - totalReplicas(active);
  const newest = toAdd >= 0 ? -1 : 1;
  const sorted = [...active].sort((a, b) => specReplicas(b) - specReplicas(a) || newest * -byCreation(b, a));
  let added = 0;
  const sizes = sorted.map((set) => {
    const share = proportion(set, deployment, { toAdd, added });
    added += share;
    return specReplicas(set) + share;
  });
  if (sizes.length && toAdd !== 0) sizes[0] = Math.max(0, (sizes[0] ?? 0) + toAdd - added);
  return sorted.map((set, i) => ({ set, to: sizes[i] ?? 0 }));
}

/**
 * Pods of a ReplicaSet that are surely available. Its status may tell of a size it has left since: after one change the
 * smaller size bounds what is left, after several nothing is known.
 */
function surelyAvailable(set: ReplicaSet): number {
  const behind = (set.metadata?.generation ?? 0) - (set.status?.observedGeneration ?? 0);
  return behind > 1 ? 0 : Math.min(set.status?.availableReplicas ?? 0, specReplicas(set));
}

/** Which old ReplicaSets shrink in a rolling update: first what is not available, then as many as availability allows. */
export function planScaleDown(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): Resize[] {
  const wanted = specReplicas(deployment);
  const minAvailable = wanted - fenceposts(deployment).maxUnavailable;
  const old = oldSets.filter((set) => specReplicas(set) > 0).sort(byCreation);
  const newUnavailable = specReplicas(newSet) - surelyAvailable(newSet);
  let removable = totalReplicas([...old, newSet]) - minAvailable - newUnavailable;
  if (!old.length || removable <= 0) return [];
  const sizes = new Map(old.map((set) => [set, specReplicas(set)]));
  for (const set of old) {
    const unhealthy = specReplicas(set) - (set.status?.availableReplicas ?? 0);
    const cut = Math.max(0, Math.min(removable, unhealthy));
    sizes.set(set, specReplicas(set) - cut);
    removable -= cut;
  }
  const available = [...old, newSet].reduce((sum, set) => sum + surelyAvailable(set), 0);
  let spare = available - minAvailable;
  for (const set of old) {
    const size = sizes.get(set) ?? 0;
    const cut = Math.max(0, Math.min(spare, size));
    sizes.set(set, size - cut);
    spare -= cut;
  }
  return old.filter((set) => sizes.get(set) !== specReplicas(set)).map((set) => ({ set, to: sizes.get(set) ?? 0 }));
}
