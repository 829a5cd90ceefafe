import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { sinkOf } from './byte-sink.ts';
import { certificateOf, withIdentityLines } from './connection-identity.ts';
import { compressed, readBody } from './http-body.ts';
import type { ByteSink, HttpHeaders, HttpRequest, HttpResponse, PeerCertificate } from './http-server.ts';

/** What ends with the request: the reply, or the upgraded connection. */
interface Closing {
  readonly destroyed?: boolean;
  once(event: 'close', fn: () => void): unknown;
}

/** Nothing costly happens until it is asked for. */
export class Http1Request implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HttpHeaders;
  private readonly request: IncomingMessage;
  private readonly closing: Closing;
  private controller: AbortController | undefined;

  constructor(request: IncomingMessage, closing: Closing) {
    this.request = request;
    this.closing = closing;
    this.method = request.method ?? 'GET';
    this.url = request.url ?? '/';
    this.headers = withIdentityLines(request.headers, request.rawHeaders);
  }

  get remoteAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get secure(): boolean {
    return 'encrypted' in this.request.socket && this.request.socket.encrypted === true;
  }

  get certificate(): PeerCertificate | undefined {
    return certificateOf(this.request.socket, this.request.socket as TLSSocket);
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      const controller = new AbortController();
      const abort = (): void => controller.abort(new Error('client went away'));
      // A client may have gone before anybody asked.
      if (this.closing.destroyed) abort();
      else this.closing.once('close', abort);
      this.controller = controller;
    }
    return this.controller.signal;
  }

  body(maxBytes: number): Promise<Buffer> {
    return readBody(this.request, maxBytes);
  }

  bodyStream(): AsyncIterable<Uint8Array> {
    return this.request as AsyncIterable<Uint8Array>;
  }
}

function definedHeaders(headers: HttpHeaders): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) out[name] = typeof value === 'string' ? value : [...value];
  return out;
}

export class Http1Response implements HttpResponse {
  private readonly response: ServerResponse;

  constructor(response: ServerResponse) {
    this.response = response;
  }

  send(status: number, headers: HttpHeaders, body: Uint8Array | string = ''): void {
    const { response } = this;
    if (response.destroyed || response.headersSent) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const bodiless = status === 204 || status === 304;
    response.writeHead(status, { ...definedHeaders(headers), ...(bodiless ? {} : { 'content-length': String(length) }) });
    response.end(bodiless ? undefined : body);
  }

  stream(status: number, headers: HttpHeaders): ByteSink {
    const { response } = this;
    if (!response.destroyed && !response.headersSent) {
      response.writeHead(status, definedHeaders(headers));
      response.flushHeaders();
    }
    return sinkOf(response);
  }

  retire(): void {
    if (!this.response.headersSent) this.response.shouldKeepAlive = false;
  }

  gzip(body: Uint8Array): Promise<Buffer> {
    return compressed(body);
  }
}
