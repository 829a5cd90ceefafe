import { formatQuantity, quantityOf } from '@orrery/apimachinery';
import { rfc3339 } from '@orrery/runtime';
import { type VolumeSnapshot, type VolumeSnapshotClass, type VolumeSnapshotContent, snapshotMarks } from './kinds.ts';

export const contentName = (snapshot: VolumeSnapshot): string => `snapcontent-${snapshot.metadata?.uid ?? ''}`;

/** The class of a snapshot: the one it names, else the only default of the driver. Throws with what the snapshot is told. */
export function classOf(snapshot: VolumeSnapshot, driver: string, classes: Iterable<VolumeSnapshotClass>): VolumeSnapshotClass {
  const named = snapshot.spec.volumeSnapshotClassName;
  const all = [...classes];
  if (named) {
    const found = all.find(({ metadata }) => metadata?.name === named);
    if (!found) throw new Error(`failed to retrieve snapshot class ${named} from the informer: "volumesnapshotclass.snapshot.storage.k8s.io \\"${named}\\" not found"`);
    if (found.driver !== driver) throw new Error(`volume snapshot class ${named} is of driver ${found.driver}, the volume of ${driver}`);
    return found;
  }
  const defaults = all.filter((one) => one.driver === driver && one.metadata?.annotations?.[snapshotMarks.defaultClass] === 'true');
  const [only] = defaults;
  if (!only) throw new Error('cannot find default snapshot class');
  if (defaults.length > 1) throw new Error(`${defaults.length} default snapshot classes were found: ${defaults.map(({ metadata }) => metadata?.name ?? '').sort().join(', ')}`);
  return only;
}

/** The content for a snapshot of a claim's volume. */
export function newContent(snapshot: VolumeSnapshot, { snapshotClass, volumeHandle, volumeMode }: { snapshotClass: VolumeSnapshotClass; volumeHandle: string; volumeMode: string }): VolumeSnapshotContent {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = snapshot.metadata ?? {};
  const ref = { apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', name, namespace, uid, resourceVersion };
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshotContent',
    metadata: { name: contentName(snapshot), finalizers: [snapshotMarks.boundContent] },
    spec: { deletionPolicy: snapshotClass.deletionPolicy, driver: snapshotClass.driver, source: { volumeHandle }, sourceVolumeMode: volumeMode, volumeSnapshotClassName: snapshotClass.metadata?.name ?? '', volumeSnapshotRef: ref },
  };
}

/** What a snapshot tells of its content; undefined: what it tells already. */
export function snapshotStatus(snapshot: VolumeSnapshot, { metadata, status }: VolumeSnapshotContent): NonNullable<VolumeSnapshot['status']> | undefined {
  const { error: _old, ...before } = snapshot.status ?? {};
  const next = {
    ...before,
    boundVolumeSnapshotContentName: metadata?.name ?? '',
    readyToUse: status?.readyToUse ?? false,
    ...(status?.creationTime === undefined ? {} : { creationTime: rfc3339(Math.floor(status.creationTime / 1e6)) }),
    ...(status?.restoreSize === undefined ? {} : { restoreSize: formatQuantity(quantityOf(status.restoreSize, 'BinarySI')) }),
    ...(status?.error ? { error: status.error } : {}),
  };
  const same = (['boundVolumeSnapshotContentName', 'readyToUse', 'creationTime', 'restoreSize'] as const).every((key) => snapshot.status?.[key] === next[key]) && snapshot.status?.error?.message === status?.error?.message;
  return same ? undefined : next;
}
