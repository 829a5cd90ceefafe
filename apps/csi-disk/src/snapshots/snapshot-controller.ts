import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import { keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { rfc3339 } from '@orrery/runtime';
import { edited, isDeleted, nameOf, namespaceOf, unlessGone, unlessThere, withFinalizers } from '../sidecars/objects.ts';
import { type VolumeSnapshot, VolumeSnapshotClasses, type VolumeSnapshotContent, VolumeSnapshotContents, VolumeSnapshots, snapshotMarks } from './kinds.ts';
import { classOf, contentName, newContent, snapshotStatus } from './plan.ts';

type Context = ControllerContext<undefined>;

const { beingDeleted, boundSnapshot, snapshotAsSource, claimAsSource } = snapshotMarks;
const isReady = (snapshot: VolumeSnapshot): boolean => snapshot.status?.readyToUse ?? false;

/** The content a snapshot has, or asks for by name. */
function contentOf(snapshot: VolumeSnapshot, { store }: Context): VolumeSnapshotContent | undefined {
  const name = snapshot.spec.source.volumeSnapshotContentName ?? contentName(snapshot);
  return store(VolumeSnapshotContents).get(name);
}

/** Makes the content of a snapshot of a claim. Throws with what the snapshot is told. */
async function makeContent(snapshot: VolumeSnapshot, { api, events, store }: Context): Promise<void> {
  const claimName = snapshot.spec.source.persistentVolumeClaimName ?? '';
  const claim = store(PersistentVolumeClaims).get(`${namespaceOf(snapshot)}/${claimName}`);
  if (!claim) throw new Error(`failed to retrieve PVC ${claimName} from the lister: "persistentvolumeclaim \\"${claimName}\\" not found"`);
  const volume = store(PersistentVolumes).get(claim.spec?.volumeName ?? '');
  if (claim.status?.phase !== 'Bound' || !volume) throw new Error(`the PVC ${claimName} is not yet bound to a PV, will not attempt to take a snapshot`);
  if (!volume.spec?.csi) throw new Error(`cannot find CSI PersistentVolumeSource for volume ${nameOf(volume)}`);
  const snapshotClass = classOf(snapshot, volume.spec.csi.driver, store(VolumeSnapshotClasses).list());
  const className = nameOf(snapshotClass);
  if (!snapshot.spec.volumeSnapshotClassName) await edited(api, VolumeSnapshots, { seen: snapshot, edit: (now) => ({ ...now, spec: { ...now.spec, volumeSnapshotClassName: className } }) });
  await withFinalizers(api, PersistentVolumeClaims, { of: claim, add: [claimAsSource] });
  events.event(VolumeSnapshots, snapshot, { type: 'Normal', reason: 'CreatingSnapshot', message: `Waiting for a snapshot ${keyOf(snapshot)} to be created by the CSI driver.` });
  await unlessThere(api.create(VolumeSnapshotContents, newContent(snapshot, { snapshotClass, volumeHandle: volume.spec.csi.volumeHandle, volumeMode: volume.spec.volumeMode ?? 'Filesystem' })));
}

/** A content that was there before its snapshot is bound to it. Throws when it is another's. */
async function bindContent(snapshot: VolumeSnapshot, content: VolumeSnapshotContent, { api }: Context): Promise<void> {
  const { name, namespace, uid } = content.spec.volumeSnapshotRef;
  if (name !== nameOf(snapshot) || namespace !== namespaceOf(snapshot) || (uid && uid !== snapshot.metadata?.uid)) throw new Error(`VolumeSnapshotContent [${nameOf(content)}] is bound to a different snapshot`);
  if (!uid) await edited(api, VolumeSnapshotContents, { seen: content, edit: (now) => ({ ...now, spec: { ...now.spec, volumeSnapshotRef: { ...now.spec.volumeSnapshotRef, uid: snapshot.metadata?.uid ?? '' } } }) });
}

/** The claim need not be kept for snapshots once none of it is being made. */
async function releaseClaim(snapshot: VolumeSnapshot, { api, store }: Context): Promise<void> {
  const name = snapshot.spec.source.persistentVolumeClaimName;
  const claim = name ? store(PersistentVolumeClaims).get(`${namespaceOf(snapshot)}/${name}`) : undefined;
  if (!claim?.metadata?.finalizers?.includes(claimAsSource)) return;
  for (const other of store(VolumeSnapshots).list()) {
    const same = namespaceOf(other) === namespaceOf(snapshot) && other.spec.source.persistentVolumeClaimName === name && other.metadata?.uid !== snapshot.metadata?.uid;
    if (same && !isReady(other) && !isDeleted(other)) return;
  }
  await withFinalizers(api, PersistentVolumeClaims, { of: claim, remove: [claimAsSource] });
}

/** Whether a claim is being made from the snapshot. */
function isSource(snapshot: VolumeSnapshot, { store }: Context): boolean {
  for (const { metadata, spec, status } of store(PersistentVolumeClaims).list()) {
    const source = spec?.dataSourceRef ?? spec?.dataSource;
    if (metadata?.namespace === namespaceOf(snapshot) && status?.phase === 'Pending' && source?.kind === 'VolumeSnapshot' && source.name === nameOf(snapshot)) return true;
  }
  return false;
}

async function remove(snapshot: VolumeSnapshot, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api } = context;
  if (isSource(snapshot, context)) return { requeueAfterMs: 1_000 };
  // One that has just been made may not have been seen yet, and must not stay behind.
  const content = contentOf(snapshot, context) ?? (await unlessGone(api.get(VolumeSnapshotContents, { name: snapshot.spec.source.volumeSnapshotContentName ?? contentName(snapshot) })));
  const isMine = content?.spec.volumeSnapshotRef.uid === snapshot.metadata?.uid;
  if (content && isMine && content.spec.deletionPolicy === 'Delete') {
    await edited(api, VolumeSnapshotContents, { seen: content, edit: (now) => (now.metadata?.annotations?.[beingDeleted] ? undefined : { ...now, metadata: { ...now.metadata, annotations: { ...now.metadata?.annotations, [beingDeleted]: 'yes' } } }) });
    if (!isDeleted(content)) await unlessGone(api.delete(VolumeSnapshotContents, { name: nameOf(content) }));
    // It comes back here when it is gone.
    return;
  }
  await releaseClaim(snapshot, context);
  await withFinalizers(api, VolumeSnapshots, { of: snapshot, remove: [boundSnapshot, snapshotAsSource] });
}

