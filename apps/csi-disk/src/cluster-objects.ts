import { CSIDrivers, CustomResourceDefinitions, StorageClasses } from '@orrery/api';
import type { CSIDriver, CustomResourceDefinition, StorageClass } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import { driverName } from './names.ts';
import { unlessGone, unlessThere } from './sidecars/objects.ts';
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

/** Tries until the server answers. What it will never take is thrown. */
async function untilAnswered<T>(env: Env, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      // 404: a kind that is not served yet.
      if (error instanceof StatusError && error.code < 500 && error.code !== 429 && error.code !== 404) throw error;
      await env.clock.sleep(retryMs, signal);
    }
  }
}

/** Makes an object that may be there already. */
const made = (env: Env, work: () => Promise<KubeObject>, signal: AbortSignal): Promise<unknown> => untilAnswered(env, () => unlessThere(work()), signal);

/** What the driver needs in the cluster: the kinds of snapshots, its CSIDriver, and, in a cluster that has not had the driver, with `classes` a class of each. What is there stays as it is. */
export async function ensureClusterObjects(env: Env, { api, classes, signal }: { api: ApiClient; classes: boolean; signal: AbortSignal }): Promise<void> {
  for (const definition of snapshotDefinitions) await made(env, () => api.create(CustomResourceDefinitions, definition), signal);
  for (const { metadata } of snapshotDefinitions) {
    for (;;) {
      const found = await untilAnswered(env, () => api.get(CustomResourceDefinitions, { name: metadata?.name ?? '' }), signal);
      if (isEstablished(found)) break;
      await env.clock.sleep(retryMs, signal);
    }
  }
  const isNew = (await untilAnswered(env, () => unlessGone(api.get(CSIDrivers, { name: driverName })), signal)) === undefined;
  if (!isNew) return;
  if (classes) {
    await made(env, () => api.create(StorageClasses, storageClass), signal);
    await made(env, () => api.create(VolumeSnapshotClasses, snapshotClass), signal);
  }
  await made(env, () => api.create(CSIDrivers, csiDriver), signal);
}
