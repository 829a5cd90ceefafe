import { ConfigError, type ConfigOf, type ConfigSchema, apiPaceFlags, flagName, leaseFlags, originalFlags, parseGoDuration, resolveConfig, servingFlags } from '@orrery/runtime';
import { concurrencySchema } from './concurrency.ts';
import type { AutoscalerOptions } from './autoscaling/controller.ts';
import { currentName } from './controller-names.ts';
import { kubeControllerManagerFlags } from './original-flags.ts';

/** What decides how the controllers behave; the flags have upstream's names where upstream has them. */
export const settingsSchema = {
  controllers: { type: 'list', default: ['*'], help: "controllers to run: '*' all, 'name' that one, '-name' not that one" },
  leaderElect: { type: 'boolean', default: true, help: 'run the controllers only while holding the Lease kube-system/kube-controller-manager' },
  ...leaseFlags('kube-controller-manager'),
  clusterCidr: { type: 'string', default: '10.244.0.0/16', help: 'range that nodes get their pod ranges from, or an IPv4 and an IPv6 range separated by a comma' },
  nodeCidrMaskSize: { type: 'number', default: 0, help: 'mask size of the pod range of a node in a cluster of one family; 0: 24 for IPv4, 64 for IPv6' },
  nodeCidrMaskSizeIpv4: { type: 'number', default: 0, help: 'mask size of the IPv4 pod range of a node; 0: 24' },
  nodeCidrMaskSizeIpv6: { type: 'number', default: 0, help: 'mask size of the IPv6 pod range of a node; 0: 64' },
  allocateNodeCidrs: { type: 'boolean', default: true, help: 'give every node a pod range' },
  nodeMonitorGracePeriod: { type: 'duration', default: '50s', help: 'age of the Lease of a node beyond which it counts as unreachable' },
  nodeStartupGracePeriod: { type: 'duration', default: '1m0s', help: 'age of a node that has never told its state beyond which it counts as unreachable' },
  nodeEvictionRate: { type: 'number', default: 0.1, help: 'nodes a second that are emptied in a zone' },
  secondaryNodeEvictionRate: { type: 'number', default: 0.01, help: 'nodes a second that are emptied in a large zone that is partly disrupted; in a small one none are' },
  unhealthyZoneThreshold: { type: 'number', default: 0.55, help: 'share of nodes (three at least) that must be not ready for a zone to count as partly disrupted' },
  largeClusterSizeThreshold: { type: 'number', default: 50, help: 'zones with more nodes are large' },
  nodeMonitorPeriod: { type: 'duration', default: '5s', help: 'how often the Leases of nodes are looked at' },
  concurrentHorizontalPodAutoscalerSyncs: { type: 'number', default: 5, help: 'autoscalers worked on at once' },
  horizontalPodAutoscalerSyncPeriod: { type: 'string', default: '15s', help: 'how often each autoscaler is looked at' },
  horizontalPodAutoscalerTolerance: { type: 'number', default: 0.1, help: 'how far from 1 the ratio of a metric to its target may lie before anything is scaled' },
  horizontalPodAutoscalerDownscaleStabilization: { type: 'string', default: '5m0s', help: 'nothing is scaled below what was recommended within this time' },
  horizontalPodAutoscalerCpuInitializationPeriod: { type: 'string', default: '5m0s', help: "so long after a pod's start its CPU counts only while it is ready and measured since" },
  horizontalPodAutoscalerInitialReadinessDelay: { type: 'string', default: '30s', help: "so long after a pod's start a change of readiness counts as its first" },
  terminatedPodGcThreshold: { type: 'number', default: 12_500, help: 'finished pods to keep before the oldest are deleted' },
  legacyServiceAccountTokenCleanUpPeriod: { type: 'string', default: '8760h0m0s', help: 'how long an automatically made service account token must be unused before it is taken out of use, and then again before it is deleted' },
  clusterSigningDuration: { type: 'duration', default: '8760h0m0s', help: 'longest time that signed certificates are valid; a request may ask for less' },
  maxEndpointsPerSlice: { type: 'number', default: 100, help: 'most endpoints of an EndpointSlice' },
  mirroringMaxEndpointsPerSubset: { type: 'number', default: 1000, help: 'addresses of a subset of Endpoints that are mirrored' },
  endpointUpdatesBatchPeriod: { type: 'duration', default: '0s', help: 'so long changes of pods wait for others before Endpoints are written' },
  endpointsliceUpdatesBatchPeriod: { type: 'duration', default: '0s', help: 'so long changes of pods wait for others before EndpointSlices are written' },
  mirroringEndpointsliceUpdatesBatchPeriod: { type: 'duration', default: '0s', help: 'so long changes of Endpoints wait for others before they are mirrored' },
  enableGarbageCollector: { type: 'boolean', default: true, help: 'delete what its owners have left behind' },
  enableDynamicProvisioning: { type: 'boolean', default: true, help: 'have volumes made for claims that nothing fits' },
  disableForceDetachOnTimeout: { type: 'boolean', default: false, help: 'leave volumes attached to a node that is not well however long it does not unmount them' },
  serviceClusterIpRange: { type: 'string', default: '', help: 'range of Services, a,b for two families; no node gets pod addresses of it' },
  controllerStartInterval: { type: 'duration', default: '0s', help: 'time between the starts of two controllers' },
  ...concurrencySchema,
  ...servingFlags({ port: 10257, tolerateLookupFailure: false }),
  ...apiPaceFlags,
  ...kubeControllerManagerFlags,
  ...originalFlags,
  featureGates: { type: 'list', default: [], help: 'NAME=true or NAME=false: MaxUnavailableStatefulSet and StorageVersionMigrator do what they say, of others kubernetes_feature_enabled tells' },
} as const satisfies ConfigSchema;

