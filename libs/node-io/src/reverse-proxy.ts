import { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse, createServer, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext } from 'node:tls';
import type { Conn, Endpoint } from '@orrery/vnet';
import { duplexOverConn, splice } from './vnet-bridge.ts';

export interface ProxiedRequest {
  readonly host: string;
  readonly target: string;
  readonly secure: boolean;
  readonly clientIp: string;
}

export type ProxyVerdict =
  | { readonly kind: 'forward'; readonly endpoints: readonly Endpoint[]; readonly ingress: string }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'reply'; readonly status: number; readonly body: string };

export interface ReverseProxyHandlers {
  decide(request: ProxiedRequest): ProxyVerdict;
  certificate(serverName: string): { readonly cert: string; readonly key: string } | undefined;
  done(record: { readonly request: ProxiedRequest; readonly status: number; readonly ingress: string; readonly seconds: number }): void;
}

export interface ReverseProxyOptions {
  readonly host: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Ports tried when the wanted one is taken or not allowed: another one of the system's choice. */
  readonly anyPortIfTaken: boolean;
  readonly fallbackCertificate: { readonly cert: string; readonly key: string };
  dial(to: Endpoint): Promise<Conn>;
}

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

function describe(message: IncomingMessage, secure: boolean): ProxiedRequest {
  return { host: message.headers.host ?? '', target: message.url ?? '/', secure, clientIp: message.socket.remoteAddress ?? '' };
}

function forwardedHeaders(headers: IncomingHttpHeaders, from: ProxiedRequest, keepUpgrade: boolean): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined && (keepUpgrade || !hopByHop.has(name))) out[name] = value;
  const earlier = headers['x-forwarded-for'];
  return {
    ...out,
    'x-real-ip': from.clientIp,
    'x-forwarded-for': earlier ? `${String(earlier)}, ${from.clientIp}` : from.clientIp,
    'x-forwarded-host': from.host,
    'x-forwarded-proto': from.secure ? 'https' : 'http',
  };
}

/** The first endpoint that accepts a connection. */
async function dialAny(dial: ReverseProxyOptions['dial'], endpoints: readonly Endpoint[]): Promise<Conn> {
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      return await dial(endpoint);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function plain(response: ServerResponse, status: number, body: string): number {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) });
  response.end(body);
  return status;
}

/** Sends one request on and its reply back; resolves to the status the client got. */
async function forward(message: IncomingMessage, response: ServerResponse, from: ProxiedRequest, conn: Conn): Promise<number> {
  const stream = duplexOverConn(conn);
  return new Promise((resolve) => {
    const upstream = request({
      method: message.method ?? 'GET',
      path: from.target,
      headers: { ...forwardedHeaders(message.headers, from, false), connection: 'close' },
      setDefaultHeaders: false,
      createConnection: () => stream,
    });
    const fail = (): void => {
      resolve(502);
      if (response.headersSent) response.destroy();
      else plain(response, 502, '502 Bad Gateway');
    };
    upstream.on('response', (reply) => {
      const headers = Object.entries(reply.headers).filter(([name]) => !hopByHop.has(name));
      response.writeHead(reply.statusCode ?? 502, Object.fromEntries(headers) as OutgoingHttpHeaders);
      reply.pipe(response);
      reply.on('error', fail);
      response.on('close', () => {
        stream.destroy();
        resolve(reply.statusCode ?? 502);
      });
    });
    upstream.on('error', fail);
    message.pipe(upstream);
    message.on('error', () => upstream.destroy());
  });
}

/** WebSocket and the like: the head is sent on as it came, then bytes flow both ways. */
function forwardUpgrade(message: IncomingMessage, socket: Duplex, from: ProxiedRequest, stream: Duplex, head: Buffer): void {
  const headers = Object.entries(forwardedHeaders(message.headers, from, true)).flatMap(([name, value]) => [value ?? ''].flat().map((v) => `${name}: ${String(v)}\r\n`));
  stream.write(`${message.method ?? 'GET'} ${from.target} HTTP/1.1\r\n${headers.join('')}\r\n`);
  if (head.length) stream.write(head);
  splice(socket, stream);
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

/** An HTTP(S) reverse proxy on this machine whose backends live in the emulated network. Every connection to a backend is its own. */
export function createReverseProxy(options: ReverseProxyOptions): { start(handlers: ReverseProxyHandlers): Promise<{ http: string; https: string }>; stop(): Promise<void> } {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();

  const serve = (server: Server, secure: boolean, handlers: ReverseProxyHandlers): void => {
    servers.push(server);
    server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.on('request', (message: IncomingMessage, response: ServerResponse) => {
      const began = performance.now();
      const from = describe(message, secure);
      const verdict = handlers.decide(from);
      const finish = (status: number): void => handlers.done({ request: from, status, ingress: verdict.kind === 'forward' ? verdict.ingress : '', seconds: (performance.now() - began) / 1000 });
      if (verdict.kind === 'reply') finish(plain(response, verdict.status, verdict.body));
      else if (verdict.kind === 'redirect') finish(response.writeHead(308, { location: verdict.location }).end().statusCode);
      else {
        dialAny(options.dial, verdict.endpoints)
          .then((conn) => forward(message, response, from, conn))
          .then(finish, () => finish(plain(response, 502, '502 Bad Gateway')));
      }
    });
    server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
      const from = describe(message, secure);
      const verdict = handlers.decide(from);
      const refuse = (status: string): void => void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      if (verdict.kind !== 'forward') return refuse('404 Not Found');
      dialAny(options.dial, verdict.endpoints).then(
        (conn) => forwardUpgrade(message, socket, from, duplexOverConn(conn), head),
        () => refuse('502 Bad Gateway'),
      );
    });
  };

  return {
    async start(handlers) {
      const plainServer = createServer();
      const tlsServer = createTlsServer({
        ...options.fallbackCertificate,
        SNICallback: (name, done) => {
          const own = handlers.certificate(name);
          try {
            done(null, createSecureContext(own ?? options.fallbackCertificate));
          } catch (error) {
            done(error as Error);
          }
        },
      });
      serve(plainServer, false, handlers);
      serve(tlsServer as unknown as Server, true, handlers);
      const http = await listenSomewhere(plainServer, options, options.httpPort);
      const https = await listenSomewhere(tlsServer as unknown as Server, options, options.httpsPort);
      return { http: `${options.host}:${http}`, https: `${options.host}:${https}` };
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
