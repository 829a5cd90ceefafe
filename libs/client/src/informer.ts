import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type StatusError, isExpired, toStatusError } from '@orrery/errors';
import type { Env, Timer } from '@orrery/runtime';
import type { ApiClient, WatchEvent, WatchHandle } from './api-client.ts';
import { type Indexer, IndexedStore, type ObjectStore } from './informer-store.ts';
import { keyOf, resourceKey } from './keys.ts';

export interface InformerHandlers<T extends KubeObject> {
  add?(object: T): void;
  update?(object: T, old: T): void;
  /** The last state known; after a gap in the watch it may be older than what was deleted. */
  delete?(object: T): void;
}

export interface InformerSelection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface InformerOptions<T extends KubeObject> extends InformerSelection {
  readonly env: Pick<Env, 'clock' | 'random' | 'log'>;
  readonly indexers?: Readonly<Record<string, Indexer<T>>>;
  /** Applied to every object before it is stored and handed to handlers, to drop what is not needed. */
  readonly transform?: (object: T) => T;
}

export interface Informer<T extends KubeObject> extends ObjectStore<T> {
  readonly resource: ResourceRef<T>;
  /** Begins to list and watch; a second call does nothing. */
  start(): void;
  stop(): void;
  /** True once the first list has been stored and given to the handlers, or the resource turned out not to be served. */
  synced(): boolean;
  /** Resolves when synced; rejects with the signal's reason. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Handlers added late get an `add` for every object that is there. They are called in order of revision; what they throw is logged. */
  addHandlers(handlers: InformerHandlers<T>): { remove(): void };
  addIndexer(name: string, indexer: Indexer<T>): void;
  /** The revision up to which the cache has seen everything; '' before the first list. */
  resourceVersion(): string;
}

const firstBackOffMs = 100;
const maxBackOffMs = 10_000;
/** What is not served (an API that is turned off) may never be; if it is, it is found within a minute. */
const maxUnservedBackOffMs = 30_000;
/** What was not found this often is not served (an API that is turned off): nobody should wait for it. It is asked for on, in case it appears. */
const unservedAfter = 3;
/** A watch that lived this long is not taken for a failing one. */
const healthyWatchMs = 1_000;

class ListWatch<T extends KubeObject> {
  readonly store: IndexedStore<T>;
  readonly handlers = new Set<InformerHandlers<T>>();
  readonly waiting = new Set<() => void>();
  private readonly api: ApiClient;
  private readonly resource: ResourceRef<T>;
  private readonly options: InformerOptions<T>;
  private handle: WatchHandle | undefined;
  private timer: Timer | undefined;
  private running = false;
  private epoch = 0;
  private failures = 0;
  private forgotten = false;
  revision = '';
  isSynced = false;

  constructor(api: ApiClient, resource: ResourceRef<T>, options: InformerOptions<T>) {
    this.api = api;
    this.resource = resource;
    this.options = options;
    this.store = new IndexedStore(options.indexers);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    void this.list();
  }

  stop(): void {
    this.running = false;
    this.epoch++;
    this.handle?.stop();
    this.timer?.cancel();
  }

  notify(call: (handlers: InformerHandlers<T>) => void): void {
    for (const handlers of this.handlers) {
      try {
        call(handlers);
      } catch (error) {
        this.options.env.log.error('informer handler failed', { resource: resourceKey(this.resource), error });
      }
    }
  }

