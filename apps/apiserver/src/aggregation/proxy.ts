import { type ExchangeReply, type HeaderList, headerValue } from '@orrery/http';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { DelegatedRequest } from '../pipeline/aggregation.ts';
import { responseHead } from '../http/upgrade.ts';
import type { Backend } from '../streaming/backend.ts';
import { type PassedOn, exchangeWith, joinUpgrade, relay } from '../streaming/pass-on.ts';
import type { RemoteService } from './api-service.ts';
import { type ConnectionNeeds, authority, endpointOf, openBackend } from './connection.ts';
import { withoutIdentity } from './identity-headers.ts';

/** What upstream lets no other server say: scripts of strangers get no access through this one. */
const corsHeader = /^access-control-allow-(credentials|headers|methods|origin)$/;
const redirected = 'the backend attempted to redirect this request, which is not permitted';

const discoveryTimeoutMs = 5_000;

const hopHeaders = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

/** A failure of the aggregator itself: plain text, as upstream tells it. */
function refuse(request: DelegatedRequest, code: number, body: string): void {
  request.onStatus(code);
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache, private', ...request.headers };
  if (request.response) request.response.send(code, headers, body);
  else if (request.socket && !request.socket.closed) {
    request.socket.write(Buffer.from(`${responseHead(code, { ...headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' })}${body}`));
    request.socket.end();
  }
}

/** The reply's headers, repeated ones with all their values; those of this server replace the other's. */
function replyHeaders(reply: ExchangeReply, own: HttpHeaders): HttpHeaders {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of reply.headers) {
    const key = name.toLowerCase();
    const known = out[key];
    if (hopHeaders.has(key) || corsHeader.test(key)) continue;
    out[key] = known === undefined ? value : [known, value].flat();
  }
  return { ...out, ...own };
}

/** A server behind this one could lead clients, with their credentials, anywhere. */
function isRedirect(reply: Pick<ExchangeReply, 'status' | 'headers'>): boolean {
  return reply.status >= 300 && reply.status <= 399 && reply.headers.some(([name, value]) => name.toLowerCase() === 'location' && value !== '');
}

function refuseRedirect(head: Pick<ExchangeReply, 'status' | 'headers'>): void {
  if (isRedirect(head)) throw new Error(redirected);
}

/** What tells the other server how the client reached this one. */
function forwarding({ http, auditId }: DelegatedRequest): HeaderList {
  const host = headerValue(http.headers, 'host') ?? headerValue(http.headers, ':authority') ?? '';
  const known = headerValue(http.headers, 'x-forwarded-for');
  return [
    ['X-Forwarded-For', known ? `${known}, ${http.remoteAddress}` : http.remoteAddress],
    ['X-Forwarded-Host', host],
    ['X-Forwarded-Proto', http.secure ? 'https' : 'http'],
    ['X-Forwarded-Uri', http.url.split('?')[0] ?? ''],
    ['Audit-Id', auditId],
  ];
}

const told = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-uri', 'audit-id']);

function passedOn(request: DelegatedRequest, signal: AbortSignal): PassedOn {
  const { http, response, socket } = request;
  const headers = Object.fromEntries(Object.entries(withoutIdentity(http.headers)).filter(([name]) => !told.has(name)));
  return {
    http: { method: http.method, url: http.url, headers, signal, bodyStream: () => http.bodyStream() },
    ...(response ? { response } : {}),
    ...(socket ? { socket } : {}),
  };
}

/** Aborts with the request, or when a server is too slow to say what it serves: all clients wait for that. */
function limited(request: DelegatedRequest, { clock }: ConnectionNeeds['env']): { readonly signal: AbortSignal; readonly end: () => void } {
  const isDiscovery = (request.http.url.split('?')[0] ?? '').replace(/^\/+|\/+$/g, '').split('/').length === 3;
  if (!isDiscovery || request.socket) return { signal: request.signal, end: () => undefined };
  const own = new AbortController();
  const late = clock.after(discoveryTimeoutMs, () => own.abort(new Error('context deadline exceeded')));
  return { signal: AbortSignal.any([request.signal, own.signal]), end: () => late.cancel() };
}

/** Rejects with the signal's reason as soon as it aborts, whatever comes of the promise. */
function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** A connection that comes when nobody waits for it any more is closed. */
function opened(opening: Promise<Backend>, signal: AbortSignal): Promise<Backend> {
  opening.then((backend) => signal.aborted && backend.stream.close(), () => undefined);
  return until(opening, signal);
}

/** Passes an authorized request on to the server behind an APIService, and its reply back as it arrives. */
export async function proxyTo(remote: RemoteService, request: DelegatedRequest, needs: ConnectionNeeds): Promise<void> {
  const { log } = needs.env;
  if (!remote.isAvailable) return refuse(request, 503, 'service unavailable\n');
  let to: ReturnType<typeof endpointOf>;
  try {
    to = endpointOf(remote, needs);
  } catch (error) {
    log.warn('no way to the service of an APIService', { name: remote.name, error });
    return refuse(request, 503, 'service unavailable\n');
  }
  const limit = limited(request, needs.env);
  const on = passedOn(request, limit.signal);
  const options = { target: request.http.url, extra: forwarding(request) };
  let backend: Backend;
  let reply: ExchangeReply;
  try {
    backend = await opened(openBackend(remote, request.user, { needs, to }), limit.signal);
    if (on.socket) {
      request.onStatus(101);
      request.onStatus(await joinUpgrade(on, backend, { ...options, check: refuseRedirect }));
      return;
    }
    reply = await until(exchangeWith(on, backend, options), limit.signal);
  } catch (error) {
    limit.end();
    log.debug('a request could not be passed on', { name: remote.name, to: authority(to), error });
    const { message } = error as Error;
    return refuse(request, 503, on.socket ? `${message}\n` : `error trying to reach service: ${message}\n`);
  }
  limit.end();
  if (isRedirect(reply)) {
    backend.stream.close();
    return refuse(request, 502, redirected);
  }
  request.onStatus(reply.status);
  await relay(on, reply, replyHeaders(reply, request.headers)).catch((error: unknown) => log.debug('a reply ended early', { name: remote.name, error }));
}
