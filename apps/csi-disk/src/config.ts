import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the driver and of the controllers beside it. */
export const csiDiskSchema = {
  cloud: { type: 'string', default: '127.0.0.1:7070', help: 'gRPC address of orrery.cloud.v1 (unix:/path or host:port)' },
  controller: { type: 'boolean', default: true, help: 'run the controllers: provisioning, attaching, resizing, snapshots' },
  nodes: { type: 'list', default: [], help: 'emulated nodes of this machine to serve the driver on, NAME=ROOT each, ROOT being the --node-root of its kubelet' },
  leaderElect: { type: 'boolean', default: true, help: 'run the controllers only while holding the lease kube-system/disk-csi-orrery-dev' },
  storageClass: { type: 'boolean', default: true, help: 'make the StorageClass and VolumeSnapshotClass cloud-disk when they are missing' },
  workers: { type: 'number', default: 10, help: 'objects that each controller works on at once' },
} as const satisfies ConfigSchema;

export type CsiDiskConfig = ConfigOf<typeof csiDiskSchema>;
