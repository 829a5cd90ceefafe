import { mkdtempSync, rmSync } from 'node:fs';
import { type Http2Stream, connect as connectHttp2 } from 'node:http2';
import { type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type CallContext, type Channel, Code, type Client, RpcError, type TlsMaterial, createClient, grpcChannel, service, spreadChannel } from '@orrery/rpc';
import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { dialGrpc } from './grpc-dialer.ts';
import { serveGrpc } from './grpc-listener.ts';
import { ensurePki } from './pki/index.ts';

/** A message that is its own bytes. */
const raw = { encode: (message: Uint8Array) => ({ finish: () => message }) as unknown as BinaryWriter, decode: (bytes: BinaryReader | Uint8Array) => Buffer.from(bytes as Uint8Array) };
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({ name, requestType: raw, responseType: raw, requestStream, responseStream });
const Echo = {
  name: 'Echo',
  fullName: 'test.Echo',
  methods: { one: method('One', false, false), collect: method('Collect', true, false), repeat: method('Repeat', false, true), both: method('Both', true, true), missing: method('Missing', false, false) },
} as const;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
let contexts: CallContext[] = [];

const echo = service(Echo as never, {
  one: async (request: Buffer, context: CallContext) => {
    contexts.push(context);
    if (text(request) === 'fail') throw new RpcError(Code.NOT_FOUND, 'no such thing: 100 % “gone”\n');
    if (text(request) === 'bug') throw new Error('a bug');
    if (text(request) === 'wait') await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    return request;
  },
  collect: async (requests: AsyncIterable<Buffer>) => {
    let bytes = 0;
    for await (const request of requests) bytes += request.length;
    return Buffer.from(String(bytes));
  },
  repeat: async function* (request: Buffer, context: CallContext) {
    contexts.push(context);
    const [count = 0, size = 0] = text(request).split(' ').map(Number);
    for (let i = 0; i < count; i++) yield Buffer.alloc(size, i);
    if (size === 7) throw new RpcError(Code.ABORTED, 'enough');
  },
  both: async function* (requests: AsyncIterable<Buffer>) {
    for await (const request of requests) yield request;
  },
} as never);

type EchoClient = Client<typeof Echo>;

/** Both clients: that of gRPC's own library, and ours. */
type Dial = (target: string, options?: { tls?: TlsMaterial; serverName?: string }) => Channel;
const clients: readonly (readonly [string, Dial])[] = [['grpc-js', grpcChannel], ['our own client', dialGrpc]];

async function serve(options: Parameters<typeof serveGrpc>[1] = {}, dial: Dial = grpcChannel) {
  contexts = [];
  const server = serveGrpc([echo], options);
  const port = await server.listen('127.0.0.1:0');
  cleanUps.push(() => server.stop());
  const open = (extra: Parameters<Dial>[1] = {}): { client: EchoClient; channel: Channel } => {
    const channel = dial(`127.0.0.1:${port}`, extra);
    cleanUps.push(() => channel.close());
    return { client: createClient(Echo, channel) as EchoClient, channel };
  };
  return { server, port, open };
}

const call = (client: EchoClient, request: string | Buffer, options?: object): Promise<Buffer> => client.one(Buffer.from(request) as never, options) as Promise<Buffer>;
const repeat = (client: EchoClient, what: string): AsyncIterable<Buffer> => client.repeat(Buffer.from(what) as never) as unknown as AsyncIterable<Buffer>;

