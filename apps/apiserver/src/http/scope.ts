import type { KindDescriptor } from '@orrery/api';
import { StatusError, methodNotSupported, unexpectedResponse } from '@orrery/errors';
import { checkMayCreate } from '../pipeline/access.ts';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import type { RequestScope } from '../registry/registry.ts';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';

/** 404 for API paths that name no resource, in the words clients know. */
export function noSuchResource(): StatusError {
  return new StatusError({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource', details: {} });
}

/** 405 of a path that exists, but not with this method. Custom resources name the verb, as upstream's handler of theirs does. */
export function methodNotAllowed(kind: KindDescriptor, verb: string): StatusError {
  if (kind.schema || verb === 'watch') return methodNotSupported({ group: kind.group, resource: kind.resource }, verb);
  return new StatusError({ code: 405, reason: 'MethodNotAllowed', message: 'the server does not allow this method on the requested resource', details: {} });
}

/** Is the group built in? What names nothing within such a group is answered as an API, the rest as a page: there upstream's chain of servers has come to its end. */
export function isServedGroup(core: ApiServerCore, { group }: Pick<RequestInfo, 'group'>): boolean {
  return core.kinds.all().some((kind) => kind.group === group && !kind.schema);
}

const methods: Readonly<Record<string, string>> = { get: 'get', list: 'get', watch: 'get', create: 'post', update: 'put', deletecollection: 'delete' };

/**
 * 404 for callers that do not come over REST and name a resource that is not served. Within a built-in group it is the Status that REST
 * answers; elsewhere REST answers a page, so this is what client-go makes of that.
 */
export function unservedResource(core: ApiServerCore, target: Pick<RequestInfo, 'group' | 'resource' | 'name' | 'verb'>): StatusError {
  if (isServedGroup(core, target)) return noSuchResource();
  const { group, resource, name, verb } = target;
  return unexpectedResponse({ code: 404, method: methods[verb] ?? verb, group, resource, name, text: '404 page not found' });
}

export function scopeOf(core: ApiServerCore, request: { exchange: Exchange; info: RequestInfo; user: UserInfo }): RequestScope {
  const { exchange, info, user } = request;
  const kind = core.kinds.get(info.group, info.version, info.resource);
  if (!kind || (kind.namespaced ? false : info.namespace !== '' && info.resource !== 'namespaces')) throw noSuchResource();
  return {
    user,
    info,
    kind,
    checkCreate: () => checkMayCreate(core.access, { user, info }),
    warn: (text) => exchange.warn(text),
    annotate: (key, value) => exchange.annotate(key, value),
    audit: exchange.audit,
    get signal() {
      return exchange.signal;
    },
    get isCancelled() {
      return exchange.isCancelled;
    },
  };
}
