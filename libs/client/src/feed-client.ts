import type { KubeObject } from '@orrery/apimachinery';
import { type Bus, type BusSubscription, feedHeartbeatMs, feedHeartbeats } from '@orrery/bus';
import type { Env, Timer } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';
import { type FeedSlice, feedSlice } from './feed-slice.ts';
import { FeedWatch, type FeedWatchListener, type FeedWatchOptions, silenceMs } from './feed-watch.ts';

type AnyWatch = Pick<FeedWatch<KubeObject>, 'heartbeat' | 'connection' | 'tick'>;

/** What the watches of one client share: who publishes, when they were last heard of, and the metrics. */
class FeedHub {
  private readonly bus: Bus;
  private readonly env: Pick<Env, 'clock' | 'metrics'>;
  private readonly watches = new Set<AnyWatch>();
  private readonly heardMs = new Map<string, number>();
  private subscriptions: BusSubscription[] = [];
  private timer: Timer | undefined;
  private live = 0;
  private readonly listener: Omit<FeedWatchListener, 'ended'>;
  private readonly showWatches: () => void;

  constructor(bus: Bus, env: Pick<Env, 'clock' | 'metrics'>) {
    this.bus = bus;
    this.env = env;
    const events = env.metrics.counter('orrery_feed_events_total', 'Events of watches that came by the change feed instead of the API server.');
    const resumes = env.metrics.counter('orrery_feed_resumes_total', 'Times a watch went back from the change feed to the API server.');
    const watches = env.metrics.gauge('orrery_feed_watches', 'Watches that could follow the change feed: live on it, or watching the API server.');
    this.showWatches = () => {
      watches.set(this.live, { state: 'live' });
      watches.set(this.watches.size - this.live, { state: 'catching' });
    };
    this.listener = {
      heard: (publisher) => void this.heardMs.set(publisher, env.clock.monotonic()),
      delivered: ({ resource }, count) => events.inc({ resource }, count),
      joined: () => {
        this.live++;
        this.showWatches();
      },
      left: (reason) => {
        this.live--;
        if (reason) resumes.inc({ reason });
        this.showWatches();
      },
    };
  }

  watch<T extends KubeObject>(wanted: Pick<FeedWatchOptions<T>, 'api' | 'resource' | 'options' | 'sink'> & { slice: FeedSlice }): FeedWatch<T> {
    const watch = new FeedWatch<T>({ ...wanted, bus: this.bus, clock: this.env.clock, listener: { ...this.listener, ended: () => this.remove(watch) } });
    if (this.watches.size === 0) this.open();
    this.watches.add(watch);
    this.showWatches();
    watch.start();
    return watch;
  }

  private open(): void {
    const { bus, env } = this;
    const heartbeats = bus.subscribe(feedHeartbeats, ({ headers: { publisher = '', base } }) => {
      this.heardMs.set(publisher, env.clock.monotonic());
      for (const watch of [...this.watches]) watch.heartbeat(publisher, Number(base));
    });
    const connection = bus.onConnection((connected) => {
      for (const watch of [...this.watches]) watch.connection(connected);
    });
    this.subscriptions = [heartbeats, connection];
    this.timer = env.clock.every(feedHeartbeatMs, () => this.tick());
  }

  private remove(watch: AnyWatch): void {
    this.watches.delete(watch);
    this.showWatches();
    if (this.watches.size) return;
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
    this.timer?.cancel();
    this.heardMs.clear();
  }

  private tick(): void {
    const nowMs = this.env.clock.monotonic();
    for (const watch of [...this.watches]) watch.tick(nowMs, (publisher) => this.heardMs.get(publisher) ?? Number.NEGATIVE_INFINITY);
    for (const [publisher, heardMs] of this.heardMs) if (nowMs - heardMs > 10 * silenceMs) this.heardMs.delete(publisher);
  }
}

/**
 * The same client, whose watches follow the change feed on `bus` where a slice of it carries what they select; all else, and
 * whatever the feed cannot be trusted with, goes to `api`. A sink cannot tell the difference: the same events in order of
 * revision, none lost, doubled or out of order. Closing it closes `api`, not the bus.
 */
export function withFeed(api: ApiClient, { bus, env }: { bus: Bus; env: Pick<Env, 'clock' | 'metrics'> }): ApiClient {
  const hub = new FeedHub(bus, env);
  return {
    get: (resource, key, options) => api.get(resource, key, options),
    list: (resource, options) => api.list(resource, options),
    watch(resource, options, sink) {
      const slice = feedSlice(resource, options);
      return slice ? hub.watch({ api, resource, options, sink, slice }) : api.watch(resource, options, sink);
    },
    create: (resource, object, options) => api.create(resource, object, options),
    createSubresource: (resource, key, subresource, body) => api.createSubresource(resource, key, subresource, body),
    update: (resource, object, options) => api.update(resource, object, options),
    patch: (resource, key, patch, options) => api.patch(resource, key, patch, options),
    delete: (resource, key, options) => api.delete(resource, key, options),
    deleteCollection: (resource, selection, options) => api.deleteCollection(resource, selection, options),
    close: () => api.close(),
  };
}
