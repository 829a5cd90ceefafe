import type { PersistentVolume, PersistentVolumeClaim } from '@orrery/api/types';
import { sameVolumeMode, volumeAnnotations } from '@orrery/api/volumes';
import type { EventInput } from '@orrery/client';

export type VolumePlan =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'phase'; readonly phase: 'Available' | 'Bound' | 'Released' }
  /** Its claim is there and has not been bound to it yet. */
  | { readonly kind: 'syncClaim'; readonly event?: EventInput }
  /** Its claim went to another volume. */
  | { readonly kind: 'unbind' }
  /** Reclaiming it failed; also the event's message. */
  | { readonly kind: 'failed'; readonly event: EventInput };

const byController = ({ metadata }: PersistentVolume): boolean => metadata?.annotations?.[volumeAnnotations.boundByController] !== undefined;

/** Why a volume that nobody provisioned cannot be deleted with its claim. */
function undeletable({ metadata, spec }: PersistentVolume): string {
  if (spec?.hostPath) return `host_path deleter only supports /tmp/.+ but received provided ${spec.hostPath.path ?? ''}`;
  return `error getting deleter volume plugin for volume "${metadata?.name ?? ''}": no deletable volume plugin matched`;
}

/** Its claim is gone: first say so, then do as its policy says. Volumes of provisioners are theirs to delete. */
function planReleased(volume: PersistentVolume): VolumePlan {
  const { phase } = volume.status ?? {};
  if (phase !== 'Released' && phase !== 'Failed') return { kind: 'phase', phase: 'Released' };
  const policy = volume.spec?.persistentVolumeReclaimPolicy;
  if (policy === 'Recycle') return { kind: 'failed', event: { type: 'Warning', reason: 'VolumeFailedRecycle', message: 'No recycler plugin found for the volume!' } };
  if (policy !== 'Delete' || volume.metadata?.annotations?.[volumeAnnotations.provisionedBy] !== undefined) return { kind: 'nothing' };
  return { kind: 'failed', event: { type: 'Warning', reason: 'VolumeFailedDelete', message: undeletable(volume) } };
}

/** What to do about a volume, given the claim of the name it refers to: upstream's syncVolume. */
export function planVolume(volume: PersistentVolume, named: PersistentVolumeClaim | undefined): VolumePlan {
  const ref = volume.spec?.claimRef;
  if (!ref || !ref.uid) return { kind: 'phase', phase: 'Available' };
  const claim = named?.metadata?.uid === ref.uid ? named : undefined;
  if (!claim) return planReleased(volume);
  const { volumeName } = claim.spec ?? {};
  if (!volumeName) {
    if (sameVolumeMode(volume, claim)) return { kind: 'syncClaim' };
    return { kind: 'syncClaim', event: { type: 'Warning', reason: 'VolumeMismatch', message: 'Cannot bind PersistentVolume to requested PersistentVolumeClaim due to incompatible volumeMode' } };
  }
  if (volumeName === volume.metadata?.name) return { kind: 'phase', phase: 'Bound' };
  const provisioned = volume.metadata?.annotations?.[volumeAnnotations.provisionedBy] !== undefined;
  return provisioned && volume.spec?.persistentVolumeReclaimPolicy === 'Delete' ? planReleased(volume) : { kind: 'unbind' };
}

/** The volume without its claim: wholly when the binder chose the claim, else only the claim's uid goes. */
export function unbound(volume: PersistentVolume): PersistentVolume {
  const { claimRef, ...spec } = volume.spec ?? {};
  if (byController(volume)) {
    const { [volumeAnnotations.boundByController]: _chosen, ...annotations } = volume.metadata?.annotations ?? {};
    return { ...volume, metadata: { ...volume.metadata, annotations }, spec };
  }
  const { uid: _uid, resourceVersion: _version, ...ref } = claimRef ?? {};
  return { ...volume, spec: { ...spec, claimRef: ref } };
}
