import type { Answer } from 'dns-packet';
import { type Query, type Reply } from '../message.ts';
import { inZone } from '../corefile/zones.ts';
import { type CacheSettings, parseCache } from './cache-settings.ts';
import { type Setup, onlyOnce } from './plugin.ts';
import { kindOf } from './reply-kind.ts';

interface Item {
  readonly reply: Reply;
  readonly storedMs: number;
  readonly ttl: number;
  /** Lower case: two names may share no item. */
  readonly name: string;
  hits: number;
  lastHitMs: number;
  refreshing: boolean;
}

/** What a reply without records is kept for, in seconds. */
const defaultTtl = 5;

function shortestTtl({ answers, authorities, additionals }: Reply): number {
  let ttl = Number.POSITIVE_INFINITY;
  for (const record of [...answers, ...authorities, ...additionals]) {
    const { ttl: own = 0 } = record as { ttl?: number };
    ttl = Math.min(ttl, own);
    // How long the absence may be remembered (RFC 2308).
    if (record.type === 'SOA' && !answers.length) ttl = Math.min(ttl, record.data.minimum ?? own);
  }
  return Number.isFinite(ttl) ? ttl : defaultTtl;
}

const withTtl = (records: readonly Answer[], change: (ttl: number) => number): Answer[] =>
  records.map((record) => ({ ...record, ttl: change((record as { ttl?: number }).ttl ?? 0) }) as Answer);

function aged(reply: Reply, change: (ttl: number) => number): Reply {
  // Some clients drop what is not authoritative, as CoreDNS found.
  return { ...reply, answers: withTtl(reply.answers, change), authorities: withTtl(reply.authorities, change), additionals: withTtl(reply.additionals, change), authoritative: true };
}

/** A part of the cache, at most so many items; the oldest make room. */
class Shelf {
  readonly items = new Map<string, Item>();
  private readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** True when another had to go. */
  put(key: string, item: Item): boolean {
    this.items.delete(key);
    this.items.set(key, item);
    if (this.items.size <= this.capacity) return false;
    this.items.delete(this.items.keys().next().value as string);
    return true;
  }
}

const keyOf = (query: Query): string => `${query.name} ${query.type} ${query.class} ${query.edns?.dnssecOk ? 1 : 0}${query.checkingDisabled ? 1 : 0}`;

/** How a reply would be kept: on which shelf and how long. Undefined: not at all. */
function lifeOf(reply: Reply, query: Query, settings: CacheSettings): { shelf: 'success' | 'denial'; ttl: number } | undefined {
  const { success, denial, servfailTtl } = settings;
  const disabled = (zones: readonly string[]): boolean => zones.some((zone) => inZone(query.name, zone));
  const within = (limits: { ttl: number; minTtl: number }): number => Math.min(limits.ttl, Math.max(limits.minTtl, shortestTtl(reply)));
  switch (kindOf(reply)) {
    case 'noerror':
    case 'delegation':
      return disabled(success.disabled) ? undefined : { shelf: 'success', ttl: within(success) };
    case 'nxdomain':
    case 'nodata':
      return disabled(denial.disabled) ? undefined : { shelf: 'denial', ttl: within(denial) };
    case 'servfail':
      return servfailTtl <= 0 || disabled(denial.disabled) ? undefined : { shelf: 'denial', ttl: servfailTtl };
    default:
      return undefined;
  }
}

