import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { sinkOf } from './byte-sink.ts';
import { certificateOf, withIdentityLines } from './connection-identity.ts';
import { compressed, readBody } from './http-body.ts';
import type { ByteSink, HttpHandler, HttpHeaders, HttpRequest, HttpResponse, PeerCertificate } from './http-server.ts';

const nothing = Buffer.alloc(0);

const plug = Buffer.alloc(1);

/**
 * A body of known length. Its end is kept back until the reply is out, by a byte of ours before it: a stream that has been read to its end is destroyed
 * before Node hears that the last write is done, and then Node makes an error, stack and all, that nobody gets.
 */
function readKnown(stream: ServerHttp2Stream, length: number): Promise<Buffer> {
  if (length === 0) return Promise.resolve(nothing);
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('the client went away'));
    if (stream.destroyed) return gone();
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      if (size < length) return;
      stream.off('data', take);
      stream.off('close', gone);
      stream.pause();
      stream.unshift(plug);
      stream.once('finish', () => stream.resume());
      resolve(chunks.length === 1 ? chunk : Buffer.concat(chunks));
    };
    stream.on('data', take);
    stream.once('close', gone);
  });
}

/** One request over HTTP/2. Nothing costly happens until it is asked for. */
class Http2Request implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HttpHeaders;
  private readonly stream: ServerHttp2Stream;
  /** The session forgets its socket when it ends. */
  private readonly socket: TLSSocket | undefined;
  private controller: AbortController | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) {
    this.stream = stream;
    this.socket = stream.session?.socket as TLSSocket | undefined;
    this.method = headers[':method'] ?? 'GET';
    this.url = headers[':path'] ?? '/';
    this.headers = withIdentityLines(headers, rawHeaders);
  }

  get remoteAddress(): string {
    return this.socket?.remoteAddress ?? '';
  }

  get secure(): boolean {
    return true;
  }

  get certificate(): PeerCertificate | undefined {
    const { session } = this.stream;
    return session && this.socket ? certificateOf(session, this.socket) : undefined;
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      const controller = new AbortController();
      const abort = (): void => controller.abort(new Error('client went away'));
      // A client may have gone before anybody asked.
      if (this.stream.destroyed) abort();
      else this.stream.once('close', abort);
      this.controller = controller;
    }
    return this.controller.signal;
  }

  body(maxBytes: number): Promise<Buffer> {
    const length = Number(this.headers['content-length'] ?? Number.NaN);
    return length <= maxBytes ? readKnown(this.stream, length) : readBody(this.stream, maxBytes);
  }

  bodyStream(): AsyncIterable<Uint8Array> {
    return this.stream as AsyncIterable<Uint8Array>;
  }
}

/** Of HTTP/1.1 connections; HTTP/2 has no such headers, and replies that are passed on may hold them. */
const connectionHeaders = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']);

function headOf(status: number, headers: HttpHeaders): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { ':status': status };
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !connectionHeaders.has(name)) head[name] = typeof value === 'string' ? value : [...value];
  }
  return head;
}

class Http2Response implements HttpResponse {
  private readonly wire: ServerHttp2Stream;
  private readonly isHead: boolean;

  constructor(stream: ServerHttp2Stream, isHead: boolean) {
    this.wire = stream;
    this.isHead = isHead;
  }

  private get isOver(): boolean {
    return this.wire.destroyed || this.wire.closed || this.wire.headersSent;
  }

  send(status: number, headers: HttpHeaders, body: Uint8Array | string = ''): void {
    if (this.isOver) return;
    const head = headOf(status, headers);
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const bodiless = status === 204 || status === 304;
    if (!bodiless) head['content-length'] = length;
    const endStream = bodiless || length === 0 || this.isHead;
    this.wire.respond(head, { endStream });
    if (!endStream) this.wire.end(body);
  }

  stream(status: number, headers: HttpHeaders): ByteSink {
    if (!this.isOver) this.wire.respond(headOf(status, headers));
    return sinkOf(this.wire);
  }

  retire(): void {
    this.wire.session?.close();
  }

  gzip(body: Uint8Array): Promise<Buffer> {
    return compressed(body);
  }
}

/** Serves the streams of a server; tunnels are refused, and who asks first whether a body is welcome is told so. */
export function onStream(handler: HttpHandler) {
  return (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: readonly string[] = []): void => {
    // A client that goes away mid-body or mid-reply is no failure of ours; the handler sees it by `signal` and `closed`.
    stream.on('error', () => undefined);
    if (headers[':method'] === 'CONNECT') {
      stream.respond({ ':status': 405 }, { endStream: true });
      return;
    }
    if (headers['expect'] === '100-continue') stream.additionalHeaders({ ':status': 100 });
    void handler.request(new Http2Request(stream, headers, rawHeaders), new Http2Response(stream, headers[':method'] === 'HEAD'));
  };
}
