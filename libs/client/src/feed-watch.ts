import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Bus, type BusMessage, type BusSubscription, type FeedFact, decodeFact, feedHeartbeatMs, feedQuestions } from '@orrery/bus';
import { StatusError } from '@orrery/errors';
import type { Clock } from '@orrery/runtime';
import type { ApiClient, WatchEvent, WatchHandle, WatchOptions, WatchSink } from './api-client.ts';
import { FeedFollower, type FeedStep, type ResumeReason } from './feed-follower.ts';
import type { FeedSlice } from './feed-slice.ts';
import { apiVersionOf, resourceKey } from './keys.ts';

/** A publisher not heard of for this long is taken for dead. */
export const silenceMs = 3 * feedHeartbeatMs;
/** A quiet slice asks this often whether it missed something. */
const probeMs = 30_000;
/** Questions of a watch that gets no answer (nobody publishes its resource) become this rare. */
const maxAskTicks = 16;
const nothing = new Uint8Array();

/** What a watch tells of itself. */
export interface FeedWatchListener {
  heard(publisher: string): void;
  joined(): void;
  delivered(resource: ResourceRef, count: number): void;
  /** Undefined: it ended. */
  left(reason: ResumeReason | undefined): void;
  ended(): void;
}

export interface FeedWatchOptions<T extends KubeObject> {
  readonly api: ApiClient;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly resource: ResourceRef<T>;
  readonly options: WatchOptions;
  readonly slice: FeedSlice;
  readonly sink: WatchSink<T>;
  readonly listener: FeedWatchListener;
}

/** One watch that follows the feed while it can, and the API server while it cannot. */
export class FeedWatch<T extends KubeObject> implements WatchHandle {
  private readonly setup: FeedWatchOptions<T>;
  private readonly follower: FeedFollower;
  private readonly cleanups: (() => void)[] = [];
  private readonly startedMs: number;
  private subscription: BusSubscription | undefined;
  private direct: WatchHandle | undefined;
  private epoch = 0;
  private over = false;
  /** When a fact last confirmed the position, and when a question about it went out since. */
  private confirmedMs = 0;
  private askedMs: number | undefined;
  private ticks = 0;
  private nextAsk = 1;

  constructor(setup: FeedWatchOptions<T>) {
    this.setup = setup;
    this.follower = new FeedFollower(Number(setup.options.resourceVersion));
    this.startedMs = setup.clock.monotonic();
  }

  /** Subscribes first, so that nothing falls between the watch of the API server and the feed. */
  start(): void {
    const { bus, clock, slice, options } = this.setup;
    this.subscription = bus.subscribe(slice.pattern, (message) => this.receive(message));
    if (options.timeoutSeconds) {
      const timer = clock.after(options.timeoutSeconds * 1000, () => this.end());
      this.cleanups.push(() => timer.cancel());
    }
    if (bus.connected()) this.ask();
    this.watchApi();
  }

  stop(): void {
    if (this.over) return;
    this.over = true;
    this.epoch++;
    this.subscription?.unsubscribe();
    this.direct?.stop();
    for (const cleanup of this.cleanups.splice(0)) cleanup();
    if (this.follower.live) this.setup.listener.left(undefined);
    this.setup.listener.ended();
  }

  heartbeat(publisher: string, base: number): void {
    this.perform(this.follower.heartbeat(publisher, base));
  }

  connection(connected: boolean): void {
    if (!connected) this.perform(this.follower.lose('disconnected'));
    else if (!this.follower.live) this.askSoon();
  }

  /** Called once a heartbeat period; `heardMs` tells when a publisher was last heard of. */
  tick(nowMs: number, heardMs: (publisher: string) => number): void {
    const { publisher } = this.follower;
    if (publisher === undefined) {
      if (++this.ticks >= this.nextAsk) {
        this.ticks = 0;
        this.nextAsk = Math.min(maxAskTicks, this.nextAsk * 2);
        this.ask();
      }
    } else if (nowMs - heardMs(publisher) > silenceMs) this.perform(this.follower.lose('silence'));
    else if (this.askedMs !== undefined) {
      if (nowMs - this.askedMs > silenceMs) this.perform(this.follower.lose('unanswered'));
    } else if (nowMs - this.confirmedMs >= probeMs) {
      this.askedMs = nowMs;
      this.ask();
    }
  }