/** Remembers replies: https://coredns.io/plugins/cache/. */
export const cache: Setup = (lines, { env, zones: ofBlock, server }) => {
  const line = onlyOnce(lines);
  const settings = parseCache(line, ofBlock);
  const shelves = { success: new Shelf(settings.success.capacity), denial: new Shelf(settings.denial.capacity) };
  const zonesLabel = settings.zones.map((zone) => `${zone}.`).join(',');
  const labels = { server, zones: zonesLabel, view: '' };
  const { metrics } = env;
  const counter = (name: string, help: string): { inc(): void } => metrics.counter(`coredns_cache_${name}_total`, help).with(labels);
  const requests = counter('requests', 'The count of cache requests.');
  const misses = counter('misses', 'The count of cache misses. Deprecated, derive misses from cache hits/requests counters.');
  const prefetches = counter('prefetch', 'The number of times the cache has prefetched a cached item.');
  const stale = counter('served_stale', 'The number of requests served from stale cache entries.');
  const evictions = metrics.counter('coredns_cache_evictions_total', 'The count of cache evictions.');
  const hits = metrics.counter('coredns_cache_hits_total', 'The count of cache hits.');
  const entries = metrics.gauge('coredns_cache_entries', 'The number of elements in the cache.');

  const keep = (query: Query, reply: Reply): void => {
    if (reply.truncated || reply.dropped) return;
    const life = lifeOf(reply, query, settings);
    if (!life || life.ttl <= 0) return;
    const now = env.clock.monotonic();
    const item: Item = { reply, storedMs: now, ttl: life.ttl, name: query.name, hits: 0, lastHitMs: now, refreshing: false };
    const other = life.shelf === 'success' ? shelves.denial : shelves.success;
    // A failure does not push out what may still be served stale.
    if (kindOf(reply) !== 'servfail') other.items.delete(keyOf(query));
    if (shelves[life.shelf].put(keyOf(query), item)) evictions.inc({ ...labels, type: life.shelf });
    entries.set(shelves[life.shelf].items.size, { ...labels, type: life.shelf });
  };
  const refresh = async (query: Query, item: Item, ask: (query: Query) => Promise<Reply>): Promise<Reply | undefined> => {
    if (item.refreshing) return undefined;
    item.refreshing = true;
    try {
      const reply = await ask(query);
      if (reply.rcode !== 'SERVFAIL') keep(query, reply);
      return reply;
    } catch {
      return undefined;
    } finally {
      item.refreshing = false;
    }
  };
  const left = (item: Item): number => item.ttl - (env.clock.monotonic() - item.storedMs) / 1000;
  const found = (query: Query): { item: Item; type: 'success' | 'denial' } | undefined => {
    const key = keyOf(query);
    for (const type of ['denial', 'success'] as const) {
      const item = shelves[type].items.get(key);
      if (item && (left(item) > 0 || (settings.staleMs > 0 && -left(item) * 1000 < settings.staleMs))) return { item, type };
    }
    return undefined;
  };
  const shouldPrefetch = (item: Item): boolean => {
    const { amount, withinMs, percentage } = settings.prefetch;
    const now = env.clock.monotonic();
    item.hits = now - item.lastHitMs > withinMs ? 1 : item.hits + 1;
    item.lastHitMs = now;
    return amount > 0 && item.hits >= amount && left(item) <= (item.ttl * percentage) / 100;
  };
  return {
    async handle(query, next) {
      if (!settings.zones.some((zone) => inZone(query.name, zone))) return next(query);
      requests.inc();
      const known = found(query);
      if (!known) {
        misses.inc();
        const reply = await next(query);
        keep(query, reply);
        return settings.keepTtl || !reply.answers.length ? reply : capped(reply, query, settings);
      }
      const { item, type } = known;
      const over = left(item) <= 0;
      if (over && settings.staleVerify) {
        const fresh = await refresh(query, item, next);
        if (fresh && fresh.rcode !== 'SERVFAIL') return fresh;
      }
      hits.inc({ ...labels, type });
      if (over) {
        stale.inc();
        if (!settings.staleVerify) void refresh(query, item, next);
        return aged(item.reply, () => 0);
      }
      if (shouldPrefetch(item)) {
        prefetches.inc();
        void refresh(query, item, next);
      }
      if (settings.keepTtl) return aged(item.reply, (ttl) => ttl);
      const remaining = Math.floor(left(item));
      return aged(item.reply, () => remaining);
    },
  };
};

/** The first reply already shows the time it is kept for. */
function capped(reply: Reply, query: Query, settings: CacheSettings): Reply {
  const life = lifeOf(reply, query, settings);
  return life ? { ...reply, answers: withTtl(reply.answers, (ttl) => Math.min(ttl, life.ttl)) } : reply;
}
