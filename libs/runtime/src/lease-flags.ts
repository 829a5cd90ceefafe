import { ConfigError, type ConfigSchema, flagName } from './config.ts';
import { parseGoDuration } from './go-duration.ts';

/** Upstream's flags of a component of which one leads; `name` is the Lease's unless they say otherwise. */
export function leaseFlags(name: string) {
  return {
    leaderElectLeaseDuration: { type: 'duration', default: '15s', help: 'so long others wait for a leader that does not renew its Lease' },
    leaderElectRenewDeadline: { type: 'duration', default: '10s', help: 'so long a leader tries to renew its Lease before it gives up' },
    leaderElectRetryPeriod: { type: 'duration', default: '2s', help: 'time between two attempts at the Lease' },
    leaderElectResourceLock: { type: 'string', default: 'leases', choices: ['leases'], help: 'kind of the lock' },
    leaderElectResourceName: { type: 'string', default: name, help: 'name of the Lease' },
    leaderElectResourceNamespace: { type: 'string', default: 'kube-system', help: 'namespace of the Lease' },
  } as const satisfies ConfigSchema;
}

export interface LeaseSettings {
  readonly leaderElectLeaseDuration: string;
  readonly leaderElectRenewDeadline: string;
  readonly leaderElectRetryPeriod: string;
  readonly leaderElectResourceName: string;
  readonly leaderElectResourceNamespace: string;
}

function duration(settings: LeaseSettings, key: 'leaderElectLeaseDuration' | 'leaderElectRenewDeadline' | 'leaderElectRetryPeriod'): number {
  try {
    return parseGoDuration(settings[key]);
  } catch (error) {
    throw new ConfigError(`${flagName(key)}: ${(error as Error).message}`);
  }
}

/** What the flags say about the Lease. Throws ConfigError for durations that are none, or that do not fit together. */
export function leaseOptions(settings: LeaseSettings): { name: string; namespace: string; leaseDurationMs: number; renewDeadlineMs: number; retryPeriodMs: number } {
  const leaseDurationMs = duration(settings, 'leaderElectLeaseDuration');
  const renewDeadlineMs = duration(settings, 'leaderElectRenewDeadline');
  const retryPeriodMs = duration(settings, 'leaderElectRetryPeriod');
  if (leaseDurationMs <= renewDeadlineMs) throw new ConfigError('--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline');
  if (renewDeadlineMs <= retryPeriodMs * 1.2) throw new ConfigError('--leader-elect-renew-deadline must be greater than --leader-elect-retry-period by a fifth of it');
  return { name: settings.leaderElectResourceName, namespace: settings.leaderElectResourceNamespace, leaseDurationMs, renewDeadlineMs, retryPeriodMs };
}
