import { Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses } from '@orrery/api';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { claimClass, cloudDiskProvisioner, localProvisioner, volumeAnnotations, waitsForConsumer } from '@orrery/api/volumes';
import { type ApiClient, keyOf } from '@orrery/client';
import { type ControllerContext, defineController, watch } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { wantsMore } from '../expander.ts';
import { resize } from './resize.ts';
import { dataFinalizer, deletingPod, helperNamespace, isLocal, localVolume, nodeOfVolume, planLocalVolume, refusal, standardClass, volumeLabel, volumeName } from './volume.ts';

type Context = ControllerContext<unknown>;

const [classKey, claimPrefix, volumePrefix] = ['classes', 'claim:', 'volume:'];
const { selectedNode, storageProvisioner } = volumeAnnotations;

const unlessGone = (error: unknown): undefined => {
  if (!isNotFound(error)) throw error;
};
const unlessThere = (error: unknown): undefined => {
  if (!isAlreadyExists(error)) throw error;
};

/** A cluster without any storage class but that of the cloud's disks gets one, once a start. */
async function ensureClass({ api, store }: Context): Promise<void> {
  if ([...store(StorageClasses).list()].every(({ provisioner }) => provisioner === cloudDiskProvisioner)) await api.create(StorageClasses, standardClass).catch(unlessThere);
}

/** Where the volume goes: the node the scheduler chose, or any, for a class that does not wait for one. Undefined: not yet. */
function nodeFor(claim: PersistentVolumeClaim, waits: boolean, { env, store }: Context): Node | 'gone' | undefined {
  const chosen = claim.metadata?.annotations?.[selectedNode];
  if (chosen !== undefined) return store(Nodes).get(chosen) ?? 'gone';
  if (waits) return undefined;
  const nodes = [...store(Nodes).list()].filter(({ spec, status }) => !spec?.unschedulable && status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
  return nodes[env.random.int(Math.max(1, nodes.length))];
}

/** Takes the scheduler's choice back, so that it makes another. */
async function unselect(api: ApiClient, claim: PersistentVolumeClaim): Promise<void> {
  const { [selectedNode]: _gone, ...annotations } = claim.metadata?.annotations ?? {};
  await api.update(PersistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, annotations } });
}

async function provision(claim: PersistentVolumeClaim, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api, events, store } = context;
  const className = claimClass(claim) ?? '';
  const storageClass = store(StorageClasses).get(className);
  if (storageClass?.provisioner !== localProvisioner) return;
  const fail = (message: string): void => events.event(PersistentVolumeClaims, claim, { type: 'Warning', reason: 'ProvisioningFailed', message: `failed to provision volume with StorageClass "${className}": ${message}` });
  const refused = refusal(claim);
  if (refused) {
    fail(refused);
    return { requeueAfterMs: 60_000 };
  }
  const node = nodeFor(claim, waitsForConsumer(storageClass), context);
  if (node === 'gone') {
    fail(`node "${claim.metadata?.annotations?.[selectedNode] ?? ''}" not found`);
    return unselect(api, claim);
  }
  if (!node) return waitsForConsumer(storageClass) ? undefined : { requeueAfterMs: 1_000 };
  if (store(PersistentVolumes).has(volumeName(claim))) return;
  events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'Provisioning', message: `External provisioner is provisioning volume for claim "${keyOf(claim)}"` });
  const made = await api.create(PersistentVolumes, localVolume(claim, storageClass, node)).catch(unlessThere);
  if (made) events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'ProvisioningSucceeded', message: `Successfully provisioned volume ${volumeName(claim)}` });
}

async function syncClaim(key: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { store } = context;
  const claim = store(PersistentVolumeClaims).get(key);
  if (!claim) return;
  if (wantsMore(claim)) {
    const volume = store(PersistentVolumes).get(claim.spec?.volumeName ?? '');
    if (volume && isLocal(volume)) await resize(context, claim, volume);
    return;
  }
  const asked = claim.metadata?.annotations?.[storageProvisioner] === localProvisioner;
  if (asked && !claim.spec?.volumeName && !claim.metadata?.deletionTimestamp) return provision(claim, context);
}

