import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type StatusError, alreadyExists, badRequest, conflict, expired, forbidden, modifiedConflict, notFound } from '@orrery/errors';
import { type Clock, type Random, rfc3339 } from '@orrery/runtime';
import type { ApiClient, DeleteOptions, ObjectKey, PatchOptions } from '../api-client.ts';
import { deepEqual } from '../deep-equal.ts';
import { apiVersionOf, formatKey, keyOf } from '../keys.ts';
import { FakeTable, selectionOf } from './fake-table.ts';
import { applyPatch } from './patch.ts';

export interface FakeRequest {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';
  readonly resource: ResourceRef;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly body?: unknown;
}

export interface FakeApiOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Called before every request; a returned (or thrown) error is the answer. A promise delays the request. */
  fault?(request: FakeRequest): StatusError | undefined | void | Promise<StatusError | undefined | void>;
  /** Called on every object before it is created, to play the defaulting and admission of a server. */
  admit?(resource: ResourceRef, object: KubeObject): KubeObject;
}

export interface FakeApi extends ApiClient {
  /** Every request so far, reads included. */
  readonly requests: FakeRequest[];
  /** Replaces the fault hook. */
  setFault(fault: FakeApiOptions['fault']): void;
  /** Stores objects as they are, status included, as if a server had always had them. */
  seed<T extends KubeObject>(resource: ResourceRef<T>, ...objects: readonly T[]): T[];
  /** What is stored, in order of creation. */
  objects<T extends KubeObject>(resource: ResourceRef<T>): T[];
  find<T extends KubeObject>(resource: ResourceRef<T>, name: string, namespace?: string): T | undefined;
  /** Merges a status in, as a kubelet or controller would. */
  setStatus<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, status: unknown): void;
  /** Forgets the watch history: older watches get 410. */
  compact(): void;
  /** Ends all watches. */
  disconnect(error?: StatusError): void;
  bookmark(): void;
}

type Draft = KubeObject & { spec?: Record<string, unknown>; status?: Record<string, unknown> };
type Write = 'main' | 'status' | 'finalize' | 'scale' | 'approval';

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}

const withoutMeta = ({ metadata: _metadata, status: _status, ...rest }: Draft): unknown => rest;

/** What an update through a subresource may change of the stored object. */
function admitted(old: Draft, draft: Draft, via: Write): Draft {
  if (via === 'main') return { ...draft, ...(old.status === undefined ? {} : { status: old.status }) };
  const { status } = draft;
  if (via === 'finalize') return { ...old, metadata: { ...old.metadata }, ...(draft.spec ? { spec: { ...old.spec, finalizers: draft.spec['finalizers'] } } : {}) };
  if (via === 'scale') return { ...old, metadata: { ...old.metadata }, spec: { ...old.spec, replicas: draft.spec?.['replicas'] } };
  // As most kinds have it, annotations may come with a status.
  const { annotations: _before, ...metadata } = old.metadata ?? {};
  const annotations = draft.metadata?.annotations;
  return { ...old, metadata: { ...metadata, ...(annotations ? { annotations } : {}) }, ...(status === undefined ? {} : { status }) };
}

class FakeState {
  readonly tables = new Map<string, FakeTable>();
  readonly options: FakeApiOptions;
  revision = 0;

  constructor(options: FakeApiOptions) {
    this.options = options;
  }

  table(resource: ResourceRef): FakeTable {
    const key = `${resource.group}/${resource.resource}`;
    let table = this.tables.get(key);
    if (!table) this.tables.set(key, (table = new FakeTable()));
    return table;
  }

  existing(resource: ResourceRef, key: ObjectKey): Draft {
    const found = this.table(resource).objects.get(formatKey(key));
    if (!found) throw notFound({ ...resource, name: key.name });
    return found as Draft;
  }

  commit(resource: ResourceRef, type: 'ADDED' | 'MODIFIED' | 'DELETED', draft: Draft): Draft {
    const revision = ++this.revision;
    const stored = deepFreeze({ ...draft, metadata: { ...draft.metadata, resourceVersion: String(revision) } });
    this.table(resource).record(revision, type, stored);
    return stored;
  }