  private selection(): InformerSelection {
    const { namespace, labelSelector, fieldSelector } = this.options;
    return { ...(namespace ? { namespace } : {}), ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) };
  }

  /** Lists from the cache of the server, but never from before what was already seen; after a 410, the newest. */
  private async list(): Promise<void> {
    const epoch = ++this.epoch;
    try {
      const from = this.forgotten ? {} : { resourceVersion: this.revision || '0' };
      const items: T[] = [];
      let page = await this.api.list(this.resource, { ...this.selection(), ...from });
      items.push(...page.items);
      while (page.continue) {
        page = await this.api.list(this.resource, { ...this.selection(), continue: page.continue });
        items.push(...page.items);
      }
      if (epoch !== this.epoch) return;
      this.forgotten = false;
      this.replace(items);
      this.revision = page.resourceVersion;
      this.watch();
      this.settle();
    } catch (error) {
      if (epoch !== this.epoch) return;
      if (isExpired(error)) this.forgotten = true;
      const failure = toStatusError(error);
      if (failure.code === 404 && this.failures >= unservedAfter) this.settle();
      this.retry(() => void this.list(), failure);
    }
  }

  private settle(): void {
    this.isSynced = true;
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private replace(items: readonly T[]): void {
    const gone = new Set(this.store.keys());
    for (const item of items) {
      gone.delete(keyOf(item));
      this.upsert(item);
    }
    for (const key of gone) this.remove(key);
  }

  private upsert(raw: T): void {
    const object = this.options.transform ? this.options.transform(raw) : raw;
    const key = keyOf(object);
    const known = this.store.get(key);
    if (known && known.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    this.store.set(object, key);
    if (known) this.notify((handlers) => handlers.update?.(object, known));
    else this.notify((handlers) => handlers.add?.(object));
  }

  private remove(key: string, last?: T): void {
    const known = this.store.delete(key);
    if (!known) return;
    const object = last ? (this.options.transform ? this.options.transform(last) : last) : known;
    this.notify((handlers) => handlers.delete?.(object));
  }

  private watch(): void {
    const epoch = ++this.epoch;
    const { clock, random } = this.options.env;
    const startedMs = clock.monotonic();
    const handle = this.api.watch(
      this.resource,
      { ...this.selection(), resourceVersion: this.revision, allowWatchBookmarks: true, timeoutSeconds: 300 + random.int(300) },
      {
        events: (batch) => {
          if (epoch !== this.epoch) return;
          this.failures = 0;
          for (const event of batch) this.apply(event);
        },
        closed: (error) => {
          if (epoch !== this.epoch) return;
          this.handle = undefined;
          if (error && isExpired(error)) {
            this.forgotten = true;
            this.retry(() => void this.list(), error);
          } else if (!error && clock.monotonic() - startedMs >= healthyWatchMs) this.watch();
          else this.retry(() => this.watch(), error);
        },
      },
    );
    if (epoch === this.epoch) this.handle = handle;
  }

  private apply({ type, object }: WatchEvent<T>): void {
    if (type === 'DELETED') this.remove(keyOf(object), object);
    else if (type !== 'BOOKMARK') this.upsert(object);
    this.revision = object.metadata?.resourceVersion ?? this.revision;
  }

  private retry(again: () => void, error: StatusError | undefined): void {
    if (!this.running) return;
    this.epoch++;
    const { clock, random, log } = this.options.env;
    const backOffMs = this.failures === 0 && error?.code !== 403 ? 0 : Math.min(error?.code === 404 ? maxUnservedBackOffMs : maxBackOffMs, firstBackOffMs * 2 ** (this.failures - 1));
    this.failures++;
    if (error) log.debug('list or watch ended', { resource: resourceKey(this.resource), code: error.code, reason: error.message, failures: this.failures });
    this.timer = clock.after(backOffMs * (1 + random.next()), again);
  }
}

/**
 * A cache of one resource (or a selection of it) kept by list and watch. Lost watches resume from the last revision seen;
 * after 410 the list is taken again and handlers get the difference. There is no periodic resync.
 */
export function createInformer<T extends KubeObject>(api: ApiClient, resource: ResourceRef<T>, options: InformerOptions<T>): Informer<T> {
  const core = new ListWatch(api, resource, options);
  const { store } = core;
  return {
    resource,
    start: () => core.start(),
    stop: () => core.stop(),
    synced: () => core.isSynced,
    resourceVersion: () => core.revision,
    addIndexer: (name, indexer) => store.addIndexer(name, indexer),
    get: (key) => store.get(key),
    has: (key) => store.has(key),
    get size() {
      return store.size;
    },
    list: () => store.list(),
    keys: () => store.keys(),
    byIndex: (index, value) => store.byIndex(index, value),
    countByIndex: (index, value) => store.countByIndex(index, value),
    whenSynced(signal) {
      if (core.isSynced) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const abort = (): void => {
          core.waiting.delete(done);
          reject(signal?.reason as Error);
        };
        const done = (): void => {
          signal?.removeEventListener('abort', abort);
          resolve();
        };
        if (signal?.aborted) return abort();
        core.waiting.add(done);
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    addHandlers(handlers) {
      core.handlers.add(handlers);
      for (const object of store.list()) handlers.add?.(object);
      return { remove: () => void core.handlers.delete(handlers) };
    },
  };
}
