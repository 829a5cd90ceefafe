import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@orrery/api/types';
import { volumeAnnotations } from '@orrery/api/volumes';
import { type ApiClient, deepEqual } from '@orrery/client';

const { bindCompleted, boundByController } = volumeAnnotations;

/** The volume as it names the claim; the same object when it does already. */
export function volumeNaming(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
  const ref = volume.spec?.claimRef;
  if (ref?.name === name && ref.namespace === namespace && ref.uid === uid) return volume;
  const chosen = ref ? {} : { annotations: { ...volume.metadata?.annotations, [boundByController]: 'yes' } };
  const claimRef = { ...ref, apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid, resourceVersion };
  return { ...volume, metadata: { ...volume.metadata, ...chosen }, spec: { ...volume.spec, claimRef } };
}

/** The claim as it names the volume; the same object when it does already. */
export function claimNaming(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim {
  const { name = '' } = volume.metadata ?? {};
  const annotations = claim.metadata?.annotations ?? {};
  const names = claim.spec?.volumeName === name;
  if (names && annotations[bindCompleted] !== undefined) return claim;
  return {
    ...claim,
    metadata: { ...claim.metadata, annotations: { ...annotations, ...(names ? {} : { [boundByController]: 'yes' }), [bindCompleted]: 'yes' } },
    spec: { ...claim.spec, volumeName: name },
  };
}

/** The status of a bound claim. Its capacity is the volume's when it is bound; later it follows resizes alone. */
export function boundStatus(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim['status'] {
  const capacity = claim.status?.phase === 'Bound' && claim.status.capacity ? claim.status.capacity : (volume.spec?.capacity ?? {});
  const attributes = volume.spec?.volumeAttributesClassName;
  return { ...claim.status, phase: 'Bound', accessModes: volume.spec?.accessModes ?? [], capacity, ...(attributes ? { currentVolumeAttributesClassName: attributes } : {}) };
}

export async function setVolumePhase(api: ApiClient, volume: PersistentVolume, phase: string, message?: string): Promise<PersistentVolume> {
  if (volume.status?.phase === phase && (volume.status.message ?? '') === (message ?? '')) return volume;
  const { message: _before, reason: _reason, ...status } = volume.status ?? {};
  return api.update(PersistentVolumes, { ...volume, status: { ...status, phase, ...(message ? { message } : {}) } }, { subresource: 'status' });
}

export async function setClaimStatus(api: ApiClient, claim: PersistentVolumeClaim, status: PersistentVolumeClaim['status']): Promise<PersistentVolumeClaim> {
  if (deepEqual(claim.status ?? {}, status ?? {})) return claim;
  return api.update(PersistentVolumeClaims, { ...claim, status: status ?? {} }, { subresource: 'status' });
}

/**
 * Binds both ways, in upstream's order: the volume names the claim, says so in its phase, then the claim names the volume, then its
 * phase. Each step is left out that has been taken, so it may be interrupted anywhere and begun again. Throws 409 when either changed.
 */
export async function bind(api: ApiClient, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
  const naming = volumeNaming(volume, claim);
  const bound = naming === volume ? volume : await api.update(PersistentVolumes, naming);
  await setVolumePhase(api, bound, 'Bound');
  const named = claimNaming(claim, bound);
  const complete = named === claim ? claim : await api.update(PersistentVolumeClaims, named);
  await setClaimStatus(api, complete, boundStatus(complete, bound));
}
