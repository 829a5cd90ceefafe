import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, performServerHandshake } from 'node:http2';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { type PeerCertificate, connect as connectTls } from 'node:tls';
import { createFabric, type NetStack } from '@orrery/vnet';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { ensurePki } from '../pki/index.ts';
import { duplexOverConn, exposeOnHost } from '../vnet-bridge.ts';
import type { ForwardPlan, ProxiedRequest, ProxyRecord, ProxyVerdict } from './contract.ts';
import { fakeCertificate } from './fake-certificate.ts';
import { verifyHtpasswd } from './htpasswd.ts';
import { createReverseProxy } from './reverse-proxy.ts';

const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const stops: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

type Handler = (message: IncomingMessage, response: ServerResponse) => void;

/** A network with web servers at 10.244.0.N:80; what each connection carries is counted. */
function network() {
  const fabric = createFabric(env);
  const node = fabric.addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
  const add = (n: number, handler: Handler): { connections: () => number; server: Server } => {
    const server = createServer(handler);
    let connections = 0;
    node.attach({ ips: [`10.244.0.${n}`] }).stack.listen({ ip: '', port: 80 }, (conn) => {
      connections++;
      server.emit('connection', duplexOverConn(conn));
    });
    return { connections: () => connections, server };
  };
  return { net: node.hostStack as NetStack, node, add };
}

const echo: Handler = (message, response) => {
  let body = '';
  message.on('data', (chunk) => (body += String(chunk)));
  message.on('end', () => response.end(`${message.method} ${message.url} ${message.headers.host} ${body}`));
};

const basePlan: ForwardPlan = {
  endpoints: [{ ip: '10.244.0.2', port: 80 }],
  target: '/',
  setHeaders: { host: 'shop.test' },
  responseHeaders: {},
  cookies: [],
  hideHeaders: [],
  protocol: 'HTTP',
  verify: false,
  serverName: '',
  connectTimeoutMs: 5_000,
  sendTimeoutMs: 60_000,
  readTimeoutMs: 60_000,
  bodyLimit: 0,
  retryOn: new Set(['error', 'timeout']),
  tries: 3,
  retryTimeoutMs: 0,
  mirror: undefined,
  auth: undefined,
};
const at = (...numbers: number[]): Pick<ForwardPlan, 'endpoints'> => ({ endpoints: numbers.map((n) => ({ ip: `10.244.0.${n}`, port: 80 })) });
const forwardTo = (plan: Partial<ForwardPlan>): ProxyVerdict => ({ kind: 'forward', plan: { ...basePlan, ...plan }, tag: undefined });

async function proxy(net: NetStack, decide: (request: ProxiedRequest) => ProxyVerdict, clientCa = '') {
  const server = createReverseProxy({ host: '127.0.0.1', httpPort: 0, httpsPort: 0, anyPortIfTaken: false, fallbackCertificate: fakeCertificate(Date.now()), dial: (to) => net.dial(to) });
  stops.push(() => server.stop());
  const records: ProxyRecord[] = [];
  const bound = await server.start({ decide, certificate: () => (clientCa ? { clientCa } : {}), asksClients: () => clientCa !== '', done: (record) => void records.push(record), keepAlive: () => ({ connections: 8, seconds: 60 }), resolve: () => undefined });
  return { ...bound, records };
}

interface Fetched {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
}

function fetchFrom(address: string, options: { path?: string; method?: string; body?: string; headers?: Record<string, string> } = {}): Promise<Fetched> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path: options.path ?? '/', method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false }, (reply) => {
      let text = '';
      reply.on('data', (chunk) => (text += String(chunk)));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, headers: reply.headers }));
    });
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

