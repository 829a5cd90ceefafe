import { type KindDescriptor, schemaOf } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import type { RawSocket } from '@orrery/node-io/http-server';
import type { Entry } from '../cache/entry.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { getComponentStatus, listComponentStatuses } from '../registry/component-status.ts';
import { create } from '../registry/create.ts';
import { type DeleteResult, deleteObject } from '../registry/delete.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { get } from '../registry/get.ts';
import { type ListResult, list } from '../registry/list.ts';
import type { RequestScope } from '../registry/registry.ts';
import { isVirtual } from '../registry/subresources/index.ts';
import { update } from '../registry/update.ts';
import type { ApiServerCore } from '../server.ts';
import { decodeBody, expectKind, maxBodyBytes } from './body.ts';
import type { Exchange } from './exchange.ts';
import { type Format, negotiate } from './negotiation.ts';
import { checkTransform, entryBytes, listBytes, listMetadata, partialMetadata, partialMetadataList } from './object-bytes.ts';
import { deleteOptions, fieldValidation, listOptions, watchOptions, writeOptions } from './options.ts';
import { servePatch } from './patch.ts';
import { queryFlag } from './query-flag.ts';
import type { ParsedRequest } from './request-path.ts';
import { isServedGroup, methodNotAllowed, noSuchResource, scopeOf } from './scope.ts';
import { serveSubresource, serveVirtual } from './subresource.ts';
import { streamForm } from './stream-form.ts';
import { tableBytes } from './table-reply.ts';
import { serveWatch } from './watch-reply.ts';

/** One authorized request for a resource. */
export interface ResourceRequest {
  readonly core: ApiServerCore;
  readonly exchange: Exchange;
  readonly parsed: ParsedRequest;
  readonly scope: RequestScope;
  readonly format: Format;
  /** Of a request that asks for an upgrade: a watch may become a WebSocket. */
  readonly socket?: RawSocket | undefined;
}

/** Sends one object in the form that was asked for. */
export async function sendEntry(request: ResourceRequest, code: number, entry: Entry): Promise<void> {
  const { exchange, format, scope } = request;
  checkTransform(scope.kind, format, false);
  if (format.as === 'Table') return exchange.sendJson(code, tableBytes(request, [entry]), format);
  if (format.encoding === 'protobuf' && exchange.audit?.wantsResponse) exchange.audit.response(entry.bytes);
  if (format.as) return exchange.sendJson(code, partialMetadata(entry, format), format);
  return exchange.sendJson(code, entryBytes(scope.kind, entry, format), format);
}

async function sendList(request: ResourceRequest, result: ListResult): Promise<void> {
  const { exchange, format, scope } = request;
  checkTransform(scope.kind, format, true);
  if (format.as === 'Table') return exchange.sendJson(200, tableBytes(request, result.entries, listMetadata(result)), format);
  if (format.encoding === 'protobuf' && exchange.audit?.wantsResponse) exchange.audit.response(listBytes(scope.kind, result, { ...format, encoding: 'json' }));
  if (format.as) return exchange.sendJson(200, partialMetadataList(result, format), format);
  return exchange.sendJson(200, listBytes(scope.kind, result, format), format);
}

export async function readBody(exchange: Exchange): Promise<Buffer> {
  return exchange.request.body(maxBodyBytes);
}

/** Decodes a body of the resource's own kind; unknown fields become warnings. */
export async function readObject(request: ResourceRequest, optionsKind: string): Promise<KubeObject> {
  const { exchange, parsed, scope } = request;
  const body = await readBody(exchange);
  const mode = fieldValidation(parsed.query, optionsKind);
  const { object, warnings } = decodeBody(body, { contentType: exchange.header('content-type'), expected: expectKind(scope.kind), mode });
  for (const text of warnings) exchange.warn(text);
  return object;
}

async function serveCreate(request: ResourceRequest): Promise<void> {
  const { core, exchange, parsed, scope } = request;
  const options = writeOptions(parsed.query, { optionsKind: 'CreateOptions', userAgent: exchange.header('user-agent') });
  const object = await readObject(request, 'CreateOptions');
  await sendEntry(request, 201, await create(core.registry, scope, { object, options }));
}

async function serveUpdate(request: ResourceRequest): Promise<void> {
  const { core, exchange, parsed, scope } = request;
  const options = writeOptions(parsed.query, { optionsKind: 'UpdateOptions', userAgent: exchange.header('user-agent') });
  const object = await readObject(request, 'UpdateOptions');
  const { entry, created } = await update(core.registry, scope, { object, options });
  await sendEntry(request, created ? 201 : 200, entry);
}

const deleteOptionsSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

async function readDeleteOptions(request: ResourceRequest): Promise<ReturnType<typeof deleteOptions>> {
  const { exchange, parsed } = request;
  const body = await readBody(exchange);
  if (body.length === 0) return deleteOptions(parsed.query, undefined);
  const expected = { group: '', version: 'v1', kind: 'DeleteOptions', schema: schemaOf(deleteOptionsSchema) };
  const { object } = decodeBody(body, { contentType: exchange.header('content-type'), expected, mode: 'Ignore' });
  return deleteOptions(parsed.query, object as Record<string, unknown>);
}

