import { ConfigError, type ConfigOf, type ConfigSchema, apiPaceFlags, flagName, leaseFlags, originalFlags, parseGoDuration, servingFlags } from '@orrery/runtime';

/** Settings of the cloud-controller-manager; the flags have upstream's names where upstream has them. */
export const cloudControllerManagerSchema = {
  leaderElect: { type: 'boolean', default: true, help: 'work only while holding the lease kube-system/cloud-controller-manager' },
  ...leaseFlags('cloud-controller-manager'),
  cloud: { type: 'string', default: '127.0.0.1:7070', help: 'gRPC address of orrery.cloud.v1 (unix:/path or host:port)' },
  controllers: { type: 'list', default: ['*'], help: "controllers to run: '*' all, 'name' that one, '-name' not that one" },
  clusterName: { type: 'string', default: 'kubernetes', help: 'names what belongs to this cluster in the cloud' },
  configureCloudRoutes: { type: 'boolean', default: true, help: "put the pod ranges of nodes into the cloud's route table" },
  routeReconciliationPeriod: { type: 'string', default: '10s', help: "how often the cloud's route table is compared with the nodes" },
  nodeStatusUpdateFrequency: { type: 'string', default: '5m', help: 'how often addresses and labels of nodes are asked of the cloud' },
  nodeMonitorPeriod: { type: 'string', default: '5s', help: 'how often nodes that are not ready are looked up in the cloud' },
  concurrentServiceSyncs: { type: 'number', default: 5, help: 'Services worked on at once' },
  concurrentNodeSyncs: { type: 'number', default: 5, help: 'nodes worked on at once' },
  cloudProvider: { type: 'string', default: '', help: 'taken, and changes nothing: the cloud is that of --cloud' },
  cloudConfig: { type: 'string', default: '', help: 'file of the cloud provider', refused: '--cloud is all that is needed to reach it' },
  allocateNodeCidrs: { type: 'boolean', default: false, help: 'give every node a pod range', refused: "that is the controller manager's" },
  clusterCidr: { type: 'string', default: '', help: 'taken, and changes nothing: routes go to the ranges that nodes have' },
  cidrAllocatorType: { type: 'string', default: 'RangeAllocator', choices: ['RangeAllocator'], help: "taken, and changes nothing: pod ranges are the controller manager's" },
  allowUntaggedCloud: { type: 'boolean', default: false, help: 'taken, and changes nothing: what is made bears the name of the cluster' },
  nodeSyncPeriod: { type: 'duration', default: '0s', help: 'taken, and changes nothing: nodes are looked at when they change' },
  useServiceAccountCredentials: { type: 'boolean', default: false, help: 'one account a controller', refused: 'all act as the program' },
  minResyncPeriod: { type: 'duration', default: '12h0m0s', help: 'taken, and changes nothing: caches lose nothing that would have to be repeated' },
  controllerStartInterval: { type: 'duration', default: '0s', help: 'taken, and changes nothing: there are only four' },
  enableLeaderMigration: { type: 'boolean', default: false, help: 'take controllers over from a controller manager', refused: 'no controller is in both' },
  leaderMigrationConfig: { type: 'string', default: '', help: 'file of it', refused: 'no controller is in both' },
  webhooks: { type: 'list', default: [], help: 'webhooks to serve', refused: 'there are none' },
  ...servingFlags({ port: 10258, tolerateLookupFailure: false }),
  ...apiPaceFlags,
  ...originalFlags,
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