  private guardNamespace(resource: ResourceRef, namespace: string, name: string): void {
    const found = this.tables.get('/namespaces')?.objects.get(namespace);
    if (!found?.metadata?.deletionTimestamp) return;
    const error = forbidden({ ...resource, name }, `unable to create new content in namespace ${namespace} because it is being terminated`);
    const causes = [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }];
    throw Object.assign(error, { status: { ...error.status, details: { ...error.status.details, causes } } });
  }

  create(resource: ResourceRef, object: KubeObject): Draft {
    const { clock, random, admit } = this.options;
    const { generateName, namespace } = object.metadata ?? {};
    // Reviews are answered, not stored.
    if (resource.resource.endsWith('accessreviews')) return structuredClone((admit?.(resource, object) ?? object) as Draft);
    const name = object.metadata?.name || (generateName ? generateName + random.name(5) : undefined);
    if (!name) throw badRequest('name or generateName is required');
    if (resource.namespaced && !namespace) throw badRequest('an empty namespace may not be set during creation');
    if (namespace) this.guardNamespace(resource, namespace, name);
    if (this.table(resource).objects.has(formatKey({ ...(namespace ? { namespace } : {}), name }))) throw alreadyExists({ ...resource, name });
    const copy = structuredClone(object) as Draft;
    const metadata = { ...copy.metadata, name, uid: random.uuid(), creationTimestamp: rfc3339(clock.now()), generation: 1 };
    let draft: Draft = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...copy, metadata };
    if (resource.resource === 'pods' && !draft.status) draft.status = { phase: 'Pending' };
    if (resource.resource === 'namespaces') {
      draft.metadata = { ...metadata, labels: { ...metadata.labels, 'kubernetes.io/metadata.name': name } };
      draft = { ...draft, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };
    }
    return this.commit(resource, 'ADDED', admit ? (admit(resource, draft) as Draft) : draft);
  }

  update(resource: ResourceRef, object: KubeObject, via: Write): Draft {
    const key = { ...(object.metadata?.namespace ? { namespace: object.metadata.namespace } : {}), name: object.metadata?.name ?? '' };
    const old = this.existing(resource, key);
    const { resourceVersion, uid } = object.metadata ?? {};
    if (uid && uid !== old.metadata?.uid) {
      throw conflict({ ...resource, name: key.name }, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata?.uid ?? ''}`);
    }
    if (resourceVersion && resourceVersion !== old.metadata?.resourceVersion) throw modifiedConflict({ ...resource, name: key.name });
    const draft = admitted(old, structuredClone(object) as Draft, via);
    const { uid: id, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation = 1 } = old.metadata ?? {};
    const specChanged = !deepEqual(withoutMeta(old), withoutMeta(draft));
    draft.metadata = {
      ...draft.metadata,
      resourceVersion: old.metadata?.resourceVersion ?? '',
      generation: generation + (specChanged && via === 'main' ? 1 : 0),
      ...(id ? { uid: id } : {}),
      ...(creationTimestamp ? { creationTimestamp } : {}),
      ...(deletionTimestamp ? { deletionTimestamp } : {}),
      ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
    };
    if (deepEqual(old, draft)) return old;
    const done = deletionTimestamp && !draft.metadata.finalizers?.length && !this.lingers(resource, draft);
    return this.commit(resource, done ? 'DELETED' : 'MODIFIED', draft);
  }

  /** Kept by something other than metadata.finalizers: a namespace's spec.finalizers, a pod's grace period. */
  private lingers(resource: ResourceRef, object: Draft): boolean {
    if (resource.resource === 'namespaces') return ((object.spec?.['finalizers'] as unknown[] | undefined) ?? []).length > 0;
    return (object.metadata?.deletionGracePeriodSeconds ?? 0) > 0;
  }

  private graceOf(resource: ResourceRef, object: Draft, asked: number | undefined): number {
    if (resource.resource !== 'pods' || !object.spec?.['nodeName']) return 0;
    if (['Succeeded', 'Failed'].includes(String(object.status?.['phase']))) return 0;
    return asked ?? Number(object.spec['terminationGracePeriodSeconds'] ?? 30);
  }

  delete(resource: ResourceRef, key: ObjectKey, options: DeleteOptions = {}): Draft | undefined {
    const old = this.existing(resource, key);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== old.metadata?.uid) {
      throw conflict({ ...resource, name: key.name }, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata?.uid ?? ''}`);
    }
    if (resourceVersion !== undefined && resourceVersion !== old.metadata?.resourceVersion) throw modifiedConflict({ ...resource, name: key.name });
    const wanted = { Foreground: 'foregroundDeletion', Orphan: 'orphan', Background: undefined }[options.propagationPolicy ?? 'Background'];
    const finalizers = [...new Set([...(old.metadata?.finalizers ?? []), ...(wanted ? [wanted] : [])])];
    const grace = this.graceOf(resource, old, options.gracePeriodSeconds);
    const { deletionTimestamp, deletionGracePeriodSeconds } = old.metadata ?? {};
    const metadata = {
      ...old.metadata,
      ...(finalizers.length ? { finalizers } : {}),
      deletionTimestamp: deletionTimestamp ?? rfc3339(this.options.clock.now() + grace * 1000),
      deletionGracePeriodSeconds: deletionGracePeriodSeconds === undefined ? grace : Math.min(grace, deletionGracePeriodSeconds),
    };
    const draft: Draft = { ...old, metadata };
    if (resource.resource === 'namespaces') draft.status = { ...draft.status, phase: 'Terminating' };
    if (!finalizers.length && !this.lingers(resource, draft)) {
      this.commit(resource, 'DELETED', draft);
      return undefined;
    }
    return deepEqual(old, draft) ? old : this.commit(resource, 'MODIFIED', draft);
  }

  patch(resource: ResourceRef, key: ObjectKey, patch: unknown, options: PatchOptions): Draft {
    const apply = options.type === 'application/apply-patch+yaml';
    const old = this.table(resource).objects.get(formatKey(key)) as Draft | undefined;
    if (!old && apply) return this.create(resource, { ...(patch as Draft), metadata: { ...(patch as Draft).metadata, ...key } });
    const found = this.existing(resource, key);
    const draft = applyPatch(found, patch, options.type) as Draft;
    const named = { ...draft, metadata: { ...draft.metadata, ...key } };
    return this.update(resource, named, viaOf(options.subresource));
  }
}

