import { ResourceClaims } from '@orrery/api';
import type { AllocationResult, Pod, ResourceClaim } from '@orrery/api/types';
import { isConflict } from '@orrery/errors';
import type { PluginHandle, PostFilterResult } from '../../framework/types.ts';

const finalizer = 'resource.kubernetes.io/delete-protection';
const maxWrites = 5;
/** No claim could be helped. */
export const noHelp = 'still not schedulable';

export const isReservedFor = ({ status }: ResourceClaim, pod: Pod): boolean => (status?.reservedFor ?? []).some(({ uid }) => uid === pod.metadata?.uid);

/** Writes allocation and reservation into a claim's status, the finalizer first. Others may write the claim meanwhile. */
export async function bindClaim(handle: PluginHandle, pod: Pod, claim: ResourceClaim, allocation: AllocationResult | undefined): Promise<void> {
  const { api } = handle;
  const key = { namespace: claim.metadata?.namespace ?? '', name: claim.metadata?.name ?? '' };
  let now = claim;
  for (let attempt = 1; ; attempt++) {
    try {
      if (isReservedFor(now, pod)) return;
      if (now.status?.allocation && allocation && claim.metadata?.resourceVersion !== now.metadata?.resourceVersion) throw new Error(`claim ${key.name} was allocated elsewhere meanwhile`);
      if (allocation && !now.metadata?.finalizers?.includes(finalizer)) {
        now = await api.update(ResourceClaims, { ...now, metadata: { ...now.metadata, finalizers: [...(now.metadata?.finalizers ?? []), finalizer] } });
      }
      const reservedFor = [...(now.status?.reservedFor ?? []), { resource: 'pods', name: pod.metadata?.name ?? '', uid: pod.metadata?.uid ?? '' }];
      await api.update(ResourceClaims, { ...now, status: { ...now.status, ...(allocation ? { allocation } : {}), reservedFor } }, { subresource: 'status' });
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === maxWrites) throw error;
      now = await api.get(ResourceClaims, key);
    }
  }
}

/** Takes the devices back from one claim that nobody else uses: others may be had where the pod can run. */
export async function giveBack({ api }: PluginHandle, pod: Pod, claims: Iterable<ResourceClaim>): Promise<PostFilterResult> {
  for (const claim of claims) {
    const { allocation: _given, reservedFor = [], ...kept } = claim.status ?? {};
    if (reservedFor.some(({ uid }) => uid !== pod.metadata?.uid)) continue;
    try {
      await api.update(ResourceClaims, { ...claim, status: kept }, { subresource: 'status' });
      return { message: 'deallocation of ResourceClaim completed' };
    } catch (error) {
      return { message: (error as Error).message, failed: true };
    }
  }
  return { message: noHelp };
}
