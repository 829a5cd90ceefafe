import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the cloud-controller-manager. */
export const cloudControllerManagerSchema = {
  leaderElect: { type: 'boolean', default: true, help: 'work only while holding the lease kube-system/cloud-controller-manager' },
  cloud: { type: 'string', default: '127.0.0.1:7070', help: 'gRPC address of orrery.cloud.v1 (unix:/path or host:port)' },
} as const satisfies ConfigSchema;

export type CloudControllerManagerConfig = ConfigOf<typeof cloudControllerManagerSchema>;
