import { methodNotSupported } from '@orrery/errors';
import { get } from '../registry/get.ts';
import { patch } from '../registry/patch.ts';
import { update } from '../registry/update.ts';
import { writeOptions } from './options.ts';
import { readPatch } from './patch.ts';
import { type ResourceRequest, readObject, sendEntry } from './resource.ts';
import { noSuchResource } from './scope.ts';

/** Subresources whose body is the object itself: status, and those with an update strategy of their own. */
async function serveOwnKind(request: ResourceRequest): Promise<void> {
  const { core, exchange, parsed, scope } = request;
  const { verb } = scope.info;
  if (verb === 'get') return sendEntry(request, 200, await get(core.registry, scope));
  if (verb === 'patch') return sendEntry(request, 200, (await patch(core.registry, scope, await readPatch(request))).entry);
  const options = writeOptions(parsed.query, { optionsKind: 'UpdateOptions', userAgent: exchange.header('user-agent') });
  const object = await readObject(request, 'UpdateOptions');
  return sendEntry(request, 200, (await update(core.registry, scope, { object, options })).entry);
}

const statusVerbs: readonly string[] = ['get', 'patch', 'update'];

export async function serveSubresource(request: ResourceRequest): Promise<void> {
  const { kind, info } = request.scope;
  const listed = kind.subresources.find((s) => s.name === info.subresource);
  const known = listed?.verbs ?? (info.subresource === 'status' && kind.hasStatus ? statusVerbs : undefined);
  if (!known) throw noSuchResource();
  if (!known.includes(info.verb)) throw methodNotSupported({ group: info.group, resource: info.resource }, info.verb);
  await serveOwnKind(request);
}