  private ask(): void {
    const { bus, slice, resource } = this.setup;
    bus.publish(feedQuestions, nothing, { subject: slice.marks, version: resource.version });
  }

  private askSoon(): void {
    this.ticks = 0;
    this.nextAsk = 1;
    this.ask();
  }

  private receive(message: BusMessage): void {
    if (this.over) return;
    const { slice, resource, listener } = this.setup;
    const fact = decodeFact(message, slice.scope);
    if (!fact || fact.version !== resource.version) return;
    listener.heard(fact.publisher);
    this.perform(this.follower.fact(fact));
  }

  private perform(steps: readonly FeedStep[]): void {
    const { options, clock } = this.setup;
    let batch: WatchEvent<T>[] = [];
    for (const step of steps) {
      if (this.over) return;
      if (step.do === 'join') this.joinFeed();
      else if (step.do === 'resume') {
        this.deliver(batch);
        batch = [];
        this.leaveFeed(step.reason);
      } else {
        this.confirmedMs = clock.monotonic();
        this.askedMs = undefined;
        const event = step.do === 'deliver' ? this.eventOf(step.fact) : step.moved && options.allowWatchBookmarks ? this.bookmark(step.revision) : undefined;
        if (event) batch.push(event);
      }
    }
    this.deliver(batch);
  }

  private deliver(batch: readonly WatchEvent<T>[]): void {
    if (this.over || batch.length === 0) return;
    const changes = batch.filter((event) => event.type !== 'BOOKMARK').length;
    if (changes) this.setup.listener.delivered(this.setup.resource, changes);
    this.setup.sink.events(batch);
  }

  private eventOf(fact: FeedFact): WatchEvent<T> | undefined {
    const { slice, resource } = this.setup;
    try {
      const { type, object } = JSON.parse(Buffer.from(fact.payload).toString('utf8')) as WatchEvent<T>;
      if (!slice.holds(object)) return undefined;
      return { type: slice.scope === 'slice' && fact.entered ? 'ADDED' : type, object };
    } catch (error) {
      const message = `the change feed carried something else than a change of ${resourceKey(resource)}: ${(error as Error).message}`;
      this.end(new StatusError({ code: 500, reason: 'InternalError', message }));
      return undefined;
    }
  }

  private bookmark(revision: number): WatchEvent<T> {
    const { resource } = this.setup;
    const object = { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata: { resourceVersion: String(revision) } };
    return { type: 'BOOKMARK', object: object as unknown as T };
  }

  private joinFeed(): void {
    this.epoch++;
    this.direct?.stop();
    this.direct = undefined;
    this.confirmedMs = this.setup.clock.monotonic();
    this.askedMs = undefined;
    this.setup.listener.joined();
  }

  private leaveFeed(reason: ResumeReason): void {
    if (this.over) return;
    this.setup.listener.left(reason);
    this.ticks = 0;
    this.nextAsk = 1;
    this.watchApi();
  }

  /** Follows the API server from the last revision until the feed takes over. */
  private watchApi(): void {
    const { api, resource, options, sink, clock } = this.setup;
    const epoch = ++this.epoch;
    const mine = (): boolean => epoch === this.epoch && !this.over;
    const passedSeconds = Math.floor((clock.monotonic() - this.startedMs) / 1000);
    const timeout = options.timeoutSeconds ? { timeoutSeconds: Math.max(1, options.timeoutSeconds - passedSeconds) } : {};
    const from = { ...options, ...timeout, resourceVersion: String(this.follower.revision), allowWatchBookmarks: true };
    const handle = api.watch<T>(resource, from, {
      events: (batch) => {
        if (!mine()) return;
        const wanted = options.allowWatchBookmarks ? batch : batch.filter((event) => event.type !== 'BOOKMARK');
        if (wanted.length) sink.events(wanted);
        if (mine()) this.perform(this.follower.watched(Number(batch.at(-1)?.object.metadata?.resourceVersion)));
      },
      closed: (error) => {
        if (mine()) this.end(error);
      },
    });
    if (mine()) this.direct = handle;
    else handle.stop();
  }

  private end(error?: StatusError): void {
    if (this.over) return;
    this.stop();
    this.setup.sink.closed(error);
  }
}
