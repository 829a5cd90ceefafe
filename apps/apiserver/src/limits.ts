import { ConfigError, flagName } from '@orrery/runtime';
import type { ApiServerConfig } from './config.ts';
import { durationFlag } from './identity/settings.ts';

/** What the server allows and waits for; milliseconds. */
export interface Limits {
  readonly requestMs: number;
  readonly shutdownDelayMs: number;
  readonly watchGraceMs: number;
  readonly maxReads: number;
  readonly maxWrites: number;
  /** Chance that a connection is ended after a request. */
  readonly goawayChance: number;
  /** How long /healthz and /livez, and /readyz, wait for the store to be back. */
  readonly storeHealthMs: number;
  readonly storeReadyMs: number;
}

function duration(config: ApiServerConfig, key: 'requestTimeout' | 'shutdownDelayDuration' | 'shutdownWatchTerminationGracePeriod' | 'etcdHealthcheckTimeout' | 'etcdReadycheckTimeout'): number {
  const ms = durationFlag(flagName(key).slice(2), config[key]);
  if (ms < 0) throw new ConfigError(`${flagName(key)} can not be negative value`);
  return ms;
}

/** The limits of a configuration. Throws a ConfigError in upstream's words. */
export function limitsOf(config: ApiServerConfig): Limits {
  const { maxRequestsInflight: maxReads, maxMutatingRequestsInflight: maxWrites, goawayChance } = config;
  if (maxReads < 0) throw new ConfigError('--max-requests-inflight can not be negative value');
  if (maxWrites < 0) throw new ConfigError('--max-mutating-requests-inflight can not be negative value');
  if (config.enablePriorityAndFairness && maxReads + maxWrites === 0) throw new ConfigError('--max-requests-inflight and --max-mutating-requests-inflight can not both be 0 with priority and fairness');
  if (goawayChance < 0 || goawayChance > 0.02) throw new ConfigError('--goaway-chance can not be less than 0 or greater than 0.02');
  return {
    requestMs: duration(config, 'requestTimeout'),
    shutdownDelayMs: duration(config, 'shutdownDelayDuration'),
    watchGraceMs: duration(config, 'shutdownWatchTerminationGracePeriod'),
    maxReads,
    maxWrites,
    goawayChance,
    storeHealthMs: duration(config, 'etcdHealthcheckTimeout'),
    storeReadyMs: duration(config, 'etcdReadycheckTimeout'),
  };
}