async function removeHelper(api: ApiClient, helper: Pod | undefined): Promise<void> {
  if (helper) await api.delete(Pods, { namespace: helperNamespace, name: helper.metadata?.name ?? '' }, { gracePeriodSeconds: 0 }).catch(unlessGone);
}

/** Takes the hold off a volume; `remove` deletes it first. */
async function letGo(api: ApiClient, volume: PersistentVolume, remove: boolean): Promise<void> {
  const { name = '', uid } = volume.metadata ?? {};
  const left = remove ? await api.delete(PersistentVolumes, { name }, uid ? { preconditions: { uid } } : {}).catch(unlessGone) : volume;
  if (!left?.metadata?.finalizers?.includes(dataFinalizer)) return;
  const finalizers = left.metadata.finalizers.filter((finalizer) => finalizer !== dataFinalizer);
  await api.update(PersistentVolumes, { ...left, metadata: { ...left.metadata, finalizers } }).catch(unlessGone);
}

async function syncVolume(name: string, context: Context): Promise<void> {
  const { api, events, store } = context;
  const volume = store(PersistentVolumes).get(name);
  const helper = [...store(Pods).byIndex('namespace', helperNamespace)].find(({ metadata }) => metadata?.labels?.[volumeLabel] === name && !metadata.deletionTimestamp);
  // One that was started on old news, after the first had done the work.
  if (!volume) return removeHelper(api, helper);
  if (!isLocal(volume)) return;
  switch (planLocalVolume(volume, { helper, nodeExists: store(Nodes).has(nodeOfVolume(volume)) })) {
    case 'nothing':
      return;
    case 'start':
      await api.create(Pods, deletingPod(volume)).catch(unlessThere);
      return;
    case 'restart':
      await removeHelper(api, helper);
      events.event(PersistentVolumes, volume, { type: 'Warning', reason: 'VolumeFailedDelete', message: `failed to delete volume ${name}: ${helper?.status?.message ?? 'the helper pod failed'}` });
      throw new Error(`the pod that deletes ${name} failed`);
    case 'finish':
      await letGo(api, volume, true);
      await removeHelper(api, helper);
      return;
    case 'unhold':
      await letGo(api, volume, false);
  }
}

/** The external provisioner of `orrery.dev/local`: directories of nodes as volumes. Sizes are told, not enforced. */
export const localVolumeController = defineController({
  name: 'local-volume-provisioner',
  eventSource: localProvisioner,
  initialKeys: [classKey],
  watches: [
    watch(PersistentVolumeClaims, ({ object, gone }) => (gone ? [] : [`${claimPrefix}${keyOf(object)}`])),
    watch(PersistentVolumes, ({ object, gone }) => (gone || !isLocal(object) ? [] : [`${volumePrefix}${object.metadata?.name ?? ''}`])),
    watch(Pods, ({ object }) => {
      const name = object.metadata?.namespace === helperNamespace ? object.metadata.labels?.[volumeLabel] : undefined;
      return name ? [`${volumePrefix}${name}`] : [];
    }),
    watch<Node, unknown>(Nodes, function* ({ object, gone }, context) {
      if (gone) for (const volume of (context as Context).store(PersistentVolumes).list()) if (nodeOfVolume(volume) === object.metadata?.name) yield `${volumePrefix}${volume.metadata?.name ?? ''}`;
    }),
  ],
  setup(context) {
    context.store(StorageClasses);
  },
  async reconcile(key, context) {
    if (key === classKey) return ensureClass(context as Context);
    if (key.startsWith(claimPrefix)) return syncClaim(key.slice(claimPrefix.length), context as Context);
    return syncVolume(key.slice(volumePrefix.length), context as Context);
  },
});
