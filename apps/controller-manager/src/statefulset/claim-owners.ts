import { Pods, StatefulSets } from '@orrery/api';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '@orrery/api/types';
import type { OwnerReference } from '@orrery/apimachinery';
import { newControllerRef, refersTo } from '@orrery/controller';
import { firstOrdinal, ordinalOf } from './identity.ts';

function isScaledDown(set: StatefulSet, pod: Pod): boolean {
  const at = (ordinalOf(set, pod) ?? 0) - firstOrdinal(set);
  return at < 0 || at >= (set.spec?.replicas ?? 1);
}

/**
 * Who owns the claim of a pod by the set's persistentVolumeClaimRetentionPolicy: the set when claims go with it, the pod
 * when it is scaled away and claims go with that, else nobody. The garbage collector does the rest.
 */
export function wantedOwner(set: StatefulSet, pod: Pod): OwnerReference | undefined {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  if (whenScaled === 'Delete' && isScaledDown(set, pod)) return newControllerRef(Pods, pod);
  return whenDeleted === 'Delete' ? newControllerRef(StatefulSets, set) : undefined;
}

/** The references a claim should have; undefined when they are right, or when something else controls the claim. */
export function ownersOfClaim(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): OwnerReference[] | undefined {
  const known = claim.metadata?.ownerReferences ?? [];
  const ours = (ref: OwnerReference): boolean => refersTo(ref, StatefulSets) ? ref.uid === set.metadata?.uid : refersTo(ref, Pods) && ref.uid === pod.metadata?.uid;
  if (known.some((ref) => ref.controller === true && !ours(ref))) return undefined;
  const wanted = wantedOwner(set, pod);
  const others = known.filter((ref) => !ours(ref));
  const mine = known.filter(ours);
  const same = wanted ? mine.length === 1 && mine[0]?.uid === wanted.uid && mine[0]?.controller === true : mine.length === 0;
  return same ? undefined : [...others, ...(wanted ? [wanted] : [])];
}

/** A claim that still belongs to an earlier pod of the name, and is about to be collected with it. */
export function isStaleClaim(claim: PersistentVolumeClaim, set: StatefulSet, podName: string): boolean {
  if (set.spec?.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false;
  return claim.metadata?.ownerReferences?.some((ref) => refersTo(ref, Pods) && ref.name === podName) ?? false;
}