describe('reverse proxy', () => {
  it('sends requests on and replies back, with the headers of the plan', async () => {
    const { net, add } = network();
    add(2, (message, response) => {
      response.setHeader('x-secret', '1');
      response.setHeader('set-cookie', 'a=1');
      echo(message, response);
    });
    const { http, records } = await proxy(net, () => forwardTo({ target: '/new?x', responseHeaders: { 'x-added': 'yes' }, hideHeaders: ['x-secret'], cookies: ['b=2'] }));
    const reply = await fetchFrom(http, { method: 'POST', body: 'hello' });
    expect(reply).toMatchObject({ status: 200, text: 'POST /new?x shop.test hello', headers: { 'x-added': 'yes', 'set-cookie': ['a=1', 'b=2'] } });
    expect(reply.headers['x-secret']).toBeUndefined();
    expect(records).toMatchObject([{ status: 200, bytesSent: reply.text.length, attempts: [{ status: 200, endpoint: { ip: '10.244.0.2' } }] }]);
  });

  it('does not ask again over a connection whose other end is done, even where that still takes bytes', async () => {
    const { net, node } = network();
    let connections = 0;
    node.attach({ ips: ['10.244.0.2'] }).stack.listen({ ip: '', port: 80 }, (conn) => {
      connections++;
      // As a switch of another process tells of a pod that went away: the end of what it said, first.
      const answerOnce = async (): Promise<void> => {
        await conn.read();
        await conn.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
        await conn.closeWrite();
      };
      void answerOnce();
    });
    const { http, records } = await proxy(net, () => forwardTo({ readTimeoutMs: 2_000 }));
    for (let i = 0; i < 3; i++) expect((await fetchFrom(http)).text).toBe('ok');
    expect([connections, records.map(({ attempts }) => attempts.length)]).toEqual([3, [1, 1, 1]]);
  });

  it('keeps connections to backends, and outlives their end', async () => {
    const { net, add } = network();
    const backend = add(2, echo);
    const { http } = await proxy(net, () => forwardTo({}));
    for (let i = 0; i < 5; i++) expect((await fetchFrom(http)).status).toBe(200);
    expect(backend.connections()).toBe(1);
    backend.server.closeAllConnections();
    expect((await fetchFrom(http)).status).toBe(200);
  });

  it.each<[what: string, plan: Partial<ForwardPlan>, method: string, status: number, tried: number]>([
    ['refuses', { ...at(9, 2) }, 'GET', 200, 2],
    ['refuses', { ...at(9, 2) }, 'POST', 200, 2],
    ['resets', { ...at(3, 2) }, 'GET', 200, 2],
    ['resets', { ...at(3, 2) }, 'POST', 502, 1],
    ['resets', { ...at(3, 2), retryOn: new Set(['error', 'non_idempotent']) }, 'POST', 200, 2],
    ['resets', { ...at(3, 2), retryOn: new Set(['off']) }, 'GET', 502, 1],
    ['says 503', { ...at(4, 2) }, 'GET', 503, 1],
    ['says 503', { ...at(4, 2), retryOn: new Set(['http_503']) }, 'GET', 200, 2],
    ['is silent', { ...at(5, 2), readTimeoutMs: 3_000 }, 'GET', 200, 2],
    ['is silent', { ...at(5), readTimeoutMs: 300, tries: 1 }, 'GET', 504, 1],
    ['is not there', { ...at(9) }, 'GET', 502, 2],
  ])('asks the next when a backend %s (%j, %s)', async (_what, plan, method, status, tried) => {
    const { net, add } = network();
    add(2, echo);
    add(3, (message) => void message.socket.destroy(new Error('gone')));
    add(4, (_message, response) => response.writeHead(503).end('busy'));
    add(5, () => undefined);
    const { http, records } = await proxy(net, () => forwardTo(plan));
    expect((await fetchFrom(http, { method, ...(method === 'POST' ? { body: 'x' } : {}) })).status).toBe(status);
    expect(records[0]?.attempts).toHaveLength(tried);
  });

  it('refuses bodies that are too big, told or not', async () => {
    const { net, add } = network();
    add(2, echo);
    const { http } = await proxy(net, () => forwardTo({ bodyLimit: 1000 }));
    expect((await fetchFrom(http, { method: 'POST', body: 'x'.repeat(1000) })).status).toBe(200);
    expect((await fetchFrom(http, { method: 'POST', body: 'x'.repeat(1001) })).status).toBe(413);
    expect((await fetchFrom(http, { method: 'POST', body: 'x'.repeat(5000), headers: { 'transfer-encoding': 'chunked' } })).status).toBe(413);
  });

  it('streams big bodies both ways', async () => {
    const { net, add } = network();
    add(2, (message, response) => void message.pipe(response));
    const { http } = await proxy(net, () => forwardTo({}));
    const body = 'abcdefgh'.repeat(300_000);
    expect((await fetchFrom(http, { method: 'POST', body })).text === body).toBe(true);
  });

  it('replies by itself', async () => {
    const { net } = network();
    const { http } = await proxy(net, () => ({ kind: 'reply', status: 308, headers: { location: 'https://x/' }, body: '', tag: undefined }));
    expect(await fetchFrom(http)).toMatchObject({ status: 308, headers: { location: 'https://x/' } });
  });

  it('lets somebody else decide who comes in, and copies requests to a mirror', async () => {
    const { net, add } = network();
    add(2, echo);
    add(6, (message, response) => response.writeHead(message.headers.cookie === 'ok' ? 200 : 401, { 'x-user': 'ann' }).end());
    const mirrored = new Promise<string>((resolve) => {
      add(7, (message, response) => {
        resolve(`${message.method} ${message.url}`);
        response.end();
      });
    });
    const seen: string[] = [];
    add(8, (message, response) => {
      seen.push(String(message.headers['x-user']));
      echo(message, response);
    });
    const decide = ({ headers }: ProxiedRequest): ProxyVerdict =>
      forwardTo({ ...at(8), auth: { url: 'http://10.244.0.6/check', method: 'GET', headers: { cookie: String(headers['cookie'] ?? '') }, responseHeaders: ['x-user'], signIn: headers['x-sign'] ? 'http://login/' : '' }, mirror: { url: 'http://10.244.0.7/copy', body: true } });
    const { http } = await proxy(net, decide);
    expect((await fetchFrom(http)).status).toBe(401);
    expect(await fetchFrom(http, { headers: { 'x-sign': '1' } })).toMatchObject({ status: 302, headers: { location: 'http://login/' } });
    expect((await fetchFrom(http, { headers: { cookie: 'ok' } })).status).toBe(200);
    expect(seen).toEqual(['ann']);
    expect(await mirrored).toBe('GET /copy');
  });

  it('gives another answer in the place of an error', async () => {
    const { net, add } = network();
    add(2, (_message, response) => response.writeHead(500).end('raw'));
    add(3, (message, response) => response.writeHead(500).end(`page for ${String(message.headers['x-code'])}`));
    const { http } = await proxy(net, () => forwardTo({ instead: (status) => (status === 500 ? forwardTo({ ...at(3), setHeaders: { 'x-code': '500' } }) : undefined) }));
    expect(await fetchFrom(http)).toMatchObject({ status: 500, text: 'page for 500' });
  });

  it('passes WebSocket upgrades', async () => {
    const { net, add } = network();
    const { server } = add(2, echo);
    server.on('upgrade', (message, socket) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: ${String(message.headers.upgrade)}\r\nconnection: upgrade\r\n\r\n`);
      socket.on('data', (chunk: Buffer) => socket.end(`echo ${chunk.toString()}`));
    });
    const { http, records } = await proxy(net, () => forwardTo({ target: '/ws' }));
    const [, port = ''] = http.split(':');
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n'));
      let all = '';
      socket.on('data', (chunk: Buffer) => {
        all += chunk.toString();
        if (all.endsWith('\r\n\r\n')) socket.write('ping');
      });
      socket.on('end', () => resolve(all));
      socket.on('error', reject);
    });
    expect(text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\nupgrade: websocket[\s\S]*echo ping$/);
    await expect.poll(() => records.length, { timeout: 15_000 }).toBe(1);
    expect(records.map(({ status }) => status)).toEqual([101]);
  });

  it('passes gRPC with its trailers, over HTTP/2 and TLS', async () => {
    const { net, node } = network();
    node.attach({ ips: ['10.244.0.2'] }).stack.listen({ ip: '', port: 80 }, (conn) => {
      const session = performServerHandshake(duplexOverConn(conn));
      session.on('stream', (stream, headers) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': String(headers[':path']) }));
        stream.pipe(stream);
      });
    });
    const { https } = await proxy(net, ({ target }) => forwardTo({ protocol: 'GRPC', target }));
    const session: ClientHttp2Session = connectHttp2(`https://${https}`, { rejectUnauthorized: false });
    stops.push(() => session.destroy());
    const got = await new Promise<{ body: string; trailers: Record<string, unknown> }>((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ':path': '/shop.Cart/Add', 'content-type': 'application/grpc', te: 'trailers' });
      let body = '';
      let trailers = {};
      stream.on('data', (chunk: Buffer) => (body += chunk.toString()));
      stream.on('trailers', (got) => (trailers = got));
      stream.on('end', () => resolve({ body, trailers }));
      stream.on('error', reject);
      stream.end('message');
    });
    expect(got).toMatchObject({ body: 'message', trailers: { 'grpc-status': '0', 'grpc-message': '/shop.Cart/Add' } });
  });
});

