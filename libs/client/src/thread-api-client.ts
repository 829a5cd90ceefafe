import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { StatusError, serviceUnavailable } from '@orrery/errors';
import type { ApiClient, ListOptions, ObjectList, WatchEvent, WatchSink } from './api-client.ts';
import { deepEqual } from './deep-equal.ts';
import { type CallName, type ObjectAt, type ThreadAnswer, type ThreadAnswers, type ThreadCall, type ThreadLink, type ThreadRequests, type ThreadUser, mostAtOnce } from './thread-messages.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: StatusError): void;
}

/** The objects of one message, each parsed once however many watches and answers show it. */
class Objects {
  private readonly objects: KubeObject[];

  constructor(chunks: readonly ArrayBuffer[]) {
    this.objects = chunks.flatMap((chunk) => JSON.parse(Buffer.from(chunk).toString('utf8')) as KubeObject[]);
  }

  at([place, revision]: ObjectAt): KubeObject {
    const object = this.objects[place] as KubeObject;
    if (revision === undefined || !object.metadata || object.metadata.resourceVersion) return object;
    // No component reads who owns which field, and it is a third of a Pod; a write without it leaves it as it is.
    const { managedFields, ...metadata } = object.metadata as NonNullable<KubeObject['metadata']> & { managedFields?: unknown };
    if (managedFields) object.metadata = metadata;
    object.metadata.resourceVersion = String(revision);
    return object;
  }
}

type Members = Record<string, unknown>;

/** Takes over what has not changed since the version before. */
function share(before: Members, next: Members, names: Iterable<string>): void {
  for (const name of names) if (next[name] !== before[name] && deepEqual(next[name], before[name])) next[name] = before[name];
}

/**
 * Objects of one kind as watches have shown them last. What a new version has in common with the last is the same object: a component that holds on
 * to an earlier version (the scheduler, a kubelet) then holds little of its own, as where all versions come from the server's cache.
 */
class Versions {
  watches = 0;
  private readonly last = new Map<string, KubeObject>();

  seen(type: WatchEvent['type'], object: KubeObject): void {
    const { metadata } = object;
    const uid = metadata?.uid;
    if (uid === undefined || type === 'BOOKMARK') return;
    const before = this.last.get(uid);
    if (type === 'DELETED') this.last.delete(uid);
    else this.last.set(uid, object);
    if (!before || before === object) return;
    share(before as Members, object as Members, Object.keys(object).filter((name) => name !== 'metadata' && name !== 'status'));
    share(before.metadata as Members, metadata as Members, ['labels', 'annotations', 'ownerReferences']);
  }

  forget(): void {
    this.last.clear();
  }
}

interface Watch {
  readonly sink: WatchSink<KubeObject>;
  readonly versions: Versions;
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
    for (const { sink } of this.watches.values()) sink.closed(error);
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

  private watch(client: number, ref: ResourceRef, options: object, sink: WatchSink<never>): { stop(): void } {
    const id = ++this.lastId;
    const kind = this.kindOf(ref);
    this.gathered().calls.push([id, client, 'watch', kind, options]);
    const versions = (this.versions[kind] ??= new Versions());
    versions.watches++;
    this.watches.set(id, { sink: sink as WatchSink<KubeObject>, versions });
    return {
      stop: () => {
        if (this.ended(id)) this.gathered().stops.push(id);
      },
    };
  }

  private ended(id: number): Watch | undefined {
    const watch = this.watches.get(id);
    this.watches.delete(id);
    if (watch && --watch.versions.watches === 0) watch.versions.forget();
    return watch;
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

  private receive({ answers, objects }: ThreadAnswers): void {
    const all = new Objects(objects);
    for (const answer of JSON.parse(answers) as ThreadAnswer[]) this.deliver(answer, all);
  }

  private deliver(answer: ThreadAnswer, objects: Objects): void {
    const { id } = answer;
    if ('events' in answer) {
      const watch = this.watches.get(id);
      if (!watch) return;
      const events = answer.events.map(([type, place]) => ({ type, object: objects.at(place) }));
      for (const { type, object } of events) watch.versions.seen(type, object);
      watch.sink.events(events);
      return;
    }
    if ('closed' in answer) {
      this.ended(id)?.sink.closed(answer.closed ? new StatusError(answer.closed) : undefined);
      return;
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if ('failure' in answer) waiting?.reject(new StatusError(answer.failure));
    else if ('object' in answer) waiting?.resolve(objects.at(answer.object));
    else if ('list' in answer) waiting?.resolve({ ...answer.list, items: answer.items.map((item) => objects.at(item)) });
    else waiting?.resolve(answer.value);
  }
}
