import { methodNotSupported, notFound } from '@orrery/errors';
import type { RawSocket } from '@orrery/node-io/http-server';
import type { ConnectHandler } from '../pipeline/connect.ts';
import { parseProxyName } from '../pipeline/proxy-name.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { admission } from '../registry/admission-chain.ts';
import { get } from '../registry/get.ts';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { ParsedRequest } from './request-path.ts';
import { scopeOf } from './scope.ts';

/** The query as connect options: what is given more than once is a list; a proxy's path comes from the URL. */
function optionsOf({ info, query, tail }: ParsedRequest): Record<string, unknown> {
  const given = [...new Set(query.keys())].map((name) => {
    const all = query.getAll(name);
    return [name, all.length > 1 ? all : all[0]] as const;
  });
  return { ...Object.fromEntries(given), ...(info.subresource === 'proxy' ? { path: `/${tail}` } : {}) };
}

/** Hands a streaming or proxying request to its handler, after the object was found and CONNECT admission passed. */
export async function serveConnect(
  core: ApiServerCore,
  handler: ConnectHandler,
  request: { exchange: Exchange; parsed: ParsedRequest; user: UserInfo; socket: RawSocket | undefined },
): Promise<void> {
  const { exchange, parsed, user, socket } = request;
  const { info, query, tail } = parsed;
  const scope = scopeOf(core, { exchange, info, user });
  if (!info.name) throw notFound({ group: info.group, resource: info.resource });
  if (!handler.methods.includes(exchange.request.method)) throw methodNotSupported({ group: info.group, resource: info.resource, name: info.name }, info.verb);
  const entry = await get(core.registry, info.subresource === 'proxy' ? { ...scope, info: { ...info, name: parseProxyName(info.name)?.name ?? info.name } } : scope);
  const options = { dryRun: false, fieldManager: '', raw: optionsOf(parsed) };
  const check = admission(core.registry, scope, { operation: 'CONNECT', object: undefined, oldObject: entry.object, name: info.name, options });
  await check.admit();
  await check.validate();
  exchange.code = socket ? 101 : 200;
  exchange.audit?.started(exchange.code);
  await handler.connect({
    http: exchange.request,
    ...(socket ? { socket } : { response: exchange.response }),
    info,
    user,
    query,
    kind: scope.kind,
    object: entry.object,
    tail,
  });
}
