import { type KubeObject, type ResourceRef, cloneJson } from '@orrery/apimachinery';
import type { ApiClient, DeleteOptions, ListOptions, ObjectKey, ObjectList, PatchOptions, WatchHandle, WatchOptions, WatchSink, WriteOptions } from '@orrery/client';
import { badRequest, methodNotSupported, notFound, toStatusError } from '@orrery/errors';
import type { Frame } from '../cache/frame.ts';
import { checkAllowed } from '../pipeline/access.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { resourceInfo } from '../pipeline/resource-info.ts';
import { create } from '../registry/create.ts';
import { deleteObject } from '../registry/delete.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { get } from '../registry/get.ts';
import { list } from '../registry/list.ts';
import { patch } from '../registry/patch.ts';
import type { RequestScope } from '../registry/registry.ts';
import { createInSubresource, getSubresource, isVirtual } from '../registry/subresources/index.ts';
import { type Scale, patchScale, updateScale } from '../registry/subresources/scale.ts';
import { update } from '../registry/update.ts';
import { watch } from '../registry/watch.ts';
import type { ApiServerCore } from '../server.ts';

interface Target {
  readonly verb: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

const ignore = (): void => undefined;

/** The pipeline in memory: authorized, admitted and stored like any request; objects pass by reference. */
export function createMemoryClient(core: ApiServerCore, user: UserInfo): ApiClient {
  const { registry } = core;
  let closed = false;
  const scopeFor = async (ref: ResourceRef, target: Target, selectors: Pick<ListOptions, 'labelSelector' | 'fieldSelector'> = {}): Promise<RequestScope> => {
    if (closed) throw badRequest('client is closed');
    const info = resourceInfo({ group: ref.group, version: ref.version, resource: ref.resource, ...target, fieldSelector: selectors.fieldSelector }, ref.namespaced);
    const kind = core.kinds.get(ref.group, ref.version, ref.resource);
    if (!kind) throw notFound({ group: ref.group, resource: ref.resource, name: target.name ?? '' });
    if (!target.subresource && !kind.verbs.includes(target.verb)) throw methodNotSupported({ group: ref.group, resource: ref.resource }, target.verb);
    const { labelSelector, fieldSelector } = selectors;
    await checkAllowed(core.access, { user, info, ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) });
    return { user, info, kind, warn: ignore, annotate: ignore };
  };
  const keyOf = (object: KubeObject): { namespace?: string | undefined; name?: string | undefined } => ({ namespace: object.metadata?.namespace, name: object.metadata?.name });
  const writeOptions = (options: WriteOptions = {}) => ({
    dryRun: options.dryRun ?? false,
    fieldManager: options.fieldManager ?? user.username,
    raw: { ...(options.dryRun ? { dryRun: ['All'] } : {}), ...(options.fieldManager ? { fieldManager: options.fieldManager } : {}) },
  });
  const deleteOptions = (options: DeleteOptions = {}) => ({ ...options, dryRun: options.dryRun ?? false, fieldManager: '', raw: { ...options } as Record<string, unknown> });

