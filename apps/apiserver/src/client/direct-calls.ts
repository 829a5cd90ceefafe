import type { KindDescriptor } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type DeleteOptions, type ListOptions, type ObjectKey, type ObjectList, type PatchOptions, type ReadOptions, type WatchHandle, type WatchOptions, type WriteOptions, userAgentOf } from '@orrery/client';
import { badRequest, methodNotSupported, toStatusError } from '@orrery/errors';
import { Entry } from '../cache/entry.ts';
import { throughFaults } from '../chaos/faulted.ts';
import { listBytes } from '../http/object-bytes.ts';
import { unservedResource } from '../http/scope.ts';
import { checkAllowed, checkMayCreate } from '../pipeline/access.ts';
import { beginCall, type CallRecord, failCall, recorded } from '../pipeline/audited-call.ts';
import type { Auditor, AuditTrail } from '../pipeline/audit.ts';
import type { AuthorizationAttributes } from '../pipeline/authorization.ts';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import { resourceInfo } from '../pipeline/resource-info.ts';
import { create } from '../registry/create.ts';
import { deleteObject } from '../registry/delete.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { get } from '../registry/get.ts';
import { type ListResult, list } from '../registry/list.ts';
import { patch } from '../registry/patch.ts';
import type { RequestScope } from '../registry/registry.ts';
import { createInSubresource, getSubresource, isVirtual } from '../registry/subresources/index.ts';
import { type Scale, patchScale, updateScale } from '../registry/subresources/scale.ts';
import { update } from '../registry/update.ts';
import { type WatchSink, watch } from '../registry/watch.ts';
import type { ApiServerCore } from '../server.ts';
import { type DelegatedRead, delegatedRead, isDelegated, listOf } from './delegated-read.ts';

