import type { CSIDriver, CSIStorageCapacity, PersistentVolumeClaim, StorageClass } from '@orrery/api/types';
import { podClaims } from '@orrery/api/volumes';
import { compareQuantity, parseQuantity } from '@orrery/apimachinery';
import type { PodInfo } from '../cache/pod-info.ts';
import type { ClusterEvent, EventInterest } from '../framework/types.ts';

/** A claim is of interest to the pods that name it. */
export function namesChangedClaim({ pod }: PodInfo, event: ClusterEvent): 'Queue' | 'Skip' {
  const { metadata } = event.object as PersistentVolumeClaim;
  if (metadata?.namespace !== pod.metadata?.namespace) return 'Skip';
  return podClaims(pod).some(({ claim }) => claim === metadata?.name) ? 'Queue' : 'Skip';
}

/** A class is of interest when it is new, or allows other places than before. */
function classChanged(_pod: PodInfo, { object, old }: ClusterEvent): 'Queue' | 'Skip' {
  const [now, before] = [object as StorageClass, old as StorageClass | undefined];
  return !before || JSON.stringify(now.allowedTopologies) !== JSON.stringify(before.allowedTopologies) ? 'Queue' : 'Skip';
}

const sizeOf = ({ capacity, maximumVolumeSize }: CSIStorageCapacity) => parseQuantity(maximumVolumeSize ?? capacity ?? '0');

/** More room than before, or room where there was none. */
function capacityGrew(_pod: PodInfo, { object, old }: ClusterEvent): 'Queue' | 'Skip' {
  const [now, before] = [object as CSIStorageCapacity, old as CSIStorageCapacity | undefined];
  return !before || compareQuantity(sizeOf(now), sizeOf(before)) > 0 ? 'Queue' : 'Skip';
}

/** A driver that no longer tells its capacity can be tried anywhere. */
function capacityIgnored(_pod: PodInfo, { object, old }: ClusterEvent): 'Queue' | 'Skip' {
  const [now, before] = [object as CSIDriver, old as CSIDriver | undefined];
  return before?.spec?.storageCapacity === true && now.spec?.storageCapacity !== true ? 'Queue' : 'Skip';
}

/** What may undo a refusal that is about claims, the volumes they are bound to, and where these can be reached. */
export const volumeEvents: readonly EventInterest[] = [
  { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: namesChangedClaim },
  { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
  { resource: 'StorageClass', actions: ['Add', 'Update'], hint: classChanged },
  { resource: 'Node', actions: ['Add', 'Update'] },
  { resource: 'CSINode', actions: ['Add', 'Update'] },
  { resource: 'CSIDriver', actions: ['Update'], hint: capacityIgnored },
  { resource: 'CSIStorageCapacity', actions: ['Add', 'Update'], hint: capacityGrew },
];