describe.each(clients)('gRPC over our own HTTP/2, asked by %s', (_client, dial) => {
  it('answers, from nothing to more than all windows', async () => {
    const { client } = (await serve({}, dial)).open();
    for (const size of [0, 1, 16_379, 16_380, 65_530, 65_531, 1_048_571, 1_048_576, 5_000_000]) {
      const request = Buffer.alloc(size, 'x');
      expect((await call(client, request)).equals(request)).toBe(true);
    }
    const many = await Promise.all(Array.from({ length: 500 }, (_, i) => call(client, `request ${i}`)));
    expect(many.map(text)).toEqual(Array.from({ length: 500 }, (_, i) => `request ${i}`));
  });

  it('streams both ways', async () => {
    const { client } = (await serve({}, dial)).open();
    const chunks = async function* () {
      for (let i = 0; i < 60; i++) yield Buffer.alloc(50_000);
    };
    expect(text((await client.collect(chunks() as never)) as Buffer)).toBe('3000000');
    let seen = 0;
    for await (const bytes of repeat(client, '60 50000')) seen += bytes.length;
    expect(seen).toBe(3_000_000);
    const back: number[] = [];
    for await (const bytes of client.both(chunks() as never) as unknown as AsyncIterable<Buffer>) back.push(bytes.length);
    expect(back).toEqual(Array.from({ length: 60 }, () => 50_000));
  });

  it('fails with the code and the words of the handler, in whatever script', async () => {
    const { client } = (await serve({}, dial)).open();
    await expect(call(client, 'fail')).rejects.toMatchObject({ code: Code.NOT_FOUND, message: 'no such thing: 100 % “gone”\n' });
    await expect(call(client, 'bug')).rejects.toMatchObject({ code: Code.UNKNOWN, message: 'a bug' });
    await expect(call(client, 'x')).resolves.toEqual(Buffer.from('x'));
    await expect(client.missing(Buffer.alloc(0) as never)).rejects.toMatchObject({ code: Code.UNIMPLEMENTED, message: 'method Missing not implemented' });
    const stream = repeat(client, '3 7');
    const sizes: number[] = [];
    const read = async (): Promise<void> => {
      for await (const bytes of stream) sizes.push(bytes.length);
    };
    await expect(read()).rejects.toMatchObject({ code: Code.ABORTED, message: 'enough' });
    expect(sizes).toEqual([7, 7, 7]);
  });

  it('tells what it does not serve', async () => {
    const { channel } = (await serve({}, dial)).open();
    const other = { ...Echo, fullName: 'test.Other' };
    await expect((createClient(other, channel) as EchoClient).one(Buffer.alloc(0) as never)).rejects.toMatchObject({ code: Code.UNIMPLEMENTED, message: 'unknown service test.Other' });
    const more = { ...Echo, methods: { one: method('Two', false, false) } };
    await expect(createClient(more, channel).one(Buffer.alloc(0))).rejects.toMatchObject({ code: Code.UNIMPLEMENTED, message: 'unknown method Two for service test.Echo' });
  });

  it('passes metadata on, keeps deadlines, aborts what the client gives up', async () => {
    const { port, open } = await serve({}, dial);
    const { client } = open();
    await call(client, 'x', { metadata: { hasleader: 'true' } });
    expect(contexts[0]?.metadata).toMatchObject({ hasleader: 'true' });
    expect(contexts[0]?.metadata).not.toHaveProperty('te');
    expect(contexts[0]?.peer.address).toMatch(/^127\.0\.0\.1:\d+$/);
    await expect(call(client, 'wait', { timeoutMs: 50 })).rejects.toMatchObject({ code: Code.DEADLINE_EXCEEDED });
    const abort = new AbortController();
    const waiting = call(client, 'wait', { signal: abort.signal });
    while (contexts.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    const gone = new Promise((resolve) => contexts[2]?.signal.addEventListener('abort', resolve));
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: Code.CANCELLED });
    await gone;
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/test.Echo/One', 'content-type': 'application/grpc' });
    stream.on('error', () => undefined).end(Buffer.from('000000000477616974', 'hex'));
    while (contexts.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    const lost = new Promise((resolve) => contexts[3]?.signal.addEventListener('abort', resolve));
    session.destroy();
    await lost;
  });

  it('pauses a stream whose client does not read', async () => {
    const { open } = await serve({}, dial);
    const { client } = open();
    const stream = repeat(client, '100000 10000')[Symbol.asyncIterator]();
    await stream.next();
    const before = process.memoryUsage().rss;
    await new Promise((resolve) => setTimeout(resolve, 200));
    // A thousand megabytes are waiting to be made.
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
    await stream.return?.();
  });

  it('lets calls in flight finish when it stops, and ends those that do not', async () => {
    const { server, open } = await serve({}, dial);
    const { client } = open();
    await call(client, 'x');
    const waiting = call(client, 'wait');
    const failed = expect(waiting).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    while (contexts.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.stop(100);
    await failed;
    await expect(call(client, 'x')).rejects.toMatchObject({ code: Code.UNAVAILABLE });
  });

  it('verifies clients by certificate, or shows what they have', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'orrery-grpc-'));
    cleanUps.push(() => rmSync(dir, { recursive: true }));
    const pki = ensurePki(dir, { dnsNames: ['localhost'] });
    const { cert, key } = pki.servingCert('server', { subject: { commonName: 'server' }, altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } });
    const user = pki.clientCert('someone', ['people', 'others']);
    const strict = await serve({ tls: { ca: pki.caCert, cert, key }, requireClientCert: true }, dial);
    const known = strict.open({ tls: { ca: pki.caCert, cert: user.cert, key: user.key }, serverName: 'localhost' });
    expect(text(await call(known.client, 'x'))).toBe('x');
    expect(contexts[0]?.peer).toMatchObject({ commonName: 'someone', organizations: expect.arrayContaining(['people', 'others']) as string[] });
    const unknown = strict.open({ tls: { ca: pki.caCert }, serverName: 'localhost' });
    await expect(call(unknown.client, 'x', { timeoutMs: 2000 })).rejects.toBeInstanceOf(RpcError);
    const lax = await serve({ tls: { ca: pki.caCert, cert, key }, optionalClientCert: true }, dial);
    await call(lax.open({ tls: { ca: pki.caCert }, serverName: 'localhost' }).client, 'x');
    await call(lax.open({ tls: { ca: pki.caCert, cert: user.cert, key: user.key }, serverName: 'localhost' }).client, 'x');
    expect(contexts.map(({ peer }) => [peer.commonName, peer.shownCertificate?.length !== undefined])).toEqual([[undefined, false], [undefined, true]]);
  });

  it('listens on a socket of the file system', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'orrery-grpc-'));
    cleanUps.push(() => rmSync(dir, { recursive: true }));
    const server = serveGrpc([echo]);
    cleanUps.push(() => server.stop());
    expect(await server.listen(`unix:${dir}/s`)).toBe(0);
    const channel = dial(`unix:${dir}/s`);
    cleanUps.push(() => channel.close());
    expect(text(await call(createClient(Echo, channel) as EchoClient, 'x'))).toBe('x');
  });

});