export type Settings = ConfigOf<typeof settingsSchema>;

function duration(settings: Settings, key: keyof Settings): number {
  try {
    return parseGoDuration(String(settings[key]));
  } catch (error) {
    throw new ConfigError(`${flagName(key)}: ${(error as Error).message}`);
  }
}

/** A flag's duration in milliseconds, which must not be negative. Throws ConfigError that names the flag. */
export function periodMs(settings: Settings, key: keyof Settings): number {
  const ms = duration(settings, key);
  if (ms < 0) throw new ConfigError(`${flagName(key)} must not be negative`);
  return ms;
}

/** What the flags say about autoscaling. Throws ConfigError for durations that are none. */
export function autoscalerOptions(settings: Settings): AutoscalerOptions {
  return {
    syncPeriodMs: duration(settings, 'horizontalPodAutoscalerSyncPeriod'),
    tolerance: settings.horizontalPodAutoscalerTolerance,
    downscaleStabilizationMs: duration(settings, 'horizontalPodAutoscalerDownscaleStabilization'),
    cpuInitializationMs: duration(settings, 'horizontalPodAutoscalerCpuInitializationPeriod'),
    initialReadinessDelayMs: duration(settings, 'horizontalPodAutoscalerInitialReadinessDelay'),
    concurrency: settings.concurrentHorizontalPodAutoscalerSyncs,
  };
}

/** How long a token must be unused. Throws ConfigError for what is no duration. */
export const tokenCleanUpPeriodMs = (settings: Settings): number => duration(settings, 'legacyServiceAccountTokenCleanUpPeriod');

export const defaultSettings: Settings = resolveConfig(settingsSchema, []);

/** Controllers that `*` does not mean, as upstream has them; that of storage versions waits for an alpha API. */
const offByDefault: ReadonlySet<string> = new Set(['bootstrap-signer-controller', 'token-cleaner-controller', 'storageversion-garbage-collector-controller', 'selinux-warning-controller']);

/** Is a controller wanted by the words of `--controllers`? A name beats `*`; the last word about a name counts. */
export function isEnabled(name: string, words: readonly string[]): boolean {
  const about = words.map((word) => (word.startsWith('-') ? `-${currentName(word.slice(1))}` : currentName(word))).filter((word) => word === name || word === `-${name}`).at(-1);
  if (about !== undefined) return about === name;
  return words.includes('*') && !offByDefault.has(name);
}
