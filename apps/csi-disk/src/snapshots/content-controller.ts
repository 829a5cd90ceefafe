import type { ApiClient } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { ControllerDefinition, type Snapshot } from '@orrery/proto/csi';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import { rfc3339 } from '@orrery/runtime';
import { driverName } from '../names.ts';
import { callTimeoutMs, edited, failureText, hasFinalizer, isDeleted, nameOf, withFinalizers } from '../sidecars/objects.ts';
import { VolumeSnapshotClasses, type VolumeSnapshotContent, VolumeSnapshotContents, snapshotMarks } from './kinds.ts';

type Context = ControllerContext<undefined>;

const { beingCreated, beingDeleted, boundContent } = snapshotMarks;
const prefix = 'csi.storage.k8s.io/';
const retryMs = 1_000;

function statusOf({ sizeBytes = 0, snapshotId = '', creationTime, readyToUse = false }: Snapshot): NonNullable<VolumeSnapshotContent['status']> {
  return { creationTime: (creationTime?.getTime() ?? 0) * 1e6, readyToUse, restoreSize: sizeBytes, snapshotHandle: snapshotId };
}

/** Whether a failure says that no snapshot has been made, and none will be by that call; upstream's list. */
const isFinal = (error: unknown): boolean => !(error instanceof RpcError) || ![Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE, Code.ABORTED].some((code) => code === error.code);

/** Notes that the driver is being asked for a snapshot, so that whoever deletes the content knows that there may be one; or that its answer is known. */
function marked(api: ApiClient, content: VolumeSnapshotContent, isBeingCreated: boolean): Promise<VolumeSnapshotContent | undefined> {
  return edited(api, VolumeSnapshotContents, {
    seen: content,
    edit(now) {
      const { [beingCreated]: mark, ...rest } = now.metadata?.annotations ?? {};
      if ((mark !== undefined) === isBeingCreated) return undefined;
      return { ...now, metadata: { ...now.metadata, annotations: isBeingCreated ? { ...rest, [beingCreated]: 'yes' } : rest } };
    },
  });
}

/** The external snapshotter: contents of the driver become snapshots of disks, and go with them. */
export function contentController(driver: Channel, { workers }: { workers: number }): AnyController {
  const controller = createClient(ControllerDefinition, driver);
  const options = { timeoutMs: callTimeoutMs };

  /** Asking again gives the same: the name tells drivers which it is. */
  const create = async ({ spec }: VolumeSnapshotContent, { store }: Context): Promise<Snapshot> => {
    const snapshotClass = store(VolumeSnapshotClasses).get(spec.volumeSnapshotClassName ?? '');
    const parameters = Object.fromEntries(Object.entries(snapshotClass?.parameters ?? {}).filter(([key]) => !key.startsWith(prefix)));
    const { snapshot } = await controller.createSnapshot({ sourceVolumeId: spec.source.volumeHandle ?? '', name: `snapshot-${spec.volumeSnapshotRef.uid ?? ''}`, parameters }, options);
    return snapshot ?? {};
  };
  /** What the driver has, making it when it is to be made. Undefined where the content is gone. */
  const taken = async (content: VolumeSnapshotContent, context: Context): Promise<Snapshot | undefined> => {
    const { spec, status } = content;
    const handle = status?.snapshotHandle ?? spec.source.snapshotHandle;
    if (!handle) {
      if (!(await marked(context.api, content, true))) return undefined;
      try {
        return await create(content, context);
      } catch (error) {
        if (isFinal(error)) await marked(context.api, content, false);
        throw error;
      }
    }
    const { entries = [] } = await controller.listSnapshots({ snapshotId: handle }, options);
    const found = entries[0]?.snapshot;
    if (!found) throw new Error(`failed to get snapshot status: can not find snapshot for snapshotID ${handle}`);
    return found;
  };
  const sync = async (content: VolumeSnapshotContent, context: Context): Promise<{ requeueAfterMs: number } | void> => {
    const { api, env, events } = context;
    if (content.status?.readyToUse || !content.spec.volumeSnapshotRef.uid) return;
    try {
      if (!(await withFinalizers(api, VolumeSnapshotContents, { of: content, add: [boundContent] }))) return;
      const snapshot = await taken(content, context);
      if (!snapshot) return;
      const status = statusOf(snapshot);
      // First what the snapshot is, then that it is known.
      const told = await edited(api, VolumeSnapshotContents, { seen: content, subresource: 'status', edit: (now) => ({ ...now, status }) });
      if (told) await marked(api, told, false);
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
  /** The snapshot to delete with a content; of one that was asked for without an answer the driver is asked again, for it may have been made. */
  const leftBehind = async (content: VolumeSnapshotContent, context: Context): Promise<string | undefined> => {
    const { metadata, spec, status } = content;
    const handle = status?.snapshotHandle ?? spec.source.snapshotHandle;
    if (handle || !metadata?.annotations?.[beingCreated]) return handle;
    try {
      return (await create(content, context)).snapshotId;
    } catch (error) {
      if (isFinal(error)) return undefined;
      throw error;
    }
  };
  const remove = async (content: VolumeSnapshotContent, context: Context): Promise<void> => {
    const { api, events } = context;
    if (!hasFinalizer(content, boundContent)) return;
    const { metadata, spec, status } = content;
    // Whoever deletes the content of a snapshot that stays waits for the snapshot.
    if (spec.volumeSnapshotRef.uid && status?.readyToUse && spec.deletionPolicy === 'Delete' && !metadata?.annotations?.[beingDeleted]) return;
    try {
      const handle = spec.deletionPolicy === 'Delete' ? await leftBehind(content, context) : undefined;
      if (handle) await controller.deleteSnapshot({ snapshotId: handle }, options);
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
