import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { Pod } from '@orrery/api/types';
import type { ApiClient, ObjectKey, WatchEvent, WatchSink } from '@orrery/client';
import { notFound } from '@orrery/errors';

interface Table {
  readonly objects: Map<string, KubeObject>;
  readonly watches: Set<{ readonly sink: WatchSink<KubeObject>; queue: WatchEvent[] }>;
}

/** As much of an API server as a scheduler asks for, in this process: no validation, no admission, no storage. */
export interface ApiDouble {
  readonly api: ApiClient;
  put<T extends KubeObject>(resource: ResourceRef<T>, object: T): void;
  remove(resource: ResourceRef, key: ObjectKey): void;
  find<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey): T | undefined;
  /** Requests that wrote, by resource and verb. */
  readonly writes: Map<string, number>;
  /** Called for every pod that is bound. */
  onBound(listener: (pod: Pod) => void): void;
}

const keyOf = ({ namespace, name }: ObjectKey): string => (namespace ? `${namespace}/${name}` : name);
const keyOfObject = ({ metadata }: KubeObject): string => keyOf({ name: metadata?.name ?? '', ...(metadata?.namespace ? { namespace: metadata.namespace } : {}) });

interface Condition {
  readonly type: string;
}

/** As strategic merge does to a status: conditions by type, the rest by name; null removes. */
function mergeStatus(old: Record<string, unknown> = {}, patch: Record<string, unknown> = {}): Record<string, unknown> {
  const next: Record<string, unknown> = { ...old, ...patch };
  for (const [name, value] of Object.entries(patch)) if (value === null) delete next[name];
  const [before, now] = [(old['conditions'] ?? []) as Condition[], (patch['conditions'] ?? []) as Condition[]];
  if (now.length) next['conditions'] = [...before.filter(({ type }) => !now.some((condition) => condition.type === type)), ...now];
  return next;
}

export function createApiDouble(): ApiDouble {
  const tables = new Map<string, Table>();
  const writes = new Map<string, number>();
  let revision = 0;
  let bound: (pod: Pod) => void = () => undefined;
  let flushing = false;
  const table = ({ group, resource }: ResourceRef): Table => {
    const key = `${group}/${resource}`;
    let found = tables.get(key);
    if (!found) tables.set(key, (found = { objects: new Map(), watches: new Set() }));
    return found;
  };
  const flush = (): void => {
    flushing = false;
    for (const { watches } of tables.values()) {
      for (const watch of watches) {
        if (watch.queue.length === 0) continue;
        const batch = watch.queue;
        watch.queue = [];
        watch.sink.events(batch);
      }
    }
  };
  const tell = ({ watches }: Table, event: WatchEvent): void => {
    for (const watch of watches) watch.queue.push(event);
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  };
  const store = (resource: ResourceRef, object: KubeObject): KubeObject => {
    const at = table(resource);
    const key = keyOfObject(object);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } };
    const type = at.objects.has(key) ? 'MODIFIED' : 'ADDED';
    at.objects.set(key, stored);
    tell(at, { type, object: stored });
    return stored;
  };
  const existing = (resource: ResourceRef, key: ObjectKey): KubeObject => {
    const found = table(resource).objects.get(keyOf(key));
    if (!found) throw notFound({ ...resource, name: key.name });
    return found;
  };
  const drop = (resource: ResourceRef, key: ObjectKey): KubeObject => {
    const object = existing(resource, key);
    const at = table(resource);
    at.objects.delete(keyOf(key));
    tell(at, { type: 'DELETED', object: { ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } } });
    return object;
  };
  const count = (verb: string, { resource }: ResourceRef): void => void writes.set(`${verb} ${resource}`, (writes.get(`${verb} ${resource}`) ?? 0) + 1);
  const later = async <T>(work: () => T): Promise<T> => {
    await Promise.resolve();
    return work();
  };

  const api = {
    get: (resource: ResourceRef, key: ObjectKey) => later(() => existing(resource, key)),
    list: (resource: ResourceRef) => later(() => ({ items: [...table(resource).objects.values()], resourceVersion: String(revision) })),
    watch(resource: ResourceRef, _options: unknown, sink: WatchSink<KubeObject>) {
      const watch = { sink, queue: [] };
      table(resource).watches.add(watch);
      return { stop: () => void table(resource).watches.delete(watch) };
    },
    create: (resource: ResourceRef, object: KubeObject) =>
      later(() => {
        count('create', resource);
        // Nobody reads events here.
        return resource.resource === 'events' ? object : store(resource, object);
      }),
    createSubresource: (resource: ResourceRef, key: ObjectKey, subresource: string, body: unknown) =>
      later(() => {
        count(`create ${subresource} of`, resource);
        const pod = existing(resource, key) as Pod;
        const nodeName = (body as { target: { name: string } }).target.name;
        if (pod.spec?.nodeName) throw new Error(`pod ${keyOf(key)} is bound twice`);
        bound(store(resource, { ...pod, spec: { ...pod.spec, nodeName } } as Pod) as Pod);
        return undefined;
      }),
    update: (resource: ResourceRef, object: KubeObject) =>
      later(() => {
        count('update', resource);
        return store(resource, object);
      }),
    patch: (resource: ResourceRef, key: ObjectKey, patch: unknown) =>
      later(() => {
        count('patch', resource);
        if (resource.resource === 'events') return {};
        const old = existing(resource, key) as KubeObject & { status?: Record<string, unknown> };
        return store(resource, { ...old, status: mergeStatus(old.status, (patch as { status?: Record<string, unknown> }).status) } as KubeObject);
      }),
    delete: (resource: ResourceRef, key: ObjectKey) =>
      later(() => {
        count('delete', resource);
        return drop(resource, key);
      }),
    deleteCollection: () => Promise.reject(new Error('the scheduler deletes no collections')),
    close: () => Promise.resolve(),
  };
  return {
    api: api as unknown as ApiClient,
    put: (resource, object) => void store(resource, object),
    remove: (resource, key) => void drop(resource, key),
    find: <T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey) => table(resource).objects.get(keyOf(key)) as T | undefined,
    writes,
    onBound: (listener) => void (bound = listener),
  };
}
