import { CSINodes, PersistentVolumes, VolumeAttachments } from '@orrery/api';
import type { PersistentVolume, VolumeAttachment } from '@orrery/api/types';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { ControllerDefinition, VolumeCapability_AccessMode_Mode as Mode, type VolumeCapability } from '@orrery/proto/csi';
import { type Channel, createClient } from '@orrery/rpc';
import { rfc3339 } from '@orrery/runtime';
import { driverName } from '../names.ts';
import { callTimeoutMs, edited, failureText, hasFinalizer, isDeleted, nameOf, withFinalizers } from './objects.ts';

/** Keeps an attachment until it is undone, and a volume while it may be attached. */
export const attacherFinalizer = `external-attacher/${driverName.replaceAll('.', '-')}`;
const volumePrefix = 'volume:';

type Context = ControllerContext<undefined>;

export function capabilityOf(volume: PersistentVolume): VolumeCapability {
  const fsType = volume.spec?.csi?.fsType ?? '';
  return { accessType: volume.spec?.volumeMode === 'Block' ? { $case: 'block', value: {} } : { $case: 'mount', value: { fsType, mountFlags: [...(volume.spec?.mountOptions ?? [])] } }, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };
}

const isOurs = ({ spec }: PersistentVolume): boolean => spec?.csi?.driver === driverName;

/** The external attacher: VolumeAttachments of the driver become attached disks. */
export function attacher(driver: Channel, { workers }: { workers: number }): AnyController {
  const controller = createClient(ControllerDefinition, driver);
  const options = { timeoutMs: callTimeoutMs };

  const nodeId = (attachment: VolumeAttachment, { store }: Context): string => {
    const name = attachment.spec?.nodeName ?? '';
    const found = store(CSINodes).get(name)?.spec?.drivers?.find((one) => one.name === driverName)?.nodeID;
    if (!found) throw new Error(`node "${name}" has no NodeID annotation`);
    return found;
  };
  const attach = async (attachment: VolumeAttachment, context: Context): Promise<void> => {
    const { api, env, store } = context;
    const volumeName = attachment.spec?.source.persistentVolumeName ?? '';
    try {
      const volume = store(PersistentVolumes).get(volumeName);
      if (!volume) throw new Error(`could not find PersistentVolume "${volumeName}"`);
      if (isDeleted(volume)) throw new Error(`PersistentVolume "${volumeName}" is marked for deletion`);
      await withFinalizers(api, PersistentVolumes, { of: volume, add: [attacherFinalizer] });
      // Nobody would detach what is attached for one that has gone meanwhile.
      if (!(await withFinalizers(api, VolumeAttachments, { of: attachment, add: [attacherFinalizer] }))) return;
      const { publishContext = {} } = await controller.controllerPublishVolume({ volumeId: volume.spec?.csi?.volumeHandle ?? '', nodeId: nodeId(attachment, context), volumeCapability: capabilityOf(volume), readonly: false, volumeContext: { ...volume.spec?.csi?.volumeAttributes } }, options);
      await edited(api, VolumeAttachments, { seen: attachment, subresource: 'status', edit: (now) => ({ ...now, status: { attached: true, attachmentMetadata: publishContext } }) });
    } catch (error) {
      const attachError = { message: failureText(error), time: rfc3339(env.clock.now()) };
      await edited(api, VolumeAttachments, { seen: attachment, subresource: 'status', edit: (now) => (now.status?.attachError?.message === attachError.message ? undefined : { ...now, status: { ...now.status, attached: now.status?.attached ?? false, attachError } }) });
      throw error;
    }
  };
  const detach = async (attachment: VolumeAttachment, { api, env, store }: Context): Promise<void> => {
    if (!hasFinalizer(attachment, attacherFinalizer)) return;
    const volume = store(PersistentVolumes).get(attachment.spec?.source.persistentVolumeName ?? '');
    try {
      // The node's name is its id, also when the node is gone.
      if (volume?.spec?.csi) await controller.controllerUnpublishVolume({ volumeId: volume.spec.csi.volumeHandle, nodeId: attachment.spec?.nodeName ?? '' }, options);
    } catch (error) {
      const detachError = { message: failureText(error), time: rfc3339(env.clock.now()) };
      await edited(api, VolumeAttachments, { seen: attachment, subresource: 'status', edit: (now) => (now.status?.detachError?.message === detachError.message ? undefined : { ...now, status: { ...now.status, attached: now.status?.attached ?? false, detachError } }) });
      throw error;
    }
    await withFinalizers(api, VolumeAttachments, { of: attachment, remove: [attacherFinalizer] });
  };
  /** A volume that is to go need not be held once nothing has it. */
  const release = async (name: string, { api, store }: Context): Promise<void> => {
    const volume = store(PersistentVolumes).get(name);
    if (!volume || !isDeleted(volume) || !hasFinalizer(volume, attacherFinalizer)) return;
    for (const { spec } of store(VolumeAttachments).list()) if (spec?.source.persistentVolumeName === name) return;
    await withFinalizers(api, PersistentVolumes, { of: volume, remove: [attacherFinalizer] });
  };
  return defineController({
    name: 'csi-attacher',
    account: '',
    eventSource: `external-attacher-${driverName}`,
    concurrency: workers,
    watches: [
      watch(VolumeAttachments, function* ({ object, gone }) {
        if (object.spec?.attacher !== driverName) return;
        if (gone) yield `${volumePrefix}${object.spec.source.persistentVolumeName ?? ''}`;
        else yield nameOf(object);
      }),
      watch(PersistentVolumes, ({ object, gone }) => (!gone && isOurs(object) && isDeleted(object) ? [`${volumePrefix}${nameOf(object)}`] : [])),
    ],
    setup: (context) => void context.store(CSINodes),
    async reconcile(key, context) {
      if (key.startsWith(volumePrefix)) return release(key.slice(volumePrefix.length), context as Context);
      const attachment = context.store(VolumeAttachments).get(key);
      if (!attachment) return;
      if (isDeleted(attachment)) return detach(attachment, context as Context);
      if (!attachment.status?.attached) return attach(attachment, context as Context);
    },
  });
}
