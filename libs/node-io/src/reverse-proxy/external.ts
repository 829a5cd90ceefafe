import { lookup } from 'node:dns/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { ReverseProxyHandlers, ReverseProxyOptions } from './contract.ts';
import { dialHost, duplexOverConn } from '../vnet-bridge.ts';

const timeoutMs = 10_000;

/** How to get to a URL. */
export type Ways = Pick<ReverseProxyOptions, 'dial'> & Pick<ReverseProxyHandlers, 'resolve'>;

async function connection(url: URL, { dial, resolve }: Ways): Promise<Duplex> {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const inside = isIP(name) ? name : resolve(name);
  const conn = inside === undefined ? await dialHost({ host: (await lookup(name)).address, port }) : await dial({ ip: inside, port }).catch(() => dialHost({ host: inside, port }));
  const stream = duplexOverConn(conn);
  return url.protocol === 'https:' ? connectTls({ socket: stream, rejectUnauthorized: false, ...(isIP(name) ? {} : { servername: name }) }) : stream;
}

/** One request to a URL, inside the cluster or out; resolves to the reply's head. */
export async function ask(url: string, input: { readonly method: string; readonly headers: Readonly<Record<string, string>>; readonly body?: Buffer }, ways: Ways): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const at = new URL(url);
  const stream = await connection(at, ways);
  return new Promise((resolve, reject) => {
    const length: Record<string, string> = input.body?.length ? { 'content-length': String(input.body.length) } : {};
    const outgoing = request({ method: input.method, path: at.pathname + at.search, headers: { host: at.host, ...input.headers, ...length, connection: 'close' }, createConnection: () => stream as never, setDefaultHeaders: false });
    const timer = setTimeout(() => outgoing.destroy(new Error(`${at.host} does not answer`)), timeoutMs);
    outgoing.on('response', (reply) => {
      clearTimeout(timer);
      reply.resume();
      resolve({ status: reply.statusCode ?? 502, headers: reply.headers });
      reply.on('error', () => undefined);
    });
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.end(input.body);
  });
}
