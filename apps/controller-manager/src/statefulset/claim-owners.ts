import { Pods, StatefulSets } from '@orrery/api';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '@orrery/api/types';
import type { OwnerReference } from '@orrery/apimachinery';
import { newControllerRef, refersTo } from '@orrery/controller';
import { isInRange, ordinalOf } from './identity.ts';

/**
 * Who owns the claim of a pod by the set's persistentVolumeClaimRetentionPolicy: the set when claims go with it, the pod
 * when it is scaled away and claims go with that, else nobody. The garbage collector does the rest.
 */
export function wantedOwner(set: StatefulSet, pod: Pod): OwnerReference | undefined {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  if (whenScaled === 'Delete' && !isInRange(set, ordinalOf(set, pod) ?? 0)) return newControllerRef(Pods, pod);
  return whenDeleted === 'Delete' ? newControllerRef(StatefulSets, set) : undefined;
}

/** What is to be done about the owners of a claim. */
export interface ClaimOwners {
  /** Something else controls the claim: the policy does not count for it. */
  readonly conflict: boolean;
  /** The references it should have; undefined when they are right. */
  readonly references: OwnerReference[] | undefined;
}

/** A controller that is neither the set nor the pod; an earlier set or pod of the name counts as one, too. Where all claims stay it does not matter. */
function isForeign(ref: OwnerReference, set: StatefulSet, pod: Pod): boolean {
  const named = (refersTo(ref, StatefulSets) && ref.name === set.metadata?.name) || (refersTo(ref, Pods) && ref.name === pod.metadata?.name);
  return named || ref.controller === true;
}

export function ownersOfClaim(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): ClaimOwners {
  const known = claim.metadata?.ownerReferences ?? [];
  const ours = (ref: OwnerReference): boolean => ref.uid === set.metadata?.uid || ref.uid === pod.metadata?.uid;
  const others = known.filter((ref) => !ours(ref));
  const mine = known.filter(ours);
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  const conflict = (whenDeleted === 'Delete' || whenScaled === 'Delete') && others.some((ref) => isForeign(ref, set, pod));
  const wanted = conflict ? undefined : wantedOwner(set, pod);
  const same = wanted ? mine.length === 1 && mine[0]?.uid === wanted.uid && mine[0]?.controller === true : mine.length === 0;
  return { conflict, references: same ? undefined : [...others, ...(wanted ? [wanted] : [])] };
}

/** A claim that still belongs to an earlier pod of the name, and is about to be collected with it. */
export function isStaleClaim(claim: PersistentVolumeClaim, set: StatefulSet, podName: string): boolean {
  if (set.spec?.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false;
  return claim.metadata?.ownerReferences?.some((ref) => refersTo(ref, Pods) && ref.name === podName) ?? false;
}
