import type { PersistentVolumeClaim, Pod } from '../../gen/types.ts';

/** A claim that a pod's volume names. */
export interface PodClaim {
  readonly volume: string;
  readonly claim: string;
  readonly readOnly: boolean;
  /** Made for the pod alone, from a template in it. */
  readonly ephemeral: boolean;
}

/** The claim of a generic ephemeral volume. */
export function ephemeralClaimName(pod: Pod, volume: string): string {
  return `${pod.metadata?.name ?? ''}-${volume}`;
}

/** The claims of a pod, in the order of its volumes. */
export function podClaims(pod: Pod): PodClaim[] {
  const claims: PodClaim[] = [];
  for (const { name = '', persistentVolumeClaim, ephemeral } of pod.spec?.volumes ?? []) {
    if (persistentVolumeClaim) claims.push({ volume: name, claim: persistentVolumeClaim.claimName ?? '', readOnly: persistentVolumeClaim.readOnly ?? false, ephemeral: false });
    else if (ephemeral) claims.push({ volume: name, claim: ephemeralClaimName(pod, name), readOnly: false, ephemeral: true });
  }
  return claims;
}

/** Why a claim by the name of a pod's ephemeral volume is not the pod's, in upstream's words. */
export function notOwnClaim(pod: Pod, claim: PersistentVolumeClaim): string | undefined {
  const own = (claim.metadata?.ownerReferences ?? []).some(({ uid, controller }) => controller && uid === pod.metadata?.uid);
  if (own) return undefined;
  const { namespace = '', name = '' } = pod.metadata ?? {};
  return `PVC ${namespace}/${claim.metadata?.name ?? ''} was not created for pod ${namespace}/${name} (pod is not owner)`;
}
