import { internalError } from '@orrery/errors';
import { type ExchangeReply, type HeaderList, type ProxyUpgradeOptions, exchange, frameByFrame, headerList, proxyUpgrade, streamOfSocket, upgradeProtocol } from '@orrery/http';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { ConnectRequest } from '../pipeline/index.ts';
import type { Backend } from './backend.ts';

/** Meant for this server or for one connection only. */
const ownHeaders = new Set(['authorization', 'x-orrery-node', 'host', 'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'content-length', 'upgrade', 'http2-settings']);
const bearerProtocol = 'base64url.bearer.authorization.k8s.io.';

function withoutToken(value: string): string {
  return value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !one.startsWith(bearerProtocol))
    .join(', ');
}

/** The client's headers as far as a backend may see them: no credentials, no impersonation. */
function forwarded(headers: HttpHeaders, keep: (name: string) => boolean): [string, string][] {
  return headerList(headers)
    .filter(([name]) => !name.startsWith(':') && !name.startsWith('impersonate-') && keep(name))
    .map(([name, value]): [string, string] => [name, name === 'sec-websocket-protocol' ? withoutToken(value) : value])
    .filter(([name, value]) => name !== 'sec-websocket-protocol' || value !== '');
}

/** A request that goes on to a backend, and where its reply goes. */
export interface PassedOn {
  readonly http: Pick<ConnectRequest['http'], 'method' | 'url' | 'headers' | 'signal' | 'bodyStream'>;
  readonly response?: ConnectRequest['response'];
  readonly socket?: ConnectRequest['socket'];
}

/** One entry a name with all its values, each of which goes on in a line of its own. */
function valuesByName(list: HeaderList): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const [name, value] of list) (out[name.toLowerCase()] ??= []).push(value);
  return out;
}

/** Passes an upgrade on and joins the two connections until either ends; resolves with the status of the backend's reply. Rejects before anything was sent to the client. */
export async function joinUpgrade(request: PassedOn, backend: Backend, options: { target: string; extra?: HeaderList; check?: ProxyUpgradeOptions['check'] }): Promise<number> {
  if (!request.socket) throw new Error('not an upgrade');
  const { method, headers, url } = request.http;
  const kept = forwarded(headers, (name) => !['authorization', 'host', 'content-length', 'x-orrery-node'].includes(name));
  const sent = valuesByName([...kept, ...(backend.headers ?? []), ...(options.extra ?? [])]);
  const { socket } = request;
  const stream = streamOfSocket(socket);
  const client = upgradeProtocol(request.http) === 'websocket' ? frameByFrame(stream, () => socket.flushed()) : stream;
  const { status } = await proxyUpgrade({ request: { method, url, headers: sent }, client, backend: backend.stream, target: options.target, host: backend.host, ...(options.check ? { check: options.check } : {}) });
  return status;
}

export async function passOnUpgrade(request: PassedOn, backend: Backend, target: string): Promise<void> {
  try {
    await joinUpgrade(request, backend, { target });
  } catch (error) {
    throw internalError(error);
  }
}

/** `exchangeWith`; what goes wrong is a 500, unless `failed` says what it is. */
export async function ask(request: PassedOn, backend: Backend, options: { target: string; extra?: HeaderList; failed?: (error: unknown) => Error }): Promise<ExchangeReply> {
  try {
    return await exchangeWith(request, backend, options);
  } catch (error) {
    throw (options.failed ?? internalError)(error);
  }
}

/** Sends the request to the backend; ends it when the client goes away. */
export function exchangeWith(request: PassedOn, backend: Backend, options: { target: string; extra?: HeaderList }): Promise<ExchangeReply> {
  const { method, headers, signal } = request.http;
  const drop = (): void => backend.stream.close();
  if (signal.aborted) drop();
  else signal.addEventListener('abort', drop, { once: true });
  const kept = forwarded(headers, (name) => !ownHeaders.has(name));
  const hasBody = headers['content-length'] !== undefined ? headers['content-length'] !== '0' : headers['transfer-encoding'] !== undefined || ['POST', 'PUT', 'PATCH'].includes(method);
  return exchange(backend.stream, {
    method,
    target: options.target,
    headers: [['Host', backend.host], ...kept, ...(backend.headers ?? []), ...(options.extra ?? [])],
    ...(hasBody ? { body: request.http.bodyStream() } : {}),
  });
}

/** Copies a reply to the client as it arrives. */
export async function relay(request: PassedOn, reply: ExchangeReply, headers: HttpHeaders): Promise<void> {
  const sink = request.response?.stream(reply.status, headers);
  if (!sink) throw new Error('an upgrade has no plain reply');
  try {
    for await (const bytes of reply.body) {
      if (sink.closed) break;
      if (!sink.write(bytes)) await sink.drained();
    }
  } finally {
    sink.end();
  }
}
