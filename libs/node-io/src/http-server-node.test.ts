import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, get } from 'node:http';
import { type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders, connect } from 'node:http2';
import { type Socket, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as dialTls } from 'node:tls';
import { exchange } from '@orrery/http';
import { createMetrics, silentLogger } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import { afterEach, describe, expect, it } from 'vitest';
import { dialTlsOver } from './dial.ts';
import { realRandom } from './env.ts';
import type { ByteSink, HttpHandler, HttpRequest, HttpServer } from './http-server.ts';
import { serveHttp, serveHttpOver } from './http-server-node.ts';
import { ensurePki } from './pki/index.ts';
import { realClock } from './real-clock.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Answers at once; `/held` when told, `/last` and then takes no more. */
function handler(): HttpHandler & { open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return {
    open: () => open(),
    async request(request, response) {
      if (request.url === '/held') await opened;
      if (request.url === '/last') response.retire?.();
      response.send(200, { 'content-type': 'text/plain' }, 'ok');
    },
  };
}

async function serve(options: { tls: boolean; onTlsError?: () => void }): Promise<{ server: HttpServer; open: () => void; session: () => ClientHttp2Session }> {
  const own = handler();
  let tls = {};
  if (options.tls) {
    const dir = mkdtempSync(join(tmpdir(), 'orrery-http-'));
    cleanUps.push(() => rmSync(dir, { recursive: true }));
    const { serverCert: cert, serverKey: key } = ensurePki(dir);
    tls = { tls: { cert, key } };
  }
  const server = await serveHttp({ host: '127.0.0.1', port: 0, handler: own, ...tls, ...(options.onTlsError ? { onTlsError: options.onTlsError } : {}) });
  cleanUps.push(() => server.close());
  const session = (): ClientHttp2Session => {
    const made = connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
    cleanUps.push(() => made.destroy());
    return made.on('error', () => undefined);
  };
  return { server, open: own.open, session };
}

const ask = async (session: ClientHttp2Session, path: string): Promise<number> => {
  const stream = session.request({ ':path': path });
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }];
  stream.resume();
  await once(stream, 'end');
  return headers[':status'] ?? 0;
};

