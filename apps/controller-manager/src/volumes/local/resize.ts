import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@orrery/api/types';
import { compareQuantity, parseQuantity } from '@orrery/apimachinery';
import type { ControllerContext } from '@orrery/controller';
import { rfc3339 } from '@orrery/runtime';

type Status = NonNullable<PersistentVolumeClaim['status']>;

const requestOf = ({ spec }: PersistentVolumeClaim): string => spec?.resources?.requests?.['storage'] ?? '0';
const resizeConditions = ['Resizing', 'FileSystemResizePending'];

/** The status of a claim whose volume is about to grow. */
export function resizing(claim: PersistentVolumeClaim, nowMs: number): Status {
  const conditions = (claim.status?.conditions ?? []).filter(({ type }) => !resizeConditions.includes(type));
  return {
    ...claim.status,
    allocatedResources: { ...claim.status?.allocatedResources, storage: requestOf(claim) },
    allocatedResourceStatuses: { ...claim.status?.allocatedResourceStatuses, storage: 'ControllerResizeInProgress' },
    conditions: [...conditions, { type: 'Resizing', status: 'True', lastTransitionTime: rfc3339(nowMs) }],
  };
}

/** The status of a claim whose volume has grown. A directory needs nothing of its node. */
export function resized(claim: PersistentVolumeClaim): Status {
  const { allocatedResourceStatuses: { storage: _done, ...others } = {}, conditions = [], ...status } = claim.status ?? {};
  const left = conditions.filter(({ type }) => !resizeConditions.includes(type));
  return {
    ...status,
    capacity: { ...status.capacity, storage: requestOf(claim) },
    ...(Object.keys(others).length ? { allocatedResourceStatuses: others } : {}),
    ...(left.length ? { conditions: left } : {}),
  };
}

/** Grows the volume of a claim, told as the external resizer of CSI drivers tells it. */
export async function resize({ api, env, events }: Pick<ControllerContext<unknown>, 'api' | 'env' | 'events'>, claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
  const size = requestOf(claim);
  const say = (reason: string, message: string): void => events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason, message });
  let current = claim;
  if (claim.status?.allocatedResources?.['storage'] !== size) {
    say('Resizing', `External resizer is resizing volume ${volume.metadata?.name ?? ''}`);
    current = await api.update(PersistentVolumeClaims, { ...claim, status: resizing(claim, env.clock.now()) }, { subresource: 'status' });
  }
  if (compareQuantity(parseQuantity(volume.spec?.capacity?.['storage'] ?? '0'), parseQuantity(size)) < 0) {
    await api.update(PersistentVolumes, { ...volume, spec: { ...volume.spec, capacity: { storage: size } } });
  }
  await api.update(PersistentVolumeClaims, { ...current, status: resized(current) }, { subresource: 'status' });
  say('VolumeResizeSuccessful', 'Resize volume succeeded');
}
