import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Status, StatusError, serviceUnavailable } from '@orrery/errors';
import type { ApiClient, ListOptions, ObjectList, WatchEvent, WatchOptions, WatchSink } from './api-client.ts';
import { deepEqual } from './deep-equal.ts';
import { type CallName, type Crossing, type ThreadAnswer, type ThreadAnswers, type ThreadCall, type ThreadLink, type ThreadNews, type ThreadRequests, type ThreadUser, mostAtOnce, sameSpec, sameTail, showsAll } from './thread-messages.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: StatusError): void;
}

type Members = Record<string, unknown>;

/** Takes over what has not changed since the version before. */
function share(before: Members, next: Members, names: Iterable<string>): void {
  for (const name of names) if (next[name] !== before[name] && deepEqual(next[name], before[name])) next[name] = before[name];
}

const isHead = (name: string): boolean => name === 'kind' || name === 'apiVersion' || name === 'metadata';

/**
 * Objects of one kind as watches of all of them have shown them last. What a new version has in common with the last is the same object: a component that holds on
 * to an earlier version (the scheduler, a kubelet) then holds little of its own, as where all versions come from the server's cache.
 */
class Versions {
  watches = 0;
  private readonly last = new Map<string, KubeObject>();

  /** The version that was shown last. Throws where it is another: the threads then do not know of each other what they should. */
  at(uid: string, revision: number): KubeObject {
    const object = this.last.get(uid);
    if (object?.metadata?.resourceVersion !== String(revision)) throw new Error(`version ${revision} of the object ${uid} was never shown (${object?.metadata?.resourceVersion ?? 'none'} was)`);
    return object;
  }

  seen(type: WatchEvent['type'], object: KubeObject, isOfAll: boolean): void {
    const { metadata } = object;
    const uid = metadata?.uid;
    if (uid === undefined || type === 'BOOKMARK') return;
    const before = this.last.get(uid);
    if (isOfAll) this.keep(type, uid, { object, before });
    if (!before || before === object) return;
    share(before as Members, object as Members, Object.keys(object).filter((name) => name !== 'metadata' && name !== 'status'));
    share(before.metadata as Members, metadata as Members, ['labels', 'annotations', 'ownerReferences']);
  }

  forget(): void {
    this.last.clear();
  }

  private keep(type: WatchEvent['type'], uid: string, { object, before }: { object: KubeObject; before: KubeObject | undefined }): void {
    if (type === 'DELETED') this.last.delete(uid);
    // Another watch may have been quicker.
    else if (before === undefined || Number(before.metadata?.resourceVersion) < Number(object.metadata?.resourceVersion)) this.last.set(uid, object);
  }
}

/** The objects of one message, each parsed once however many watches and answers show it. */
class Objects {
  private readonly parsed: KubeObject[];
  private readonly crossings: readonly Crossing[];
  private readonly versions: readonly Versions[];
  private readonly made: (KubeObject | undefined)[] = [];
  /** Of the crossings that came before the place: how many have crossed. */
  private readonly place: number[] = [];

  constructor(chunks: readonly ArrayBuffer[], crossings: readonly Crossing[], versions: readonly Versions[]) {
    this.parsed = chunks.flatMap((chunk) => JSON.parse(Buffer.from(chunk).toString('utf8')) as KubeObject[]);
    this.crossings = crossings;
    this.versions = versions;
    let count = 0;
    for (const crossing of crossings) {
      this.place.push(count);
      if (typeof crossing === 'number' || crossing.length === 4) count++;
    }
  }

  /** Asked for in the order of the answers: what was shown last depends on those before. */
  at(place: number): KubeObject {
    return (this.made[place] ??= this.make(place));
  }

  private make(place: number): KubeObject {
    const crossing = this.crossings[place] as Crossing;
    if (typeof crossing === 'number') return versioned(this.parsed[this.place[place] as number] as KubeObject, crossing);
    const [revision, kind, what, base] = crossing;
    const versions = this.versions[kind] as Versions;
    if (typeof what === 'string') return versions.at(what, revision);
    const object = versioned(this.parsed[this.place[place] as number] as KubeObject, revision);
    complete(object as Members, versions.at(object.metadata?.uid ?? '', base as number) as Members, what);
    return object;
  }
}

/** Takes over the parts that did not cross. */
function complete(object: Members, base: Members, same: number): void {
  if (same & sameSpec) object['spec'] = base['spec'];
  if (same & sameTail) for (const name in base) if (!isHead(name) && name !== 'spec') object[name] = base[name];
}

function versioned(object: KubeObject, revision: number): KubeObject {
  if (revision === 0 || !object.metadata || object.metadata.resourceVersion) return object;
  // No component reads who owns which field, and it is a third of a Pod; a write without it leaves it as it is.
  const { managedFields, ...metadata } = object.metadata as NonNullable<KubeObject['metadata']> & { managedFields?: unknown };
  if (managedFields) object.metadata = metadata;
  object.metadata.resourceVersion = String(revision);
  return object;
}

interface Watch {
  /** Undefined: nobody listens any more, but the server goes on until it has heard so. */
  sink: WatchSink<KubeObject> | undefined;
  readonly versions: Versions;
  readonly isOfAll: boolean;
}

/** Clients of an API server in another thread of this process. */
export class ThreadApi {
  private readonly link: ThreadLink<ThreadAnswers, string>;
  private readonly atEndOfTurn: (run: () => void) => void;
  private readonly waiting = new Map<number, Waiting>();
  private readonly watches = new Map<number, Watch>();
  /** By the number of the kind. */
  private readonly versions: Versions[] = [];
  private readonly kinds = new Map<string, number>();
  private clients = 0;
  private lastId = 0;
  private next: { clients: ThreadUser[]; kinds: ResourceRef[]; calls: ThreadCall[]; stops: number[] } | undefined;
  private over = false;