  return {
    async get<T extends KubeObject>(ref: ResourceRef<T>, key: ObjectKey, options: { subresource?: string; resourceVersion?: string } = {}) {
      const scope = await scopeFor(ref, { verb: 'get', ...key, subresource: options.subresource });
      if (options.subresource) return (await getSubresource(registry, scope)) as T;
      return (await get(registry, scope, options.resourceVersion)).object as T;
    },
    async list<T extends KubeObject>(ref: ResourceRef<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
      const scope = await scopeFor(ref, { verb: 'list', namespace: options.namespace }, options);
      const { entries, resourceVersion, ...rest } = await list(registry, scope, options);
      return { ...rest, items: entries.map((entry) => entry.object as T), resourceVersion: String(resourceVersion) };
    },
    watch<T extends KubeObject>(ref: ResourceRef<T>, options: WatchOptions, sink: WatchSink<T>): WatchHandle {
      return startWatch({ core, ref, options, sink, scope: () => scopeFor(ref, { verb: 'watch', namespace: options.namespace }, options) });
    },
    async create<T extends KubeObject>(ref: ResourceRef<T>, object: T, options: WriteOptions = {}) {
      const scope = await scopeFor(ref, { verb: 'create', namespace: object.metadata?.namespace, ...(options.subresource ? { name: object.metadata?.name, subresource: options.subresource } : {}) });
      if (options.subresource || isVirtual(scope.kind)) return (await createInSubresource(registry, scope, { object: cloneJson(object), options: writeOptions(options) })) as T;
      return (await create(registry, scope, { object: cloneJson(object), options: writeOptions(options) })).object as T;
    },
    async createSubresource<R>(ref: ResourceRef, key: ObjectKey, subresource: string, body: unknown): Promise<R> {
      const scope = await scopeFor(ref, { verb: 'create', ...key, subresource });
      return (await createInSubresource(registry, scope, { object: cloneJson(body) as KubeObject, options: writeOptions() })) as R;
    },
    async update<T extends KubeObject>(ref: ResourceRef<T>, object: T, options: WriteOptions = {}) {
      const scope = await scopeFor(ref, { verb: 'update', ...keyOf(object), subresource: options.subresource });
      if (options.subresource === 'scale') return (await updateScale(registry, scope, { options: writeOptions(options), transform: () => object as Scale })) as unknown as T;
      return (await update(registry, scope, { object, options: writeOptions(options) })).entry.object as T;
    },
    async patch<T extends KubeObject>(ref: ResourceRef<T>, key: ObjectKey, body: unknown, options: PatchOptions) {
      const scope = await scopeFor(ref, { verb: 'patch', ...key, subresource: options.subresource });
      const input = { type: options.type, patch: body, options: writeOptions(options), mode: options.fieldValidation ?? 'Ignore', force: options.force ?? false, isInternal: true };
      if (options.subresource === 'scale') return (await patchScale(registry, scope, input)) as unknown as T;
      return (await patch(registry, scope, input)).entry.object as T;
    },
    async delete<T extends KubeObject>(ref: ResourceRef<T>, key: ObjectKey, options: DeleteOptions = {}) {
      const scope = await scopeFor(ref, { verb: 'delete', ...key });
      const result = await deleteObject(registry, scope, deleteOptions(options));
      return result.gone ? undefined : (result.entry.object as T);
    },
    async deleteCollection(ref, selection, options = {}) {
      const scope = await scopeFor(ref, { verb: 'deletecollection', namespace: selection.namespace }, selection);
      await deleteCollection(registry, scope, { list: selection, options: deleteOptions(options) });
    },
    async close() {
      closed = true;
    },
  };
}

interface WatchStart<T> {
  readonly core: ApiServerCore;
  readonly ref: ResourceRef;
  readonly options: WatchOptions;
  readonly sink: WatchSink<T>;
  scope(): Promise<RequestScope>;
}

function startWatch<T>({ core, options, sink, scope }: WatchStart<T>): WatchHandle {
  let stopped = false;
  let handle: WatchHandle | undefined;
  const frames = (batch: readonly Frame[]): void => {
    if (!stopped) sink.events(batch.map((frame) => ({ type: frame.type, object: frame.entry.object as T })));
  };
  const closed = (error?: ReturnType<typeof toStatusError>): void => {
    if (!stopped) sink.closed(error);
    stopped = true;
  };
  // The interface of ApiClient has no resourceVersionMatch: streamed lists are always "not older than".
  const full = options.sendInitialEvents === undefined ? options : { ...options, resourceVersionMatch: 'NotOlderThan' };
  const start = async (): Promise<void> => {
    const started = await watch(core.registry, await scope(), full, { frames, closed });
    if (stopped) started.stop();
    else handle = started;
  };
  start().catch((error: unknown) => closed(toStatusError(error)));
  return {
    stop() {
      stopped = true;
      handle?.stop();
    },
  };
}
