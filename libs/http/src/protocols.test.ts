import { constants, createDeflate, createInflate } from 'node:zlib';
import { VirtualClock } from '@orrery/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ByteReader,
  type ByteStream,
  type RemoteCommandSession,
  SpdySession,
  type UpgradeRequest,
  WebSocketConnection,
  acceptRemoteCommand,
  connectSpdy,
  connectWebSocket,
  exchange,
  headerMap,
  proxyUpgrade,
  readRequestHead,
  servePortForward,
  splice,
  streamPair,
} from './index.ts';
import { HeaderDecoder, HeaderEncoder, adler32, dictionary } from './spdy/headers.ts';
import { encodeFrame } from './websocket/frames.ts';

/** Time stands still but for timers: whoever sleeps has slept. */
const clock = Object.assign(new VirtualClock(), { sleep: async () => undefined });
const all = { stdin: true, stdout: true, stderr: true, tty: false };

async function readAll(reader: ByteReader): Promise<string> {
  const parts: Uint8Array[] = [];
  for (let bytes = await reader.read(); bytes; bytes = await reader.read()) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

/** The server's end of a connection after the request head was read. */
async function accept(conn: ByteStream): Promise<{ request: UpgradeRequest; stream: ByteStream }> {
  const read = await readRequestHead(conn);
  if (!read) throw new Error('no request');
  return { request: { method: read.head.method, url: read.head.target, headers: headerMap(read.head.headers) }, stream: read.rest };
}

async function serveCommand(conn: ByteStream, run: (session: RemoteCommandSession) => Promise<void>): Promise<void> {
  const { request, stream } = await accept(conn);
  const session = await acceptRemoteCommand(request, { stream, streams: all, clock });
  if (session) await run(session);
}

describe('SPDY header compression', () => {
  it('has the dictionary that the protocol names', () => expect(adler32(dictionary)).toBe(0xe3c6a7c2));

  it('reads what zlib writes and writes what zlib reads, block after block', async () => {
    const deflate = createDeflate({ dictionary, flush: constants.Z_SYNC_FLUSH });
    const inflate = createInflate({ dictionary, finishFlush: constants.Z_SYNC_FLUSH });
    const through = (stream: typeof deflate | typeof inflate, bytes: Buffer): Promise<Buffer> => {
      const parts: Buffer[] = [];
      const collect = (part: Buffer): void => void parts.push(part);
      stream.on('data', collect);
      return new Promise((resolve) => stream.write(bytes, () => resolve((stream.off('data', collect), Buffer.concat(parts)))));
    };
    const [encoder, plainEncoder, decoder] = [new HeaderEncoder(), new HeaderEncoder(), new HeaderDecoder()];
    const stored = (block: Buffer, first: boolean): Buffer => block.subarray(first ? 11 : 5, block.length - 5);
    for (let i = 0; i < 20; i++) {
      const headers = { streamtype: 'error', port: String(80 + i), requestid: String(i), long: 'abc'.repeat(i * 40), 'content-type': 'text/html' };
      const block = encoder.encode(headers);
      const plain = stored(plainEncoder.encode(headers), i === 0);
      expect(await through(inflate, block)).toEqual(plain);
      expect(decoder.decode(await through(deflate, plain))).toEqual(headers);
    }
  });
});

describe('remotecommand', () => {
  it.each(['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io'])('WebSocket %s', async (protocol) => {
    const [client, server] = streamPair();
    const base64 = protocol.includes('base64');
    const encode = (channel: number, text: string): Buffer => (base64 ? Buffer.from(channel + Buffer.from(text).toString('base64')) : Buffer.from(String.fromCharCode(channel) + text));
    const done = serveCommand(server, async (session) => {
      const first = Buffer.from((await session.stdin.read()) as Uint8Array).toString();
      const size = (await session.resizes[Symbol.asyncIterator]().next()).value;
      if (protocol.startsWith('v5')) expect(await session.stdin.read()).toBeUndefined();
      await session.stdout.write(Buffer.from(`${first} ${size.width}x${size.height}`));
      await session.exit({ exitCode: 3 });
    });
    const { socket } = await connectWebSocket(client, { target: '/exec', host: 'h', protocols: [protocol] });
    await socket.send(encode(0, 'hello'), base64 ? 'text' : 'binary');
    await socket.send(encode(4, '{"Width":80,"Height":24}'), base64 ? 'text' : 'binary');
    if (protocol.startsWith('v5')) await socket.send(Buffer.from([255, 0]));
    const got: string[] = ['', '', '', ''];
    for (let message = await socket.receive(); message; message = await socket.receive()) {
      const channel = base64 ? (message.data[0] as number) - 48 : (message.data[0] as number);
      got[channel] += base64 ? Buffer.from(message.data.subarray(1).toString(), 'base64').toString() : message.data.subarray(1).toString();
    }
    await done;
    expect(got[1]).toBe('hello 80x24');
    expect(JSON.parse(got[3] ?? '')).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '3' }] } });
  });

  it('SPDY through a proxy that only splices', async () => {
    const [client, front] = streamPair();
    const [back, server] = streamPair();
    const done = serveCommand(server, async (session) => {
      await session.stdout.write(Buffer.from(await readAll(session.stdin)));
      await session.exit({ exitCode: 0 });
    });
    const proxied = accept(front).then(({ request, stream }) => proxyUpgrade({ request, client: stream, backend: back, host: 'backend' }));
    const { stream, protocol } = await connectSpdy(client, { target: '/exec', host: 'h', protocols: ['v5.channel.k8s.io', 'v4.channel.k8s.io'] });
    expect(protocol).toBe('v4.channel.k8s.io');
    const session = new SpdySession(stream, { role: 'client' });
    const running = session.run();
    const [error, stdin, stdout] = await Promise.all(['error', 'stdin', 'stdout', 'stderr'].map((streamtype) => session.open({ streamtype })));
    const text = 'x'.repeat(500_000);
    void stdin?.write(Buffer.from(text)).then(() => stdin.closeWrite());
    expect(await readAll(stdout as ByteReader)).toBe(text);
    expect(JSON.parse(await readAll(error as ByteReader))).toEqual({ metadata: {}, status: 'Success' });
    session.destroy();
    await Promise.allSettled([running, done, proxied]);
  });

  it('tells the session when the client goes away, and gives up on clients that open no streams', async () => {
    const [client, server] = streamPair();
    const aborted = serveCommand(server, async (session) => {
      await new Promise((resolve) => session.signal.addEventListener('abort', resolve));
      await expect(session.exit({ exitCode: 0 })).resolves.toBeUndefined();
    });
    const { socket } = await connectWebSocket(client, { target: '/exec', host: 'h', protocols: ['v5.channel.k8s.io'] });
    socket.destroy();
    await aborted;

    const [silent, waiting] = streamPair();
    const session = accept(waiting).then(({ request, stream }) => acceptRemoteCommand(request, { stream, streams: all, clock }));
    await connectSpdy(silent, { target: '/exec', host: 'h', protocols: ['v4.channel.k8s.io'] });
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(31_000);
    expect(await session).toBeUndefined();
  });

  it('refuses unknown sub-protocols', async () => {
    const [client, server] = streamPair();
    const session = accept(server).then(({ request, stream }) => acceptRemoteCommand(request, { stream, streams: all, clock }));
    await expect(connectSpdy(client, { target: '/exec', host: 'h', protocols: ['v9'] })).rejects.toThrow('403');
    expect(await session).toBeUndefined();
  });
});

