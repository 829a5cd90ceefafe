import type { KindDescriptor } from '@orrery/api';
import { StatusError } from '@orrery/errors';
import { type Event, Event_EventType, WatchDefinition, type WatchRequest, type WatchResponse } from '@orrery/proto/etcd';
import { AsyncQueue, type Channel, createClient } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { Unreadable } from '../storage/errors.ts';
import { type EtcdStore, type StoredValue, tooLargeVersion } from '../storage/etcd-store.ts';
import type { DecodedValue } from '../storage/value-codec.ts';
import { prefixEnd, resourcePrefix } from '../storage/keys.ts';
import { entryFromStored } from './entry.ts';
import type { OwnWrites } from './own-writes.ts';
import { readableEntries } from './readable-entries.ts';
import { Repairs } from './repairs.ts';
import { progressSource } from './progress.ts';
import { ResourceCache, type Update } from './resource-cache.ts';

interface Waiter {
  revision: number;
  resolve: () => void;
}

/** How long a read waits for the cache to reach its revision, as upstream. */
const freshnessTimeoutMs = 3_000;
const nothing = Buffer.alloc(0);
const progressPeriodMs = 100;
const retryMs = 250;

/**
 * Keeps the caches of all resources current from one watch of the store. Revisions are the store's, so one number says
 * how far all caches are. When the store has compacted past the feed it lists again and ends all watches.
 */
export class StoreFeed {
  private readonly env: Env;
  private readonly store: EtcdStore;
  private readonly channel: Channel;
  private readonly root: string;
  private readonly capacity: number;
  private readonly ownWrites: OwnWrites;
  private readonly caches = new Map<string, ResourceCache>();
  /** As asked for, since it is asked several times a request. */
  private readonly byKind = new Map<KindDescriptor, ResourceCache>();
  private readonly byPrefix: ResourceCache[] = [];
  private waiters: Waiter[] = [];
  private requests: AsyncQueue<WatchRequest> | undefined;
  private progressTimer: { cancel(): void } | undefined;
  private tick: (() => Promise<void>) | undefined;
  private current = 0;
  private readonly repairs: Repairs<ResourceCache>;
  /** Resources with objects that look like some and are none: looked at one by one from then on. */
  private readonly suspects = new WeakSet<ResourceCache>();
  private connected = false;
  private readonly onceConnected = new Set<() => void>();

  constructor(options: { env: Env; store: EtcdStore; channel: Channel; root: string; capacity: number; ownWrites: OwnWrites }) {
    this.env = options.env;
    this.store = options.store;
    this.channel = options.channel;
    this.root = options.root;
    this.capacity = options.capacity;
    this.ownWrites = options.ownWrites;
    this.repairs = new Repairs(options.env.clock, (cache) => void this.repair(cache));
  }

  /** Every change up to this revision is in the caches. */
  get revision(): number {
    return this.current;
  }

  /** False while the store cannot be watched. */
  get healthy(): boolean {
    return this.connected;
  }

