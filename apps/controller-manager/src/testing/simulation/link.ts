import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient, DeleteOptions, ObjectKey, PatchOptions, WatchEvent, WatchHandle, WatchOptions, WatchSink, WriteOptions } from '@orrery/client';
import { type StatusError, expired, internalError, modifiedConflict, serviceUnavailable, timeout, tooManyRequests } from '@orrery/errors';
import type { Clock, Random } from '@orrery/runtime';

/** One write as it took effect at the server. */
export interface Write {
  readonly verb: 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';
  readonly resource: ResourceRef;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
  /** The caller will not be told that it took effect. */
  readonly untold: boolean;
}

export interface LinkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The server. */
  readonly truth: ApiClient & { find<T extends KubeObject>(resource: ResourceRef<T>, name: string, namespace?: string): T | undefined };
  /** Share of requests that something befalls, now. */
  readonly trouble: () => number;
  readonly onWrite: (write: Write) => void;
}

/** The connection of one process to the API server, with all that may befall it between two calls. */
export interface Link extends ApiClient {
  /** The process is gone: no call of it has an effect or an end any more. */
  cut(): void;
  /** Nothing gets through for a time. */
  part(ms: number): void;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** Delivers what a watch says late, twice, or not to its end. */
class Stream<T extends KubeObject> {
  private waiting: WatchEvent<T>[][] = [];
  private handle: WatchHandle | undefined;
  private ended = false;
  private flushing = false;
  private readonly link: { readonly options: LinkOptions; dead: boolean; partedUntil: number };
  private readonly sink: WatchSink<T>;

  constructor(link: Stream<T>['link'], sink: WatchSink<T>) {
    this.link = link;
    this.sink = sink;
  }

  open(resource: ResourceRef<T>, options: WatchOptions): WatchHandle {
    this.handle = this.link.options.truth.watch(resource, options, {
      events: (batch) => {
        this.waiting.push([...batch]);
        this.flushSoon();
      },
      closed: (error) => this.close(error),
    });
    return { stop: () => this.end() };
  }

  private end(): void {
    this.ended = true;
    this.waiting = [];
    this.handle?.stop();
  }

  private close(error?: StatusError): void {
    if (this.ended || this.link.dead) return;
    this.end();
    this.sink.closed(error);
  }

  private flushSoon(): void {
    if (this.flushing || this.ended) return;
    this.flushing = true;
    const { clock, random, trouble } = this.link.options;
    const stalls = random.next() < trouble() / 4;
    const delayMs = Math.max(this.link.partedUntil - clock.monotonic(), stalls ? random.int(15_000) : random.int(120));
    clock.after(delayMs, () => this.flush());
  }

  private flush(): void {
    this.flushing = false;
    if (this.ended || this.link.dead) return;
    const { random, trouble } = this.link.options;
    const batch = this.waiting.shift();
    if (batch) {
      const last = batch.at(-1);
      this.sink.events(last && random.next() < trouble() / 4 ? [...batch, last] : batch);
    }
    if (random.next() < trouble() / 8) return this.close(random.int(2) ? expired('too old resource version') : serviceUnavailable('the server is shutting down'));
    if (this.waiting.length) this.flushSoon();
  }
}

type Fate = 'well' | 'refused' | 'conflict' | 'untold';

export function createLink(options: LinkOptions): Link {
  const { clock, random, truth } = options;
  const state = { options, dead: false, partedUntil: 0 };
  const refusals = [() => internalError('etcdserver: leader changed'), () => serviceUnavailable('apiserver is shutting down'), () => tooManyRequests('try again', 1)];
  const fateOf = (verb: string): Fate => {
    if (random.next() >= options.trouble()) return 'well';
    const fates: readonly Fate[] = verb === 'update' || verb === 'patch' ? ['refused', 'conflict', 'untold'] : ['refused', 'untold'];
    return fates[random.int(fates.length)] ?? 'refused';
  };
  const pass = async (): Promise<void> => {
    const waitMs = random.int(30);
    if (waitMs > 3) await clock.sleep(waitMs);
    if (state.dead) await never();
    if (clock.monotonic() < state.partedUntil) {
      await clock.sleep(500);
      throw serviceUnavailable('no route to host');
    }
  };
  const call = async <R>(verb: string, perform: (untold: boolean) => Promise<R>): Promise<R> => {
    await pass();
    const fate = fateOf(verb);
    if (fate === 'refused') throw (refusals[random.int(refusals.length)] ?? refusals[0])?.();
    if (fate === 'conflict') throw modifiedConflict({ group: '', resource: 'things', name: 'thing' });
    const result = await perform(fate === 'untold');
    if (fate === 'untold') throw timeout('the request has timed out after it took effect');
    await pass();
    return result;
  };
  const noted = <R>(verb: Write['verb'], resource: ResourceRef, key: ObjectKey, perform: () => Promise<R>): Promise<R> =>
    call(verb, async (untold) => {
      const before = key.name ? truth.find(resource, key.name, key.namespace) : undefined;
      const result = await perform();
      const made = result as KubeObject | undefined;
      const after = made?.metadata?.name ? truth.find(resource, made.metadata.name, made.metadata.namespace) : undefined;
      if (before !== after) options.onWrite({ verb, resource, before, after, untold });
      return result;
    });
  const keyOf = ({ metadata = {} }: KubeObject): ObjectKey => ({ name: metadata.name ?? '', ...(metadata.namespace ? { namespace: metadata.namespace } : {}) });
  return {
    get: (resource, key, o) => call('get', () => truth.get(resource, key, o)),
    list: (resource, o) => call('list', () => truth.list(resource, o)),
    watch: <T extends KubeObject>(resource: ResourceRef<T>, o: WatchOptions, sink: WatchSink<T>) => new Stream<T>(state as never, sink).open(resource, o),
    create: <T extends KubeObject>(resource: ResourceRef<T>, object: T, o?: WriteOptions) => noted('create', resource, keyOf(object), () => truth.create(resource, object, o)),
    createSubresource: (resource, key, subresource, body) => call('create', () => truth.createSubresource(resource, key, subresource, body)),
    update: <T extends KubeObject>(resource: ResourceRef<T>, object: T, o?: WriteOptions) => noted('update', resource, keyOf(object), () => truth.update(resource, object, o)),
    patch: <T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, patch: unknown, o: PatchOptions) => noted('patch', resource, key, () => truth.patch(resource, key, patch, o)),
    delete: <T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, o?: DeleteOptions) => noted('delete', resource, key, () => truth.delete(resource, key, o)),
    deleteCollection: (resource, selection, o) => call('deletecollection', () => truth.deleteCollection(resource, selection, o)),
    close: async () => undefined,
    cut() {
      state.dead = true;
    },
    part(ms) {
      state.partedUntil = clock.monotonic() + ms;
    },
  };
}
