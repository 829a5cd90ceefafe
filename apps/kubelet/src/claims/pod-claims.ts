import type { Container, Pod, ResourceClaim } from '@orrery/api/types';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';

/** A claim of a pod, by the name of the object, and what each container wants of it. */
export interface PodClaim {
  readonly claim: string;
  /** Made for this pod alone: another's of that name will not do. */
  readonly isOwn: boolean;
  /** Requests of the claim whose devices a container gets, undefined for all of them. */
  readonly requests: (container: Container) => readonly (string | undefined)[];
}

export const usesClaims = ({ spec, status }: Pod): boolean => Boolean(spec?.resourceClaims?.length || status?.extendedResourceClaimStatus);

/** The object that stands behind a claim's name in the pod; undefined while there is none. */
export function claimNamed({ spec, status }: Pod, name: string): string | undefined {
  return spec?.resourceClaims?.find((one) => one.name === name)?.resourceClaimName ?? status?.resourceClaimStatuses?.find((one) => one.name === name)?.resourceClaimName;
}

/** The claims of a pod, the scheduler's for extended resources too. Throws while one is still to be made. */
export function podClaims(pod: Pod): PodClaim[] {
  const { spec, status } = pod;
  const claims: PodClaim[] = [];
  for (const { name, resourceClaimName, resourceClaimTemplateName } of spec?.resourceClaims ?? []) {
    const made = status?.resourceClaimStatuses?.find((one) => one.name === name);
    if (!resourceClaimName && resourceClaimTemplateName && !made) throw new Error(`pod "${namespaceOf(pod)}/${nameOf(pod)}": ResourceClaim not created yet`);
    const claim = claimNamed(pod, name);
    // A template whose claim is not needed gives none.
    if (claim) claims.push({ claim, isOwn: !resourceClaimName, requests: ({ resources }) => (resources?.claims ?? []).flatMap((one) => (one.name === name ? [one.request] : [])) });
  }
  const extended = status?.extendedResourceClaimStatus;
  if (extended) {
    claims.push({ claim: extended.resourceClaimName, isOwn: true, requests: (container) => extended.requestMappings.flatMap((one) => (one.containerName === container.name ? [one.requestName] : [])) });
  }
  return claims;
}

/** The drivers whose devices a claim was given. Throws when the pod may not use the claim, in upstream's words. */
export function driversOf(pod: Pod, { metadata, status }: ResourceClaim, isOwn: boolean): string[] {
  const name = metadata?.name ?? '';
  const uid = uidOf(pod);
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller);
  if (isOwn && owner?.uid !== uid) throw new Error(`ResourceClaim ${namespaceOf(pod)}/${name} was not created for Pod ${namespaceOf(pod)}/${nameOf(pod)} (Pod is not owner)`);
  if (!status?.reservedFor?.some((one) => one.uid === uid)) throw new Error(`pod ${nameOf(pod)} (${uid}) is not allowed to use ResourceClaim ${name} (${metadata?.uid ?? ''})`);
  if (!status.allocation) throw new Error(`ResourceClaim ${name}: not allocated`);
  return [...new Set((status.allocation.devices?.results ?? []).map(({ driver }) => driver))];
}
