import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { ControllerDefinition, type Snapshot } from '@orrery/proto/csi';
import { type Channel, createClient } from '@orrery/rpc';
import { rfc3339 } from '@orrery/runtime';
import { driverName } from '../names.ts';
import { callTimeoutMs, edited, failureText, hasFinalizer, isDeleted, nameOf, withFinalizers } from '../sidecars/objects.ts';
import { type VolumeSnapshotClass, VolumeSnapshotClasses, type VolumeSnapshotContent, VolumeSnapshotContents, snapshotMarks } from './kinds.ts';

type Context = ControllerContext<undefined>;

const { beingDeleted, boundContent } = snapshotMarks;
const prefix = 'csi.storage.k8s.io/';
const retryMs = 1_000;

function statusOf({ sizeBytes = 0, snapshotId = '', creationTime, readyToUse = false }: Snapshot): NonNullable<VolumeSnapshotContent['status']> {
  return { creationTime: (creationTime?.getTime() ?? 0) * 1e6, readyToUse, restoreSize: sizeBytes, snapshotHandle: snapshotId };
}

/** The external snapshotter: contents of the driver become snapshots of disks, and go with them. */
export function contentController(driver: Channel, { workers }: { workers: number }): AnyController {
  const controller = createClient(ControllerDefinition, driver);
  const options = { timeoutMs: callTimeoutMs };

  /** What the driver has, making it when it is to be made. */
  const taken = async ({ spec, status }: VolumeSnapshotContent, snapshotClass: VolumeSnapshotClass | undefined): Promise<Snapshot> => {
    const handle = status?.snapshotHandle ?? spec.source.snapshotHandle;
    if (!handle) {
      const parameters = Object.fromEntries(Object.entries(snapshotClass?.parameters ?? {}).filter(([key]) => !key.startsWith(prefix)));
      const { snapshot } = await controller.createSnapshot({ sourceVolumeId: spec.source.volumeHandle ?? '', name: `snapshot-${spec.volumeSnapshotRef.uid ?? ''}`, parameters }, options);
      return snapshot ?? {};
    }
    const { entries = [] } = await controller.listSnapshots({ snapshotId: handle }, options);
    const found = entries[0]?.snapshot;
    if (!found) throw new Error(`failed to get snapshot status: can not find snapshot for snapshotID ${handle}`);
    return found;
  };
  const sync = async (content: VolumeSnapshotContent, { api, env, events, store }: Context): Promise<{ requeueAfterMs: number } | void> => {
    if (content.status?.readyToUse || !content.spec.volumeSnapshotRef.uid) return;
    try {
      if (!(await withFinalizers(api, VolumeSnapshotContents, { of: content, add: [boundContent] }))) return;
      const status = statusOf(await taken(content, store(VolumeSnapshotClasses).get(content.spec.volumeSnapshotClassName ?? '')));
      await edited(api, VolumeSnapshotContents, { seen: content, subresource: 'status', edit: (now) => ({ ...now, status }) });
      return status.readyToUse ? undefined : { requeueAfterMs: retryMs };
    } catch (error) {
      const message = `Failed to check and update snapshot content: failed to take snapshot of the volume ${content.spec.source.volumeHandle ?? ''}: "${failureText(error)}"`;
      if (content.status?.error?.message !== message) {
        events.event(VolumeSnapshotContents, content, { type: 'Warning', reason: 'SnapshotContentCheckandUpdateFailed', message });
        await edited(api, VolumeSnapshotContents, { seen: content, subresource: 'status', edit: (now) => ({ ...now, status: { ...now.status, readyToUse: false, error: { message, time: rfc3339(env.clock.now()) } } }) });
      }
      throw error;
    }
  };
  const remove = async (content: VolumeSnapshotContent, { api, events }: Context): Promise<void> => {
    if (!hasFinalizer(content, boundContent)) return;
    const { metadata, spec, status } = content;
    // Whoever deletes the content of a snapshot that stays waits for the snapshot.
    if (spec.volumeSnapshotRef.uid && status?.readyToUse && spec.deletionPolicy === 'Delete' && !metadata?.annotations?.[beingDeleted]) return;
    const handle = status?.snapshotHandle ?? spec.source.snapshotHandle;
    try {
      if (spec.deletionPolicy === 'Delete' && handle) await controller.deleteSnapshot({ snapshotId: handle }, options);
    } catch (error) {
      events.event(VolumeSnapshotContents, content, { type: 'Warning', reason: 'SnapshotDeleteError', message: `Failed to delete snapshot: ${failureText(error)}` });
      throw error;
    }
    await withFinalizers(api, VolumeSnapshotContents, { of: content, remove: [boundContent] });
  };
  return defineController({
    name: 'csi-snapshotter',
    account: '',
    eventSource: `csi-snapshotter ${driverName}`,
    concurrency: workers,
    watches: [watch(VolumeSnapshotContents, ({ object, gone }) => (!gone && object.spec.driver === driverName ? [nameOf(object)] : []))],
    setup: (context) => void context.store(VolumeSnapshotClasses),
    async reconcile(key, untyped) {
      const context = untyped as Context;
      const content = context.store(VolumeSnapshotContents).get(key);
      if (!content) return;
      return isDeleted(content) ? remove(content, context) : sync(content, context);
    },
  });
}
