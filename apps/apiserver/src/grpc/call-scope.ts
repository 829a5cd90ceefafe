import { userAgentKey } from '@orrery/client';
import { methodNotSupported, unauthorized } from '@orrery/errors';
import type { PeerCertificate } from '@orrery/node-io/http-server';
import { certificateEnd, certificateSubject, verifyCertificate } from '@orrery/node-io/pki';
import type { Resource } from '@orrery/proto/api';
import type { CallContext } from '@orrery/rpc';
import { type DelegatedRead, delegatedRead, isDelegated } from '../client/delegated-read.ts';
import { sourceIps } from '../http/audit.ts';
import { unservedResource } from '../http/scope.ts';
import { checkAllowed, checkMayCreate, identify } from '../pipeline/access.ts';
import { beginCall, failCall } from '../pipeline/audited-call.ts';
import type { Credentials } from '../pipeline/authentication.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { resourceInfo } from '../pipeline/resource-info.ts';
import type { RequestScope } from '../registry/registry.ts';
import type { ApiServerCore } from '../server.ts';

const maxKnown = 4096;
/** By the DER of certificates that verified: a connection shows the same one with every call. */
const verified = new Map<string, PeerCertificate>();

/** The certificate that a client showed, once it has verified against the client CA. Throws 401 for one that does not. */
function verifiedCertificate(shown: Uint8Array, { clientCa, nowMs }: { clientCa: string; nowMs: number }): PeerCertificate {
  const raw = Buffer.from(shown);
  const key = `${clientCa.length}:${raw.toString('base64')}`;
  const known = verified.get(key);
  if (known) return known;
  if (!clientCa || verifyCertificate(raw, { caBundle: clientCa, nowMs, usage: 'client auth' }) !== undefined) throw unauthorized();
  const certificate = { ...certificateSubject(raw), raw, notAfterMs: certificateEnd(raw) };
  if (verified.size >= maxKnown) verified.clear();
  verified.set(key, certificate);
  return certificate;
}

/** What a gRPC call shows of its sender: metadata as headers, and the client certificate if it holds. */
export function credentialsOf(core: ApiServerCore, context: CallContext): Credentials {
  const { commonName, organizations = [], address, shownCertificate } = context.peer;
  const { config, env } = core.registry;
  const rest = { headers: context.metadata, remoteAddress: address };
  if (shownCertificate) return { ...rest, certificate: verifiedCertificate(shownCertificate, { clientCa: config.clientCa, nowMs: env.clock.now() }) };
  return commonName ? { ...rest, certificate: { commonName, organizations, raw: new Uint8Array(), notAfterMs: Number.POSITIVE_INFINITY } } : rest;
}

/** What audit records and servers that a call is passed on to know of its program. */
const agentOf = ({ metadata }: Pick<CallContext, 'metadata'>): string => metadata[userAgentKey] ?? metadata['user-agent'] ?? '';

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
  return identify(core.access, credentialsOf(core, context), info);
}

/** A read of what another server has; undefined for what is served here, or by nobody. */
export function delegatedCall(core: ApiServerCore, call: { user: UserInfo; resource: Resource | undefined; verb: string; context: CallContext }, query: DelegatedRead['query']): Promise<unknown> | undefined {
  const { group = '', version = '', resource = '', namespace = '', name = '', subresource = '' } = call.resource ?? {};
  if (core.kinds.get(group, version, resource)) return undefined;
  const info = resourceInfo({ group, version, resource, verb: call.verb, namespace, name, subresource }, namespace !== '');
  if (!isDelegated(core, info)) return undefined;
  const { peer, metadata, signal } = call.context;
  return delegatedRead(core, { user: call.user, info, query, signal, sourceIps: sourceIps({ headers: {}, remoteAddress: peer.address }), userAgent: agentOf({ metadata }) });
}

/** Authorizes one request of a call. */
export async function callScope(
  core: ApiServerCore,
  call: { user: UserInfo; resource: Resource | undefined; verb: string; context: CallContext; selectors?: Selectors; signal?: AbortSignal },
): Promise<ScopedCall> {
  const { group = '', version = '', resource = '', namespace = '', name = '', subresource = '' } = call.resource ?? {};
  const kind = core.kinds.get(group, version, resource);
  if (!kind) throw unservedResource(core, { group, resource, name, verb: call.verb });
  if (!subresource && !kind.verbs.includes(call.verb)) throw methodNotSupported({ group, resource }, call.verb);
  const { labelSelector, fieldSelector } = call.selectors ?? {};
  const info = resourceInfo({ group, version, resource, verb: call.verb, namespace, name, subresource, fieldSelector }, kind.namespaced);
  const { context } = call;
  const record = core.audit && (await beginCall(core.audit, core.registry.env, { user: call.user, info, sourceIps: sourceIps({ headers: {}, remoteAddress: context.peer.address }), userAgent: agentOf(context) }));
  const annotate = record ? { annotate: record.annotate } : {};
  try {
    await checkAllowed(core.access, { user: call.user, info, ...annotate, ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) });
  } catch (error) {
    failCall(record?.trail, error);
    throw error;
  }
  const warnings: string[] = [];
  const scope: RequestScope = {
    user: call.user,
    info,
    kind,
    checkCreate: () => checkMayCreate(core.access, { user: call.user, info }),
    warn: (text) => void (warnings.includes(text) || warnings.push(text)),
    annotate: () => undefined,
    audit: record?.trail,
    ...annotate,
    ...(call.signal ? { signal: call.signal } : {}),
  };
  return { scope, warnings };
}
