import { PersistentVolumeClaims, PersistentVolumes, Pods, VolumeAttributesClasses } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttributesClass } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { controllerOf, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { claimKeysOf } from './pods-by-claim.ts';

export const claimFinalizer = 'kubernetes.io/pvc-protection';
export const volumeFinalizer = 'kubernetes.io/pv-protection';
export const attributesClassFinalizer = 'kubernetes.io/vac-protection';

/** The finalizers an object should have: protected while it lives, released once it is to go and nothing uses it. Undefined: as they are. */
export function plan(object: KubeObject, finalizer: string, inUse: () => boolean): string[] | undefined {
  const { finalizers = [], deletionTimestamp } = object.metadata ?? {};
  const has = finalizers.includes(finalizer);
  if (!deletionTimestamp) return has ? undefined : [...finalizers, finalizer];
  return has && !inUse() ? finalizers.filter((name) => name !== finalizer) : undefined;
}

/** Its kubelet is done with the pod, or it was deleted by force: only finalizers keep it. */
const isShutDown = ({ metadata }: Pod): boolean => metadata?.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;

/**
 * A pod holds a claim as long as it is on a node, even when it has run to its end. The claim of its own ephemeral volume it holds
 * only until it is shut down: it may itself be waiting for that claim to go.
 */
export function holdsClaim(pod: Pod, claim: PersistentVolumeClaim): boolean {
  const { name = '' } = claim.metadata ?? {};
  if (!pod.spec?.nodeName) return false;
  return (pod.spec.volumes ?? []).some((volume) => {
    if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName === name;
    return volume.ephemeral !== undefined && !isShutDown(pod) && `${pod.metadata?.name ?? ''}-${volume.name ?? ''}` === name && controllerOf(claim)?.uid === pod.metadata?.uid;
  });
}

function claimInUse(claim: PersistentVolumeClaim, pods: Iterable<Pod>): boolean {
  for (const pod of pods) if (holdsClaim(pod, claim)) return true;
  return false;
}

const ignoreGone = (error: unknown): void => {
  if (!isNotFound(error)) throw error;
};

const none: readonly string[] = [];

/** Keeps claims that pods use from being removed. */
export const claimProtectionController = defineController<PersistentVolumeClaim>({
  name: 'persistentvolumeclaim-protection-controller',
  queue: 'pvcprotection',
  account: 'pvc-protection-controller',
  for: PersistentVolumeClaims,
  watches: [
    watch(Pods, ({ object, gone }) => (gone || isShutDown(object) ? claimKeysOf(object) : none)),
  ],
  async reconcile(key, { api, store }) {
    const claim = store(PersistentVolumeClaims).get(key);
    if (!claim) return;
    const { namespace = '', finalizers: before } = claim.metadata ?? {};
    const finalizers = plan(claim, claimFinalizer, () => claimInUse(claim, store(Pods).byIndex('namespace', namespace)));
    if (!finalizers) return;
    // A pod may have come that the cache does not show yet.
    const releases = finalizers.length < (before?.length ?? 0);
    if (releases && claimInUse(claim, (await api.list(Pods, { namespace })).items)) return;
    await api.update(PersistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, finalizers } }).catch(ignoreGone);
  },
});

/** Keeps volumes that are bound from being removed. */
export const volumeProtectionController = defineController<PersistentVolume>({
  name: 'persistentvolume-protection-controller',
  queue: 'pvprotection',
  account: 'pv-protection-controller',
  for: PersistentVolumes,
  async reconcile(key, { api, store }) {
    const volume = store(PersistentVolumes).get(key);
    const finalizers = volume && plan(volume, volumeFinalizer, () => volume.status?.phase === 'Bound');
    if (volume && finalizers) await api.update(PersistentVolumes, { ...volume, metadata: { ...volume.metadata, finalizers } }).catch(ignoreGone);
  },
});

/** Classes that a claim asks for or has, or that its volume has. */
function* classesOf({ spec, status }: PersistentVolumeClaim): Iterable<string> {
  for (const name of [spec?.volumeAttributesClassName, status?.currentVolumeAttributesClassName, status?.modifyVolumeStatus?.targetVolumeAttributesClassName]) if (name) yield name;
}

function* classesNamedBy(change: { object: PersistentVolumeClaim; old: PersistentVolumeClaim | undefined }): Iterable<string> {
  yield* classesOf(change.object);
  if (change.old) yield* classesOf(change.old);
}

/** Keeps volume attributes classes that claims or volumes have from being removed. */
export const attributesClassProtectionController = defineController<VolumeAttributesClass>({
  name: 'volumeattributesclass-protection-controller',
  for: VolumeAttributesClasses,
  watches: [
    watch(PersistentVolumeClaims, classesNamedBy),
    watch(PersistentVolumes, ({ object, old }) => [object, old].flatMap((volume) => volume?.spec?.volumeAttributesClassName ?? [])),
  ],
  async reconcile(key, { api, store }) {
    const found = store(VolumeAttributesClasses).get(key);
    const inUse = (): boolean =>
      [...store(PersistentVolumeClaims).list()].some((claim) => [...classesOf(claim)].includes(key)) || [...store(PersistentVolumes).list()].some((volume) => volume.spec?.volumeAttributesClassName === key);
    const finalizers = found && plan(found, attributesClassFinalizer, inUse);
    if (found && finalizers) await api.update(VolumeAttributesClasses, { ...found, metadata: { ...found.metadata, finalizers } }).catch(ignoreGone);
  },
});
