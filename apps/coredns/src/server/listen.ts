import { type HeaderList, formatResponseHead, readRequestHead } from '@orrery/http';
import type { Conn, NetStack } from '@orrery/vnet';
import type { HttpEndpoint } from '../plugins/plugin.ts';
import type { Answerer } from './answerer.ts';

/** Reads length-prefixed messages from a stream and answers them in order (RFC 7766). */
export async function serveTcp(answerer: Answerer, conn: Conn): Promise<void> {
  let pending = Buffer.alloc(0);
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
    pending = pending.length ? Buffer.concat([pending, bytes]) : Buffer.from(bytes);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = await answerer.answer(pending.subarray(2, end), { transport: 'tcp', client: conn.remote });
      pending = pending.subarray(end);
      if (!reply) return conn.close();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      await conn.write(Buffer.concat([length, reply]));
    }
  }
  conn.close();
}

export interface ListenOptions {
  readonly ip: string;
  readonly port: number;
  readonly onError: (error: unknown) => void;
}

/** Answers DNS at a port of a network namespace, by both protocols; returns how to stop. */
export function listenDns(answerer: Answerer, net: NetStack, { ip, port, onError }: ListenOptions): () => void {
  const socket = net.udp({ ip, port }, (bytes, from) => {
    answerer.answer(bytes, { transport: 'udp', client: from }).then((reply) => reply && socket.send(reply, from), onError);
  });
  const listener = net.listen({ ip, port }, (conn) => {
    serveTcp(answerer, conn).catch((error: unknown) => {
      conn.close();
      onError(error);
    });
  });
  return () => {
    socket.close();
    listener.close();
  };
}

const reasons: Readonly<Record<number, string>> = { 200: 'OK', 404: 'Not Found', 405: 'Method Not Allowed', 503: 'Service Unavailable' };

async function serveHttp(conn: Conn, find: (path: string) => HttpEndpoint | undefined): Promise<void> {
  const read = await readRequestHead(conn);
  if (!read) return conn.close();
  const { method, target } = read.head;
  const endpoint = find(target.split('?')[0] ?? '/');
  const { status, body, type = 'text/plain; charset=utf-8' } =
    method !== 'GET' && method !== 'HEAD' ? { status: 405, body: '405 method not allowed\n' } : (endpoint?.answer() ?? { status: 404, body: '404 page not found\n' });
  const headers: HeaderList = [['Content-Type', type], ['Content-Length', String(Buffer.byteLength(body))], ['Connection', 'close']];
  await conn.write(formatResponseHead({ status, reason: reasons[status] ?? '', headers }));
  if (method !== 'HEAD') await conn.write(Buffer.from(body));
  await conn.closeWrite();
}

/** Serves the paths that `find` knows at a port of a network namespace; one request a connection. */
export function listenHttp(net: NetStack, { ip, port, onError }: ListenOptions, find: (path: string) => HttpEndpoint | undefined): () => void {
  const listener = net.listen({ ip, port }, (conn) => {
    serveHttp(conn, find).catch((error: unknown) => {
      conn.close();
      onError(error);
    });
  });
  return () => listener.close();
}
