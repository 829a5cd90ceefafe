import type { KindDescriptor } from '@orrery/api';
import type { Bus } from '@orrery/bus';
import type { Env } from '@orrery/runtime';
import type { Change } from '../cache/frame.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { StoreFeed } from '../cache/store-feed.ts';
import { indexedFields } from '../cache/selection.ts';

/** How often the feed says that it is alive and how far it is. */
const heartbeatMs = 2_000;

/** Subject tokens must not hold dots or be empty. */
function token(text: string): string {
  return text === '' ? '_' : text.replace(/[.\s*>]/g, '-');
}

/** `feed.core.pods`, `feed.apps.deployments`, `feed.events-k8s-io.events`. */
export function feedSubject(kind: Pick<KindDescriptor, 'group' | 'resource'>): string {
  return `feed.${kind.group === '' ? 'core' : token(kind.group)}.${token(kind.resource)}`;
}

/** Slices a change belongs to: of pods the node before and after, of other objects their namespace. */
function slicesOf(kind: KindDescriptor, change: Change): string[] {
  const [field] = indexedFields(kind);
  if (!field) {
    const slash = change.key.indexOf('/');
    return [slash < 0 ? '' : change.key.slice(0, slash)];
  }
  const after = change.current?.fields(kind)[field];
  const before = change.previous?.fields(kind)[field];
  return [...new Set([after, before].filter((value) => value !== undefined))];
}

/**
 * Publishes every change on the bus: subject `feed.GROUP.RESOURCE.SLICE`, payload the line that a REST watch would carry.
 * Headers: `publisher` (one for each run of a server), `sequence` (1, 2, 3 … by publisher and subject, so that a gap shows),
 * `revision`. `feed.heartbeat.PUBLISHER` carries the revision up to which everything was published. An accelerator only:
 * who misses a message resumes from the API server.
 */
export function startChangeFeed(options: { env: Env; bus: Bus; feed: StoreFeed; signal: AbortSignal }): void {
  const { env, bus, feed, signal } = options;
  const publisher = env.random.name(10);
  const sequences = new Map<string, number>();

  const publish = (cache: ResourceCache, root: string, change: Change): void => {
    for (const slice of slicesOf(cache.kind, change)) {
      const subject = `${root}.${token(slice)}`;
      const sequence = (sequences.get(subject) ?? 0) + 1;
      sequences.set(subject, sequence);
      bus.publish(subject, change.plain.line, { publisher, sequence: String(sequence), revision: String(change.revision) });
    }
  };
  const stops = feed.all().map((cache) => {
    const root = feedSubject(cache.kind);
    return cache.listen((change) => publish(cache, root, change));
  });
  const nothing = new Uint8Array();
  const heartbeat = env.clock.every(heartbeatMs, () => bus.publish(`feed.heartbeat.${publisher}`, nothing, { publisher, revision: String(feed.revision) }));
  signal.addEventListener('abort', () => {
    heartbeat.cancel();
    for (const stop of stops) stop();
  }, { once: true });
}