describe('over HTTP/2', () => {
  it('a retired connection answers and takes no more', async () => {
    const { session } = await serve({ tls: true });
    const one = session();
    expect(await ask(one, '/')).toBe(200);
    const goaway = once(one, 'goaway');
    expect(await ask(one, '/last')).toBe(200);
    expect((await goaway)[0]).toBe(0);
  });

  it('a draining server finishes what is under way and lets nobody in', async () => {
    const { server, open, session } = await serve({ tls: true });
    const one = session();
    const held = ask(one, '/held');
    expect(await ask(one, '/')).toBe(200);
    const drained = server.drain();
    await expect(once(dial(server.port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
    open();
    expect(await held).toBe(200);
    await drained;
  });
});

describe('replies over HTTP/2', () => {
  const { serverCert: cert, serverKey: key } = ensurePki(undefined);
  interface Answer {
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
    readonly continued: boolean;
  }

  async function asked(request: HttpHandler['request'], sent: OutgoingHttpHeaders, body?: Buffer): Promise<Answer> {
    const server = await serveHttp({ host: '127.0.0.1', port: 0, tls: { cert, key }, handler: { request } });
    cleanUps.push(() => server.close());
    const session = connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
    cleanUps.push(() => session.destroy());
    const stream = session.on('error', () => undefined).request({ ':path': '/', ...sent }, { endStream: body === undefined });
    let continued = false;
    stream.on('continue', () => (continued = true));
    stream.on('error', () => undefined);
    if (body) stream.end(body);
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(stream, 'end');
    return { headers, body: Buffer.concat(chunks).toString(), continued };
  }

  it('have no body for HEAD, but its length', async () => {
    const { headers, body } = await asked((_, response) => response.send(200, { 'content-type': 'text/plain' }, 'four'), { ':method': 'HEAD' });
    expect([headers[':status'], headers['content-length'], body]).toEqual([200, '4', '']);
  });

  it('have neither with 204', async () => {
    const { headers, body } = await asked((_, response) => response.send(204, {}), {});
    expect([headers[':status'], headers['content-length'], body]).toEqual([204, undefined, '']);
  });

  it('drop what only HTTP/1.1 knows, and repeat what may be repeated', async () => {
    const { headers } = await asked((_, response) => response.send(200, { connection: 'close', 'transfer-encoding': 'chunked', warning: ['299 - "a"', '299 - "b"'], 'x-none': undefined }, 'ok'), {});
    expect([headers['connection'], headers['transfer-encoding'], headers['warning'], 'x-none' in headers]).toEqual([undefined, undefined, '299 - "a", 299 - "b"', false]);
  });

  it('reach who sends a body that nobody reads', async () => {
    const { headers, body } = await asked((_, response) => response.send(401, {}, 'no'), { ':method': 'POST' }, Buffer.alloc(3_000_000));
    expect([headers[':status'], body]).toEqual([401, 'no']);
  });

  it('say that a body is welcome to who asks first', async () => {
    const echo: HttpHandler['request'] = async (request, response) => response.send(200, {}, await request.body(100));
    const { body, continued } = await asked(echo, { ':method': 'POST', expect: '100-continue' }, Buffer.from('hello'));
    expect([body, continued]).toEqual(['hello', true]);
  });

  it('leave no stream behind, whether their request had a body or not', async () => {
    const seen = new Set<HttpRequest>();
    let over = 0;
    const request: HttpHandler['request'] = async (request, response) => {
      request.signal.addEventListener('abort', () => (over += 1));
      seen.add(request);
      response.send(200, {}, await request.body(1_000_000));
    };
    for (const body of [undefined, Buffer.from('x'), Buffer.alloc(300_000)]) {
      for (const sent of [{}, { 'content-length': String(body?.length ?? 0) }]) expect((await asked(request, { ':method': 'POST', ...sent }, body)).headers[':status']).toBe(200);
    }
    await expect.poll(() => [over, seen.size]).toEqual([6, 6]);
  });

  it('refuse tunnels', async () => {
    const { headers } = await asked((_, response) => response.send(200, {}, 'reached'), { ':method': 'CONNECT', ':path': undefined, ':authority': 'x:1' });
    expect(headers[':status']).toBe(405);
  });
});

describe('over HTTP/1.1', () => {
  const fetchOver = async (agent: Agent, url: string): Promise<IncomingMessage> => {
    const [reply] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
    reply.resume();
    await once(reply, 'end');
    return reply;
  };

  it('a retired connection says that it closes', async () => {
    const { server } = await serve({ tls: false });
    const agent = new Agent({ keepAlive: true });
    cleanUps.push(() => agent.destroy());
    const url = `http://127.0.0.1:${server.port}`;
    expect((await fetchOver(agent, `${url}/`)).headers.connection).toBe('keep-alive');
    expect((await fetchOver(agent, `${url}/last`)).headers.connection).toBe('close');
  });

  it.each([false, true])('takes long headers, and tells who speaks something else (TLS: %s)', async (tls) => {
    const { server } = await serve({ tls });
    const speak = async (text: string): Promise<string> => {
      const socket = tls ? dialTls({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }) : dial(server.port, '127.0.0.1');
      socket.on('error', () => undefined).end(text);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString();
    };
    const long = 'x'.repeat(500_000);
    expect(await speak(`GET /?a=${long} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 OK/);
    expect(await speak('FOO / HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(/^HTTP\/1.1 400 Bad Request/);
  });
});

it('counts handshakes that fail', async () => {
  let errors = 0;
  const { server } = await serve({ tls: true, onTlsError: () => (errors += 1) });
  const socket: Socket = dial(server.port, '127.0.0.1', () => socket.write('this is no TLS'));
  await once(socket.on('error', () => undefined), 'close');
  expect(errors).toBe(1);
});

describe('streams over HTTP/2', () => {
  const { serverCert: cert, serverKey: key } = ensurePki(undefined);

  async function streaming(run: (sink: ByteSink, request: HttpRequest) => Promise<void>): Promise<ClientHttp2Session> {
    const server = await serveHttp({ host: '127.0.0.1', port: 0, tls: { cert, key }, handler: { request: (request, response) => run(response.stream(200, { 'content-type': 'text/plain' }), request) } });
    cleanUps.push(() => server.close());
    const session = connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
    cleanUps.push(() => session.destroy());
    return session.on('error', () => undefined);
  }

  it('hold back who writes to a slow client, and lose nothing', async () => {
    let waits = 0;
    const session = await streaming(async (sink) => {
      for (let i = 0; i < 400; i++) {
        if (sink.write(Buffer.alloc(10_000, i % 256))) continue;
        waits += 1;
        await sink.drained();
      }
      sink.end();
    });
    const stream = session.request({ ':path': '/' });
    await once(stream, 'response');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(stream, 'end');
    const all = Buffer.concat(chunks);
    expect([all.length, waits > 0]).toEqual([4_000_000, true]);
    for (let i = 0; i < 400; i++) expect([all[i * 10_000], all[i * 10_000 + 9_999]]).toEqual([i % 256, i % 256]);
  });

  it('end for who writes when the client goes away', async () => {
    let over: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (over = resolve));
    const session = await streaming(async (sink, request) => {
      while (sink.write(Buffer.alloc(10_000)));
      await sink.drained();
      // Nobody listened when it happened.
      expect([request.signal.aborted, sink.closed]).toEqual([true, true]);
      expect(sink.write(Buffer.alloc(1))).toBe(true);
      over();
    });
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => undefined);
    await once(stream, 'response');
    stream.close(8);
    await ended;
  });
});

it('serves connections of the emulated network, and is known by its address there', async () => {
  const fabric = createFabric({ clock: realClock, random: realRandom, log: silentLogger, metrics: createMetrics() });
  const [one, two] = [fabric.addSwitch({ node: 'one', nodeIp: '10.0.0.1' }), fabric.addSwitch({ node: 'two', nodeIp: '10.0.0.2' })];
  const { caCert, servingCert } = ensurePki(undefined);
  const { cert, key } = servingCert('one', { subject: { commonName: 'one' }, altNames: { ipAddresses: ['10.0.0.1'] } });
  const server = serveHttpOver({ handler: { request: (request, response) => response.send(200, {}, `you ask for ${request.url}`) }, tls: { cert, key } });
  cleanUps.push(() => server.close());
  for (const { hostStack } of [one, two]) hostStack.listen({ ip: '', port: 10_250 }, (conn) => server.accept(conn));
  const ask = async (host: string): Promise<string> => {
    const conn = await dialTlsOver(await two.hostStack.dial({ ip: host, port: 10_250 }), { host, port: 10_250, tls: { ca: caCert } });
    const reply = await exchange(conn, { method: 'GET', target: '/pods', headers: [['Host', host]] });
    const chunks: Uint8Array[] = [];
    for await (const chunk of reply.body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  expect(await ask('10.0.0.1')).toBe('you ask for /pods');
  await expect(ask('10.0.0.2')).rejects.toThrow(/certificate is valid for/);
});