async function sync(snapshot: VolumeSnapshot, context: Context): Promise<void> {
  const { api, env, events } = context;
  try {
    if (!(await withFinalizers(api, VolumeSnapshots, { of: snapshot, add: [boundSnapshot, snapshotAsSource] }))) return;
    const content = contentOf(snapshot, context);
    if (!content && isReady(snapshot)) throw new Error('VolumeSnapshotContent is missing');
    if (!content && snapshot.spec.source.volumeSnapshotContentName) throw new Error('VolumeSnapshotContent is missing');
    if (!content) return await makeContent(snapshot, context);
    await bindContent(snapshot, content, context);
    const status = snapshotStatus(snapshot, content);
    if (!status) return;
    await edited(api, VolumeSnapshots, { seen: snapshot, subresource: 'status', edit: (now) => ({ ...now, status }) });
    if (isReady(snapshot) || !status.readyToUse) return;
    const say = (reason: string, message: string): void => events.event(VolumeSnapshots, snapshot, { type: 'Normal', reason, message });
    say('SnapshotCreated', `Snapshot ${keyOf(snapshot)} was successfully created by the CSI driver.`);
    say('SnapshotReady', `Snapshot ${keyOf(snapshot)} is ready to use.`);
    await releaseClaim(snapshot, context);
  } catch (error) {
    const message = `Failed to create snapshot content with error ${(error as Error).message}`;
    if (snapshot.status?.error?.message !== message) {
      events.event(VolumeSnapshots, snapshot, { type: 'Warning', reason: 'SnapshotContentCreationFailed', message });
      await edited(api, VolumeSnapshots, { seen: snapshot, subresource: 'status', edit: (now) => ({ ...now, status: { ...now.status, readyToUse: false, error: { message, time: rfc3339(env.clock.now()) } } }) });
    }
    throw error;
  }
}

/** The snapshot controller: VolumeSnapshots of claims get contents, and tell what these tell. */
export function snapshotController({ workers }: { workers: number }): AnyController {
  return defineController({
    name: 'snapshot-controller',
    account: '',
    concurrency: workers,
    watches: [
      watch(VolumeSnapshots, ({ object, gone }) => (gone ? [] : [keyOf(object)])),
      watch(VolumeSnapshotContents, ({ object }) => [`${object.spec.volumeSnapshotRef.namespace ?? ''}/${object.spec.volumeSnapshotRef.name ?? ''}`]),
    ],
    setup(context) {
      context.store(VolumeSnapshotClasses);
      context.store(PersistentVolumeClaims);
      context.store(PersistentVolumes);
    },
    async reconcile(key, untyped) {
      const context = untyped as Context;
      const snapshot = context.store(VolumeSnapshots).get(key);
      if (!snapshot) return;
      return isDeleted(snapshot) ? remove(snapshot, context) : sync(snapshot, context);
    },
  });
}
