import { type IncomingMessage, type Server, type ServerResponse, createServer, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Conn, Endpoint } from '@orrery/vnet';
import { type HostListener, duplexOverConn, splice } from './vnet-bridge.ts';

/** Headers that are about one connection, not the message. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

const clientOf = ({ socket }: IncomingMessage): Endpoint => ({ ip: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''), port: socket.remotePort ?? 0 });

/** The client's headers, and who it is. `upgrade` keeps those that ask for another protocol. */
function headersOf(message: IncomingMessage, upgrade: boolean): Record<string, string | string[]> {
  const kept = Object.entries(message.headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined && (!hopByHop.has(entry[0]) || (upgrade && (entry[0] === 'upgrade' || entry[0] === 'connection'))));
  const { ip } = clientOf(message);
  const before = message.headers['x-forwarded-for'];
  return { ...Object.fromEntries(kept), 'x-forwarded-for': before ? `${[before].flat().join(', ')}, ${ip}` : ip, 'x-forwarded-proto': 'http', 'x-forwarded-port': String(message.socket.localPort ?? 0) };
}

function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) }).end(text);
}

function forward(message: IncomingMessage, response: ServerResponse, conn: Conn): void {
  const target = httpRequest({ method: message.method, path: message.url, headers: { ...headersOf(message, false), connection: 'close' }, createConnection: () => duplexOverConn(conn) });
  target.on('response', (reply) => {
    const headers = Object.entries(reply.headers).filter(([name]) => !hopByHop.has(name));
    response.writeHead(reply.statusCode ?? 502, reply.statusMessage, Object.fromEntries(headers));
    reply.on('error', () => response.destroy());
    reply.pipe(response);
  });
  target.on('error', () => refuse(response, 502, '502 Bad Gateway\n'));
  response.on('close', () => target.destroy());
  message.on('error', () => target.destroy());
  message.pipe(target);
}

function forwardUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer, conn: Conn): void {
  const stream = duplexOverConn(conn);
  const lines = Object.entries(headersOf(message, true)).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  stream.write(`${message.method ?? 'GET'} ${message.url ?? '/'} HTTP/1.1\r\n${lines.join('')}\r\n`);
  if (head.length) stream.write(head);
  splice(socket, stream);
}

function listening(server: Server, at: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve((server.address() as { port: number }).port);
    });
  });
}

/**
 * Listens on this machine for HTTP and sends each request where `dial` connects to, with the client's address in
 * X-Forwarded-For. A dial that fails answers 503, a target that breaks off 502. Upgrades (WebSocket) pass. Rejects with
 * the system's error when it may not listen.
 */
export async function exposeHttpOnHost(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostListener> {
  const sockets = new Set<Socket>();
  const server = createServer((message, response) => {
    dial(clientOf(message)).then(
      (conn) => forward(message, response, conn),
      () => refuse(response, 503, '503 Service Unavailable\n'),
    );
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    dial(clientOf(message)).then(
      (conn) => forwardUpgrade(message, socket, head, conn),
      () => socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
    );
  });
  const port = await listening(server, at);
  return {
    endpoint: `${at.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
