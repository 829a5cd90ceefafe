import { VirtualClock } from '@orrery/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBuffer } from './byte-buffer.ts';
import { acceptRemoteCommand, type ByteStream, forwardedPorts, headerMap, HttpParseError, readRequestHead, SpdySession, streamPair } from './index.ts';
import { encodeSpdyFrame, SpdyError, type SpdyFrame, SpdyParser } from './spdy/frames.ts';
import { HeaderDecoder } from './spdy/headers.ts';
import { InflateError } from './spdy/inflate.ts';
import { encodeFrame, FrameParser, WebSocketError } from './websocket/frames.ts';

/** More with ORRERY_FUZZ_RUNS=10. A failure prints its seed. */
const numRuns = 200 * Number(process.env['ORRERY_FUZZ_RUNS'] ?? 1);

/** The bytes in pieces of any size. */
const pieces = (bytes: Uint8Array, cut: number): Uint8Array[] => Array.from({ length: Math.ceil(bytes.length / cut) }, (_, i) => bytes.subarray(i * cut, (i + 1) * cut));
const cuts = fc.integer({ min: 1, max: 40 });

function drain<T>(parser: { push(bytes: Uint8Array): void; next(): T | undefined }, parts: readonly Uint8Array[]): T[] {
  const out: T[] = [];
  for (const part of parts) {
    parser.push(part);
    for (let frame = parser.next(); frame; frame = parser.next()) out.push(frame);
  }
  return out;
}

const spdyFrames: fc.Arbitrary<SpdyFrame> = fc.oneof(
  fc.record({ type: fc.constant('data' as const), streamId: fc.integer({ min: 0, max: 7 }), fin: fc.boolean(), data: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({ type: fc.constant('synStream' as const), streamId: fc.integer({ min: 0, max: 7 }), fin: fc.boolean(), unidirectional: fc.boolean(), headerBlock: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({ type: fc.constantFrom('synReply' as const, 'headers' as const), streamId: fc.integer({ min: 0, max: 7 }), fin: fc.boolean(), headerBlock: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({ type: fc.constant('rstStream' as const), streamId: fc.integer({ min: 0, max: 7 }), status: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ type: fc.constant('ping' as const), id: fc.nat() }),
  fc.record({ type: fc.constant('goAway' as const), lastStreamId: fc.nat(), status: fc.nat() }),
);

describe('bytes that wait', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 }), cuts, (parts, size) => {
        const buffer = new ByteBuffer();
        for (const part of parts) buffer.push(part);
        const whole = Buffer.concat(parts);
        const out: Buffer[] = [];
        while (buffer.length > 0) {
          const count = Math.min(size, buffer.length);
          expect(buffer.peek(count + 3)).toEqual(whole.subarray(whole.length - buffer.length).subarray(0, count + 3));
          out.push(buffer.take(count));
        }
        expect(Buffer.concat(out)).toEqual(whole);
      }),
      { numRuns },
    );
  });

  it('cost no more in small pieces', () => {
    const body = Buffer.alloc(8 * 1024 * 1024);
    const frame = encodeSpdyFrame({ type: 'data', streamId: 1, fin: false, data: body });
    const start = performance.now();
    expect(drain(new SpdyParser(), pieces(frame, 100))).toHaveLength(1);
    expect(drain(new FrameParser(2 ** 24), pieces(encodeFrame({ final: true, opcode: 2, payload: body }, Buffer.from([1, 2, 3, 4])), 100))).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('frames', () => {
  it('of SPDY come back however they are cut; other bytes are no SPDY or wait for more', () => {
    fc.assert(
      fc.property(fc.array(spdyFrames, { maxLength: 5 }), cuts, fc.uint8Array({ maxLength: 80 }), (frames, cut, junk) => {
        const bytes = Buffer.concat(frames.map(encodeSpdyFrame));
        expect(drain(new SpdyParser(), pieces(bytes, cut)).map((frame) => encodeSpdyFrame(frame).toString('hex')).join('')).toBe(bytes.toString('hex'));
        try {
          drain(new SpdyParser(), pieces(Buffer.concat([bytes, junk]), cut));
        } catch (error) {
          expect(error).toBeInstanceOf(SpdyError);
        }
      }),
      { numRuns },
    );
  });

  it('header blocks are headers, or none', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 3 }), fc.boolean(), (blocks, zlib) => {
        const decoder = new HeaderDecoder();
        try {
          blocks.forEach((block, i) => decoder.decode(zlib && i === 0 ? Buffer.concat([Buffer.from([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]), block]) : block));
        } catch (error) {
          expect([InflateError, SpdyError, RangeError].some((type) => error instanceof type), String(error)).toBe(true);
        }
      }),
      { numRuns: numRuns * 2 },
    );
  });

  it('of WebSockets come back however they are cut; what is too big or odd is told with a code', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 8, 9, 10), fc.uint8Array({ maxLength: 200 })), { maxLength: 4 }), cuts, fc.uint8Array({ maxLength: 60 }), (messages, cut, junk) => {
        const mask = Buffer.from([1, 2, 3, 4]);
        const bytes = Buffer.concat(messages.map(([opcode, payload]) => encodeFrame({ final: true, opcode, payload: Buffer.from(payload) }, mask)));
        expect(drain(new FrameParser(1024), pieces(bytes, cut)).map(({ opcode, payload }) => [opcode, payload.toString('hex')])).toEqual(messages.map(([opcode, payload]) => [opcode, Buffer.from(payload).toString('hex')]));
        try {
          drain(new FrameParser(1024), pieces(Buffer.concat([bytes, junk]), cut));
        } catch (error) {
          expect(error).toBeInstanceOf(WebSocketError);
        }
      }),
      { numRuns },
    );
  });
});

