/** Lower-case names, as Node gives them; names that came more than once hold an array only where HTTP lets them repeat. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A client certificate that chains to the configured CA. */
export interface PeerCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** DER. */
  readonly raw: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number;
}

export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent, e.g. `/api/v1/pods?limit=500`. */
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly remoteAddress: string;
  readonly secure: boolean;
  /** Only when it verified against the client CA. */
  readonly certificate: PeerCertificate | undefined;
  /** Aborts when the client goes away or the reply is finished. */
  readonly signal: AbortSignal;
  /** The whole body. Throws `BodyTooLargeError` as soon as it exceeds `maxBytes`. */
  body(maxBytes: number): Promise<Buffer>;
  /** The body as it arrives. Use either this or `body`. */
  bodyStream(): AsyncIterable<Uint8Array>;
}

export class BodyTooLargeError extends Error {}

/** The sending half of something with back-pressure. */
export interface ByteSink {
  /** False: the peer is slow; wait for `drained()` before writing more. Data is queued either way. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when more may be written, or when the sink is closed. */
  drained(): Promise<void>;
  /** Finishes after what was written. */
  end(): void;
  readonly closed: boolean;
}

export interface HttpResponse {
  /** The whole reply at once. Call this or `stream`, once. */
  send(status: number, headers: HttpHeaders, body?: Uint8Array | string): void;
  /** Sends the head now and the body as it is written. */
  stream(status: number, headers: HttpHeaders): ByteSink;
  /** Compresses a body before it is sent; fast rather than small. */
  gzip(body: Uint8Array): Promise<Buffer>;
  /** The connection takes no request after this one: `Connection: close`, GOAWAY. Call before the reply. */
  retire?(): void;
}

/** A raw connection after an HTTP/1.1 upgrade: the handler writes the 101 (or a refusal) itself. */
export interface RawSocket extends ByteSink {
  readonly readable: AsyncIterable<Uint8Array>;
  /** Resolves when nothing that was written is left here: what is written next goes into a TLS record of its own. */
  flushed(): Promise<void>;
  /** Drops the connection at once; after `end()`, as soon as what was written has been sent. */
  destroy(): void;
}

export interface HttpHandler {
  request(request: HttpRequest, response: HttpResponse): void | Promise<void>;
  /** An HTTP/1.1 request with `Connection: Upgrade`. Without this such requests are refused. */
  upgrade?(request: HttpRequest, socket: RawSocket): void | Promise<void>;
}

export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
  /** As OpenSSL writes them. */
  readonly ciphers?: string;
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly handler: HttpHandler;
  /** PEM. With `clientCa`, clients may show a certificate. Without `tls` the server speaks plain HTTP/1.1. */
  readonly tls?: ServerTls;
  /** A handshake failed. */
  readonly onTlsError?: () => void;
}

export interface HttpServer {
  readonly port: number;
  /** Replaces the certificate for new connections. */
  setTls(tls: ServerTls): void;
  /** Stops listening; connections end when what runs on them is answered. Resolves when all have; `close` ends what is left. */
  drain(): Promise<void>;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

/** Starts a server; an app gets this function from its `main.ts` (or a composition), so it needs no `node:*` itself. */
export type ServeHttp = (options: HttpServerOptions) => Promise<HttpServer>;