it('shows the fake certificate for a name that has none', async () => {
  const { https } = await proxy(network().net, () => ({ kind: 'reply', status: 200, headers: {}, body: '', tag: undefined }));
  const shown = await new Promise<PeerCertificate>((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: Number(https.split(':')[1]), servername: 'shop.test', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.on('error', reject);
  });
  expect([shown.subject, shown.subjectaltname]).toMatchObject([{ O: 'Acme Co', CN: 'Kubernetes Ingress Controller Fake Certificate' }, 'DNS:ingress.local']);
});

describe('certificates of clients', () => {
  const ca = ensurePki(undefined);
  const told = ({ clientCertificate }: ProxiedRequest): ProxyVerdict => {
    const shown = clientCertificate?.();
    return { kind: 'reply', status: 200, headers: {}, body: shown ? `${shown.subject} ${shown.issuer} [${shown.error}] ${shown.intermediates}` : 'none', tag: undefined };
  };
  const ask = (address: string, own: { cert?: string; key?: string }): Promise<string> =>
    new Promise((resolve, reject) => {
      const outgoing = requestTls({ host: '127.0.0.1', port: address.split(':')[1], servername: 'shop.test', rejectUnauthorized: false, agent: false, ...own }, (reply) => {
        let text = '';
        reply.on('data', (chunk) => (text += String(chunk)));
        reply.on('end', () => resolve(text));
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  it('are told, and whether the authority has signed them', async () => {
    const { https } = await proxy(network().net, told, ca.caCert);
    expect(await ask(https, {})).toBe('none');
    expect(await ask(https, ca.clientCert('ann', ['staff']))).toMatch(/^CN=ann,O=staff CN=.* \[\] 0$/);
    expect(await ask(https, ensurePki(undefined).clientCert('ann', ['staff']))).toMatch(/^CN=ann,O=staff CN=.* \[UNABLE_TO_VERIFY_LEAF_SIGNATURE\] 0$/);
  });
  it('are not asked for where nobody needs them', async () => {
    const { https } = await proxy(network().net, told);
    expect(await ask(https, ca.clientCert('ann', ['staff']))).toBe('none');
  });
});

describe('passwords of htpasswd files', () => {
  it.each([
    ['secret', '$apr1$fYQRSeKx$swOwn8wyXmNFbrHc9sxA2/', true],
    ['a longer password than sixteen', '$apr1$fYQRSeKx$cL/mw1/MaYGXGspJqiK9N/', true],
    ['Secret', '$apr1$fYQRSeKx$swOwn8wyXmNFbrHc9sxA2/', false],
    ['password', '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', true],
    ['wrong', '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', false],
    ['plain', '{PLAIN}plain', true],
    ['secret', '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a', true],
    ['Secret', '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a', false],
    ['x', '$2y$05$malformed', false],
    ['x', '$6$salt$unsupported', false],
  ])('%s against %s', async (password, hash, wanted) => {
    expect(await verifyHtpasswd(password, hash)).toBe(wanted);
  });
});

it('carries host connections into the emulated network', async () => {
  const { net, add } = network();
  add(2, echo);
  const listener = await exposeOnHost({ host: '127.0.0.1', port: 0 }, () => net.dial({ ip: '10.244.0.2', port: 80 }));
  stops.push(() => listener.close());
  expect((await fetchFrom(listener.endpoint, { path: '/a?b=c' })).text).toBe(`GET /a?b=c ${listener.endpoint} `);
});
