import { PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { claimClass, claimKeyOf, defaultClass, podClaims, volumeAnnotations, volumeClass } from '@orrery/api/volumes';
import { keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { bind, setClaimStatus, setVolumePhase } from './binding.ts';
import { type ClaimWorld, planClaim } from './claim-plan.ts';
import { tellBinding } from './metrics.ts';
import { planVolume, unbound } from './volume-plan.ts';

interface State {
  readonly provisions: boolean;
}

type Context = ControllerContext<State>;

/** As upstream: what cannot be bound now is looked at again, and told about again. */
const resyncMs = 15_000;
const [claimPrefix, volumePrefix] = ['claim:', 'volume:'];
/** Index of claims that are not bound, by class. */
const unboundIndex = 'unboundByClass';
/** Index of volumes, by the keys of the claims they name. */
const claimedIndex = 'volumesByClaim';
/** Index of pods without a node, by the keys of their claims. */
const waitingIndex = 'waitingByClaim';

const claimQueueKey = (key: string): string => `${claimPrefix}${key}`;
const volumeQueueKey = (name: string): string => `${volumePrefix}${name}`;

const indexUnbound = (claim: PersistentVolumeClaim): string[] =>
  claim.metadata?.annotations?.[volumeAnnotations.bindCompleted] === undefined ? [claimClass(claim) ?? ''] : [];

const none: readonly string[] = [];

const indexWaiting = (pod: Pod): readonly string[] =>
  pod.spec?.nodeName ? none : podClaims(pod).map(({ claim }) => `${pod.metadata?.namespace ?? ''}/${claim}`);

async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function claimWorld(key: string, { state, store }: Context, fresh: PersistentVolume | undefined): ClaimWorld {
  const volumes = store(PersistentVolumes);
  return {
    volumes: volumes.list(),
    volume: (name) => volumes.get(name) ?? (fresh?.metadata?.name === name ? fresh : undefined),
    storageClass: (name) => store(StorageClasses).get(name),
    provisions: state.provisions,
    defaultClass: defaultClass(store(StorageClasses).list()),
    waitingPods: () => [...store(Pods).byIndex(waitingIndex, key)].map((pod) => pod.metadata?.name ?? '').sort(),
  };
}

/** A volume that the cache does not show may still be there: data is called lost only when the server says so. */
async function unseenVolume(name: string | undefined, { api, store }: Context): Promise<PersistentVolume | undefined> {
  return name && !store(PersistentVolumes).has(name) ? unlessGone(api.get(PersistentVolumes, { name })) : undefined;
}

async function askProvisioner(claim: PersistentVolumeClaim, provisioner: string, { api }: Context): Promise<void> {
  const { storageProvisioner, betaStorageProvisioner } = volumeAnnotations;
  const annotations = claim.metadata?.annotations ?? {};
  if (annotations[storageProvisioner] === provisioner && annotations[betaStorageProvisioner] === provisioner) return;
  const asked = { ...annotations, [betaStorageProvisioner]: provisioner, [storageProvisioner]: provisioner };
  await api.update(PersistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, annotations: asked } });
}

async function syncClaim(key: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api, events, store } = context;
  const claim = store(PersistentVolumeClaims).get(key);
  if (!claim) return;
  const plan = planClaim(claim, claimWorld(key, context, await unseenVolume(claim.spec?.volumeName, context)));
  switch (plan.kind) {
    case 'nothing':
      return;
    case 'bind':
      return bind(api, plan.volume, claim);
    case 'assignClass':
      await api.update(PersistentVolumeClaims, { ...claim, spec: { ...claim.spec, storageClassName: plan.name } });
      return;
    case 'lost':
      if (claim.status?.phase === 'Lost') return;
      events.event(PersistentVolumeClaims, claim, plan.event);
      await setClaimStatus(api, claim, { phase: 'Lost' });
      return;
    case 'provision':
      events.event(PersistentVolumeClaims, claim, plan.event);
      await askProvisioner(claim, plan.provisioner, context);
      return { requeueAfterMs: resyncMs };
    case 'pending':
      if (plan.event) events.event(PersistentVolumeClaims, claim, plan.event);
      if (claim.status?.phase !== 'Pending') await setClaimStatus(api, claim, { phase: 'Pending' });
      return { requeueAfterMs: resyncMs };
  }
}

