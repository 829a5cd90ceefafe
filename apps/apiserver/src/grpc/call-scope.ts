import { methodNotSupported, notFound } from '@orrery/errors';
import type { Resource } from '@orrery/proto/api';
import type { CallContext } from '@orrery/rpc';
import { checkAllowed, identify } from '../pipeline/access.ts';
import type { Credentials } from '../pipeline/authentication.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { resourceInfo } from '../pipeline/resource-info.ts';
import type { RequestScope } from '../registry/registry.ts';
import type { ApiServerCore } from '../server.ts';

/** What a gRPC call shows of its sender: metadata as headers, the client certificate that the connection verified. */
export function credentialsOf(context: CallContext): Credentials {
  const { commonName, organizations = [], address } = context.peer;
  const certificate = commonName ? { certificate: { commonName, organizations, raw: new Uint8Array(), notAfterMs: Number.POSITIVE_INFINITY } } : {};
  return { headers: context.metadata, remoteAddress: address, ...certificate };
}

export interface ScopedCall {
  readonly scope: RequestScope;
  readonly warnings: readonly string[];
}

export interface Selectors {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** The user of a call, asked once: a stream of writes has one sender. */
export function callUser(core: ApiServerCore, context: CallContext): Promise<UserInfo> {
  const info = { isResource: false, path: '/orrery.api.v1', verb: 'post', group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  return identify(core.access, credentialsOf(context), info);
}

/** Authorizes one request of a call. */
export async function callScope(
  core: ApiServerCore,
  call: { user: UserInfo; resource: Resource | undefined; verb: string; selectors?: Selectors; signal?: AbortSignal },
): Promise<ScopedCall> {
  const { group = '', version = '', resource = '', namespace = '', name = '', subresource = '' } = call.resource ?? {};
  const kind = core.kinds.get(group, version, resource);
  if (!kind) throw notFound({ group, resource, name });
  if (!subresource && !kind.verbs.includes(call.verb)) throw methodNotSupported({ group, resource }, call.verb);
  const { labelSelector, fieldSelector } = call.selectors ?? {};
  const info = resourceInfo({ group, version, resource, verb: call.verb, namespace, name, subresource, fieldSelector }, kind.namespaced);
  await checkAllowed(core.access, { user: call.user, info, ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) });
  const warnings: string[] = [];
  const scope: RequestScope = {
    user: call.user,
    info,
    kind,
    warn: (text) => void (warnings.includes(text) || warnings.push(text)),
    annotate: () => undefined,
    ...(call.signal ? { signal: call.signal } : {}),
  };
  return { scope, warnings };
}