  /** True as soon as the store is watched, false where it is not within `ms`. */
  isWatchedWithin(ms: number): Promise<boolean> {
    if (this.connected) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = this.env.clock.after(ms, () => {
        this.onceConnected.delete(connected);
        resolve(false);
      });
      const connected = (): void => {
        timer.cancel();
        resolve(true);
      };
      this.onceConnected.add(connected);
    });
  }

  /** The cache of the storage that `kind` lives in. */
  cache(kind: KindDescriptor): ResourceCache {
    const known = this.byKind.get(kind);
    if (known) return known;
    const cache = this.caches.get(resourcePrefix(this.root, kind));
    // A custom resource may go while a request for it is on its way.
    if (!cache) throw new StatusError({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource', details: {} });
    this.byKind.set(kind, cache);
    return cache;
  }

  /** The resource whose objects lie at `key`; empty for what is no object. */
  resourceAt(key: string): { readonly group: string; readonly resource: string } {
    return this.cacheOf(key)?.kind ?? { group: '', resource: '' };
  }

  all(): readonly ResourceCache[] {
    return this.byPrefix;
  }

  /** Adds a resource; before `start`, or followed by `load`. */
  add(kind: KindDescriptor): ResourceCache {
    const prefix = resourcePrefix(this.root, kind);
    const existing = this.caches.get(prefix);
    if (existing) return existing;
    const cache = new ResourceCache({ kind, prefix, capacity: this.capacity, revision: this.current });
    this.caches.set(prefix, cache);
    this.byPrefix.push(cache);
    this.byPrefix.sort((a, b) => b.prefix.length - a.prefix.length);
    return cache;
  }

  /** Lists one resource that was added while the feed runs (a custom resource); changes meanwhile are kept and applied. */
  async load(cache: ResourceCache): Promise<void> {
    cache.beginLoad();
    const { values, revision } = await this.read(cache.prefix);
    const { entries, unreadable } = readableEntries(values, { prefix: cache.prefix, isSuspect: this.suspects.has(cache) });
    try {
      cache.finishLoad(entries, revision);
    } catch (error) {
      if (this.suspects.has(cache)) throw error;
      this.suspects.add(cache);
      return this.load(cache);
    }
    this.setUnreadable(cache, unreadable);
    await this.waitFor(revision);
  }

  /** Drops a resource that is served no more; its watches end. */
  remove(cache: ResourceCache): void {
    if (this.caches.get(cache.prefix) !== cache) return;
    this.caches.delete(cache.prefix);
    this.byKind.clear();
    this.byPrefix.splice(this.byPrefix.indexOf(cache), 1);
    cache.replace([], this.current);
  }

  /** Lists everything, then follows until `signal` aborts. Resolves once the caches are filled and the watch stands. */
  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.repairs.stop(), { once: true });
    const source = await progressSource(this.channel, `${this.root}/orrery-progress`);
    this.tick = source.tick;
    await this.relist();
    const standing = new Promise<void>((resolve, reject) => {
      this.onceConnected.add(resolve);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    void this.follow(signal);
    await standing;
  }

  /** Resolves when the caches hold everything up to `revision`; 504 when they do not get there in time. */
  async waitFor(revision: number): Promise<void> {
    if (this.current >= revision) return;
    await new Promise<void>((resolve, reject) => {
      const timer = this.env.clock.after(freshnessTimeoutMs, () => {
        this.waiters = this.waiters.filter((w) => w !== waiter);
        reject(tooLargeVersion(revision, this.current));
      });
      const waiter: Waiter = { revision, resolve: () => (timer.cancel(), resolve()) };
      this.waiters.push(waiter);
      this.askProgress();
    });
  }

  /** Waits until everything acknowledged before the call is in the caches. */
  async waitForCurrent(): Promise<void> {
    await this.waitFor(await this.store.currentRevision());
  }

  private async read(prefix: string): Promise<{ values: StoredValue[]; revision: number }> {
    const values: StoredValue[] = [];
    let after: string | undefined;
    let revision = 0;
    for (;;) {
      const page = await this.store.range(prefix, { limit: 2_000, ...(after ? { after } : {}), ...(revision ? { revision } : {}) });
      revision ||= page.revision;
      for (const value of page.values) {
        // Allocations and the like are no objects.
        if (this.cacheOf(value.key)) values.push(value);
      }
      after = page.values.at(-1)?.key;
      if (!page.more || after === undefined) return { values, revision };
    }
  }

  private async relist(): Promise<void> {
    const { values, revision } = await this.read(`${this.root}/`);
    const perCache = new Map<ResourceCache, StoredValue[]>(this.byPrefix.map((cache) => [cache, []]));
    for (const value of values) {
      const cache = this.cacheOf(value.key);
      if (cache) perCache.get(cache)?.push(value);
    }
    this.current = revision;
    this.ownWrites.clear();
    for (const [cache, own] of perCache) this.fill(cache, own, revision);
    this.wake();
  }

  private fill(cache: ResourceCache, values: readonly StoredValue[], revision: number): void {
    const { entries, unreadable } = readableEntries(values, { prefix: cache.prefix, isSuspect: this.suspects.has(cache) });
    try {
      cache.replace(entries, revision);
    } catch (error) {
      if (this.suspects.has(cache)) throw error;
      this.suspects.add(cache);
      return this.fill(cache, values, revision);
    }
    this.setUnreadable(cache, unreadable);
  }

  private cacheOf(key: string): ResourceCache | undefined {
    // Prefixes are one or two segments below the root, and none is the beginning of another.
    const first = key.indexOf('/', this.root.length + 1);
    if (first < 0) return undefined;
    const cache = this.caches.get(key.slice(0, first + 1));
    if (cache) return cache;
    const second = key.indexOf('/', first + 1);
    return second < 0 ? undefined : this.caches.get(key.slice(0, second + 1));
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const { log, clock } = this.env;
    while (!signal.aborted) {
      try {
        const outcome = await this.watchOnce(signal);
        if (outcome === 'compacted') await this.relist();
      } catch (error) {
        if (signal.aborted) return;
        log.warn('watch of the store ended; retrying', { error });
      }
      this.connected = false;
      if (!signal.aborted) await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }

  private async watchOnce(signal: AbortSignal): Promise<'ended' | 'compacted'> {
    const requests = new AsyncQueue<WatchRequest>();
    const prefix = `${this.root}/`;
    requests.push({
      requestUnion: {
        $case: 'createRequest',
        value: { key: Buffer.from(prefix), rangeEnd: Buffer.from(prefixEnd(prefix)), startRevision: this.current + 1, progressNotify: true },
      },
    });
    this.requests = requests;
    try {
      for await (const response of createClient(WatchDefinition, this.channel).watch(requests, { signal })) {
        if (response.canceled) return response.compactRevision ? 'compacted' : 'ended';
        if (!this.connected) this.nowConnected();
        const accepted = this.accept(response);
        if (accepted) await accepted;
        if (response.created && this.waiters.length) this.askProgress();
      }
      return 'ended';
    } finally {
      this.requests = undefined;
      requests.end();
    }
  }

  private nowConnected(): void {
    this.connected = true;
    for (const connected of this.onceConnected) connected();
    this.onceConnected.clear();
  }

  /** A promise only where a value has to wait for its key. */
  private accept(response: WatchResponse): void | Promise<void> {
    const events = response.events ?? [];
    if (events.length === 0) {
      if (!response.created && !this.tick) this.advance(response.header?.revision ?? 0);
      return undefined;
    }
    const values = events.map((event) => this.decoded(event));
    if (values.some((value) => value instanceof Promise)) return Promise.all(values).then((all) => this.applyEvents(events, all));
    return this.applyEvents(events, values as (Buffer | DecodedValue)[]);
  }

  private decoded(event: Event): Buffer | DecodedValue | Promise<DecodedValue> {
    const { key, value } = event.kv ?? {};
    if (event.type === Event_EventType.DELETE || !key) return nothing;
    return this.store.decode(key.toString('utf8'), value ?? nothing);
  }

  private applyEvents(events: readonly Event[], values: readonly (Buffer | DecodedValue)[]): void {
    let cache: ResourceCache | undefined;
    let updates: Update[] = [];
    let last = this.current;
    for (const [i, event] of events.entries()) {
      const key = event.kv?.key?.toString('utf8') ?? '';
      last = event.kv?.modRevision ?? last;
      if (!cache || !key.startsWith(cache.prefix)) {
        if (cache && updates.length) this.apply(cache, updates);
        updates = [];
        cache = this.cacheOf(key);
      }
      if (cache) updates.push(...this.updateOf(event, values[i] as Buffer | DecodedValue, cache));
    }
    // Readers of the caches take `revision` for what the watchers were told, so it moves before they are.
    this.current = Math.max(this.current, last);
    if (cache && updates.length) this.apply(cache, updates);
    this.wake();
  }

  /** What an event changes: nothing when the value cannot be read, which makes the resource unreadable. */
  private updateOf(event: Event, decoded: Buffer | DecodedValue, cache: ResourceCache): Update[] {
    const revision = event.kv?.modRevision ?? 0;
    const key = event.kv?.key?.toString('utf8') ?? '';
    const item = key.slice(cache.prefix.length);
    if (event.type === Event_EventType.DELETE) return [{ key: item, revision, entry: undefined }];
    const stored = Buffer.isBuffer(decoded) ? { value: decoded, revision } : { ...decoded, revision };
    if ('unreadable' in stored && stored.unreadable) {
      this.setUnreadable(cache, [stored.unreadable]);
      return [];
    }
    return [{ key: item, revision, entry: this.ownWrites.entryFor(key, stored.value, revision) ?? entryFromStored(item, stored) }];
  }

  /** One object that turns out to be none must not hold up all others. */
  private apply(cache: ResourceCache, updates: readonly Update[]): void {
    try {
      cache.apply(updates);
    } catch (error) {
      this.env.log.error('a change cannot be applied; its resource is listed again', { prefix: cache.prefix, error });
      this.suspects.add(cache);
      this.setUnreadable(cache, [{ key: cache.prefix + (updates[0]?.key ?? ''), why: (error as Error).message, isSealed: false }]);
    }
  }

  private setUnreadable(cache: ResourceCache, values: readonly Unreadable[]): void {
    cache.markUnreadable(values);
    for (const { key, why } of values) this.env.log.error('a stored value cannot be read', { key, why });
    if (values.length === 0) this.repairs.settled(cache);
    else this.repairs.later(cache);
  }

  /** Lists a resource again that could not be read. */
  private async repair(cache: ResourceCache): Promise<void> {
    if (this.caches.get(cache.prefix) !== cache) return;
    try {
      await this.load(cache);
    } catch (error) {
      this.env.log.warn('a resource that cannot be read could not be listed again', { prefix: cache.prefix, error });
      this.repairs.later(cache);
    }
  }

  private advance(revision: number): void {
    if (revision <= this.current) return;
    this.current = revision;
    this.wake();
  }

  private wake(): void {
    if (this.waiters.length === 0) return;
    const due = this.waiters.filter((waiter) => waiter.revision <= this.current);
    if (due.length) this.waiters = this.waiters.filter((waiter) => waiter.revision > this.current);
    for (const waiter of due) waiter.resolve();
  }

  /** Asks the store how far the watch is, again and again while someone waits: revisions may pass outside our prefix. */
  private askProgress(): void {
    if (this.progressTimer) return;
    if (this.tick) this.tick().catch((error: unknown) => this.env.log.debug('the store did not take the progress key', { error }));
    else this.requests?.push({ requestUnion: { $case: 'progressRequest', value: {} } });
    this.progressTimer = this.env.clock.after(progressPeriodMs, () => {
      this.progressTimer = undefined;
      if (this.waiters.length) this.askProgress();
    });
  }
}
