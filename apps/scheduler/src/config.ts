import { ConfigError, type ConfigOf, type ConfigSchema, apiPaceFlags, flagName, leaseFlags, leaseOptions, originalFlags, parseGoDuration, servingFlags } from '@orrery/runtime';
import { defaultConfiguration } from './configuration/load.ts';
import { decodeArgs } from './configuration/plugin-args.ts';
import type { SchedulerConfiguration } from './configuration/types.ts';

/** Settings of the scheduler. */
export const schedulerSchema = {
  config: { type: 'string', default: '', help: 'file with KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1); the settings below but leaderElect are not looked at then' },
  leaderElect: { type: 'boolean', default: true, help: 'schedule only while holding the lease kube-system/kube-scheduler' },
  ...leaseFlags('kube-scheduler'),
  schedulerName: { type: 'string', default: 'default-scheduler', help: 'spec.schedulerName of the pods to schedule' },
  percentageOfNodesToScore: { type: 'number', default: 0, help: 'share of feasible nodes to find before scoring; 0 adapts to the size of the cluster' },
  disabledPlugins: { type: 'list', default: [], help: 'plugins of the default profile to leave out' },
  scoringStrategy: { type: 'string', default: 'LeastAllocated', choices: ['LeastAllocated', 'MostAllocated'], help: 'how NodeResourcesFit scores' },
  podInitialBackoffSeconds: { type: 'number', default: 1, help: 'first back-off of a pod that could not be scheduled' },
  podMaxBackoffSeconds: { type: 'number', default: 10, help: 'longest back-off' },
  podMaxInUnschedulablePodsDuration: { type: 'duration', default: '5m0s', help: 'a pod that could not be scheduled is tried again after so long though nothing happened' },
  writeConfigTo: { type: 'string', default: '', help: 'file to write the configuration to', refused: 'the configuration is what --config says' },
  ...servingFlags({ port: 10259, tolerateLookupFailure: true }),
  ...apiPaceFlags,
  ...originalFlags,
} as const satisfies ConfigSchema;

export type SchedulerConfig = ConfigOf<typeof schedulerSchema>;

/** How long pods stay among the unschedulable, in milliseconds. Throws ConfigError for what is not positive. */
export function unschedulableMs(config: SchedulerConfig): number {
  const ms = parseGoDuration(config.podMaxInUnschedulablePodsDuration);
  if (ms <= 0) throw new ConfigError(`${flagName('podMaxInUnschedulablePodsDuration')} must be greater than zero`);
  return ms;
}

/** What the flags come to: one profile. Throws ConfigError for durations of the Lease that do not fit together. */
export function configurationOf(config: SchedulerConfig): SchedulerConfiguration {
  leaseOptions(config);
  const lease = { leaseDuration: config.leaderElectLeaseDuration, renewDeadline: config.leaderElectRenewDeadline, retryPeriod: config.leaderElectRetryPeriod, resourceName: config.leaderElectResourceName, resourceNamespace: config.leaderElectResourceNamespace };
  const args = decodeArgs('NodeResourcesFit', { scoringStrategy: { type: config.scoringStrategy } }, '--scoring-strategy');
  return {
    ...defaultConfiguration(),
    leaderElection: { ...defaultConfiguration().leaderElection, ...lease },
    percentageOfNodesToScore: config.percentageOfNodesToScore,
    podInitialBackoffSeconds: config.podInitialBackoffSeconds,
    podMaxBackoffSeconds: config.podMaxBackoffSeconds,
    profiles: [
      {
        schedulerName: config.schedulerName,
        plugins: { multiPoint: { disabled: config.disabledPlugins.map((name) => ({ name })) } },
        pluginConfig: [{ name: 'NodeResourcesFit', args }],
      },
    ],
  };
}