interface Target {
  readonly verb: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** A request that is known to be for a kind that is there. */
interface Asked {
  readonly info: RequestInfo;
  readonly kind: KindDescriptor;
  readonly attributes: AuthorizationAttributes;
}

const ignore = (): void => undefined;

/** What audit records call a component in this process that has not said which it is. */
const inMemoryAgent = 'orrery (in memory)';

/** What a request came to: an object as the cache has it, or something that is made for the answer alone (undefined: nothing). */
export type Outcome = Entry | object | undefined;

/** A list as the cache has it, or of another server. */
export type Listed = { readonly entries: ListResult } | { readonly remote: ObjectList<KubeObject> };

/** The methods of an ApiClient, as close to the registry as they can be: what they take becomes theirs. Failures are StatusErrors. */
export interface DirectCalls {
  get(ref: ResourceRef, key: ObjectKey, options?: ReadOptions): Promise<Outcome>;
  list(ref: ResourceRef, options?: ListOptions): Promise<Listed>;
  watch(ref: ResourceRef, options: WatchOptions, sink: WatchSink): WatchHandle;
  create(ref: ResourceRef, object: KubeObject, options?: WriteOptions): Promise<Outcome>;
  createSubresource(ref: ResourceRef, key: ObjectKey, subresource: string, body: unknown): Promise<Outcome>;
  update(ref: ResourceRef, object: KubeObject, options?: WriteOptions): Promise<Outcome>;
  patch(ref: ResourceRef, key: ObjectKey, body: unknown, options: PatchOptions): Promise<Outcome>;
  delete(ref: ResourceRef, key: ObjectKey, options?: DeleteOptions): Promise<Outcome>;
  deleteCollection(ref: ResourceRef, selection: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>, options?: DeleteOptions): Promise<void>;
  close(): void;
}

/** Whose calls they are. `program`: as whom it writes fields, by default the user's name. `reachesUnserved`: also kinds that are turned off, for the server itself. */
export interface Caller {
  readonly user: UserInfo;
  readonly program?: string | undefined;
  readonly reachesUnserved?: boolean;
}

/** The pipeline for callers in this process: authorized, admitted and stored like any request. */
export function directCalls(core: ApiServerCore, { user, program, reachesUnserved = false }: Caller): DirectCalls {
  const userAgent = program === undefined ? inMemoryAgent : userAgentOf(program);
  const { registry } = core;
  let closed = false;
  const kindOf = ({ group, version, resource }: ResourceRef): KindDescriptor | undefined => (reachesUnserved ? core.kinds.kept(group, version, resource) : core.kinds.get(group, version, resource));
  const scopeOf = ({ info, kind }: Asked, record?: CallRecord): RequestScope => {
    const scope = { user, info, kind, checkCreate: () => checkMayCreate(core.access, { user, info }), warn: ignore, isDeaf: true, annotate: ignore, audit: record?.trail };
    return record ? { ...scope, annotate: record.annotate } : scope;
  };
  const audited = async (auditor: Auditor, asked: Asked): Promise<RequestScope> => {
    const record = await beginCall(auditor, registry.env, { user, info: asked.info, sourceIps: [], userAgent });
    try {
      await checkAllowed(core.access, record ? { ...asked.attributes, annotate: record.annotate } : asked.attributes);
    } catch (error) {
      failCall(record?.trail, error);
      throw error;
    }
    return scopeOf(asked, record);
  };
  /** Nothing to wait for where nobody keeps records and all authorizers answer at once. */
  const scopeFor = (ref: ResourceRef, target: Target, selectors: Pick<ListOptions, 'labelSelector' | 'fieldSelector'> = {}): RequestScope | Promise<RequestScope> => {
    if (closed) throw badRequest('client is closed');
    const { labelSelector, fieldSelector } = selectors;
    const info = resourceInfo({ group: ref.group, version: ref.version, resource: ref.resource, ...target, fieldSelector }, ref.namespaced);
    const kind = kindOf(ref);
    if (!kind) throw unservedResource(core, { group: ref.group, resource: ref.resource, name: target.name ?? '', verb: target.verb });
    if (!target.subresource && !kind.verbs.includes(target.verb)) throw methodNotSupported({ group: ref.group, resource: ref.resource }, target.verb);
    const attributes = labelSelector || fieldSelector ? { user, info, ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) } : { user, info };
    const asked = { info, kind, attributes };
    if (core.audit) return audited(core.audit, asked);
    const pending = checkAllowed(core.access, attributes);
    return pending ? pending.then(() => scopeOf(asked)) : scopeOf(asked);
  };
  /** Runs a request with its record: `code` of success, the result being the body. */
  const run = (scope: RequestScope, code: number, act: () => Promise<Outcome>): Promise<Outcome> =>
    recorded(scope.audit, () => throughFaults(registry, scope, act), (body) => ({ code, body: body instanceof Entry ? (body.object as object) : body }));
  const keyOf = (object: KubeObject): { namespace?: string | undefined; name?: string | undefined } => ({ namespace: object.metadata?.namespace, name: object.metadata?.name });
  const writeOptions = (options: WriteOptions = {}) => ({
    dryRun: options.dryRun ?? false,
    fieldManager: options.fieldManager ?? program ?? user.username,
    raw: { ...(options.dryRun ? { dryRun: ['All'] } : {}), ...(options.fieldManager ? { fieldManager: options.fieldManager } : {}) },
  });
  const deleteOptions = (options: DeleteOptions = {}) => ({ ...options, dryRun: options.dryRun ?? false, fieldManager: '', raw: { ...options } as Record<string, unknown> });

  /** What another server has; undefined for what is served here, or by nobody. */
  const remote = (ref: ResourceRef, target: Target, query: DelegatedRead['query']): Promise<unknown> | undefined => {
    if (kindOf(ref)) return undefined;
    const info = resourceInfo({ group: ref.group, version: ref.version, resource: ref.resource, ...target }, ref.namespaced);
    return isDelegated(core, info) ? delegatedRead(core, { user, info, query, sourceIps: [], userAgent }) : undefined;
  };

