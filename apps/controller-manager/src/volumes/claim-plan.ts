import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '@orrery/api/types';
import { bestVolume, claimClass, noProvisioner, sameVolumeMode, unsuitable, volumeAnnotations, waitsForConsumer } from '@orrery/api/volumes';
import type { EventInput } from '@orrery/client';

/** What a claim is judged by. */
export interface ClaimWorld {
  readonly volumes: Iterable<PersistentVolume>;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  readonly defaultClass: StorageClass | undefined;
  /** Whether volumes are made for claims at all; default true. */
  readonly provisions?: boolean;
  /** Names of the pods that use the claim and have no node yet. */
  waitingPods(): readonly string[];
}

export type ClaimPlan =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'bind'; readonly volume: PersistentVolume }
  | { readonly kind: 'pending'; readonly event?: EventInput }
  | { readonly kind: 'lost'; readonly event: EventInput }
  /** It names no class, and there is a default one by now. */
  | { readonly kind: 'assignClass'; readonly name: string }
  /** Asks a provisioner outside the binder for a volume. */
  | { readonly kind: 'provision'; readonly provisioner: string; readonly event: EventInput };

const normal = (reason: string, message: string): EventInput => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): EventInput => ({ type: 'Warning', reason, message });
const lost = (reason: string, message: string): ClaimPlan => ({ kind: 'lost', event: warning(reason, message) });

function planBound(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const { volumeName } = claim.spec ?? {};
  if (!volumeName) return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  const volume = world.volume(volumeName);
  if (!volume) return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  const uid = volume.spec?.claimRef?.uid;
  if (!volume.spec?.claimRef || uid === claim.metadata?.uid) return { kind: 'bind', volume };
  return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

/** The claim names its volume, and is not bound. */
function planPrebound(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const name = claim.spec?.volumeName ?? '';
  const volume = world.volume(name);
  if (!volume) return { kind: 'pending' };
  const ref = volume.spec?.claimRef;
  if (!ref) {
    const problem = unsuitable(volume, claim);
    return problem === undefined ? { kind: 'bind', volume } : { kind: 'pending', event: warning('VolumeMismatch', `Cannot bind to requested volume "${name}": ${problem}`) };
  }
  const mine = ref.name === claim.metadata?.name && ref.namespace === claim.metadata?.namespace && (!ref.uid || ref.uid === claim.metadata?.uid);
  if (mine && sameVolumeMode(volume, claim)) return { kind: 'bind', volume };
  return { kind: 'pending', event: warning('FailedBinding', mine ? `Cannot bind to requested volume "${name}": incompatible volumeMode` : `volume "${name}" already bound to a different claim.`) };
}

function waitingEvent(pods: readonly string[]): EventInput {
  if (pods.length === 0) return normal('WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
  return normal('WaitForPodScheduled', `waiting for pod${pods.length > 1 ? 's' : ''} ${pods.join(',')} to be scheduled`);
}

function planProvisioning(className: string, storageClass: StorageClass | undefined): ClaimPlan {
  if (!storageClass) return { kind: 'pending', event: warning('ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`) };
  const { provisioner = '' } = storageClass;
  if (provisioner === noProvisioner || provisioner.startsWith('kubernetes.io/')) {
    return { kind: 'pending', event: warning('ProvisioningFailed', `no volume plugin matched name: ${provisioner}`) };
  }
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { kind: 'provision', provisioner, event: normal('ExternalProvisioning', message) };
}

/** What to do about a claim: upstream's syncClaim. */
export function planClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const annotations = claim.metadata?.annotations ?? {};
  if (annotations[volumeAnnotations.bindCompleted] !== undefined) return planBound(claim, world);
  if (claim.metadata?.deletionTimestamp) return { kind: 'nothing' };
  if (claim.spec?.volumeName) return planPrebound(claim, world);
  const className = claimClass(claim);
  const storageClass = className ? world.storageClass(className) : undefined;
  const delayed = waitsForConsumer(storageClass) && annotations[volumeAnnotations.selectedNode] === undefined;
  const volume = bestVolume(claim, world.volumes, { delayed });
  if (volume) return { kind: 'bind', volume };
  if (className === undefined && world.defaultClass) return { kind: 'assignClass', name: world.defaultClass.metadata?.name ?? '' };
  if (delayed) return { kind: 'pending', event: waitingEvent(world.waitingPods()) };
  if (className) return world.provisions === false ? { kind: 'pending' } : planProvisioning(className, storageClass);
  return { kind: 'pending', event: normal('FailedBinding', 'no persistent volumes available for this claim and no storage class is set') };
}
