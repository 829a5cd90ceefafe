import { type ByteStream, splice } from './byte-stream.ts';
import { readBody, responseFraming } from './http1/body.ts';
import { type HeaderMap, type ResponseHead, formatRequestHead, formatResponseHead, headerList, headerMap, headerValue, headerValues, readResponseHead } from './http1/head.ts';

/** An HTTP/1.1 request that asks for an upgrade (`HttpRequest` of @orrery/node-io is one). */
export interface UpgradeRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: HeaderMap;
}

export type UpgradeProtocol = 'websocket' | 'spdy/3.1';

/** What the client wants to speak, in lower case; undefined when it is nothing we know. */
export function upgradeProtocol(request: UpgradeRequest): UpgradeProtocol | undefined {
  if (!headerValues(request.headers, 'connection').some((token) => token.toLowerCase() === 'upgrade')) return undefined;
  const wanted = headerValue(request.headers, 'upgrade')?.toLowerCase();
  return wanted === 'websocket' || wanted === 'spdy/3.1' ? wanted : undefined;
}

/** Refuses an upgrade: a plain HTTP reply, then the connection is closed. */
export async function refuseUpgrade(stream: ByteStream, refusal: { status: number; reason: string; message: string; headers?: readonly (readonly [string, string])[] }): Promise<void> {
  const body = Buffer.from(refusal.message);
  const headers: [string, string][] = [
    ...(refusal.headers ?? []).map(([name, value]): [string, string] => [name, value]),
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(body.length)],
    ['Connection', 'close'],
  ];
  await stream.write(Buffer.concat([formatResponseHead({ status: refusal.status, reason: refusal.reason, headers }), body]));
  await stream.closeWrite();
  stream.close();
}

export interface ProxyUpgradeOptions {
  readonly request: UpgradeRequest;
  /** The client's connection after its request head. */
  readonly client: ByteStream;
  /** A fresh connection to the backend. */
  readonly backend: ByteStream;
  /** Path and query there; default the request's. */
  readonly target?: string;
  /** Value of Host. */
  readonly host: string;
  /** Headers that are not passed on, lower case (`authorization` …). */
  readonly dropHeaders?: readonly string[];
  /** Sees the backend's answer first; what it throws ends the attempt before anything was sent to the client. */
  readonly check?: (head: ResponseHead) => void;
}

/**
 * Passes an upgrade on to a backend: sends the client's handshake as it is, copies the backend's answer, and, if that
 * is 101, splices the two connections byte by byte. Nothing of the protocol inside is looked at. Resolves when it is
 * over, with the answer's head. Rejects, with nothing yet sent to the client, when the backend does not answer.
 */
export async function proxyUpgrade(options: ProxyUpgradeOptions): Promise<ResponseHead> {
  const { request, client, backend, host } = options;
  const dropped = new Set(['host', ...(options.dropHeaders ?? [])]);
  const headers = [['Host', host] as const, ...headerList(request.headers).filter(([name]) => !dropped.has(name.toLowerCase()))];
  try {
    await backend.write(formatRequestHead({ method: request.method, target: options.target ?? request.url, headers: repeatable(headers) }));
  } catch (error) {
    backend.close();
    throw error;
  }
  const { head, rest } = await readResponseHead(backend).catch((error: unknown) => {
    backend.close();
    throw error;
  });
  try {
    options.check?.(head);
  } catch (error) {
    backend.close();
    throw error;
  }
  if (head.status === 101) {
    await client.write(formatResponseHead(head));
    await splice(client, rest);
    return head;
  }
  const kept = head.headers.filter(([name]) => !['transfer-encoding', 'connection'].includes(name.toLowerCase()));
  await client.write(formatResponseHead({ ...head, headers: [...kept, ['Connection', 'close']] }));
  for await (const bytes of readBody(rest, responseFraming({ method: request.method, status: head.status, headers: headerMap(head.headers) }))) await client.write(bytes);
  await client.closeWrite();
  client.close();
  backend.close();
  return head;
}

/** Servers in Go take sub-protocol offers only one a header line. */
function repeatable(headers: readonly (readonly [string, string])[]): [string, string][] {
  return headers.flatMap(([name, value]) => (name.toLowerCase() === 'x-stream-protocol-version' ? value.split(',').map((one): [string, string] => [name, one.trim()]) : [[name, value] as [string, string]]));
}
