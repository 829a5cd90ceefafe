import { CSIDrivers, CustomResourceDefinitions, StorageClasses } from '@orrery/api';
import type { CSIDriver, CustomResourceDefinition, StorageClass } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { StatusError, isAlreadyExists } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import { driverName } from './names.ts';
import { unlessGone } from './sidecars/objects.ts';
import { snapshotDefinitions } from './snapshots/definitions.ts';
import { type VolumeSnapshotClass, VolumeSnapshotClasses, snapshotGroup, snapshotMarks } from './snapshots/kinds.ts';

const className = 'cloud-disk';
const retryMs = 500;

const csiDriver: CSIDriver = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: driverName }, spec: { attachRequired: true, podInfoOnMount: false, fsGroupPolicy: 'ReadWriteOnceWithFSType', volumeLifecycleModes: ['Persistent'] } };

const storageClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: className },
  provisioner: driverName,
  parameters: { type: 'standard' },
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
};

const snapshotClass: VolumeSnapshotClass = {
  apiVersion: `${snapshotGroup}/v1`,
  kind: 'VolumeSnapshotClass',
  metadata: { name: className, annotations: { [snapshotMarks.defaultClass]: 'true' } },
  driver: driverName,
  deletionPolicy: 'Delete',
};

const isEstablished = ({ status }: CustomResourceDefinition): boolean => (status?.conditions ?? []).some(({ type, status: is }) => type === 'Established' && is === 'True');

/** Tries until it succeeds or is there already. What the server will never take is thrown. */
async function untilDone(env: Env, work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await work();
      return;
    } catch (error) {
      if (isAlreadyExists(error)) return;
      // 404: a kind that is not served yet.
      if (error instanceof StatusError && error.code < 500 && error.code !== 429 && error.code !== 404) throw error;
      await env.clock.sleep(retryMs, signal);
    }
  }
}

/** What the driver needs in the cluster: the kinds of snapshots, its CSIDriver, and, in a cluster that has not had the driver, with `classes` a class of each. What is there stays as it is. */
export async function ensureClusterObjects(env: Env, { api, classes, signal }: { api: ApiClient; classes: boolean; signal: AbortSignal }): Promise<void> {
  for (const definition of snapshotDefinitions) await untilDone(env, () => api.create(CustomResourceDefinitions, definition), signal);
  for (const { metadata } of snapshotDefinitions) {
    for (;;) {
      const found = await api.get(CustomResourceDefinitions, { name: metadata?.name ?? '' });
      if (isEstablished(found)) break;
      await env.clock.sleep(retryMs, signal);
    }
  }
  const isNew = (await unlessGone(api.get(CSIDrivers, { name: driverName }))) === undefined;
  if (!isNew) return;
  if (classes) {
    await untilDone(env, () => api.create(StorageClasses, storageClass), signal);
    await untilDone(env, () => api.create(VolumeSnapshotClasses, snapshotClass), signal);
  }
  await untilDone(env, () => api.create(CSIDrivers, csiDriver), signal);
}
