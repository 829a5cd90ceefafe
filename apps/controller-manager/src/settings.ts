import { ConfigError, type ConfigOf, type ConfigSchema, flagName, parseGoDuration, resolveConfig } from '@orrery/runtime';
import { concurrencySchema } from './concurrency.ts';
import type { AutoscalerOptions } from './autoscaling/controller.ts';

/** What decides how the controllers behave; the flags have upstream's names where upstream has them. */
export const settingsSchema = {
  controllers: { type: 'list', default: ['*'], help: "controllers to run: '*' all, 'name' that one, '-name' not that one" },
  leaderElect: { type: 'boolean', default: true, help: 'run the controllers only while holding the Lease kube-system/kube-controller-manager' },
  leaderElectLeaseDuration: { type: 'string', default: '15s', help: 'so long others wait for a leader that does not renew its Lease' },
  leaderElectRenewDeadline: { type: 'string', default: '10s', help: 'so long a leader tries to renew its Lease before it gives up' },
  leaderElectRetryPeriod: { type: 'string', default: '2s', help: 'time between two attempts at the Lease' },
  leaderElectResourceName: { type: 'string', default: 'kube-controller-manager', help: 'name of the Lease' },
  leaderElectResourceNamespace: { type: 'string', default: 'kube-system', help: 'namespace of the Lease' },
  clusterCidr: { type: 'string', default: '10.244.0.0/16', help: 'range that nodes get their pod ranges from, or an IPv4 and an IPv6 range separated by a comma' },
  nodeCidrMaskSize: { type: 'number', default: 0, help: 'mask size of the pod range of a node in a cluster of one family; 0: 24 for IPv4, 64 for IPv6' },
  nodeCidrMaskSizeIpv4: { type: 'number', default: 0, help: 'mask size of the IPv4 pod range of a node; 0: 24' },
  nodeCidrMaskSizeIpv6: { type: 'number', default: 0, help: 'mask size of the IPv6 pod range of a node; 0: 64' },
  allocateNodeCidrs: { type: 'boolean', default: true, help: 'give every node a pod range' },
  nodeMonitorGracePeriodSeconds: { type: 'number', default: 50, help: 'age of the Lease of a node beyond which it counts as unreachable' },
  nodeStartupGracePeriodSeconds: { type: 'number', default: 60, help: 'age of a node that has never told its state beyond which it counts as unreachable' },
  nodeEvictionRate: { type: 'number', default: 0.1, help: 'nodes a second that are emptied in a zone' },
  secondaryNodeEvictionRate: { type: 'number', default: 0.01, help: 'nodes a second that are emptied in a large zone that is partly disrupted; in a small one none are' },
  unhealthyZoneThreshold: { type: 'number', default: 0.55, help: 'share of nodes (three at least) that must be not ready for a zone to count as partly disrupted' },
  largeClusterSizeThreshold: { type: 'number', default: 50, help: 'zones with more nodes are large' },
  nodeMonitorPeriodSeconds: { type: 'number', default: 5, help: 'how often the Leases of nodes are looked at' },
  concurrentHorizontalPodAutoscalerSyncs: { type: 'number', default: 5, help: 'autoscalers worked on at once' },
  horizontalPodAutoscalerSyncPeriod: { type: 'string', default: '15s', help: 'how often each autoscaler is looked at' },
  horizontalPodAutoscalerTolerance: { type: 'number', default: 0.1, help: 'how far from 1 the ratio of a metric to its target may lie before anything is scaled' },
  horizontalPodAutoscalerDownscaleStabilization: { type: 'string', default: '5m0s', help: 'nothing is scaled below what was recommended within this time' },
  horizontalPodAutoscalerCpuInitializationPeriod: { type: 'string', default: '5m0s', help: "so long after a pod's start its CPU counts only while it is ready and measured since" },
  horizontalPodAutoscalerInitialReadinessDelay: { type: 'string', default: '30s', help: "so long after a pod's start a change of readiness counts as its first" },
  terminatedPodGcThreshold: { type: 'number', default: 12_500, help: 'finished pods to keep before the oldest are deleted' },
  legacyServiceAccountTokenCleanUpPeriod: { type: 'string', default: '8760h0m0s', help: 'how long an automatically made service account token must be unused before it is taken out of use, and then again before it is deleted' },
  ...concurrencySchema,
} as const satisfies ConfigSchema;

export type Settings = ConfigOf<typeof settingsSchema>;

function duration(settings: Settings, key: keyof Settings): number {
  try {
    return parseGoDuration(String(settings[key]));
  } catch (error) {
    throw new ConfigError(`${flagName(key)}: ${(error as Error).message}`);
  }
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

/** What the flags say about the Lease. Throws ConfigError for durations that are none, or that do not fit together. */
export function leaseOptions(settings: Settings) {
  const leaseDurationMs = duration(settings, 'leaderElectLeaseDuration');
  const renewDeadlineMs = duration(settings, 'leaderElectRenewDeadline');
  const retryPeriodMs = duration(settings, 'leaderElectRetryPeriod');
  if (leaseDurationMs <= renewDeadlineMs) throw new ConfigError('--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline');
  if (renewDeadlineMs <= retryPeriodMs * 1.2) throw new ConfigError('--leader-elect-renew-deadline must be greater than --leader-elect-retry-period by a fifth of it');
  return { name: settings.leaderElectResourceName, namespace: settings.leaderElectResourceNamespace, leaseDurationMs, renewDeadlineMs, retryPeriodMs };
}

/** How long a token must be unused. Throws ConfigError for what is no duration. */
export const tokenCleanUpPeriodMs = (settings: Settings): number => duration(settings, 'legacyServiceAccountTokenCleanUpPeriod');

export const defaultSettings: Settings = resolveConfig(settingsSchema, []);

/** Controllers that `*` does not mean, as upstream has them; that of storage versions waits for an alpha API. */
const offByDefault: ReadonlySet<string> = new Set(['bootstrap-signer-controller', 'token-cleaner-controller', 'storageversion-garbage-collector-controller']);

/** Is a controller wanted by the words of `--controllers`? A name beats `*`; the last word about a name counts. */
export function isEnabled(name: string, words: readonly string[]): boolean {
  const about = words.filter((word) => word === name || word === `-${name}`).at(-1);
  if (about !== undefined) return about === name;
  return words.includes('*') && !offByDefault.has(name);
}
