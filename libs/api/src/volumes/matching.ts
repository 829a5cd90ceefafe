import { compareQuantity, parseQuantity, selectorFromObject } from '@orrery/apimachinery';
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../gen/types.ts';
import { defaultClassAnnotations, volumeAnnotations } from './annotations.ts';

/** The class of a claim: `''` when it wants none, undefined when it does not say. */
export function claimClass({ metadata, spec }: PersistentVolumeClaim): string | undefined {
  return metadata?.annotations?.[volumeAnnotations.betaStorageClass] ?? spec?.storageClassName;
}

export function volumeClass({ metadata, spec }: PersistentVolume): string {
  return metadata?.annotations?.[volumeAnnotations.betaStorageClass] ?? spec?.storageClassName ?? '';
}

/** The newest of the classes marked as default, by name among those of one second. */
export function defaultClass(classes: Iterable<StorageClass>): StorageClass | undefined {
  let best: StorageClass | undefined;
  for (const one of classes) {
    if (!defaultClassAnnotations.some((key) => one.metadata?.annotations?.[key] === 'true')) continue;
    const [age, bestAge] = [one.metadata?.creationTimestamp ?? '', best?.metadata?.creationTimestamp ?? ''];
    if (!best || age > bestAge || (age === bestAge && (one.metadata?.name ?? '') < (best.metadata?.name ?? ''))) best = one;
  }
  return best;
}

export function waitsForConsumer(storageClass: StorageClass | undefined): boolean {
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}

/** `namespace/name` of the claim that a volume is bound to, or set aside for. */
export function claimKeyOf(ref: ObjectReference): string {
  return `${ref.namespace ?? ''}/${ref.name ?? ''}`;
}

/** Whether a volume names this claim: by name, and by uid once it has one. */
export function namesClaim({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const ref = spec?.claimRef;
  if (!ref || ref.name !== metadata?.name || (ref.namespace ?? '') !== (metadata?.namespace ?? '')) return false;
  return !ref.uid || ref.uid === metadata?.uid;
}

const size = (value: string | undefined) => parseQuantity(value ?? '0');
const requested = (claim: PersistentVolumeClaim) => size(claim.spec?.resources?.requests?.['storage']);
const capacity = (volume: PersistentVolume) => size(volume.spec?.capacity?.['storage']);
const volumeMode = ({ spec }: PersistentVolume | PersistentVolumeClaim): string => spec?.volumeMode ?? 'Filesystem';

export function sameVolumeMode(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return volumeMode(volume) === volumeMode(claim);
}

function hasModes(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const offered = volume.spec?.accessModes ?? [];
  return (claim.spec?.accessModes ?? []).every((mode) => offered.includes(mode));
}

/** Why a volume that a claim asks for by name cannot be bound to it, in upstream's words; undefined when it can. */
export function unsuitable(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (compareQuantity(capacity(volume), requested(claim)) < 0) return 'requested PV is too small';
  if (volumeClass(volume) !== (claimClass(claim) ?? '')) return 'storageClassName does not match';
  if ((volume.spec?.volumeAttributesClassName ?? '') !== (claim.spec?.volumeAttributesClassName ?? '')) return 'VolumeAttributesClassName does not match';
  if (!sameVolumeMode(volume, claim)) return 'incompatible volumeMode';
  return hasModes(volume, claim) ? undefined : 'incompatible accessMode';
}

export interface MatchOptions {
  /** The claim waits for its first consumer: only a volume that names it will do, until there is a node. */
  readonly delayed?: boolean;
  /** Whether the node of the consumer reaches a volume. Without it the node is not known. */
  readonly reaches?: (volume: PersistentVolume) => boolean;
  /** Volumes chosen for other claims of the same consumer. */
  readonly taken?: ReadonlySet<string>;
}

function larger(a: PersistentVolume, b: PersistentVolume): number {
  const modes = (a.spec?.accessModes?.length ?? 0) - (b.spec?.accessModes?.length ?? 0);
  return modes || compareQuantity(capacity(a), capacity(b)) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}

/**
 * The volume for a claim: one that names it comes first; otherwise, of those that are available and suit in class, modes, selector and
 * size, that with the fewest access modes, and of these the smallest.
 */
export function bestVolume(claim: PersistentVolumeClaim, volumes: Iterable<PersistentVolume>, options: MatchOptions = {}): PersistentVolume | undefined {
  const { delayed = false, reaches, taken } = options;
  const wanted = requested(claim);
  const selector = claim.spec?.selector ? selectorFromObject(claim.spec.selector) : undefined;
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (taken?.has(volume.metadata?.name ?? '') || volume.metadata?.deletionTimestamp) continue;
    const mine = namesClaim(volume, claim);
    if (volume.spec?.claimRef && !mine) continue;
    if (!sameVolumeMode(volume, claim) || compareQuantity(capacity(volume), wanted) < 0) continue;
    if (mine) {
      if (!reaches || reaches(volume)) return volume;
      continue;
    }
    if (delayed && !reaches) continue;
    if (volume.status?.phase !== 'Available' || (selector && !selector.matches(volume.metadata?.labels ?? {}))) continue;
    if (unsuitable(volume, claim) !== undefined || (reaches && !reaches(volume))) continue;
    if (!best || larger(volume, best) < 0) best = volume;
  }
  return best;
}