/** Reads what comes until it is over, so that nobody waits for us. */
async function swallow(stream: ByteStream): Promise<void> {
  try {
    while (await stream.read());
  } catch {
    // The other end broke it off: that is an answer too.
  }
}

describe('connections that say anything and hang up', () => {
  it('end a SPDY session', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(spdyFrames, { maxLength: 6 }), fc.uint8Array({ maxLength: 60 }), async (frames, junk) => {
        const [client, server] = streamPair();
        const session = new SpdySession(server, { role: 'server', onStream: (stream) => void swallow(stream) });
        const over = session.run().catch((error: unknown) => expect(error).toBeInstanceOf(Error));
        const reading = swallow(client);
        await client.write(Buffer.concat([...frames.map(encodeSpdyFrame), junk])).catch(() => undefined);
        await client.closeWrite().catch(() => undefined);
        await over;
        client.close();
        await reading;
      }),
      { numRuns },
    );
  });

  it('end a command over a WebSocket', async () => {
    const protocols = fc.constantFrom('v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io', 'base64.channel.k8s.io', 'v4.base64.channel.k8s.io', 'x');
    const head = (protocol: string): string => `GET /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
    await fc.assert(
      fc.asyncProperty(protocols, fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 8, 9), fc.uint8Array({ maxLength: 40 })), { maxLength: 4 }), fc.uint8Array({ maxLength: 20 }), async (protocol, messages, junk) => {
        const [client, conn] = streamPair();
        const reading = swallow(client);
        const frames = messages.map(([opcode, payload]) => encodeFrame({ final: true, opcode, payload: Buffer.from(payload) }, Buffer.from([1, 2, 3, 4])));
        await client.write(Buffer.concat([Buffer.from(head(protocol)), ...frames, junk]));
        await client.closeWrite();
        const read = await readRequestHead(conn);
        expect(read).toBeDefined();
        if (!read) return;
        const request = { method: read.head.method, url: read.head.target, headers: headerMap(read.head.headers) };
        const session = await acceptRemoteCommand(request, { stream: read.rest, streams: { stdin: true, stdout: true, stderr: true, tty: false }, clock: new VirtualClock() });
        if (session) {
          await swallow({ ...conn, read: () => session.stdin?.read() ?? Promise.resolve(undefined) } as ByteStream);
          await session.exit({ exitCode: 0 }).catch(() => undefined);
        }
        conn.close();
        client.close();
        await reading;
      }),
      { numRuns: numRuns / 2 },
    );
  });

  it('have a head, or none', async () => {
    const piece = fc.constantFrom('GET ', '/x', ' HTTP/1.1', '\r\n', '\r\n\r\n', 'Host: x', ': ', 'a:', '\0', 'Content-Length: 1', '\n', ' ');
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (parts) => {
        const [client, conn] = streamPair();
        await client.write(Buffer.from(`${parts.join('')} `));
        await client.closeWrite();
        await readRequestHead(conn).catch((error: unknown) => expect([HttpParseError, Error].some((type) => error instanceof type)).toBe(true));
        conn.close();
      }),
      { numRuns },
    );
  });

  it('ask for ports', () => {
    fc.assert(fc.property(fc.array(fc.string({ maxLength: 8 }), { maxLength: 4 }), (ports) => {
      try {
        forwardedPorts(new URLSearchParams(ports.map((port): [string, string] => ['ports', port])));
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect(error).not.toBeInstanceOf(TypeError);
      }
    }), { numRuns });
  });
});
