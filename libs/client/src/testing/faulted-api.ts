import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { ApiFaults, type Fault, type FaultedRequest } from '@orrery/chaos';
import { serviceUnavailable, toStatusError } from '@orrery/errors';
import type { Clock, Random } from '@orrery/runtime';
import type { ApiClient, ListOptions, ObjectKey, ObjectList, WatchEvent, WatchHandle, WatchOptions, WatchSink, WriteOptions } from '../api-client.ts';

export interface FaultedApiOptions {
  /** The server. */
  readonly truth: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Whom the component acts as. */
  readonly user: string;
}

/** A component's connection to an API server that is struck by faults in the words of @orrery/chaos. */
export interface FaultedApi {
  readonly api: ApiClient;
  readonly faults: ApiFaults;
  /** Puts a fault in force that strikes everything this component asks; call what is returned to end it. */
  strike(fault: Omit<Fault, 'selector'> & { readonly selector?: Fault['selector'] }): () => void;
  /** Share of what watches tell that they tell twice, from 0 to 1. */
  doubled: number;
}

type About = Pick<ObjectKey, 'namespace'> & { readonly name?: string; readonly subresource?: string };

/** Passes on what a watch tells late, twice or not at all, in order. */
class Passed<T extends KubeObject> {
  private readonly sink: WatchSink<T>;
  private readonly after: (delayMs: number, fn: () => void) => void;
  private last: Promise<void> = Promise.resolve();
  ended = false;

  constructor(sink: WatchSink<T>, clock: Clock) {
    this.sink = sink;
    this.after = (delayMs, fn) => void clock.after(delayMs, fn);
  }

  tell(batch: readonly WatchEvent<T>[], delayMs: number): void {
    const due = delayMs > 0 ? new Promise<void>((resolve) => this.after(delayMs, resolve)) : undefined;
    const before = this.last;
    this.last = (async () => {
      await before;
      await due;
      if (!this.ended) this.sink.events(batch);
    })();
  }

  close(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.sink.closed(error === undefined ? undefined : toStatusError(error));
  }
}

/** An API client whose requests and watches meet the faults that are in force. Stale reads show lists that were asked for before as they were when the fault began. */
export function createFaultedApi({ truth, clock, random, user }: FaultedApiOptions): FaultedApi {
  const faults = new ApiFaults({ clock, random });
  /** How to take each list that was asked for once more, and those that stale reads show. */
  const asked = new Map<string, () => Promise<ObjectList<KubeObject>>>();
  const frozen = new Map<string, Promise<ObjectList<KubeObject>>>();
  const request = (verb: string, { group, resource }: ResourceRef, { namespace = '', name = '', subresource = '' }: About): FaultedRequest => ({ user, verb, group, resource, subresource, namespace, name });
  const call = <R>(verb: string, resource: ResourceRef, about: About, run: () => Promise<R>): Promise<R> => faults.around({ request: request(verb, resource, about), run });
  const about = ({ metadata = {} }: KubeObject, options: WriteOptions = {}): About => ({ ...metadata, ...(options.subresource ? { subresource: options.subresource } : {}) }) as About;
  const list = <T extends KubeObject>(resource: ResourceRef<T>, options: ListOptions = {}): Promise<ObjectList<T>> =>
    call('list', resource, options, async () => {
      const key = JSON.stringify([resource.group, resource.resource, options.namespace, options.labelSelector, options.fieldSelector]);
      const kept = frozen.get(key);
      if (kept && faults.staleRevision(request('list', resource, options)) !== undefined) return (await kept) as ObjectList<T>;
      const now = (): Promise<ObjectList<T>> => truth.list(resource, options);
      asked.set(key, now);
      return now();
    });
  const watch = <T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, sink: WatchSink<T>): WatchHandle => {
    const watched = request('watch', resource, options);
    const passed = new Passed(sink, clock);
    let handle: WatchHandle | undefined;
    let forget = (): void => undefined;
    const end = (): void => {
      handle?.stop();
      forget();
    };
    const close = (error: unknown): void => {
      end();
      passed.close(error);
    };
    const open = async (): Promise<void> => {
      if (passed.ended) return;
      forget = faults.watching({ request: watched, drop: () => close(serviceUnavailable('the connection to the server was lost')) });
      handle = truth.watch(resource, options, {
        events(batch) {
          const last = batch.at(-1);
          passed.tell(last && random.next() < made.doubled ? [...batch, last] : batch, faults.watchDelayMs(watched));
        },
        closed: close,
      });
    };
    faults.around({ request: watched, run: open }).catch(close);
    return {
      stop() {
        passed.ended = true;
        end();
      },
    };
  };
  const api: ApiClient = {
    list,
    watch,
    get: (resource, key, options) => call('get', resource, key, () => truth.get(resource, key, options)),
    create: <T extends KubeObject>(resource: ResourceRef<T>, object: T, options?: WriteOptions) => call('create', resource, about(object, options), () => truth.create(resource, object, options)),
    createSubresource: (resource, key, subresource, body) => call('create', resource, { ...key, subresource }, () => truth.createSubresource(resource, key, subresource, body)),
    update: <T extends KubeObject>(resource: ResourceRef<T>, object: T, options?: WriteOptions) => call('update', resource, about(object, options), () => truth.update(resource, object, options)),
    patch: (resource, key, patch, options) => call('patch', resource, { ...key, subresource: options.subresource ?? '' }, () => truth.patch(resource, key, patch, options)),
    delete: (resource, key, options) => call('delete', resource, key, () => truth.delete(resource, key, options)),
    deleteCollection: (resource, selection, options) => call('deletecollection', resource, selection, () => truth.deleteCollection(resource, selection, options)),
    close: () => Promise.resolve(),
  };
  let struck = 0;
  const made: FaultedApi = {
    api,
    faults,
    doubled: 0,
    strike(fault) {
      const id = `fault-${struck++}`;
      if (fault.verb === 'stale-reads') for (const [key, again] of asked) frozen.set(key, again());
      faults.add(id, { selector: {}, ...fault });
      return () => void faults.remove(id);
    },
  };
  return made;
}
