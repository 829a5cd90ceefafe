import type { AnyController } from '@orrery/controller';

const syncs = (what: string) => ({ type: 'number', default: 0, help: `${what} worked on at once; 0: as many as suit it` }) as const;

/** Upstream's flags that say how much a controller does at once. */
export const concurrencySchema = {
  concurrentDeploymentSyncs: syncs('Deployments'),
  concurrentReplicasetSyncs: syncs('ReplicaSets'),
  concurrentRcSyncs: syncs('ReplicationControllers'),
  concurrentStatefulsetSyncs: syncs('StatefulSets'),
  concurrentDaemonsetSyncs: syncs('DaemonSets'),
  concurrentJobSyncs: syncs('Jobs'),
  concurrentCronJobSyncs: syncs('CronJobs'),
  concurrentTtlAfterFinishedSyncs: syncs('finished Jobs'),
  concurrentEndpointSyncs: syncs('Services (for Endpoints)'),
  concurrentServiceEndpointSyncs: syncs('Services (for EndpointSlices)'),
  mirroringConcurrentServiceEndpointSyncs: syncs('Endpoints (for mirrored EndpointSlices)'),
  concurrentResourceQuotaSyncs: syncs('ResourceQuotas'),
  concurrentNamespaceSyncs: syncs('Namespaces'),
  concurrentServiceaccountTokenSyncs: syncs('Secrets of service account tokens'),
  concurrentGcSyncs: syncs('objects that the garbage collector looks at'),
  concurrentEphemeralvolumeSyncs: syncs('pods with ephemeral volumes'),
  concurrentValidatingAdmissionPolicyStatusSyncs: syncs('validating admission policies'),
  concurrentResourceClaimSyncs: syncs('pods and claims of devices'),
  concurrentDeviceTaintEvictionSyncs: syncs('pods on tainted devices'),
} as const;

export type ConcurrencySettings = Readonly<Record<keyof typeof concurrencySchema, number>>;

const flagOf: Readonly<Record<string, keyof ConcurrencySettings>> = {
  'deployment-controller': 'concurrentDeploymentSyncs',
  'replicaset-controller': 'concurrentReplicasetSyncs',
  'replicationcontroller-controller': 'concurrentRcSyncs',
  'statefulset-controller': 'concurrentStatefulsetSyncs',
  'daemonset-controller': 'concurrentDaemonsetSyncs',
  'job-controller': 'concurrentJobSyncs',
  'cronjob-controller': 'concurrentCronJobSyncs',
  'ttl-after-finished-controller': 'concurrentTtlAfterFinishedSyncs',
  'endpoints-controller': 'concurrentEndpointSyncs',
  'endpointslice-controller': 'concurrentServiceEndpointSyncs',
  'endpointslice-mirroring-controller': 'mirroringConcurrentServiceEndpointSyncs',
  'resourcequota-controller': 'concurrentResourceQuotaSyncs',
  'namespace-controller': 'concurrentNamespaceSyncs',
  'serviceaccount-token-controller': 'concurrentServiceaccountTokenSyncs',
  'garbage-collector-controller': 'concurrentGcSyncs',
  'ephemeral-volume-controller': 'concurrentEphemeralvolumeSyncs',
  'validatingadmissionpolicy-status-controller': 'concurrentValidatingAdmissionPolicyStatusSyncs',
  'resourceclaim-controller': 'concurrentResourceClaimSyncs',
  'device-taint-eviction-controller': 'concurrentDeviceTaintEvictionSyncs',
};

/**
 * Workers of controllers that write again and again for each of many objects, and wait for each write to be on disk: upstream's five would have
 * a thousand rollouts wait for one another, and the API server for them. What is written at the same time is also synced together.
 */
export const manyWorkers = 128;

/** The controller with as many workers as its flag says. */
export function withConcurrency(definition: AnyController, settings: ConcurrencySettings): AnyController {
  const flag = flagOf[definition.name];
  const concurrency = flag ? settings[flag] : 0;
  return concurrency > 0 ? { ...definition, concurrency } : definition;
}
