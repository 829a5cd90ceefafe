import type { Event } from '@orrery/api/types';
import { isRecord } from '@orrery/apimachinery';
import { tooManyRequests } from '@orrery/errors';
import { type Clock, ConfigError } from '@orrery/runtime';
import type { AdmissionAttributes, AdmissionPlugin } from '../pipeline/index.ts';

const types = ['Namespace', 'Server', 'SourceAndObject', 'User'] as const;

interface Limit {
  readonly type: (typeof types)[number];
  /** Events a second, and how many at once. */
  readonly qps: number;
  readonly burst: number;
  /** Buckets that are kept. */
  readonly cacheSize: number;
}

const defaultCacheSize = 4096;

function sourceAndObject({ source = {}, involvedObject = {} }: Event): string {
  const { kind, namespace, name, uid, apiVersion } = involvedObject;
  return [source.component, source.host, kind, namespace, name, uid, apiVersion].map((part) => part ?? '').join('');
}

const keys: Readonly<Record<Limit['type'], (attributes: AdmissionAttributes) => string>> = {
  Server: () => '',
  Namespace: ({ namespace }) => namespace,
  User: ({ user }) => user.username,
  SourceAndObject: ({ object }) => sourceAndObject(object as Event),
};

/** A token bucket a key; the one unused for longest is forgotten. */
class Buckets {
  private readonly limit: Limit;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  constructor(limit: Limit, clock: Pick<Clock, 'monotonic'>) {
    this.limit = limit;
    this.clock = clock;
  }

  take(key: string): boolean {
    const { qps, burst, cacheSize } = this.limit;
    const now = this.clock.monotonic();
    const bucket = this.buckets.get(key) ?? { tokens: burst, at: now };
    this.buckets.delete(key);
    this.buckets.set(key, bucket);
    if (this.buckets.size > cacheSize) this.buckets.delete(this.buckets.keys().next().value as string);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * qps);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

function refuse(field: string, value: unknown, why: string): never {
  throw new ConfigError(`couldn't init admission plugin "EventRateLimit": ${field}: Invalid value: ${JSON.stringify(value)}: ${why}`);
}

function limitOf(given: unknown, at: string): Limit {
  const { type, qps, burst, cacheSize = 0 } = isRecord(given) ? given : {};
  const known = types.find((one) => one === type);
  if (!known) throw new ConfigError(`couldn't init admission plugin "EventRateLimit": ${at}.type: Unsupported value: ${JSON.stringify(type ?? '')}: supported values: ${types.map((one) => JSON.stringify(one)).join(', ')}`);
  if (typeof burst !== 'number' || burst <= 0) return refuse(`${at}.burst`, burst ?? 0, 'must be positive');
  if (typeof qps !== 'number' || qps <= 0) return refuse(`${at}.qps`, qps ?? 0, 'must be positive');
  if (typeof cacheSize !== 'number' || cacheSize < 0) return refuse(`${at}.cacheSize`, cacheSize, 'must not be negative');
  return { type: known, qps, burst, cacheSize: cacheSize || defaultCacheSize };
}

/** Keeps Events from flooding the store, as its configuration (eventratelimit.admission.k8s.io/v1alpha1) says. Throws ConfigError without a good one. */
export function eventRateLimit(configuration: unknown, clock: Pick<Clock, 'monotonic'>): AdmissionPlugin {
  const given = isRecord(configuration) && Array.isArray(configuration['limits']) ? (configuration['limits'] as unknown[]) : [];
  if (!given.length) return refuse('limits', given, 'must not be empty');
  const limits = given.map((one, i) => limitOf(one, `limits[${i}]`)).map((limit) => ({ limit, buckets: new Buckets(limit, clock) }));
  return {
    name: 'EventRateLimit',
    handles: ({ kind, operation, subresource, dryRun }) => kind.kind === 'Event' && kind.group === '' && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE') && !dryRun,
    validate(attributes) {
      const reached = limits.flatMap(({ limit: { type }, buckets }) => {
        const key = keys[type](attributes);
        return buckets.take(key) ? [] : [`limit reached on type ${type} for key ${key}`];
      });
      if (reached.length) throw tooManyRequests(`Too many requests: ${reached.length === 1 ? reached[0] : `[${reached.join(', ')}]`}`);
    },
  };
}