describe('port-forward', () => {
  it('WebSocket channels: port prefixes, data, errors', async () => {
    const [client, server] = streamPair();
    const [local, pod] = streamPair();
    const served = accept(server).then(({ request, stream }) =>
      servePortForward(request, { stream, clock, dial: (port) => (port === 80 ? Promise.resolve(local) : Promise.reject(new Error('connection refused'))) }),
    );
    const { socket } = await connectWebSocket(client, { target: '/portforward?ports=80&ports=81', host: 'h', protocols: ['v4.channel.k8s.io'] });
    const seen: string[] = [];
    const next = async (): Promise<void> => void seen.push((await socket.receive())?.data.toString('latin1') ?? 'end');
    for (let i = 0; i < 5; i++) await next();
    expect(seen).toEqual(['\0P\0', '\u0001P\0', '\u0002Q\0', '\u0003Q\0', '\u0003error forwarding port 81 to pod: connection refused']);
    await socket.send(Buffer.from('\0ping'));
    expect(Buffer.from((await pod.read()) as Uint8Array).toString()).toBe('ping');
    await pod.write(Buffer.from('pong'));
    await next();
    expect(seen.at(-1)).toBe('\0pong');
    pod.close();
    expect(await socket.receive()).toBeUndefined();
    await served;
  });
});

describe('WebSocket', () => {
  it('reassembles fragments cut anywhere, answers pings', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 50 }), async (parts, cut) => {
        const [client, server] = streamPair();
        const mask = new Uint8Array([1, 2, 3, 4]);
        const frames = parts.map((part, i) => encodeFrame({ final: i === parts.length - 1, opcode: i ? 0 : 2, payload: Buffer.from(part) }, mask));
        const bytes = Buffer.concat([encodeFrame({ final: true, opcode: 9, payload: Buffer.from('p') }, mask), ...frames]);
        const message = new WebSocketConnection(server, { role: 'server' }).receive();
        for (let at = 0; at < bytes.length; at += cut) await client.write(bytes.subarray(at, at + cut));
        expect((await message)?.data).toEqual(Buffer.concat(parts));
        expect(await client.read()).toEqual(Buffer.from([0x8a, 1, 0x70]));
      }),
      { numRuns: 50 },
    );
  });
});

describe('HTTP/1.1 exchange', () => {
  it.each([
    ['length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['chunked', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n'],
    ['until close', 'HTTP/1.1 200\r\n\r\nhello'],
  ])('reads a body by %s', async (_name, raw) => {
    const [client, server] = streamPair();
    for (const byte of Buffer.from(raw)) void server.write(Buffer.from([byte]));
    void server.closeWrite();
    const reply = await exchange(client, { method: 'GET', target: '/', headers: [['Host', 'h']] });
    const parts: Uint8Array[] = [];
    for await (const bytes of reply.body) parts.push(bytes);
    expect([reply.status, Buffer.concat(parts).toString()]).toEqual([200, 'hello']);
  });

  it('fails when the connection ends within the body', async () => {
    const [client, server] = streamPair();
    void server.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'));
    void server.closeWrite();
    const reply = await exchange(client, { method: 'GET', target: '/', headers: [] });
    await expect(reply.body[Symbol.asyncIterator]().next()).resolves.toMatchObject({ done: false });
    await expect(async () => {
      for await (const _ of reply.body);
    }).rejects.toThrow('closed within a body');
  });
});

describe('splice', () => {
  it('passes half-closes in both directions', async () => {
    const [a, b] = streamPair();
    const [c, d] = streamPair();
    const done = splice(b, c);
    await a.write(Buffer.from('question'));
    await a.closeWrite();
    expect(await readAll(d)).toBe('question');
    await d.write(Buffer.from('answer'));
    await d.closeWrite();
    expect(await readAll(a)).toBe('answer');
    await done;
  });
});
