import { textOrFile } from '@orrery/node-io/text-file';
import { ConfigError } from '@orrery/runtime';
import type { ApiServerConfig } from '../config.ts';
import { parseGoDuration } from './go-duration.ts';

/** The flags about service-account tokens, read. */
export interface ServiceAccountSettings {
  /** The first one issues. */
  readonly issuers: readonly string[];
  readonly apiAudiences: readonly string[];
  /** PEM texts of keys that verify only. */
  readonly furtherKeys: readonly string[];
  /** 0 for no limit. */
  readonly maxLifeSeconds: number;
}

/** Milliseconds of a flag; the error names it. */
export function durationFlag(flag: string, value: string): number {
  try {
    return parseGoDuration(value);
  } catch (error) {
    throw new ConfigError(`invalid argument ${JSON.stringify(value)} for "--${flag}" flag: ${(error as Error).message}`);
  }
}

function maxLife(value: string): number {
  const ms = value ? durationFlag('service-account-max-token-expiration', value) : 0;
  if (ms && (ms < 3_600_000 || ms > 2 ** 32 * 1000)) throw new ConfigError('the service-account-max-token-expiration must be between 1 hour and 2^32 seconds');
  return Math.floor(ms / 1000);
}

/** Throws ConfigError for what makes no sense and Node's error for files that cannot be read. */
export function serviceAccountSettings(config: ApiServerConfig): ServiceAccountSettings {
  const issuers = config.serviceAccountIssuer.split(',').filter((issuer) => issuer !== '');
  if (!issuers.length) throw new ConfigError('service-account-issuer is a required flag');
  for (const [i, issuer] of issuers.entries()) {
    if (issuers.indexOf(issuer) < i) throw new ConfigError(`service-account-issuer ${JSON.stringify(issuer)} is specified more than once`);
    if (issuer.includes(':') && !URL.canParse(issuer)) throw new ConfigError(`service-account-issuer ${JSON.stringify(issuer)} contained a ':' but was not a valid URL`);
  }
  return {
    issuers,
    apiAudiences: config.apiAudiences.length ? config.apiAudiences : issuers,
    furtherKeys: config.serviceAccountKeyFile.map(textOrFile),
    maxLifeSeconds: maxLife(config.serviceAccountMaxTokenExpiration),
  };
}