  return {
    async get(ref, key, options = {}) {
      const elsewhere = remote(ref, { verb: 'get', ...key, subresource: options.subresource }, { ...options.parameters });
      if (elsewhere) return (await elsewhere) as object;
      const scope = await scopeFor(ref, { verb: 'get', ...key, subresource: options.subresource });
      return run(scope, 200, async () => (options.subresource ? ((await getSubresource(registry, scope)) as object) : await get(registry, scope, options.resourceVersion)));
    },
    async list(ref, options = {}) {
      const { namespace, ...query } = options;
      const elsewhere = remote(ref, { verb: 'list', namespace }, query);
      if (elsewhere) return { remote: listOf(await elsewhere) };
      const scope = await scopeFor(ref, { verb: 'list', namespace: options.namespace }, options);
      const entries = await recorded(scope.audit, () => throughFaults(registry, scope, () => list(registry, scope, options)), (listed) => ({ code: 200, body: scope.audit?.wantsResponse ? listBytes(scope.kind, listed, { encoding: 'json' }) : undefined }));
      return { entries };
    },
    watch: (ref, options, sink) => startWatch({ core, options, sink, scope: async () => scopeFor(ref, { verb: 'watch', namespace: options.namespace }, options) }),
    async create(ref, object, options = {}) {
      const scope = await scopeFor(ref, { verb: 'create', namespace: object.metadata?.namespace, ...(options.subresource ? { name: object.metadata?.name, subresource: options.subresource } : {}) });
      const input = { object, options: writeOptions(options) };
      return run(scope, 201, async () => (options.subresource || isVirtual(scope.kind) ? ((await createInSubresource(registry, scope, input)) as object) : await create(registry, scope, input)));
    },
    async createSubresource(ref, key, subresource, body) {
      const scope = await scopeFor(ref, { verb: 'create', ...key, subresource });
      return run(scope, 201, async () => (await createInSubresource(registry, scope, { object: body as KubeObject, options: writeOptions() })) as object);
    },
    async update(ref, object, options = {}) {
      const scope = await scopeFor(ref, { verb: 'update', ...keyOf(object), subresource: options.subresource });
      return run(scope, 200, async () => {
        if (options.subresource !== 'scale') return (await update(registry, scope, { object, options: writeOptions(options) })).entry;
        scope.audit?.request(object);
        return updateScale(registry, scope, { options: writeOptions(options), uid: object.metadata?.uid, transform: () => object as Scale });
      });
    },
    async patch(ref, key, body, options) {
      const scope = await scopeFor(ref, { verb: 'patch', ...key, subresource: options.subresource });
      const input = { type: options.type, patch: body, options: writeOptions(options), mode: options.fieldValidation ?? 'Ignore', force: options.force ?? false, isInternal: true };
      return run(scope, 200, async () => (options.subresource === 'scale' ? patchScale(registry, scope, input) : (await patch(registry, scope, input)).entry));
    },
    async delete(ref, key, options = {}) {
      const scope = await scopeFor(ref, { verb: 'delete', ...key });
      return run(scope, 200, async () => {
        const result = await deleteObject(registry, scope, deleteOptions(options));
        return result.gone ? undefined : result.entry;
      });
    },
    async deleteCollection(ref, selection, options = {}) {
      const scope = await scopeFor(ref, { verb: 'deletecollection', namespace: selection.namespace }, selection);
      await recorded(scope.audit, () => throughFaults(registry, scope, () => deleteCollection(registry, scope, { list: selection, options: deleteOptions(options) })), () => ({ code: 200 }));
    },
    close() {
      closed = true;
    },
  };
}

interface WatchStart {
  readonly core: ApiServerCore;
  readonly options: WatchOptions;
  readonly sink: WatchSink;
  scope(): Promise<RequestScope>;
}

function startWatch({ core, options, sink, scope }: WatchStart): WatchHandle {
  let stopped = false;
  let handle: WatchHandle | undefined;
  const frames: WatchSink['frames'] = (batch) => {
    if (!stopped) sink.frames(batch);
  };
  let trail: AuditTrail | undefined;
  const over = (): void => {
    trail?.completed(200);
    trail = undefined;
  };
  const closed = (error?: ReturnType<typeof toStatusError>): void => {
    if (!stopped) sink.closed(error);
    stopped = true;
    over();
  };
  // The interface of ApiClient has no resourceVersionMatch: streamed lists are always "not older than".
  const full = options.sendInitialEvents === undefined ? options : { ...options, resourceVersionMatch: 'NotOlderThan' };
  const start = async (): Promise<void> => {
    const scoped = await scope();
    trail = scoped.audit;
    try {
      const started = await throughFaults(core.registry, scoped, () => watch(core.registry, scoped, full, { frames, closed }));
      trail?.started(200);
      if (stopped) started.stop();
      else handle = started;
    } catch (error) {
      failCall(trail, error);
      trail = undefined;
      throw error;
    }
    if (stopped) over();
  };
  start().catch((error: unknown) => closed(toStatusError(error)));
  return {
    stop() {
      stopped = true;
      handle?.stop();
      if (handle) over();
    },
  };
}
