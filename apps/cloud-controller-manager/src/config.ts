import { ConfigError, type ConfigOf, type ConfigSchema, flagName, parseGoDuration } from '@orrery/runtime';

/** Settings of the cloud-controller-manager; the flags have upstream's names where upstream has them. */
export const cloudControllerManagerSchema = {
  leaderElect: { type: 'boolean', default: true, help: 'work only while holding the lease kube-system/cloud-controller-manager' },
  cloud: { type: 'string', default: '127.0.0.1:7070', help: 'gRPC address of orrery.cloud.v1 (unix:/path or host:port)' },
  controllers: { type: 'list', default: ['*'], help: "controllers to run: '*' all, 'name' that one, '-name' not that one" },
  clusterName: { type: 'string', default: 'kubernetes', help: 'names what belongs to this cluster in the cloud' },
  configureCloudRoutes: { type: 'boolean', default: true, help: "put the pod ranges of nodes into the cloud's route table" },
  routeReconciliationPeriod: { type: 'string', default: '10s', help: "how often the cloud's route table is compared with the nodes" },
  nodeStatusUpdateFrequency: { type: 'string', default: '5m', help: 'how often addresses and labels of nodes are asked of the cloud' },
  nodeMonitorPeriod: { type: 'string', default: '5s', help: 'how often nodes that are not ready are looked up in the cloud' },
  concurrentServiceSyncs: { type: 'number', default: 5, help: 'Services worked on at once' },
  concurrentNodeSyncs: { type: 'number', default: 5, help: 'nodes worked on at once' },
} as const satisfies ConfigSchema;

export type CloudControllerManagerConfig = ConfigOf<typeof cloudControllerManagerSchema>;

/** A flag's duration in milliseconds. Throws ConfigError that names the flag. */
export function periodMs(config: CloudControllerManagerConfig, key: 'routeReconciliationPeriod' | 'nodeStatusUpdateFrequency' | 'nodeMonitorPeriod'): number {
  try {
    const ms = parseGoDuration(config[key]);
    if (ms > 0) return ms;
    throw new Error('it must be greater than zero');
  } catch (error) {
    throw new ConfigError(`${flagName(key)}: ${(error as Error).message}`);
  }
}
