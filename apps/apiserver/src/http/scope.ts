import { StatusError } from '@orrery/errors';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import type { RequestScope } from '../registry/registry.ts';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';

/** 404 for API paths that name no resource, in the words clients know. */
export function noSuchResource(): StatusError {
  return new StatusError({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource', details: {} });
}

export function scopeOf(core: ApiServerCore, request: { exchange: Exchange; info: RequestInfo; user: UserInfo }): RequestScope {
  const { exchange, info, user } = request;
  const kind = core.kinds.get(info.group, info.version, info.resource);
  if (!kind || (kind.namespaced ? false : info.namespace !== '' && info.resource !== 'namespaces')) throw noSuchResource();
  return {
    user,
    info,
    kind,
    warn: (text) => exchange.warn(text),
    annotate: (key, value) => exchange.annotate(key, value),
    audit: exchange.audit,
    get signal() {
      return exchange.signal;
    },
  };
}
