import type { KindDescriptor } from '@orrery/api';
import { StatusError } from '@orrery/errors';
import { type Event, Event_EventType, WatchDefinition, type WatchRequest, type WatchResponse } from '@orrery/proto/etcd';
import { AsyncQueue, type Channel, createClient } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { type EtcdStore, tooLargeVersion } from '../storage/etcd-store.ts';
import { prefixEnd, resourcePrefix } from '../storage/keys.ts';
import { type Entry, entryFromStored } from './entry.ts';
import type { OwnWrites } from './own-writes.ts';
import { progressSource } from './progress.ts';
import { ResourceCache, type Update } from './resource-cache.ts';

interface Waiter {
  revision: number;
  resolve: () => void;
}

/** How long a read waits for the cache to reach its revision, as upstream. */
const freshnessTimeoutMs = 3_000;
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
  private readonly byPrefix: ResourceCache[] = [];
  private waiters: Waiter[] = [];
  private requests: AsyncQueue<WatchRequest> | undefined;
  private progressTimer: { cancel(): void } | undefined;
  private tick: (() => Promise<void>) | undefined;
  private current = 0;
  private connected = false;
  private onConnected: () => void = () => undefined;

  constructor(options: { env: Env; store: EtcdStore; channel: Channel; root: string; capacity: number; ownWrites: OwnWrites }) {
    this.env = options.env;
    this.store = options.store;
    this.channel = options.channel;
    this.root = options.root;
    this.capacity = options.capacity;
    this.ownWrites = options.ownWrites;
  }

  /** Every change up to this revision is in the caches. */
  get revision(): number {
    return this.current;
  }

  /** False while the store cannot be watched. */
  get healthy(): boolean {
    return this.connected;
  }

  /** The cache of the storage that `kind` lives in. */
  cache(kind: KindDescriptor): ResourceCache {
    const cache = this.caches.get(resourcePrefix(this.root, kind));
    // A custom resource may go while a request for it is on its way.
    if (!cache) throw new StatusError({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource', details: {} });
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
    const { entries, revision } = await this.read(cache.prefix);
    cache.finishLoad(entries, revision);
    await this.waitFor(revision);
  }

  /** Drops a resource that is served no more; its watches end. */
  remove(cache: ResourceCache): void {
    if (this.caches.get(cache.prefix) !== cache) return;
    this.caches.delete(cache.prefix);
    this.byPrefix.splice(this.byPrefix.indexOf(cache), 1);
    cache.replace([], this.current);
  }

  /** Lists everything, then follows until `signal` aborts. Resolves once the caches are filled and the watch stands. */
  async start(signal: AbortSignal): Promise<void> {
    const source = await progressSource(this.channel, `${this.root}/orrery-progress`);
    this.tick = source.tick;
    await this.relist();
    const standing = new Promise<void>((resolve, reject) => {
      this.onConnected = resolve;
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

  private async read(prefix: string): Promise<{ entries: Entry[]; revision: number }> {
    const entries: Entry[] = [];
    let after: string | undefined;
    let revision = 0;
    for (;;) {
      const page = await this.store.range(prefix, { limit: 2_000, ...(after ? { after } : {}), ...(revision ? { revision } : {}) });
      revision ||= page.revision;
      for (const value of page.values) {
        // Allocations and the like are no objects.
        if (this.cacheOf(value.key)) entries.push(entryFromStored(value.key.slice(prefix.length), value.revision, value.value));
      }
      after = page.values.at(-1)?.key;
      if (!page.more || after === undefined) return { entries, revision };
    }
  }

  private async relist(): Promise<void> {
    const { entries, revision } = await this.read(`${this.root}/`);
    const perCache = new Map<ResourceCache, Entry[]>(this.byPrefix.map((cache) => [cache, []]));
    for (const entry of entries) {
      const cache = this.cacheOf(`${this.root}/${entry.key}`);
      if (cache) perCache.get(cache)?.push(rekey(entry, cache, this.root));
    }
    this.current = revision;
    this.ownWrites.clear();
    for (const [cache, own] of perCache) cache.replace(own, revision);
    this.wake();
  }

  private cacheOf(key: string): ResourceCache | undefined {
    for (const cache of this.byPrefix) if (key.startsWith(cache.prefix)) return cache;
    return undefined;
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
        this.connected = true;
        this.onConnected();
        this.accept(response);
        if (response.created && this.waiters.length) this.askProgress();
      }
      return 'ended';
    } finally {
      this.requests = undefined;
      requests.end();
    }
  }

  private accept(response: WatchResponse): void {
    const events = response.events ?? [];
    if (events.length === 0) {
      if (!response.created && !this.tick) this.advance(response.header?.revision ?? 0);
      return;
    }
    let cache: ResourceCache | undefined;
    let updates: Update[] = [];
    let last = this.current;
    for (const event of events) {
      const key = event.kv?.key?.toString('utf8') ?? '';
      last = event.kv?.modRevision ?? last;
      if (!cache || !key.startsWith(cache.prefix)) {
        if (cache && updates.length) cache.apply(updates);
        updates = [];
        cache = this.cacheOf(key);
      }
      if (cache) updates.push(this.updateOf(event, key, cache));
    }
    // Readers of the caches take `revision` for what the watchers were told, so it moves before they are.
    this.current = Math.max(this.current, last);
    if (cache && updates.length) cache.apply(updates);
    this.wake();
  }

  private updateOf(event: Event, key: string, cache: ResourceCache): Update {
    const revision = event.kv?.modRevision ?? 0;
    const item = key.slice(cache.prefix.length);
    if (event.type === Event_EventType.DELETE) return { key: item, revision, entry: undefined };
    const value = event.kv?.value ?? Buffer.alloc(0);
    return { key: item, revision, entry: this.ownWrites.entryFor(key, value, revision) ?? entryFromStored(item, revision, value) };
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

function rekey(entry: Entry, cache: ResourceCache, root: string): Entry {
  return entry.withKey(`${root}/${entry.key}`.slice(cache.prefix.length));
}
