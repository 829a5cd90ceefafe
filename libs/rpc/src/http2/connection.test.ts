import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, encodeSettings, flag, frame, frameHeader, preface, uint32 } from './frames.ts';
import { encodeHeader } from './hpack.ts';
import { Http2Connection, type Stream } from './connection.ts';

const headers = Buffer.concat([encodeHeader([':method', 'POST']), encodeHeader([':path', '/a/b'])]);
const open = (stream: number, flags: number = flag.endHeaders): Buffer => encodeFrame({ type: frame.headers, flags, stream }, headers);
const greeting = Buffer.concat([preface, encodeSettings([])]);

interface Seen {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

function cut(bytes: Buffer): Seen[] {
  const frames: Seen[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + frameHeader + bytes.readUIntBE(at, 3);
    frames.push({ type: bytes[at + 3] as number, flags: bytes[at + 4] as number, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + frameHeader, end) });
    at = end;
  }
  return frames;
}

/** A server's side with everything it says and hears; `answered` streams are left to the test. */
function setup() {
  let out: Buffer = Buffer.alloc(0);
  const log: string[] = [];
  const streams: Stream[] = [];
  let ended = false;
  const transport = { write: (bytes: Uint8Array) => void (out = Buffer.concat([out, bytes])), backlog: 0, drained: async () => undefined, end: () => void (ended = true) };
  const connection = new Http2Connection(transport, {
    role: 'server',
    opened: (stream, list) => {
      const { id } = stream.out;
      streams.push(stream);
      log.push(`${id} open ${list.length}`);
      return { data: (payload) => log.push(`${id} data ${payload.length}`), end: () => log.push(`${id} end`), closed: () => log.push(`${id} closed`) };
    },
  });
  const said = (): Seen[] => {
    const frames = cut(out);
    out = Buffer.alloc(0);
    return frames;
  };
  return { connection, log, streams, said, transport, ended: () => ended };
}

function greeted() {
  const all = setup();
  all.connection.receive(greeting);
  all.said();
  return all;
}

const goawayOf = (frames: Seen[]): string | undefined => {
  const found = frames.find(({ type }) => type === frame.goaway);
  return found && `${found.payload.readUInt32BE(4)} ${found.payload.subarray(8).toString()}`;
};

