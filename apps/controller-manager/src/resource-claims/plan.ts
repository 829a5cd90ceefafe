import type { Pod, ResourceClaim, ResourceClaimConsumerReference, ResourceClaimTemplate } from '@orrery/api/types';
import { Pods, ResourceClaims } from '@orrery/api';
import { controllerOf, newControllerRef, refersTo } from '@orrery/controller';
import { isTerminal } from '../pods/pod-state.ts';

/** Says which of its pod's claims a generated one is. */
export const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';
export const claimFinalizer = 'resource.kubernetes.io/delete-protection';
/** A name of 63 characters less a hyphen and the five that the server adds. */
const maxBaseLength = 57;
const maxReservations = 256;

type PodClaim = NonNullable<NonNullable<Pod['spec']>['resourceClaims']>[number];

/** No container runs, and none ever will. */
export function isDone(pod: Pod): boolean {
  return isTerminal(pod) || (pod.metadata?.deletionTimestamp !== undefined && !pod.spec?.nodeName);
}

/** The name of the claim behind a pod's entry: as written in the pod, or noted in its status; undefined while not generated, null when none is needed. */
export function claimNameOf(pod: Pod, entry: PodClaim): string | null | undefined {
  if (entry.resourceClaimName) return entry.resourceClaimName;
  const status = pod.status?.resourceClaimStatuses?.find(({ name }) => name === entry.name);
  return status ? (status.resourceClaimName ?? null) : undefined;
}

export function isOwnedBy(pod: Pod, claim: ResourceClaim): boolean {
  return controllerOf(claim)?.uid === pod.metadata?.uid;
}

export function claimFromTemplate(pod: Pod, entry: PodClaim, template: ResourceClaimTemplate): ResourceClaim {
  const [podName, claimName] = [pod.metadata?.name ?? '', entry.name];
  let generateName = `${podName}-${claimName}-`;
  if (generateName.length > maxBaseLength) {
    const part = (text: string): string => text.slice(0, Math.floor((text.length * maxBaseLength) / generateName.length));
    generateName = `${part(podName)}-${part(claimName)}`;
  }
  const { annotations, labels } = template.spec?.metadata ?? {};
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: ResourceClaims.kind,
    metadata: {
      generateName,
      namespace: pod.metadata?.namespace ?? '',
      ownerReferences: [newControllerRef(Pods, pod)],
      annotations: { ...annotations, [podClaimAnnotation]: claimName },
      ...(labels ? { labels } : {}),
    },
    ...(template.spec ? { spec: template.spec.spec } : {}),
  };
}

/** The entry to add when a pod that has its node already may use an allocated claim that is not reserved for it. */
export function reservationFor(pod: Pod, claim: ResourceClaim): ResourceClaimConsumerReference | undefined {
  const { allocation, reservedFor = [] } = claim.status ?? {};
  const { name = '', uid = '' } = pod.metadata ?? {};
  if (!allocation || reservedFor.length >= maxReservations || reservedFor.some((ref) => ref.uid === uid)) return undefined;
  return { resource: 'pods', name, uid };
}

export interface ClaimPlan {
  /** A new status, when it changes. */
  readonly status: ResourceClaim['status'] | undefined;
  readonly removeFinalizer: boolean;
  readonly delete: boolean;
}

/**
 * What becomes of a claim whose `valid` consumers are known. The allocation ends with the last consumer, or with the
 * deletion of a claim that nothing uses; a claim made for a pod goes as soon as that will not run any more.
 */
export function planClaim(claim: ResourceClaim, observed: { valid: readonly ResourceClaimConsumerReference[]; ownerPod: Pod | undefined }): ClaimPlan {
  const { valid, ownerPod } = observed;
  const { allocation, reservedFor = [], ...rest } = claim.status ?? {};
  const guarded = claim.metadata?.finalizers?.includes(claimFinalizer) ?? false;
  const shrinks = valid.length < reservedFor.length;
  const unused = valid.length === 0;
  const ends = guarded && unused && (shrinks || claim.metadata?.deletionTimestamp !== undefined);
  const keptAllocation = allocation && !ends ? { allocation } : {};
  const changes = shrinks || (ends && allocation !== undefined);
  const ref = controllerOf(claim);
  const ofPod = ref && refersTo(ref, Pods) && ownerPod ? ownerPod.metadata?.uid !== ref.uid || isDone(ownerPod) : false;
  return {
    status: changes ? { ...rest, ...keptAllocation, ...(valid.length ? { reservedFor: [...valid] } : {}) } : undefined,
    removeFinalizer: ends,
    delete: unused && ofPod && !claim.metadata?.deletionTimestamp,
  };
}
