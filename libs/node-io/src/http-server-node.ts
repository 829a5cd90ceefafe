import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  BodyTooLargeError,
  type ByteSink,
  type HttpHandler,
  type HttpHeaders,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  type HttpServerOptions,
  type PeerCertificate,
  type RawSocket,
} from './http-server.ts';

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

const compress = promisify(gzip);
const certificates = new WeakMap<object, PeerCertificate | null>();

/** The certificate of a connection, read once; requests of one HTTP/2 session share it. */
function certificateOf(request: AnyRequest): PeerCertificate | undefined {
  const session = 'stream' in request ? request.stream.session : undefined;
  const socket = (session?.socket ?? request.socket) as TLSSocket;
  const key = session ?? socket;
  const known = certificates.get(key);
  if (known !== undefined) return known ?? undefined;
  const found = readCertificate(socket);
  certificates.set(key, found ?? null);
  return found;
}

function readCertificate(socket: TLSSocket): PeerCertificate | undefined {
  if (!socket.encrypted || !socket.authorized) return undefined;
  const raw = socket.getPeerCertificate();
  if (!raw?.subject) return undefined;
  const { CN, O } = raw.subject as { CN?: string | string[]; O?: string | string[] };
  return {
    commonName: [CN ?? ''].flat()[0] ?? '',
    organizations: O === undefined ? [] : [O].flat(),
    raw: raw.raw,
    notAfterMs: Date.parse(raw.valid_to),
  };
}

/**
 * Headers that name users and groups come one value a line, and the values may hold commas: they are kept apart, where Node would
 * join the lines.
 */
function withIdentityLines(request: AnyRequest): HttpHeaders {
  const { headers, rawHeaders } = request;
  let out: Record<string, string | readonly string[] | undefined> | undefined;
  for (const name in headers) {
    if (!name.startsWith('x-remote-') && !name.startsWith('impersonate-')) continue;
    out ??= { ...headers };
    out[name] = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);
  }
  return out ?? headers;
}

/** What ends with the request: the reply (over HTTP/2 the stream below knows whether it has), or the upgraded connection. */
interface Closing {
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean };
  once(event: 'close', fn: () => void): unknown;
}

/** One request of either protocol version. Nothing costly happens until it is asked for. */
class NodeRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HttpHeaders;
  private readonly request: AnyRequest;
  private readonly closing: Closing;
  private controller: AbortController | undefined;

  constructor(request: AnyRequest, closing: Closing) {
    this.request = request;
    this.closing = closing;
    this.method = request.method ?? 'GET';
    this.url = request.url ?? '/';
    this.headers = withIdentityLines(request);
  }

  get remoteAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get secure(): boolean {
    return 'encrypted' in this.request.socket && this.request.socket.encrypted === true;
  }

  get certificate(): PeerCertificate | undefined {
    return certificateOf(this.request);
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      const controller = new AbortController();
      const abort = (): void => controller.abort(new Error('client went away'));
      // A client may have gone before anybody asked.
      if ((this.closing.stream ?? this.closing).destroyed) abort();
      else this.closing.once('close', abort);
      this.controller = controller;
    }
    return this.controller.signal;
  }

  body(maxBytes: number): Promise<Buffer> {
    const { request } = this;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBytes) chunks.push(chunk);
        else reject(new BodyTooLargeError(`body exceeds ${maxBytes} bytes`));
        // What is too much is still read and dropped, so that the connection lives to carry the refusal.
      });
      request.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
      request.once('error', reject);
      request.once('close', () => reject(new Error('the client went away')));
    });
  }

  bodyStream(): AsyncIterable<Uint8Array> {
    return this.request as AsyncIterable<Uint8Array>;
  }
}

interface Writable {
  write(bytes: Uint8Array): boolean;
  end(): unknown;
  once(event: string, fn: () => void): unknown;
  off(event: string, fn: () => void): unknown;
  readonly destroyed?: boolean;
}

function sinkOf(writable: Writable): ByteSink {
  let closed = false;
  writable.once('close', () => (closed = true));
  const isClosed = (): boolean => closed || writable.destroyed === true;
  return {
    write: (bytes) => (isClosed() ? true : writable.write(bytes)),
    drained: () =>
      new Promise((resolve) => {
        if (isClosed()) return resolve();
        const done = (): void => {
          writable.off('drain', done);
          writable.off('close', done);
          resolve();
        };
        writable.once('drain', done);
        writable.once('close', done);
      }),
    end: () => {
      if (!isClosed()) writable.end();
    },
    get closed() {
      return isClosed();
    },
  };
}