/** Kinds whose DELETE answers with the object even when it is gone. */
const returnsDeleted = new Set([
  ...['persistentvolumeclaims', 'persistentvolumes', 'pods', 'podtemplates', 'resourcequotas', 'serviceaccounts', 'services'],
  ...['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'].map((r) => `${r}.resource.k8s.io`),
  ...['csidrivers', 'csinodes', 'storageclasses', 'volumeattachments', 'volumeattributesclasses'].map((r) => `${r}.storage.k8s.io`),
]);

export function deletionReply(kind: KindDescriptor, result: DeleteResult): { readonly entry: Entry } | { readonly status: object } {
  const key = kind.group ? `${kind.resource}.${kind.group}` : kind.resource;
  if (!result.gone || returnsDeleted.has(key)) return { entry: result.entry };
  const { metadata } = result.entry.object as KubeObject;
  const details = { name: result.entry.name, ...(kind.group ? { group: kind.group } : {}), kind: kind.resource, uid: metadata?.uid };
  return { status: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } };
}

async function serveDelete(request: ResourceRequest): Promise<void> {
  const { core, exchange, scope, format } = request;
  const reply = deletionReply(scope.kind, await deleteObject(core.registry, scope, await readDeleteOptions(request)));
  if ('status' in reply) await exchange.sendObject(200, reply.status, format);
  else await sendEntry(request, 200, reply.entry);
}

async function serveDeleteCollection(request: ResourceRequest): Promise<void> {
  const { core, parsed, scope } = request;
  const options = await readDeleteOptions(request);
  await sendList(request, await deleteCollection(core.registry, scope, { list: listOptions(parsed.query), options }));
}

async function serveWatchVerb(request: ResourceRequest): Promise<void> {
  const { core, exchange, parsed, scope } = request;
  await serveWatch(core.registry, scope, { exchange, options: watchOptions(parsed.query), form: streamForm(request), socket: request.socket });
}

type Verb = (request: ResourceRequest) => Promise<void>;

async function serveGet(request: ResourceRequest): Promise<void> {
  const { core, scope, parsed } = request;
  if (scope.kind.kind === 'ComponentStatus') return sendEntry(request, 200, getComponentStatus(core.registry, scope));
  return sendEntry(request, 200, await get(core.registry, scope, parsed.query.get('resourceVersion') ?? ''));
}

async function serveList(request: ResourceRequest): Promise<void> {
  const { core, scope, parsed } = request;
  if (scope.kind.kind === 'ComponentStatus') return sendList(request, listComponentStatuses(core.registry, scope));
  return sendList(request, await list(core.registry, scope, listOptions(parsed.query)));
}

const verbs: Readonly<Record<string, Verb>> = {
  get: serveGet,
  list: serveList,
  watch: serveWatchVerb,
  create: serveCreate,
  update: serveUpdate,
  patch: servePatch,
  delete: serveDelete,
  deletecollection: serveDeleteCollection,
};

/** Verbs on one object; the others are on collections. */
const named = new Set(['get', 'update', 'patch', 'delete']);
/** Collections whose name, if any, came from a selector (or the old /watch/ paths). */
const selecting = new Set(['list', 'watch']);

/** As upstream: what is stored nowhere has no columns, and a list that is streamed is no Table. */
function hasTables({ kind, info }: RequestScope, query: URLSearchParams): boolean {
  if (info.verb === 'create') return !info.subresource && !isVirtual(kind);
  return info.verb !== 'watch' || !(queryFlag(query, 'sendInitialEvents') && queryFlag(query, 'allowWatchBookmarks'));
}

/** Answers an authorized request for a resource or one of its subresources. */
export async function serveResource(core: ApiServerCore, routed: { exchange: Exchange; parsed: ParsedRequest; user: UserInfo; socket?: RawSocket | undefined }): Promise<void> {
  const { exchange, parsed } = routed;
  const { info } = parsed;
  if (!core.kinds.get(info.group, info.version, info.resource) && !isServedGroup(core, info)) return exchange.sendText(404, '404 page not found\n');
  const scope = scopeOf(core, { exchange, info, user: routed.user });
  const format = negotiate(exchange.header('accept'), { pretty: exchange.pretty, transforms: true, tables: hasTables(scope, parsed.query), protobuf: !scope.kind.schema, stream: info.verb === 'watch' });
  const request: ResourceRequest = { core, exchange, parsed, scope, format, socket: routed.socket };
  if (scope.kind.deprecation) {
    exchange.warn(scope.kind.deprecation);
    exchange.annotate('k8s.io/deprecated', 'true');
  }
  if (info.subresource) return serveSubresource(request);
  const verb = verbs[info.verb];
  const namespaceNeeded = scope.kind.namespaced && !info.namespace && info.verb !== 'list' && info.verb !== 'watch';
  if (namespaceNeeded && info.name) throw noSuchResource();
  const isHead = exchange.request.method === 'HEAD';
  if (!verb || isHead || namespaceNeeded || !scope.kind.verbs.includes(info.verb) || named.has(info.verb) !== (info.name !== '' && !selecting.has(info.verb))) {
    throw methodNotAllowed(scope.kind, info.verb);
  }
  await (info.verb === 'create' && isVirtual(scope.kind) ? serveVirtual(request) : verb(request));
}
