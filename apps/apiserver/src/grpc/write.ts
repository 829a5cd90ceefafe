import { type FieldValidation, schemaOf } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import { userAgentKey } from '@orrery/client';
import { badRequest, serviceUnavailable, toStatusError } from '@orrery/errors';
import type { WriteReply, WriteRequest } from '@orrery/proto/api';
import type { CallContext } from '@orrery/rpc';
import { Entry } from '../cache/entry.ts';
import { type ExpectedKind, decodeBody, expectKind, expectNamed } from '../http/body.ts';
import { deleteOptions, managerFrom } from '../http/options.ts';
import { deletionReply } from '../http/resource.ts';
import { recorded } from '../pipeline/audited-call.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { create } from '../registry/create.ts';
import { deleteObject } from '../registry/delete.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { type PatchInput, type PatchType, patch } from '../registry/patch.ts';
import type { RequestScope, WriteOptions } from '../registry/registry.ts';
import { createInSubresource, isVirtual } from '../registry/subresources/index.ts';
import { type Scale, patchScale, updateScale } from '../registry/subresources/scale.ts';
import { update } from '../registry/update.ts';
import type { ApiServerCore } from '../server.ts';
import { callScope } from './call-scope.ts';
import { inTurn } from './turn.ts';

interface Answer {
  readonly code: number;
  readonly body: Entry | object;
}

interface WriteCall {
  /** Manager of fields for a request that names none. */
  readonly manager: string;
  readonly core: ApiServerCore;
  readonly scope: RequestScope;
  readonly request: WriteRequest;
}

const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

function optionsOf({ request, manager }: WriteCall): WriteOptions {
  const { fieldManager = '', dryRun = false } = request;
  const raw = { ...(dryRun ? { dryRun: ['All'] } : {}), ...(fieldManager ? { fieldManager } : {}) };
  return { dryRun, fieldManager: fieldManager || manager, raw };
}

function modeOf({ request }: WriteCall): FieldValidation {
  const mode = request.fieldValidation || 'Warn';
  if (mode !== 'Strict' && mode !== 'Warn' && mode !== 'Ignore') throw badRequest(`unknown fieldValidation ${JSON.stringify(mode)}`);
  return mode;
}

function decode(call: WriteCall, expected: ExpectedKind): KubeObject {
  const body = call.request.body ?? Buffer.alloc(0);
  const { object, warnings } = decodeBody(body, { contentType: 'application/json', expected, mode: modeOf(call) });
  for (const text of warnings) call.scope.warn(text);
  return object;
}

function subresourceBody({ scope }: WriteCall): ExpectedKind {
  const { kind, info } = scope;
  const listed = kind.subresources.find((s) => s.name === info.subresource);
  return listed ? expectNamed({ group: listed.group ?? kind.group, version: listed.version ?? kind.version, kind: listed.kind }) : expectKind(kind);
}

async function runCreate(call: WriteCall): Promise<Answer> {
  const { core, scope } = call;
  const options = optionsOf(call);
  if (scope.info.subresource || isVirtual(scope.kind)) {
    const object = decode(call, subresourceBody(call));
    return { code: 201, body: await createInSubresource(core.registry, scope, { object, options }) };
  }
  return { code: 201, body: await create(core.registry, scope, { object: decode(call, expectKind(scope.kind)), options }) };
}

async function runUpdate(call: WriteCall): Promise<Answer> {
  const { core, scope } = call;
  const options = optionsOf(call);
  if (scope.info.subresource === 'scale') {
    const scale = decode(call, expectNamed(scaleKind)) as Scale;
    scope.audit?.request(scale);
    return { code: 200, body: await updateScale(core.registry, scope, { options, transform: () => scale }) };
  }
  const { entry, created } = await update(core.registry, scope, { object: decode(call, expectKind(scope.kind)), options });
  return { code: created ? 201 : 200, body: entry };
}

async function runPatch(call: WriteCall): Promise<Answer> {
  const { core, scope, request } = call;
  const input: PatchInput = {
    type: request.contentType as PatchType,
    patch: JSON.parse((request.body ?? Buffer.from('null')).toString('utf8')) as unknown,
    options: optionsOf(call),
    mode: modeOf(call),
    force: request.force ?? false,
    isInternal: true,
  };
  if (scope.info.subresource === 'scale') return { code: 200, body: await patchScale(core.registry, scope, input) };
  const { entry, created } = await patch(core.registry, scope, input);
  return { code: created ? 201 : 200, body: entry };
}

function readDeleteOptions(call: WriteCall): ReturnType<typeof deleteOptions> {
  const query = new URLSearchParams();
  const { body } = call.request;
  if (!body?.length) return deleteOptions(query, undefined);
  const schema = schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  return deleteOptions(query, decode(call, { group: '', version: 'v1', kind: 'DeleteOptions', schema }) as Record<string, unknown>);
}

async function runDelete(call: WriteCall): Promise<Answer> {
  const { core, scope } = call;
  const result = await deleteObject(core.registry, scope, readDeleteOptions(call));
  const body = result.gone ? goneReply(scope, result) : result.entry;
  return { code: 200, body };
}

/** Over gRPC a deletion that is complete always answers with a Status, which is how clients tell. */
function goneReply(scope: RequestScope, result: Parameters<typeof deletionReply>[1]): object {
  const reply = deletionReply(scope.kind, result);
  if ('status' in reply) return reply.status;
  const { uid } = (result.entry.object as KubeObject).metadata ?? {};
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { name: result.entry.name, kind: scope.kind.resource, uid } };
}

async function runDeleteCollection(call: WriteCall): Promise<Answer> {
  const { core, scope, request } = call;
  const { labelSelector, fieldSelector } = request;
  const list = { ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) };
  await deleteCollection(core.registry, scope, { list, options: readDeleteOptions(call) });
  return { code: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } };
}

const verbs: Readonly<Record<string, (call: WriteCall) => Promise<Answer>>> = {
  create: runCreate,
  update: runUpdate,
  patch: runPatch,
  delete: runDelete,
  deletecollection: runDeleteCollection,
};

function bytesOf(body: Answer['body']): Buffer {
  if (body instanceof Entry) return body.bytes;
  return Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
}

/** One write of a stream; failures become replies. */
export async function answerWrite(core: ApiServerCore, call: { user: UserInfo; context: CallContext; request: WriteRequest }): Promise<WriteReply> {
  const { user, context, request } = call;
  const id = request.id ?? 0;
  let warnings: readonly string[] = [];
  let end: (() => void) | undefined;
  try {
    if (core.traffic.isDraining) throw serviceUnavailable('the API server is stopping');
    end = core.traffic.begin({ cancel: () => undefined }, false);
    const run = verbs[request.verb ?? ''];
    if (!run) throw badRequest(`unknown verb ${JSON.stringify(request.verb ?? '')}`);
    const scoped = await callScope(core, { user, resource: request.resource, verb: request.verb ?? '', context, selectors: request });
    warnings = scoped.warnings;
    const { scope } = scoped;
    const agent = context.metadata[userAgentKey];
    const manager = agent ? managerFrom(agent) : user.username;
    const { code, body } = await recorded(scope.audit, () => inTurn(core, scope, () => run({ core, scope, request, manager })), (answer) => ({ code: answer.code, body: scope.audit && bytesOf(answer.body) }));
    return { id, code, body: bytesOf(body), warnings: [...warnings] };
  } catch (error) {
    const failure = toStatusError(error);
    return { id, code: failure.code, body: Buffer.from(JSON.stringify(failure.status)), warnings: [...warnings] };
  } finally {
    end?.();
  }
}
