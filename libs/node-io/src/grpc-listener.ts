import { rmSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { type TLSSocket, createServer as createTlsServer } from 'node:tls';
import { type GrpcConnections, type GrpcServer, type GrpcServerOptions, type Peer, type ServedService, type ServerConnection, grpcConnections } from '@orrery/rpc';
import { realClock } from './real-clock.ts';

/** Largest message that is taken, as `grpcServer` has it. */
const maxMessageBytes = 512 * 1024 * 1024;
/** A peer that vanished is found out by the kernel after this long and a few probes. */
const tcpKeepAliveMs = 15_000;
/** More than this is not gathered before it leaves. */
const gatherBytes = 64 * 1024;
/** Pieces that are smaller on average are copied together, larger ones handed over as they are. */
const copiedBytes = 4096;

/** Serves gRPC like `grpcServer` of `@orrery/rpc`, over this library's own HTTP/2: several times the calls a second. */
export type ServeGrpc = (services: readonly ServedService[], options?: GrpcServerOptions) => GrpcServer;

function peerOf(socket: Socket, { tls, optionalClientCert = false }: GrpcServerOptions): Peer {
  const address = socket.remoteAddress === undefined ? 'unix:' : `${socket.remoteFamily === 'IPv6' ? `[${socket.remoteAddress}]` : socket.remoteAddress}:${socket.remotePort}`;
  if (!tls) return { address };
  const { subject, raw } = (socket as TLSSocket).getPeerCertificate() as { subject?: { CN?: string | string[]; O?: string | string[] }; raw?: Uint8Array };
  if (!subject || !raw) return { address };
  if (optionalClientCert) return { address, shownCertificate: raw };
  return { address, commonName: [subject.CN ?? ''].flat()[0] ?? '', organizations: subject.O === undefined ? [] : [subject.O].flat() };
}

/** What one turn of the event loop has to say leaves in one write. */
function transportOf(socket: Socket) {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const waiters: (() => void)[] = [];
  const wake = (): void => {
    for (const waiter of waiters.splice(0)) waiter();
  };
  socket.on('drain', wake);
  socket.on('close', wake);
  const flush = (): void => {
    const [all, total] = [parts, bytes];
    parts = [];
    bytes = 0;
    if (socket.destroyed) return;
    if (all.length === 1) return void socket.write(all[0] as Uint8Array);
    if (total < all.length * copiedBytes) return void socket.write(Buffer.concat(all, total));
    socket.cork();
    for (const part of all) socket.write(part);
    socket.uncork();
  };
  return {
    write(part: Uint8Array): void {
      // After the work of this turn that is already due: answers of one group commit come in one go.
      if (parts.length === 0) process.nextTick(() => parts.length && flush());
      parts.push(part);
      bytes += part.length;
      if (bytes >= gatherBytes) flush();
    },
    get backlog(): number {
      return bytes + socket.writableLength;
    },
    drained: () => (socket.destroyed || !socket.writableNeedDrain ? Promise.resolve() : new Promise<void>((resolve) => waiters.push(resolve))),
    end(): void {
      if (parts.length) flush();
      socket.end();
      // Whoever does not close in turn is not waited for.
      socket.resume();
      socket.setTimeout(1000, () => socket.destroy());
    },
  };
}

function connected(socket: Socket, connections: GrpcConnections, options: GrpcServerOptions): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, tcpKeepAliveMs);
  const connection: ServerConnection = connections.accept(transportOf(socket), peerOf(socket, options));
  socket.on('data', (bytes) => connection.receive(bytes));
  // An error is followed by the close.
  socket.on('error', () => connection.close());
  socket.on('close', () => connection.close());
}

function serverFor(options: GrpcServerOptions, handle: (socket: Socket) => void): Server {
  const { tls, requireClientCert = false, optionalClientCert = false } = options;
  if (!tls) return createServer({ noDelay: true }, handle);
  const { ca, cert, key } = tls;
  const asks = requireClientCert || optionalClientCert;
  const server = createTlsServer({ ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }), requestCert: asks, rejectUnauthorized: requireClientCert, ALPNProtocols: ['h2'] }, handle);
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
  const connections = grpcConnections(services, { clock: realClock, maxMessageBytes });
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
      const server = serverFor(options, (socket) => connected(socket, connections, options));
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
