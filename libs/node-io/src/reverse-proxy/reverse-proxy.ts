import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type SecureContext, type TLSSocket, createSecureContext } from 'node:tls';
import { BackendPool } from './backend-pool.ts';
import type { Attempt, ProxiedRequest, ProxyVerdict, ReverseProxy, ReverseProxyHandlers, ReverseProxyOptions } from './contract.ts';
import type { Ways } from './external.ts';
import { presentedBy } from './client-certificate.ts';
import { answer, authenticate, forward } from './forward.ts';
import { forwardUpgrade, refuseUpgrade } from './upgrade.ts';

/** How long requests may still run when the proxy stops. */
const drainMs = 200;
const contextsKept = 1_000;

function describe(message: IncomingMessage, secure: boolean): ProxiedRequest {
  const { headers, socket } = message;
  const http2 = message.httpVersionMajor === 2;
  return {
    method: message.method ?? 'GET',
    host: headers.host ?? (headers[':authority'] as string | undefined) ?? '',
    target: message.url ?? '/',
    protocol: http2 ? 'HTTP/2.0' : message.httpVersion === '1.0' ? 'HTTP/1.0' : 'HTTP/1.1',
    secure,
    headers,
    clientIp: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    clientPort: socket.remotePort ?? 0,
    upgrade: headers.upgrade !== undefined,
    ...(secure ? { clientCertificate: () => presentedBy(socket as TLSSocket) } : {}),
  };
}

function listen(server: Server, at: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      resolve((server.address() as { port: number }).port);
    });
  });
}

async function listenSomewhere(server: Server, options: ReverseProxyOptions, port: number): Promise<number> {
  try {
    return await listen(server, { host: options.host, port });
  } catch (error) {
    if (!options.anyPortIfTaken) throw error;
    return listen(server, { host: options.host, port: 0 });
  }
}

/** Certificates ready for use, by their text. */
function contextCache(fallback: { readonly cert: string; readonly key: string }): (wanted: ReturnType<ReverseProxyHandlers['certificate']>) => SecureContext {
  const known = new Map<string, SecureContext>();
  return ({ own, clientCa }) => {
    const { cert, key } = own ?? fallback;
    const name = `${cert}${key}${clientCa ?? ''}`;
    let context = known.get(name);
    if (!context) {
      try {
        context = createSecureContext({ cert, key, ...(clientCa ? { ca: clientCa } : {}) });
      } catch (error) {
        // A Secret with nonsense in it: the host is served with the certificate of those that have none.
        if (!own) throw error;
        context = createSecureContext({ ...fallback, ...(clientCa ? { ca: clientCa } : {}) });
      }
      if (known.size >= contextsKept) known.delete(known.keys().next().value as string);
      known.set(name, context);
    }
    return context;
  };
}

class Proxy implements ReverseProxy {
  private readonly options: ReverseProxyOptions;
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  private pool: BackendPool | undefined;

  constructor(options: ReverseProxyOptions) {
    this.options = options;
  }

  connections(): number {
    return this.sockets.size;
  }

  async start(handlers: ReverseProxyHandlers): Promise<{ http: string; https: string }> {
    const { options } = this;
    this.pool = new BackendPool(options.dial, () => handlers.keepAlive());
    const contextOf = contextCache(options.fallbackCertificate);
    const plain = createServer();
    const tls = createSecureServer({
      ...options.fallbackCertificate,
      allowHTTP1: true,
      rejectUnauthorized: false,
      SNICallback: (name, done) => {
        try {
          done(null, contextOf(handlers.certificate(name)));
        } catch (error) {
          done(error as Error);
        }
      },
    }) as unknown as Server & { requestCert: boolean };
    // Asked of each connection as it comes: browsers bother their users for certificates, so nobody is asked for nothing.
    Object.defineProperty(tls, 'requestCert', { get: () => handlers.asksClients(), set: () => undefined });
    this.serve(plain, false, handlers);
    this.serve(tls, true, handlers);
    const http = await listenSomewhere(plain, options, options.httpPort);
    const https = await listenSomewhere(tls, options, options.httpsPort);
    return { http: `${options.host}:${http}`, https: `${options.host}:${https}` };
  }