describe('our own HTTP/2', () => {
  it('reads the headers of another encoder, whatever they are', async () => {
    const { port } = await serve();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    cleanUps.push(() => session.close());
    const finished = (stream: Http2Stream): Promise<void> => new Promise((resolve) => stream.on('close', resolve).on('error', () => undefined).resume());
    const value = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.stringMatching(/^x[a-z0-9]{0,20}$/), value, { maxKeys: 6 }), async (headers) => {
        contexts = [];
        const stream = session.request({ ':method': 'POST', ':path': '/test.Echo/One', 'content-type': 'application/grpc', te: 'trailers', ...headers });
        stream.end(Buffer.from([0, 0, 0, 0, 1, 120]));
        await finished(stream);
        expect(contexts[0]?.metadata).toEqual(headers);
      }),
    );
  });

  it.each([
    ['no POST', { ':method': 'GET', 'content-type': 'application/grpc' }, '', { status: 405 }],
    ['no gRPC', { 'content-type': 'application/json' }, '', { status: 415 }],
    ['an encoding that nobody knows', { 'grpc-encoding': 'snappy' }, '010000000178', { code: '12', message: 'grpc: Decompressor is not installed for grpc-encoding "snappy"', accepts: 'identity,gzip' }],
    ['what is no gzip', { 'grpc-encoding': 'gzip' }, '010000000178', { code: '13' }],
    ['a compressed message that no encoding was told of', {}, '010000000178', { code: '13', message: 'grpc: compressed flag set with identity or empty encoding' }],
    ['a message that ends early', {}, '000000000978', { code: '13' }],
    ['no message', {}, '', { code: '13' }],
    ['two messages', {}, '000000000178000000000178', { code: '13' }],
    ['a message that is too large', {}, '00ffffffff78', { code: '8' }],
    ['a bad deadline', { 'grpc-timeout': '12' }, '000000000178', { code: '13' }],
    ['a path without a method', { ':path': '/' }, '000000000178', { code: '12' }],
  ])('refuses %s', async (_, headers, body, expected) => {
    const { port } = await serve();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    cleanUps.push(() => session.close());
    const stream = session.request({ ':method': 'POST', ':path': '/test.Echo/One', 'content-type': 'application/grpc', ...headers });
    const answer = new Promise((resolve) => stream.on('response', (head) => resolve({ status: head[':status'], code: head['grpc-status'], message: decodeURIComponent(String(head['grpc-message'])), accepts: head['grpc-accept-encoding'] })));
    stream.on('error', () => undefined).resume();
    stream.end(Buffer.from(body, 'hex'));
    expect(await answer).toMatchObject(expected);
  });

  it('takes messages packed by gzip, no more of them than fit', async () => {
    const { port } = await serve({ maxMessageBytes: 10_000 });
    const channel = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { 'grpc.default_compression_algorithm': 2 });
    cleanUps.push(() => channel.close());
    const ask = (request: Buffer) =>
      new Promise<Buffer | undefined>((resolve, reject) => channel.makeUnaryRequest('/test.Echo/One', (bytes: Buffer) => bytes, (bytes) => bytes, request, (error, answer) => (error ? reject(error) : resolve(answer))));
    expect(await ask(Buffer.alloc(10_000, 'y'))).toEqual(Buffer.alloc(10_000, 'y'));
    await expect(ask(Buffer.alloc(10_001, 'y'))).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED, details: 'grpc: received message after decompression larger than max 10000' });
    const plain = createClient(Echo, grpcChannel(`127.0.0.1:${port}`)) as EchoClient;
    await expect(call(plain, Buffer.alloc(10_001))).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED, message: 'grpc: received message larger than max (10001 vs. 10000)' });
  });

  it('ends the connection of a client that pings too often', async () => {
    const { port } = await serve({ pings: { minMs: 60_000, withoutCalls: true } });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on('error', () => undefined);
    const left = new Promise((resolve) => session.on('goaway', (code, _last, data) => resolve([code, String(data)])));
    session.on('connect', () => {
      for (let i = 0; i < 4; i++) session.ping(() => undefined);
    });
    expect(await left).toEqual([11, 'too_many_pings']);
    session.destroy();
  });

  it('answers HTTP/1.1 at the same port, if asked to', async () => {
    const { port, open } = await serve({ http1: { request: ({ url }, response) => response.send(url === '/health' ? 200 : 404, { 'content-type': 'text/plain' }, `you asked for ${url}`) } });
    const { client } = open();
    expect(text(await call(client, 'x'))).toBe('x');
    for (const [path, status] of [['/health', 200], ['/other', 404], ['/health', 200]] as const) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      expect([response.status, await response.text()]).toEqual([status, `you asked for ${path}`]);
    }
    expect(text(await call(client, 'y'))).toBe('y');
  });

  it('closes connections of those who speak something else', async () => {
    const { port, open } = await serve();
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve).resume());
    expect(text(await call(open().client, 'x'))).toBe('x');
  });
});

