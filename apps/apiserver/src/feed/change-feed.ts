import type { KindDescriptor } from '@orrery/api';
import { type Bus, createFeedPublisher, feedExcludes, feedHeartbeatMs, feedSliceField, feedSubject } from '@orrery/bus';
import type { Env } from '@orrery/runtime';
import type { Change } from '../cache/frame.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { StoreFeed } from '../cache/store-feed.ts';

/** The slice an object is in after a change (before it, when deleted) and, if it was in another one, where it was. */
function placeOf(kind: KindDescriptor, change: Change): { slice: string; movedFrom?: string } {
  const field = feedSliceField(kind);
  if (!field) {
    const slash = change.key.indexOf('/');
    return { slice: slash < 0 ? '' : change.key.slice(0, slash) };
  }
  const after = change.current?.fields(kind)[field];
  const before = change.previous?.fields(kind)[field];
  const slice = after ?? before ?? '';
  return before === undefined || before === slice ? { slice } : { slice, movedFrom: before };
}

/**
 * Publishes every change of every resource (but of Secrets) on the bus: subject `feed.GROUP.RESOURCE.SLICE`, payload the line
 * that a REST watch would carry, encoded once for both. An accelerator only: who misses a message resumes from the API
 * server. What the messages say is in `feed-protocol` of `@orrery/bus`.
 */
export function startChangeFeed(options: { env: Env; bus: Bus; feed: StoreFeed; signal: AbortSignal }): void {
  const { env, bus, feed, signal } = options;
  const publisher = createFeedPublisher({ bus, env, signal, revision: () => feed.revision });
  const stops = new Map<ResourceCache, () => void>();

  const follow = (cache: ResourceCache): void => {
    const root = feedSubject(cache.kind);
    let isOpen = !cache.isLoading;
    if (isOpen) publisher.open({ root, version: cache.kind.version, revision: feed.revision });
    const tell = (change: Change): void => {
      const { plain, revision } = change;
      // What a conversion webhook must be asked for first is left to the watches that ask it.
      const line = plain.entry.isShown(cache.kind) ? plain.view(cache.kind).line : undefined;
      publisher.publish({ root, revision, ...placeOf(cache.kind, change), line });
    };
    const reset = (revision: number): void => {
      publisher.open({ root, version: cache.kind.version, revision });
      // Followers of a cache that lost its place must know at once; of one that was filled for the first time there are none.
      if (isOpen) publisher.restart();
      isOpen = true;
    };
    stops.set(cache, cache.listen(tell, reset));
  };
  /** Custom resources come while the server runs; until they are found here they are watched over gRPC. */
  const followAll = (): void => {
    for (const [cache, stop] of stops) {
      if (feed.all().includes(cache)) continue;
      stop();
      stops.delete(cache);
    }
    for (const cache of feed.all()) if (!stops.has(cache) && !feedExcludes(cache.kind)) follow(cache);
  };
  followAll();
  const timer = env.clock.every(feedHeartbeatMs, followAll);
  signal.addEventListener('abort', () => {
    timer.cancel();
    for (const stop of stops.values()) stop();
  }, { once: true });
}