describe('a connection', () => {
  it('begins with settings, whatever the pieces in which bytes come', () => {
    const bytes = Buffer.concat([greeting, open(1), encodeFrame({ type: frame.data, flags: flag.endStream, stream: 1 }, Buffer.alloc(10))]);
    for (let piece = 1; piece < bytes.length; piece++) {
      const { connection, log, said } = setup();
      for (let at = 0; at < bytes.length; at += piece) connection.receive(bytes.subarray(at, at + piece));
      expect(log).toEqual(['1 open 2', '1 data 10', '1 end']);
      expect(said().map(({ type, flags }) => [type, flags])).toEqual([[frame.settings, 0], [frame.windowUpdate, 0], [frame.settings, flag.ack]]);
    }
  });

  it('answers pings, ignores priorities and what it does not know', () => {
    const { connection, said } = greeted();
    connection.receive(Buffer.concat([encodeFrame({ type: frame.priority, stream: 5 }, Buffer.alloc(5)), encodeFrame({ type: 99 }, Buffer.alloc(3)), encodeFrame({ type: frame.ping }, Buffer.from('12345678'))]));
    expect(said().map(({ type, flags, payload }) => [type, flags, payload.toString()])).toEqual([[frame.ping, flag.ack, '12345678']]);
  });

  it('puts header blocks together, takes padding away', () => {
    const { connection, log } = greeted();
    const padded = Buffer.concat([Buffer.from([3]), headers.subarray(0, 1), Buffer.alloc(3)]);
    connection.receive(encodeFrame({ type: frame.headers, flags: flag.padded, stream: 1 }, padded));
    connection.receive(encodeFrame({ type: frame.continuation, flags: flag.endHeaders, stream: 1 }, headers.subarray(1)));
    connection.receive(encodeFrame({ type: frame.data, flags: flag.padded, stream: 1 }, Buffer.from([2, 1, 1, 1, 0, 0])));
    expect(log).toEqual(['1 open 2', '1 data 3']);
  });

  it.each<[string, Buffer, string]>([
    ['HTTP/1', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '1 no HTTP/2 preface'],
    ['no settings', Buffer.concat([preface, open(1)]), '1 no settings at the beginning'],
    ['frames that are too long', Buffer.concat([greeting, encodeFrame({ type: frame.data, stream: 1 }, Buffer.alloc(16_385))]), '6 frame of 16385 bytes'],
    ['streams with even numbers', Buffer.concat([greeting, open(2)]), '1 headers on stream 2'],
    ['data of no stream', Buffer.concat([greeting, encodeFrame({ type: frame.data, stream: 1 }, Buffer.alloc(1))]), '1 data on stream 1'],
    ['a header block that is interrupted', Buffer.concat([greeting, open(1, 0), encodeFrame({ type: frame.ping }, Buffer.alloc(8))]), '1 frame within a header block'],
    ['a continuation of nothing', Buffer.concat([greeting, encodeFrame({ type: frame.continuation, stream: 1 }, headers)]), '1 continuation of nothing'],
    ['padding longer than the frame', Buffer.concat([greeting, open(1), encodeFrame({ type: frame.data, flags: flag.padded, stream: 1 }, Buffer.from([9, 0]))]), '1 more padding than payload'],
    ['bad headers', Buffer.concat([greeting, encodeFrame({ type: frame.headers, flags: flag.endHeaders, stream: 1 }, Buffer.from([0x80]))]), '9 header block: no entry 0'],
    ['a window of nothing', Buffer.concat([greeting, encodeFrame({ type: frame.windowUpdate }, uint32(0))]), '1 window update of nothing'],
    ['a window beyond all bounds', Buffer.concat([greeting, encodeFrame({ type: frame.windowUpdate }, uint32(2 ** 31 - 1))]), '3 window too large'],
    ['a push', Buffer.concat([greeting, encodeFrame({ type: frame.pushPromise, stream: 1 }, Buffer.alloc(8))]), '1 nobody may push'],
    ['a ping of the wrong length', Buffer.concat([greeting, encodeFrame({ type: frame.ping }, Buffer.alloc(7))]), '6 ping'],
    ['settings of the wrong length', Buffer.concat([greeting, encodeFrame({ type: frame.settings }, Buffer.alloc(7))]), '6 settings'],
    ['a reset of no stream', Buffer.concat([greeting, encodeFrame({ type: frame.reset, stream: 3 }, uint32(8))]), '1 reset of stream 3'],
    ['endless headers', Buffer.concat([greeting, open(1, 0), ...Array.from({ length: 20 }, () => encodeFrame({ type: frame.continuation, stream: 1 }, Buffer.alloc(10)))]), '11 more headers than are taken'],
  ])('ends on %s', (_, bytes, reason) => {
    const { connection, said, ended } = setup();
    connection.receive(bytes);
    expect(goawayOf(said())).toBe(reason);
    expect(ended()).toBe(true);
    // Deaf from then on.
    connection.receive(greeting);
    expect(said()).toEqual([]);
  });

  it('resets a stream that sends beyond its window, and goes on', () => {
    const { connection, log, said } = greeted();
    connection.receive(open(1));
    for (let i = 0; i < 65; i++) connection.receive(encodeFrame({ type: frame.data, stream: 1 }, Buffer.alloc(16_384)));
    expect(said().filter(({ type }) => type === frame.reset).map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])).toEqual([[1, 3]]);
    expect(log.at(-1)).toBe('1 closed');
    connection.receive(open(3));
    expect(log.at(-1)).toBe('3 open 2');
  });

  it('sends no more than the client has room for, in all and on each stream', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.record({ send: fc.integer({ min: 1, max: 60_000 }), on: fc.integer({ min: 0, max: 2 }) }), fc.record({ room: fc.integer({ min: 1, max: 80_000 }), on: fc.integer({ min: -1, max: 2 }) }), fc.record({ initial: fc.integer({ min: 0, max: 100_000 }) })), { maxLength: 40 }),
        (steps) => {
          const { connection, streams, said } = greeted();
          for (const id of [1, 3, 5]) connection.receive(open(id));
          let [whole, initial] = [65_535, 65_535];
          const room = [initial, initial, initial];
          const sent = [0, 0, 0];
          const due = [0, 0, 0];
          for (const step of steps) {
            if ('send' in step) {
              due[step.on] = (due[step.on] as number) + step.send;
              connection.windows.data((streams[step.on] as Stream).out, Buffer.alloc(step.send));
            } else if ('room' in step) {
              if (step.on < 0) whole += step.room;
              else room[step.on] = (room[step.on] as number) + step.room;
              connection.receive(encodeFrame({ type: frame.windowUpdate, stream: step.on < 0 ? 0 : step.on * 2 + 1 }, uint32(step.room)));
            } else {
              for (let i = 0; i < 3; i++) room[i] = (room[i] as number) + step.initial - initial;
              initial = step.initial;
              connection.receive(encodeSettings([[4, step.initial]]));
            }
            for (const { type, stream, payload } of said()) {
              if (type !== frame.data) continue;
              const i = (stream - 1) / 2;
              sent[i] = (sent[i] as number) + payload.length;
              room[i] = (room[i] as number) - payload.length;
              whole -= payload.length;
              expect(payload.length).toBeLessThanOrEqual(16_384);
              expect(Math.min(whole, room[i] as number)).toBeGreaterThanOrEqual(0);
            }
          }
          // Nothing waits that could go.
          for (let i = 0; i < 3; i++) if (sent[i] !== due[i]) expect(Math.min(whole, room[i] as number)).toBeLessThanOrEqual(0);
        },
      ),
    );
  });

  it('ends the stream only after all of its data, and resets one whose client has not ended', () => {
    const { connection, streams, said } = greeted();
    connection.receive(open(1));
    const { out } = streams[0] as Stream;
    connection.windows.data(out, Buffer.alloc(70_000));
    connection.windows.end(out, encodeFrame({ type: frame.headers, flags: flag.endHeaders | flag.endStream, stream: 1 }, headers));
    expect(said().every(({ type }) => type === frame.data)).toBe(true);
    connection.receive(encodeFrame({ type: frame.windowUpdate, stream: 1 }, uint32(10_000)));
    connection.receive(encodeFrame({ type: frame.windowUpdate }, uint32(10_000)));
    expect(said().map(({ type }) => type)).toEqual([frame.data, frame.headers, frame.reset]);
    expect(connection.size).toBe(0);
  });

  it('leaves when the last stream is over, and takes no new one meanwhile', () => {
    const { connection, streams, said, ended } = greeted();
    connection.receive(open(1, flag.endHeaders | flag.endStream));
    connection.leave();
    connection.receive(open(3));
    expect(said().map(({ type }) => type)).toEqual([frame.goaway, frame.reset]);
    expect(ended()).toBe(false);
    connection.finish(streams[0] as Stream, open(1, flag.endHeaders | flag.endStream));
    expect(ended()).toBe(true);
  });

  it('tells those who follow streams when the connection is gone', () => {
    const { connection, log } = greeted();
    connection.receive(Buffer.concat([open(1), open(3)]));
    connection.receive(encodeFrame({ type: frame.reset, stream: 1 }, uint32(8)));
    connection.close();
    expect(log).toEqual(['1 open 2', '3 open 2', '1 closed', '3 closed']);
  });

  it('gives up a client that asks and does not read', () => {
    const { connection, transport, said, ended } = greeted();
    transport.backlog = 65 * 1024 * 1024;
    connection.receive(encodeFrame({ type: frame.ping }, Buffer.alloc(8)));
    expect(goawayOf(said())).toBe('11 answers are not read');
    expect(ended()).toBe(true);
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ type: fc.integer({ min: 0, max: 10 }), flags: fc.integer({ min: 0, max: 255 }), stream: fc.integer({ min: 0, max: 9 }), payload: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 20 }), (frames) => {
        const { connection } = greeted();
        for (const { payload, ...head } of frames) connection.receive(encodeFrame(head, payload));
        connection.close();
        expect(connection.size).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });
});
