import { CSINodes, Nodes, PersistentVolumeClaims, PersistentVolumes, StorageClasses, VolumeAttachments, VolumeAttributesClasses } from '@orrery/api';
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '@orrery/api/types';
import { claimClass, volumeAnnotations, waitsForConsumer } from '@orrery/api/volumes';
import { keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { ControllerDefinition } from '@orrery/proto/csi';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import { driverName } from '../names.ts';
import { VolumeSnapshotContents, VolumeSnapshots } from '../snapshots/kinds.ts';
import { contentSource } from './content-source.ts';
import { callTimeoutMs, edited, failureText, hasFinalizer, isDeleted, nameOf, unlessGone, unlessThere, withFinalizers } from './objects.ts';
import { type ProvisionInput, Refusal, createRequest, provisionerFinalizer, topologyFor, volumeFor, volumeName, wantsDeletion } from './provisioning.ts';

const { selectedNode, storageProvisioner } = volumeAnnotations;
const volumePrefix = 'volume:';
type Context = ControllerContext<undefined>;

/** Everything about a claim that the call needs. Throws with what the claim is told. */
function inputFor(claim: PersistentVolumeClaim, storageClass: StorageClass, context: Context & { selected: Node | undefined }): ProvisionInput {
  const { selected, store } = context;
  const attributesName = claim.spec?.volumeAttributesClassName;
  const attributes = attributesName ? store(VolumeAttributesClasses).get(attributesName) : undefined;
  if (attributesName && !attributes) throw new Error(`volumeattributesclass.storage.k8s.io "${attributesName}" not found`);
  if (attributes && attributes.driverName !== driverName) throw new Refusal(`VAC ${attributesName} referenced in PVC is for driver ${attributes.driverName} which does not match driver name ${driverName}`);
  const topology = topologyFor({ selected, nodes: store(Nodes).list(), csiNode: (name) => store(CSINodes).get(name), allowed: storageClass.allowedTopologies ?? [] });
  return { claim, storageClass, attributes, topology, source: contentSource(claim, context) };
}

const isPermanent = (error: unknown): boolean => error instanceof Refusal || (error instanceof RpcError && (error.code === Code.INVALID_ARGUMENT || error.code === Code.OUT_OF_RANGE));
const retryPermanentMs = 60_000;
/** After these the driver may yet have made the volume, or make it. */
const unsettled: readonly number[] = [Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.ABORTED, Code.UNAVAILABLE];
const isSettled = (error: unknown): boolean => error instanceof Refusal || (error instanceof RpcError && !unsettled.includes(error.code));

/** The external provisioner: claims get disks, and disks go with their volumes. */
export function provisioner(driver: Channel, { workers }: { workers: number }): AnyController {
  const controller = createClient(ControllerDefinition, driver);
  const options = { timeoutMs: callTimeoutMs };
  /** Claims that a disk may have been made for though no volume tells of it, by key. They get their volume also when they are gone: with that the disk goes, too. */
  const begun = new Map<string, PersistentVolumeClaim>();

  const provision = async (claim: PersistentVolumeClaim, context: Context): Promise<{ requeueAfterMs: number } | void> => {
    const { api, events, store } = context;
    const className = claimClass(claim) ?? '';
    const storageClass = store(StorageClasses).get(className);
    const key = keyOf(claim);
    if (storageClass?.provisioner !== driverName || store(PersistentVolumes).has(volumeName(claim))) return void begun.delete(key);
    const chosen = claim.metadata?.annotations?.[selectedNode];
    if (!chosen && waitsForConsumer(storageClass)) return;
    const fail = (error: unknown): void => events.event(PersistentVolumeClaims, claim, { type: 'Warning', reason: 'ProvisioningFailed', message: `failed to provision volume with StorageClass "${className}": ${failureText(error)}` });
    /** Takes the scheduler's choice back, so that it makes another. */
    const unselect = () =>
      edited(api, PersistentVolumeClaims, {
        seen: claim,
        edit: (now) => {
          const { [selectedNode]: gone, ...annotations } = now.metadata?.annotations ?? {};
          return gone === undefined ? undefined : { ...now, metadata: { ...now.metadata, annotations } };
        },
      });
    const selected = chosen ? store(Nodes).get(chosen) : undefined;
    if (chosen && !selected) {
      fail(new Error(`error generating accessibility requirements: failed to get target node: node "${chosen}" not found`));
      await unselect();
      return;
    }
    events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'Provisioning', message: `External provisioner is provisioning volume for claim "${key}"` });
    try {
      const input = inputFor(claim, storageClass, { ...context, selected });
      const request = createRequest(input);
      begun.set(key, claim);
      const { volume } = await controller.createVolume(request, options);
      await unlessThere(api.create(PersistentVolumes, volumeFor(input, volume ?? {})));
      begun.delete(key);
    } catch (error) {
      fail(error);
      if (isSettled(error)) begun.delete(key);
      if (error instanceof RpcError && error.code === Code.RESOURCE_EXHAUSTED) await unselect();
      if (isPermanent(error)) return { requeueAfterMs: retryPermanentMs };
      throw error;
    }
    events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'ProvisioningSucceeded', message: `Successfully provisioned volume ${volumeName(claim)}` });
  };
  const remove = async (volume: PersistentVolume, { api, events, store }: Context): Promise<void> => {
    const name = nameOf(volume);
    const { uid } = volume.metadata ?? {};
    try {
      // Attachments come back to this volume when they are gone.
      for (const { spec } of store(VolumeAttachments).list()) if (spec?.source.persistentVolumeName === name) throw new Error(`persistentvolume ${name} is still attached to node ${spec.nodeName}`);
      await controller.deleteVolume({ volumeId: volume.spec?.csi?.volumeHandle ?? '' }, options);
    } catch (error) {
      events.event(PersistentVolumes, volume, { type: 'Warning', reason: 'VolumeFailedDelete', message: failureText(error) });
      throw error;
    }
    if (!isDeleted(volume)) await unlessGone(api.delete(PersistentVolumes, { name }, uid ? { preconditions: { uid } } : {}));
    const left = await unlessGone(api.get(PersistentVolumes, { name }));
    if (left && left.metadata?.uid === uid) await withFinalizers(api, PersistentVolumes, { of: left, remove: [provisionerFinalizer] });
  };
  const syncVolume = async (name: string, context: Context): Promise<void> => {
    const volume = context.store(PersistentVolumes).get(name);
    if (volume?.spec?.csi?.driver !== driverName) return;
    if (wantsDeletion(volume)) return remove(volume, context);
    if (volume.spec.persistentVolumeReclaimPolicy !== 'Delete' && hasFinalizer(volume, provisionerFinalizer)) await withFinalizers(context.api, PersistentVolumes, { of: volume, remove: [provisionerFinalizer] });
  };
  return defineController({
    name: 'csi-provisioner',
    account: '',
    eventSource: driverName,
    concurrency: workers,
    watches: [
      watch(PersistentVolumeClaims, ({ object, gone }) => (!gone && object.metadata?.annotations?.[storageProvisioner] === driverName ? [keyOf(object)] : [])),
      watch(PersistentVolumes, ({ object, gone }) => (!gone && object.spec?.csi?.driver === driverName ? [`${volumePrefix}${nameOf(object)}`] : [])),
      watch(VolumeAttachments, ({ object, gone }) => (gone && object.spec?.attacher === driverName ? [`${volumePrefix}${object.spec.source.persistentVolumeName ?? ''}`] : [])),
    ],
    setup(context) {
      context.store(StorageClasses);
      context.store(VolumeAttributesClasses);
      context.store(Nodes);
      context.store(CSINodes);
      context.store(VolumeSnapshots);
      context.store(VolumeSnapshotContents);
    },
    async reconcile(key, untyped) {
      const context = untyped as Context;
      if (key.startsWith(volumePrefix)) return syncVolume(key.slice(volumePrefix.length), context);
      const claim = context.store(PersistentVolumeClaims).get(key);
      const left = begun.get(key);
      if (left && (left.metadata?.uid !== claim?.metadata?.uid || (claim && isDeleted(claim)))) {
        const wait = await provision(left, context);
        if (wait || !claim || isDeleted(claim)) return wait;
      }
      if (claim && !claim.spec?.volumeName && !isDeleted(claim)) return provision(claim, context);
    },
  });
}