function viaOf(subresource: string | undefined): Write {
  if (!subresource) return 'main';
  return subresource === 'finalize' || subresource === 'scale' || subresource === 'approval' ? subresource : 'status';
}

function post(state: FakeState, resource: ResourceRef, target: { key: ObjectKey; subresource: string; body: unknown }): unknown {
  const { key, subresource, body } = target;
  if (subresource === 'binding') {
    const old = state.existing(resource, key);
    const { target: node, metadata: { uid } = {} } = body as { target?: { name?: string }; metadata?: { uid?: string } };
    if (uid && uid !== old.metadata?.uid) throw conflict({ ...resource, resource: 'pods/binding', name: key.name }, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata?.uid ?? ''}`);
    if (old.spec?.['nodeName']) throw conflict({ ...resource, resource: 'pods/binding', name: key.name }, `pod ${key.name} is already assigned to node "${String(old.spec['nodeName'])}"`);
    state.commit(resource, 'MODIFIED', { ...old, spec: { ...old.spec, nodeName: node?.name } });
    return { kind: 'Status', apiVersion: 'v1', status: 'Success', code: 201 };
  }
  if (subresource === 'eviction') {
    state.delete(resource, key, (body as { deleteOptions?: DeleteOptions }).deleteOptions);
    return { kind: 'Status', apiVersion: 'v1', status: 'Success', code: 201 };
  }
  if (subresource === 'token') {
    state.existing(resource, key);
    return { ...(body as object), status: { token: `token-of-${formatKey(key)}`, expirationTimestamp: rfc3339(state.options.clock.now() + 3_600_000) } };
  }
  throw notFound({ ...resource, resource: `${resource.resource}/${subresource}`, name: key.name });
}

/** An API server in memory, for unit tests: frozen objects, revisions, watches, finalizers, and faults on demand. */
export function createFakeApi(options: FakeApiOptions): FakeApi {
  const state = new FakeState(options);
  const requests: FakeRequest[] = [];
  let { fault } = options;
  const request = async <R>(asked: FakeRequest, answer: () => R): Promise<R> => {
    requests.push(asked);
    const error = await fault?.(asked);
    if (error) throw error;
    return answer();
  };
  const subject = (resource: ResourceRef, key: { namespace?: string; name?: string }, subresource?: string): Pick<FakeRequest, 'resource' | 'namespace' | 'name' | 'subresource'> => ({
    resource,
    ...(key.namespace ? { namespace: key.namespace } : {}),
    ...(key.name ? { name: key.name } : {}),
    ...(subresource ? { subresource } : {}),
  });
  const list = (resource: ResourceRef, selection: Parameters<typeof selectionOf>[0]): KubeObject[] => {
    const selects = selectionOf(selection);
    return [...state.table(resource).objects.values()].filter(selects);
  };
  return {
    requests,
    setFault: (next) => (fault = next),
    get: <T>(resource: ResourceRef, key: ObjectKey, o: { subresource?: string } = {}) =>
      request({ verb: 'get', ...subject(resource, key, o.subresource) }, () => state.existing(resource, key) as T),
    list: <T>(resource: ResourceRef, o: Parameters<typeof selectionOf>[0] & { limit?: number; continue?: string } = {}) =>
      request({ verb: 'list', ...subject(resource, o) }, () => {
        const items = list(resource, o) as T[];
        const [start, at] = o.continue ? o.continue.split(':').map(Number) : [0, state.revision];
        const end = o.limit ? (start ?? 0) + o.limit : items.length;
        const more = end < items.length ? { continue: `${end}:${at}`, remainingItemCount: items.length - end } : {};
        return { items: items.slice(start, end), resourceVersion: String(at), ...more };
      }),
    watch(resource, o, sink) {
      requests.push({ verb: 'watch', ...subject(resource, o) });
      return state.table(resource).watch(o, sink as never, () => state.revision);
    },
    create: <T extends KubeObject>(resource: ResourceRef, object: T) =>
      request({ verb: 'create', ...subject(resource, object.metadata ?? {}), body: object }, () => state.create(resource, object) as T),
    createSubresource: <R>(resource: ResourceRef, key: ObjectKey, subresource: string, body: unknown) =>
      request({ verb: 'create', ...subject(resource, key, subresource), body }, () => post(state, resource, { key, subresource, body }) as R),
    update: <T extends KubeObject>(resource: ResourceRef, object: T, o: { subresource?: string } = {}) =>
      request({ verb: 'update', ...subject(resource, object.metadata ?? {}, o.subresource), body: object }, () => state.update(resource, object, viaOf(o.subresource)) as T),
    patch: <T>(resource: ResourceRef, key: ObjectKey, patch: unknown, o: PatchOptions) =>
      request({ verb: 'patch', ...subject(resource, key, o.subresource), body: patch }, () => state.patch(resource, key, patch, o) as T),
    delete: <T>(resource: ResourceRef, key: ObjectKey, o?: DeleteOptions) =>
      request({ verb: 'delete', ...subject(resource, key), body: o }, () => state.delete(resource, key, o) as T | undefined),
    deleteCollection: (resource, selection, o) =>
      request({ verb: 'deletecollection', ...subject(resource, selection), body: o }, () => {
        for (const object of list(resource, selection)) state.delete(resource, objectKey(object), o);
      }),
    async close() {
      for (const table of state.tables.values()) table.disconnect();
    },
    seed<T extends KubeObject>(resource: ResourceRef, ...objects: readonly T[]): T[] {
      return objects.map((object) => {
        const metadata = { uid: options.random.uuid(), creationTimestamp: rfc3339(options.clock.now()), generation: 1, ...object.metadata };
        const known = state.table(resource).objects.has(keyOf(object));
        const copy = structuredClone({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object, metadata });
        return state.commit(resource, known ? 'MODIFIED' : 'ADDED', copy) as T;
      });
    },
    objects: <T>(resource: ResourceRef) => [...state.table(resource).objects.values()] as T[],
    find: <T>(resource: ResourceRef, name: string, namespace?: string) => state.table(resource).objects.get(namespace ? `${namespace}/${name}` : name) as T | undefined,
    setStatus(resource, key, status) {
      const old = state.existing(resource, key);
      state.update(resource, { ...old, status: { ...old.status, ...(status as object) } } as Draft, 'status');
    },
    compact() {
      for (const table of state.tables.values()) table.compact(state.revision);
    },
    disconnect(error = expired('watch closed')) {
      for (const table of state.tables.values()) table.disconnect(error);
    },
    bookmark() {
      for (const table of state.tables.values()) table.bookmark(state.revision);
    },
  };
}

function objectKey(object: KubeObject): ObjectKey {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace ? { namespace, name } : { name };
}
