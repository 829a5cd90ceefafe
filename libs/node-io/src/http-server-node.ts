import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Conn } from '@orrery/vnet';
import { sinkOf } from './byte-sink.ts';
import { Http1Request, Http1Response } from './http1-exchange.ts';
import { onStream } from './http2-exchange.ts';
import type { HttpHandler, HttpServer, HttpServerOptions, RawSocket, ServerTls } from './http-server.ts';
import { duplexOverConn } from './vnet-bridge.ts';

const nothing = Buffer.alloc(0);
/** As Go's servers: long selectors and tokens fit. */
const maxHeaderSize = 1024 * 1024;

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
  return (request: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away mid-body or mid-reply is no failure of ours; the handler sees it by `signal` and `closed`.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    void handler.request(new Http1Request(request, response), new Http1Response(response));
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
    void handler.upgrade(new Http1Request(request, socket), rawSocket(socket, head));
  };
}

/** What is no HTTP is told so, in the words of Go's servers; to who is gone nothing. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n${status}`, () => socket.destroy());
}

function secureContext({ cert, key, clientCa, ciphers, minVersion }: ServerTls) {
  return { cert, key, ...(clientCa ? { ca: clientCa } : {}), ...(ciphers ? { ciphers } : {}), ...(minVersion ? { minVersion } : {}) };
}

type Served = Omit<HttpServerOptions, 'host' | 'port'>;

function buildServer({ handler, tls }: Served): Server | Http2SecureServer {
  if (!tls) return createServer({ maxHeaderSize }, onRequest(handler));
  const server = createSecureServer({
    ...secureContext(tls),
    allowHTTP1: true,
    requestCert: tls.clientCa !== undefined,
    rejectUnauthorized: false,
    settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
  });
  // Listening for requests makes Node dress up HTTP/2 streams as HTTP/1 messages, which costs as much as the streams: they are taken bare.
  server.on('request', onRequest(handler) as never);
  server.removeAllListeners('stream');
  server.on('stream', onStream(handler));
  // Of the connections that speak HTTP/1.1; it is no option of this server.
  return Object.assign(server, { maxHeaderSize });
}

/** Takes connections that someone else has accepted (`emit('connection', socket)`), one request each. */
export function http1Server(handler: HttpHandler): Server {
  const server = createServer(onRequest(handler));
  server.maxRequestsPerSocket = 1;
  server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
  return server;
}

/** A server that does not listen yet, and what ends its connections. */
function prepared(options: Served): { server: Server | Http2SecureServer; sessions: ReadonlySet<ServerHttp2Session>; close(): Promise<void> } {
  const server = buildServer(options);
  const sockets = new Set<Duplex>();
  const sessions = new Set<ServerHttp2Session>();
  server.on('connection', (socket: Duplex) => {
    (socket as Socket).setNoDelay(true);
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
  server.on('clientError', refuse);
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      // The callback also comes when the server was told before.
      server.close(() => resolve());
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    });
  return { server, sessions, close };
}

/** Serves HTTP/2 and HTTP/1.1 on one TLS port, or plain HTTP/1.1. */
export async function serveHttp(options: HttpServerOptions): Promise<HttpServer> {
  const { server, sessions, close } = prepared(options);
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
    close,
  };
}

/** The same over connections of the emulated network, which someone else accepts. */
export function serveHttpOver(options: Served): { accept(conn: Conn): void; close(): Promise<void> } {
  const { server, close } = prepared(options);
  return {
    accept(conn) {
      const stream = duplexOverConn(conn);
      stream.on('error', () => stream.destroy());
      server.emit('connection', stream);
    },
    close,
  };
}
