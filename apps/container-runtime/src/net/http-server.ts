import { type ByteStream, type HeaderList, HttpParseError, chunk, formatResponseHead, headerMap, lastChunk, readBody, readRequestHead, requestFraming, unread } from '@orrery/http';
import { type Conn, type Endpoint, type Listener, NetError } from '@orrery/vnet';
import { ProcessEnded, type Proc } from '../process/proc.ts';

export interface HttpRequest {
  readonly method: string;
  /** As sent: path and query. */
  readonly target: string;
  /** Decoded path. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly headerList: HeaderList;
  readonly version: '1.0' | '1.1';
  readonly remote: Endpoint;
  readonly local: Endpoint;
  body(): Promise<Buffer>;
}

export interface HttpReply {
  readonly status: number;
  readonly headers?: HeaderList;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Default: the status's usual phrase. */
  readonly reason?: string;
  /** Takes the connection over instead of replying; it is closed when this is done. */
  readonly takeOver?: (stream: ByteStream) => Promise<void>;
}

const reasons: Readonly<Record<number, string>> = {
  100: 'Continue', 101: 'Switching Protocols', 200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content', 301: 'Moved Permanently', 302: 'Moved Temporarily', 303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect',
  400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 408: 'Request Timeout', 409: 'Conflict', 413: 'Payload Too Large', 418: "I'm a teapot", 429: 'Too Many Requests', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout',
};

export function reasonOf(status: number): string {
  return reasons[status] ?? 'Unknown';
}

/** The HTTP date of a moment: `Thu, 01 Jan 2026 00:00:00 GMT`. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** Decodes a request path; undefined when its escapes are malformed. */
function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

async function sendReply(conn: Conn, reply: HttpReply, context: { method: string; keepAlive: boolean; nowMs: number; version?: '1.0' | '1.1' }): Promise<void> {
  const { status, headers = [], body = '' } = reply;
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const bytes = typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? body : undefined;
  const extra: [string, string][] = [];
  if (!given.has('date')) extra.push(['Date', httpDate(context.nowMs)]);
  const bodyless = status === 204 || status === 304 || status < 200;
  const chunks = !bytes && !given.has('content-length') && context.version !== '1.0';
  if (!bodyless && !given.has('content-length') && !given.has('transfer-encoding') && (bytes || chunks)) extra.push(bytes ? ['Content-Length', String(bytes.length)] : ['Transfer-Encoding', 'chunked']);
  if (!given.has('connection')) extra.push(['Connection', context.keepAlive ? 'keep-alive' : 'close']);
  const head = formatResponseHead({ status, reason: reply.reason ?? reasonOf(status), headers: [...headers, ...extra] });
  if (context.method === 'HEAD' || bodyless) {
    await conn.write(head);
    return;
  }
  if (bytes) {
    await conn.write(Buffer.concat([head, bytes]));
    return;
  }
  await conn.write(head);
  const framed = given.has('content-length');
  for await (const part of body as AsyncIterable<Uint8Array>) if (part.length) await conn.write(framed ? part : chunk(part));
  if (!framed) await conn.write(lastChunk);
}

async function requestBody(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const part of body) chunks.push(part);
  return Buffer.concat(chunks);
}

async function serveConnection(proc: Proc, conn: Conn, handler: (request: HttpRequest) => Promise<HttpReply> | HttpReply): Promise<void> {
  let stream: Parameters<typeof readRequestHead>[0] = conn;
  for (;;) {
    const read = await readRequestHead(stream);
    if (!read) return;
    const { method, target, headers: headerList, version = '1.1' } = read.head;
    const headers = headerMap(headerList);
    const raw = /^https?:\/\/[^/]*/.test(target) ? target.replace(/^https?:\/\/[^/]*/, '') || '/' : target;
    const [rawPath = '/', query = ''] = raw.split(/\?(.*)/s);
    const path = decodePath(rawPath);
    const connection = headers['connection']?.toLowerCase();
    const keepAlive = version === '1.0' ? connection === 'keep-alive' : connection !== 'close';
    stream = read.rest;
    let body: Promise<Buffer> | undefined;
    let ended = false;
    const readAll = (): Promise<Buffer> => (body ??= requestBody(readBody(read.rest, requestFraming(headers), (early) => (stream = unread(read.rest, early)))));
    if (headers['expect']?.toLowerCase() === '100-continue') await conn.write(formatResponseHead({ status: 100, reason: 'Continue', headers: [] }));
    const context = { method, version, keepAlive, nowMs: proc.clock.now() };
    if (path === undefined) await sendReply(conn, { status: 400, body: 'Bad Request\n' }, context);
    else {
      const request: HttpRequest = { method, target, path, query: new URLSearchParams(query), headers, headerList, version, remote: conn.remote, local: conn.local, body: readAll };
      proc.host.load.request();
      const reply = await handler(request);
      if (reply.takeOver) return reply.takeOver(stream);
      await sendReply(conn, reply, context);
      // Without a length a 1.0 client knows the end only by the connection's.
      ended = version === '1.0' && typeof reply.body === 'object' && !(reply.body instanceof Uint8Array);
    }
    await readAll();
    if (!keepAlive || ended) return;
  }
}

/** Where to listen; with `secure` behind TLS (`proc.net.servers.tls`). */
export type HttpAddress = Endpoint & { readonly secure?: ((conn: Conn) => Promise<Conn>) | undefined };

type Handler = (request: HttpRequest) => Promise<HttpReply> | HttpReply;

async function serveSecured(proc: Proc, conn: Conn, handler: Handler): Promise<void> {
  try {
    await serveConnection(proc, conn, handler);
    await conn.closeWrite();
  } finally {
    conn.close();
  }
}

/** Serves HTTP/1.1 with keep-alive on the pod's network until the process ends or the listener is closed. */
export function serveHttp(proc: Proc, at: HttpAddress, handler: Handler): Listener {
  const { secure } = at;
  return proc.net.listen({ ip: at.ip, port: at.port }, (conn) => {
    (secure ? secure(conn).then((inner) => serveSecured(proc, inner, handler)) : serveConnection(proc, conn, handler))
      .catch(async (error: unknown) => {
        if (error instanceof HttpParseError) await sendReply(conn, { status: 400, body: '400 Bad Request' }, { method: 'GET', keepAlive: false, nowMs: proc.clock.now() });
        else if (!(error instanceof NetError || error instanceof ProcessEnded)) throw error;
      })
      .catch((error: unknown) => {
        if (!(error instanceof NetError)) void proc.err(`http server: ${(error as Error).message}\n`).catch(() => conn.close());
      })
      .finally(() => conn.close());
  });
}
