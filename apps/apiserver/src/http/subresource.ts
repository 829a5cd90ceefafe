import type { KubeObject } from '@orrery/apimachinery';
import { get } from '../registry/get.ts';
import { patch } from '../registry/patch.ts';
import { createInSubresource } from '../registry/subresources/index.ts';
import { type Scale, getScale, patchScale, updateScale } from '../registry/subresources/scale.ts';
import { update } from '../registry/update.ts';
import { type ExpectedKind, decodeBody, expectKind, expectNamed } from './body.ts';
import { fieldValidation, writeOptions } from './options.ts';
import { readPatch } from './patch.ts';
import { type ResourceRequest, readBody, readObject, sendEntry } from './resource.ts';
import { methodNotAllowed, noSuchResource } from './scope.ts';
import { scaleTableBytes } from './table-reply.ts';

const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

async function sendObject(request: ResourceRequest, code: number, object: object): Promise<void> {
  await request.exchange.sendObject(code, object, request.format);
}

function optionsOf(request: ResourceRequest, optionsKind: string) {
  return writeOptions(request.parsed.query, { optionsKind, userAgent: request.exchange.header('user-agent') });
}

async function readNamed(request: ResourceRequest, expected: ExpectedKind, optionsKind: string): Promise<KubeObject> {
  const { exchange, parsed } = request;
  const body = await readBody(exchange);
  const mode = fieldValidation(parsed.query, optionsKind);
  const { object, warnings } = decodeBody(body, { contentType: exchange.header('content-type'), expected, mode });
  for (const text of warnings) exchange.warn(text);
  return object;
}

/** Subresources whose body is the object itself: status, and those with an update strategy of their own. */
async function serveOwnKind(request: ResourceRequest): Promise<void> {
  const { core, scope } = request;
  const { verb } = scope.info;
  if (verb === 'get') return sendEntry(request, 200, await get(core.registry, scope));
  if (verb === 'patch') return sendEntry(request, 200, (await patch(core.registry, scope, await readPatch(request))).entry);
  const object = await readObject(request, 'UpdateOptions');
  return sendEntry(request, 200, (await update(core.registry, scope, { object, options: optionsOf(request, 'UpdateOptions') })).entry);
}

async function sendScale(request: ResourceRequest, scale: Scale): Promise<void> {
  if (request.format.as === 'Table') return request.exchange.sendJson(200, scaleTableBytes(request, scale), request.format);
  return sendObject(request, 200, scale);
}

async function serveScale(request: ResourceRequest): Promise<void> {
  const { core, scope } = request;
  const { verb } = scope.info;
  if (verb === 'get') return sendScale(request, await getScale(core.registry, scope));
  if (verb === 'patch') return sendScale(request, await patchScale(core.registry, scope, await readPatch(request)));
  const object = (await readNamed(request, expectNamed(scaleKind), 'UpdateOptions')) as Scale;
  scope.audit?.request(object);
  return sendScale(request, await updateScale(core.registry, scope, { options: optionsOf(request, 'UpdateOptions'), uid: object.metadata?.uid, transform: () => object }));
}

/** POST: the body is of the subresource's kind. */
async function serveAction(request: ResourceRequest, body: ExpectedKind): Promise<void> {
  const { core, scope } = request;
  const object = await readNamed(request, body, 'CreateOptions');
  await sendObject(request, 201, await createInSubresource(core.registry, scope, { object, options: optionsOf(request, 'CreateOptions') }));
}

/** POST to a resource that stores nothing. */
export async function serveVirtual(request: ResourceRequest): Promise<void> {
  const { kind } = request.scope;
  await serveAction(request, expectKind(kind));
}

const statusVerbs: readonly string[] = ['get', 'patch', 'update'];

export async function serveSubresource(request: ResourceRequest): Promise<void> {
  const { kind, info } = request.scope;
  const { subresource } = info;
  const listed = kind.subresources.find((s) => s.name === subresource);
  const implied = (subresource === 'status' && kind.hasStatus) || (subresource === 'scale' && kind.scale !== undefined);
  const verbs = listed?.verbs ?? (implied ? statusVerbs : undefined);
  if (!verbs || !info.name) throw noSuchResource();
  if (!verbs.includes(info.verb)) throw methodNotAllowed(kind, info.verb);
  if (subresource === 'scale') return serveScale(request);
  if (info.verb === 'create' && listed) {
    return serveAction(request, expectNamed({ group: listed.group ?? kind.group, version: listed.version ?? kind.version, kind: listed.kind }));
  }
  return serveOwnKind(request);
}