  /** `atEndOfTurn` runs what it is given once the event loop has seen to everything at hand (setImmediate). */
  constructor(link: ThreadLink<ThreadAnswers, string>, atEndOfTurn: (run: () => void) => void) {
    this.link = link;
    this.atEndOfTurn = atEndOfTurn;
    link.receive((message) => this.receive(message));
  }

  /** A client that acts as `user`. What it returns is shared with everybody else of this thread: it is not changed. */
  client(user: ThreadUser): ApiClient {
    const client = this.clients++;
    this.gathered().clients.push(user);
    let closed = false;
    const call = <R>(name: CallName, ref: ResourceRef, ...args: unknown[]): Promise<R> => (closed ? Promise.reject(serviceUnavailable('client is closed')) : this.call<R>(client, name, ref, args));
    return {
      get: (ref, ...args) => call('get', ref, ...args),
      list: <T extends KubeObject>(ref: ResourceRef<T>, options?: ListOptions) => call<ObjectList<T>>('list', ref, options),
      watch: (ref, options, sink) => this.watch(client, ref, options, sink),
      create: (ref, ...args) => call('create', ref, ...args),
      createSubresource: (ref, ...args) => call('createSubresource', ref, ...args),
      update: (ref, ...args) => call('update', ref, ...args),
      patch: (ref, ...args) => call('patch', ref, ...args),
      delete: async (ref, ...args) => (await call('delete', ref, ...args)) ?? undefined,
      deleteCollection: (ref, ...args) => call('deleteCollection', ref, ...args),
      close: async () => void (closed = true),
    };
  }

  /** The server's thread is gone: what is under way fails, and so does whatever is asked from now on. */
  close(): void {
    this.over = true;
    const error = serviceUnavailable('the API server\'s thread has ended');
    for (const { reject } of this.waiting.values()) reject(error);
    for (const { sink } of this.watches.values()) sink?.closed(error);
    this.waiting.clear();
    this.watches.clear();
  }

  private gathered(): NonNullable<typeof this.next> {
    if (!this.next) {
      this.next = { clients: [], kinds: [], calls: [], stops: [] };
      this.atEndOfTurn(() => this.flush());
    }
    return this.next;
  }

  private flush(): void {
    const requests: ThreadRequests | undefined = this.next;
    this.next = undefined;
    if (requests && !this.over) this.link.post(JSON.stringify(requests));
  }

  private call<R>(client: number, name: CallName, ref: ResourceRef, args: readonly unknown[]): Promise<R> {
    if (this.over) return Promise.reject(serviceUnavailable('the API server\'s thread has ended'));
    const id = ++this.lastId;
    const next = this.gathered();
    next.calls.push([id, client, name, this.kindOf(ref), ...args]);
    if (next.calls.length >= mostAtOnce) this.flush();
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject }));
  }

  private watch(client: number, ref: ResourceRef, options: WatchOptions, sink: WatchSink<never>): { stop(): void } {
    const id = ++this.lastId;
    const kind = this.kindOf(ref);
    this.gathered().calls.push([id, client, 'watch', kind, options]);
    const versions = (this.versions[kind] ??= new Versions());
    versions.watches++;
    const watch: Watch = { sink: sink as WatchSink<KubeObject>, versions, isOfAll: showsAll(options) };
    this.watches.set(id, watch);
    return {
      stop: () => {
        if (watch.sink && this.watches.has(id)) this.gathered().stops.push(id);
        watch.sink = undefined;
      },
    };
  }

  private kindOf({ group, version, resource, kind, namespaced }: ResourceRef): number {
    const name = `${group}/${version}/${resource}`;
    let number = this.kinds.get(name);
    if (number === undefined) {
      this.kinds.set(name, (number = this.kinds.size));
      this.gathered().kinds.push({ group, version, resource, kind, namespaced });
    }
    return number;
  }

  private receive({ news, objects }: ThreadAnswers): void {
    const { answers, objects: crossings } = JSON.parse(news) as ThreadNews;
    const all = new Objects(objects, crossings, this.versions);
    for (const answer of answers) this.deliver(answer, all);
  }

  private deliver(answer: ThreadAnswer, objects: Objects): void {
    const { id } = answer;
    if ('events' in answer) return this.tell(this.watches.get(id), answer.events, objects);
    if ('closed' in answer) return this.ended(id, answer.closed);
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if ('failure' in answer) waiting?.reject(new StatusError(answer.failure));
    else if ('object' in answer) waiting?.resolve(objects.at(answer.object));
    else if ('list' in answer) waiting?.resolve({ ...answer.list, items: answer.items.map((item) => objects.at(item)) });
    else waiting?.resolve(answer.value);
  }

  private tell(watch: Watch | undefined, shown: readonly (readonly [type: WatchEvent['type'], place: number])[], objects: Objects): void {
    if (!watch) return;
    const { versions, isOfAll, sink } = watch;
    // One after the other: the next may be a version of this one.
    const events = shown.map(([type, place]) => {
      const object = objects.at(place);
      versions.seen(type, object, isOfAll);
      return { type, object };
    });
    sink?.events(events);
  }

  private ended(id: number, failure: Status | null): void {
    const watch = this.watches.get(id);
    if (!watch) return;
    this.watches.delete(id);
    if (--watch.versions.watches === 0) watch.versions.forget();
    watch.sink?.closed(failure ? new StatusError(failure) : undefined);
  }
}
