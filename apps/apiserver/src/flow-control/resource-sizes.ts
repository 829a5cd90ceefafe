import type { Clock } from '@orrery/runtime';
import { everything } from '../cache/selection.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { KindLookup } from '../pipeline/plugin-set.ts';
import type { RequestInfo } from '../pipeline/request-info.ts';
import type { StoreFeed } from '../cache/store-feed.ts';
import type { ResourceSize } from './work-estimate.ts';

const sampleItems = 16;
const sampleLifeMs = 60_000;

interface Sample {
  readonly averageBytes: number;
  readonly takenMs: number;
}

function averageOf(cache: ResourceCache): number {
  const { entries } = cache.page(everything, { limit: sampleItems });
  return entries.length ? entries.reduce((sum, entry) => sum + entry.bytes.length, 0) / entries.length : 0;
}

/** Counts come from the watch caches; the average size from a sample, taken anew once a minute. */
export function resourceSizes(feed: StoreFeed, kinds: KindLookup, clock: Clock): (info: RequestInfo) => ResourceSize | undefined {
  const samples = new WeakMap<ResourceCache, Sample>();
  return ({ group, version, resource }) => {
    const kind = kinds.get(group, version, resource);
    if (!kind?.verbs.includes('watch')) return undefined;
    const cache = feed.cache(kind);
    // Too few to matter for any number of seats: not worth a sample.
    if (cache.size <= sampleItems) return { count: cache.size, averageBytes: 0 };
    const now = clock.monotonic();
    let sample = samples.get(cache);
    if (!sample || now - sample.takenMs > sampleLifeMs) samples.set(cache, (sample = { averageBytes: averageOf(cache), takenMs: now }));
    return { count: cache.size, averageBytes: sample.averageBytes };
  };
}