  private serve(server: Server, secure: boolean, handlers: ReverseProxyHandlers): void {
    this.servers.push(server);
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.on('request', (message: IncomingMessage, response: ServerResponse) => void this.handle({ message, response, secure, handlers }));
    server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => void this.upgrade({ message, socket, head, secure, handlers }));
    server.on('clientError', (_error: Error, socket: Socket) => void (socket.writable && socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')));
  }

  private async handle(input: { message: IncomingMessage; response: ServerResponse; secure: boolean; handlers: ReverseProxyHandlers }): Promise<void> {
    const { message, response, secure, handlers } = input;
    const began = performance.now();
    const from = describe(message, secure);
    message.on('error', () => undefined);
    response.on('error', () => undefined);
    let verdict: ProxyVerdict;
    try {
      verdict = await handlers.decide(from);
    } catch {
      answer(response, 500);
      return;
    }
    const attempts: Attempt[] = [];
    let status = 0;
    for (let next: ProxyVerdict | undefined = verdict; next; ) {
      const now: ProxyVerdict = next;
      next = undefined;
      if (now.kind === 'reply') status = answer(response, now.status, now);
      else {
        const done = await forward({ pool: this.pool as BackendPool, ways: this.waysOf(handlers), message, response, from, plan: now.plan });
        status = done.status;
        attempts.push(...done.attempts);
        next = done.held === undefined ? undefined : now.plan.instead?.(done.held);
        if (done.held !== undefined && !next) answer(response, status);
      }
    }
    const bytesSent = attempts.at(-1)?.bytes ?? (verdict.kind === 'reply' ? Buffer.byteLength(verdict.body) : 0);
    const requestBytes = headBytes(message) + Number(message.headers['content-length'] ?? 0);
    handlers.done({ request: from, tag: verdict.tag, status, bytesSent, requestBytes, seconds: (performance.now() - began) / 1000, attempts });
    // What was refused without being read is read and dropped, so that the connection can be used again.
    if (!message.readableEnded) message.resume();
  }

  private async upgrade(input: { message: IncomingMessage; socket: Duplex; head: Buffer; secure: boolean; handlers: ReverseProxyHandlers }): Promise<void> {
    const { message, socket, head, secure, handlers } = input;
    const began = performance.now();
    const from = describe(message, secure);
    socket.on('error', () => socket.destroy());
    const verdict = await Promise.resolve(from).then(handlers.decide).catch(() => undefined);
    if (!verdict) return refuseUpgrade(socket, '500 Internal Server Error');
    const done = (status: number, attempts: readonly Attempt[]): void =>
      handlers.done({ request: from, tag: verdict.tag, status, bytesSent: attempts.at(-1)?.bytes ?? 0, requestBytes: headBytes(message), seconds: (performance.now() - began) / 1000, attempts });
    if (verdict.kind === 'reply') {
      const location = verdict.headers['location'];
      socket.end(`HTTP/1.1 ${verdict.status} ${verdict.status === 404 ? 'Not Found' : 'Refused'}\r\n${location ? `location: ${location}\r\n` : ''}connection: close\r\ncontent-length: 0\r\n\r\n`);
      return done(verdict.status, []);
    }
    const { plan } = verdict;
    const refusal = await this.authenticateUpgrade(plan, handlers);
    if (refusal) {
      refuseUpgrade(socket, refusal);
      return done(Number(refusal.slice(0, 3)), []);
    }
    const { status, attempts } = await forwardUpgrade({ pool: this.pool as BackendPool, message, socket, head, from, plan });
    done(status, attempts);
  }

  /** A status line when external authentication refuses. */
  private async authenticateUpgrade(plan: Parameters<typeof authenticate>[0]['plan'], handlers: ReverseProxyHandlers): Promise<string | undefined> {
    if (!plan.auth) return undefined;
    // Nothing can be written to an upgrade's response: only the verdict matters.
    const response = { headersSent: true } as ServerResponse;
    const result = await authenticate({ ways: this.waysOf(handlers), response, plan });
    return 'refused' in result ? `${result.refused} Refused` : undefined;
  }

  private waysOf(handlers: ReverseProxyHandlers): Ways {
    return { dial: (to) => this.options.dial(to), resolve: (name) => handlers.resolve(name) };
  }

  async stop(): Promise<void> {
    const closing = this.servers.splice(0).map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
    const timer = setTimeout(() => this.sockets.forEach((socket) => socket.destroy()), drainMs);
    await Promise.all(closing);
    clearTimeout(timer);
    this.pool?.close();
  }
}

const headBytes = (message: IncomingMessage): number => (message.method?.length ?? 0) + (message.url?.length ?? 0) + message.rawHeaders.reduce((sum, part) => sum + part.length + 2, 14);

/** An HTTP(S) reverse proxy on this machine: HTTP/1.1, and HTTP/2 over TLS. Where a request goes is for `decide` to say. */
export function createReverseProxy(options: ReverseProxyOptions): ReverseProxy {
  return new Proxy(options);
}
