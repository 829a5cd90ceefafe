import { rmSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { type Server, type Socket, createServer } from 'node:net';
import { type TLSSocket, createServer as createTlsServer } from 'node:tls';
import { type GrpcConnections, type GrpcServer, type GrpcServerOptions, type Http2Connection, type Peer, type ServedService, grpcConnections } from '@orrery/rpc';
import { gunzip } from './gunzip.ts';
import type { HttpHandler } from './http-server.ts';
import { http1Server } from './http-server-node.ts';
import { realClock } from './real-clock.ts';
import { prepareSocket, transportOf } from './socket-transport.ts';

/** Largest message that is taken, as `grpcServer` has it. */
const defaultMaxMessageBytes = 512 * 1024 * 1024;

/** Serves gRPC like `grpcServer` of `@orrery/rpc`, over this library's own HTTP/2: several times the calls a second. */
export type ServeGrpc = (services: readonly ServedService[], options?: ServeGrpcOptions) => GrpcServer;

export interface ServeGrpcOptions extends GrpcServerOptions {
  /** Answers those who speak HTTP/1.1 at the same port; without, they are sent away. */
  readonly http1?: HttpHandler | undefined;
}

function peerOf(socket: Socket, { tls, optionalClientCert = false }: GrpcServerOptions): Peer {
  const address = socket.remoteAddress === undefined ? 'unix:' : `${socket.remoteFamily === 'IPv6' ? `[${socket.remoteAddress}]` : socket.remoteAddress}:${socket.remotePort}`;
  if (!tls) return { address };
  const { subject, raw } = (socket as TLSSocket).getPeerCertificate() as { subject?: { CN?: string | string[]; O?: string | string[] }; raw?: Uint8Array };
  if (!subject || !raw) return { address };
  if (optionalClientCert) return { address, shownCertificate: raw };
  return { address, commonName: [subject.CN ?? ''].flat()[0] ?? '', organizations: subject.O === undefined ? [] : [subject.O].flat() };
}

/** Whether what came first is, or may become, HTTP/2's preface: no request of HTTP/1.1 begins so. */
const beginsHttp2 = (first: Buffer): boolean => 'PRI'.startsWith(first.toString('latin1', 0, 3));

/** Leaves the connection to whom its first bytes are meant for: both protocols have the client speak first. */
function sorted(socket: Socket, http1: HttpServer, begin: (first: Buffer) => void): void {
  const gone = (): void => void socket.destroy();
  socket.once('error', gone);
  socket.once('data', (first: Buffer) => {
    socket.off('error', gone);
    if (beginsHttp2(first)) return begin(first);
    socket.pause();
    http1.emit('connection', socket);
    socket.unshift(first);
    socket.resume();
  });
}

function connected(socket: Socket, connections: GrpcConnections, options: GrpcServerOptions): Http2Connection {
  const connection: Http2Connection = connections.accept(transportOf(socket), peerOf(socket, options));
  socket.on('data', (bytes) => connection.receive(bytes));
  // An error is followed by the close.
  socket.on('error', () => connection.close());
  socket.on('close', () => connection.close());
  return connection;
}

function serverFor(options: ServeGrpcOptions, handle: (socket: Socket) => void): Server {
  const { tls, requireClientCert = false, optionalClientCert = false } = options;
  if (!tls) return createServer({ noDelay: true }, handle);
  const { ca, cert, key } = tls;
  const asks = requireClientCert || optionalClientCert;
  const server = createTlsServer({ ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }), requestCert: asks, rejectUnauthorized: requireClientCert, ALPNProtocols: options.http1 ? ['h2', 'http/1.1'] : ['h2'] }, handle);
  // A failed handshake is the client's affair; its socket is closed by then.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

function listenOn(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const bound = (): void => {
      server.off('error', reject);
      const at = server.address();
      resolve(at && typeof at === 'object' ? at.port : 0);
    };
    if (address.startsWith('unix:')) {
      const path = address.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
      rmSync(path, { force: true });
      server.listen(path, bound);
      return;
    }
    const colon = address.lastIndexOf(':');
    server.listen({ host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) }, bound);
  });
}

export const serveGrpc: ServeGrpc = (services, options = {}) => {
  const connections = grpcConnections(services, { clock: realClock, maxMessageBytes: options.maxMessageBytes ?? defaultMaxMessageBytes, gunzip, pings: options.pings });
  const http1 = options.http1 && http1Server(options.http1);
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const stop = async (graceMs = 0): Promise<void> => {
    const closed = servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const connection of connections.open) connection.leave();
    const destroy = (): void => {
      for (const connection of connections.open) connection.close();
      for (const socket of sockets) socket.destroy();
    };
    if (graceMs === 0) destroy();
    const timer = graceMs > 0 ? realClock.after(graceMs, destroy) : undefined;
    await Promise.all(closed);
    timer?.cancel();
  };
  return {
    async listen(address) {
      const server = serverFor(options, (socket) => {
        prepareSocket(socket);
        if (!http1) return connected(socket, connections, options);
        sorted(socket, http1, (first) => connected(socket, connections, options).receive(first));
      });
      // Those that have not finished their handshake, too.
      server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      });
      const port = await listenOn(server, address);
      servers.push(server);
      return port;
    },
    stop,
  };
};