/** Takes connections and never answers, as a server that hangs does. */
async function hung(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${port}`;
}

describe('a client of gRPC\'s own library whose server hangs', () => {
  const unreached = { code: Code.UNAVAILABLE, message: expect.stringMatching(/^No connection established/) as string };
  const dial = async (tls?: TlsMaterial): Promise<Channel> => {
    const channel = grpcChannel(await hung(), { connectMs: 50, ...(tls ? { tls } : {}) });
    cleanUps.push(() => channel.close());
    return channel;
  };

  it.each([['in plain text', false], ['over TLS', true]])('gives calls up that found no connection, %s', async (_how, isTls) => {
    const dir = mkdtempSync(join(tmpdir(), 'orrery-hung-'));
    cleanUps.push(() => rmSync(dir, { recursive: true }));
    const client = createClient(Echo, await dial(isTls ? { ca: ensurePki(dir, { dnsNames: ['localhost'] }).caCert } : undefined)) as EchoClient;
    await expect(call(client, 'x')).rejects.toMatchObject(unreached);
    await expect((async () => {
      for await (const _ of repeat(client, '1 1')) throw new Error('nobody answers');
    })()).rejects.toMatchObject(unreached);
  });

  it('asks the next server, for streams too', async () => {
    const { open } = await serve();
    const client = createClient(Echo, spreadChannel([await dial(), open().channel, await dial()], { now: () => performance.now(), random: { next: () => 0.5 } })) as EchoClient;
    for (let i = 0; i < 4; i++) {
      expect(text(await call(client, `${i}`))).toBe(`${i}`);
      const got: number[] = [];
      for await (const chunk of repeat(client, '3 1')) got.push(chunk.length);
      expect(got).toEqual([1, 1, 1]);
    }
  });
});