async function syncVolume(name: string, context: Context): Promise<void> {
  const { api, enqueue, events, store } = context;
  const volume = store(PersistentVolumes).get(name);
  if (!volume) return;
  const ref = volume.spec?.claimRef;
  let claim = ref && store(PersistentVolumeClaims).get(claimKeyOf(ref));
  // The claim may be newer than the cache; a volume is released only when the server has no such claim.
  if (ref?.uid && claim?.metadata?.uid !== ref.uid) claim = await unlessGone(api.get(PersistentVolumeClaims, { namespace: ref.namespace ?? '', name: ref.name ?? '' }));
  const plan = planVolume(volume, claim);
  switch (plan.kind) {
    case 'nothing':
      return;
    case 'phase':
      await setVolumePhase(api, volume, plan.phase);
      return;
    case 'syncClaim':
      if (plan.event) events.event(PersistentVolumes, volume, plan.event);
      if (ref) enqueue(claimQueueKey(claimKeyOf(ref)));
      return;
    case 'unbind':
      await setVolumePhase(api, await api.update(PersistentVolumes, unbound(volume)), 'Available');
      return;
    case 'failed':
      if (volume.status?.phase === 'Failed' && volume.status.message === plan.event.message) return;
      events.event(PersistentVolumes, volume, plan.event);
      await setVolumePhase(api, volume, 'Failed', plan.event.message);
  }
}

/** A volume is of interest to its claim, or, while it is free, to the claims of its class that wait. */
function* concernedClaims(volume: PersistentVolume, { store }: Context): Iterable<string> {
  const ref = volume.spec?.claimRef;
  if (ref) yield claimQueueKey(claimKeyOf(ref));
  else if (volume.status?.phase === 'Available') for (const claim of store(PersistentVolumeClaims).byIndex(unboundIndex, volumeClass(volume))) yield claimQueueKey(keyOf(claim));
}

/** Binds claims and volumes to each other, and does with a volume as its policy says when its claim is gone. */
export function persistentVolumeBinder({ provisions }: { readonly provisions: boolean }): AnyController {
  return defineController<KubeObject, State>({
    name: 'persistentvolume-binder-controller',
    queue: 'claims',
    account: 'persistent-volume-binder',
    eventSource: 'persistentvolume-controller',
    watches: [
      watch<PersistentVolumeClaim, State>(PersistentVolumeClaims, function* ({ object, gone }, context) {
        if (!gone) yield claimQueueKey(keyOf(object));
        for (const volume of context.store(PersistentVolumes).byIndex(claimedIndex, keyOf(object))) yield volumeQueueKey(volume.metadata?.name ?? '');
      }),
      watch<PersistentVolume, State>(PersistentVolumes, function* ({ object, gone }, context) {
        if (!gone) yield volumeQueueKey(object.metadata?.name ?? '');
        yield* concernedClaims(object, context);
      }),
      watch<StorageClass, State>(StorageClasses, function* ({ object }, context) {
        for (const className of [object.metadata?.name ?? '', '']) {
          for (const claim of context.store(PersistentVolumeClaims).byIndex(unboundIndex, className)) yield claimQueueKey(keyOf(claim));
        }
      }),
    ],
    setup(context) {
      context.store(PersistentVolumeClaims).addIndexer(unboundIndex, indexUnbound);
      context.store(PersistentVolumes).addIndexer(claimedIndex, ({ spec }) => (spec?.claimRef ? [claimKeyOf(spec.claimRef)] : []));
      context.store(Pods).addIndexer(waitingIndex, indexWaiting);
      tellBinding(context);
      return { provisions };
    },
    async reconcile(key, context) {
      if (key.startsWith(claimPrefix)) return syncClaim(key.slice(claimPrefix.length), context);
      return syncVolume(key.slice(volumePrefix.length), context);
    },
  });
}