function definedHeaders(headers: HttpHeaders): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) out[name] = typeof value === 'string' ? value : [...value];
  return out;
}

class NodeResponse implements HttpResponse {
  private readonly response: AnyResponse;

  constructor(response: AnyResponse) {
    this.response = response;
  }

  send(status: number, headers: HttpHeaders, body: Uint8Array | string = ''): void {
    const response = this.response as ServerResponse;
    if (response.destroyed || response.headersSent) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const bodiless = status === 204 || status === 304;
    response.writeHead(status, { ...definedHeaders(headers), ...(bodiless ? {} : { 'content-length': String(length) }) });
    response.end(bodiless ? undefined : body);
  }

  stream(status: number, headers: HttpHeaders): ByteSink {
    const response = this.response as ServerResponse;
    if (!response.destroyed && !response.headersSent) {
      response.writeHead(status, definedHeaders(headers));
      response.flushHeaders();
    }
    // The stream below an HTTP/2 response takes writes without the checks of HTTP/1's interface: watches are many small writes.
    return sinkOf((response as unknown as Http2ServerResponse).stream ?? response);
  }

  retire(): void {
    const { response } = this;
    if ('stream' in response) response.stream?.session?.close();
    else if (!response.headersSent) response.shouldKeepAlive = false;
  }

  gzip(body: Uint8Array): Promise<Buffer> {
    return compress(body, { level: 1 }) as Promise<Buffer>;
  }
}

const nothing = Buffer.alloc(0);

function rawSocket(socket: Duplex, head: Buffer): RawSocket {
  if (head.length) socket.unshift(head);
  const sink = sinkOf(socket);
  return {
    write: sink.write,
    drained: sink.drained,
    end: sink.end,
    get closed() {
      return sink.closed;
    },
    readable: socket as AsyncIterable<Uint8Array>,
    flushed: () => (sink.closed || socket.writableLength === 0 ? Promise.resolve() : new Promise((resolve) => socket.write(nothing, () => resolve()))),
    // What was written before `end` must still arrive.
    destroy: () => void (socket.writableEnded ? (socket as Socket).destroySoon() : socket.destroy()),
  };
}

function onRequest(handler: HttpHandler) {
  return (request: AnyRequest, response: AnyResponse): void => {
    // A client that goes away mid-body or mid-reply is no failure of ours; the handler sees it by `signal` and `closed`.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    void handler.request(new NodeRequest(request, response as unknown as Duplex), new NodeResponse(response));
  };
}

function onUpgrade(handler: HttpHandler) {
  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => undefined);
    (socket as Socket).setNoDelay?.(true);
    if (!handler.upgrade) {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    void handler.upgrade(new NodeRequest(request, socket), rawSocket(socket, head));
  };
}

function secureContext(tls: { cert: string; key: string; clientCa?: string }) {
  return { cert: tls.cert, key: tls.key, ...(tls.clientCa ? { ca: tls.clientCa } : {}) };
}

function buildServer({ handler, tls }: HttpServerOptions): Server | Http2SecureServer {
  if (!tls) return createServer(onRequest(handler));
  return createSecureServer(
    {
      ...secureContext(tls),
      allowHTTP1: true,
      requestCert: tls.clientCa !== undefined,
      rejectUnauthorized: false,
      settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
    },
    onRequest(handler),
  );
}

/** Serves HTTP/2 and HTTP/1.1 on one TLS port, or plain HTTP/1.1. */
export async function serveHttp(options: HttpServerOptions): Promise<HttpServer> {
  const server = buildServer(options);
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.once('close', () => sessions.delete(session));
  });
  server.on('upgrade', onUpgrade(options.handler));
  server.on('tlsClientError', () => options.onTlsError?.());
  server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    setTls: (tls) => (server as Http2SecureServer).setSecureContext(secureContext(tls)),
    drain: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.close();
      }),
    close: () =>
      new Promise((resolve) => {
        // The callback also comes when the server was told before.
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
        for (const socket of sockets) socket.destroy();
      }),
  };
}
