import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { VirtualClock } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '../async-queue.ts';
import { Code } from '../rpc-error.ts';
import { type CallContext, createClient, service } from '../service.ts';
import type { Http2Connection } from './connection.ts';
import { grpcConnections } from './grpc-connections.ts';
import { type ConnectEvents, http2Channel } from './http2-channel.ts';

/** A message that is its own bytes. */
const raw = { encode: (message: Uint8Array) => ({ finish: () => message }) as unknown as BinaryWriter, decode: (bytes: BinaryReader | Uint8Array) => Buffer.from(bytes as Uint8Array) };
const Echo = {
  name: 'Echo',
  fullName: 'test.Echo',
  methods: {
    one: { name: 'One', requestType: raw, responseType: raw, requestStream: false, responseStream: false },
    both: { name: 'Both', requestType: raw, responseType: raw, requestStream: true, responseStream: true },
  },
} as const;

/** A channel whose connections the test makes, breaks and silences. */
function setup() {
  const clock = new VirtualClock();
  const chance = { value: 0.5 };
  const attempts: { events: ConnectEvents; at: number; ended: boolean; silent: boolean; server: Http2Connection | undefined; establish: () => void }[] = [];
  const served = service(Echo, {
    one: async (request: Uint8Array, { signal }: CallContext) => {
      if (Buffer.from(request).toString() === 'wait') await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return request;
    },
    both: async function* (requests: AsyncIterable<Uint8Array>) {
      yield* requests;
    },
  } as never);
  const connections = grpcConnections([served], { clock, maxMessageBytes: 1e6 });
  const later = (deliver: () => void): void => void Promise.resolve().then(deliver);
  const channel = http2Channel({
    clock,
    random: { next: () => chance.value },
    authority: 'there:1',
    scheme: 'http',
    maxMessageBytes: 1e6,
    keepAliveMs: 2000,
    connect: (events) => {
      const attempt: (typeof attempts)[number] = {
        events,
        at: clock.monotonic(),
        ended: false,
        silent: false,
        server: undefined,
        establish: () => {
          const shared = { backlog: 0, drained: async () => undefined };
          const server = connections.accept({ ...shared, write: (bytes) => later(() => attempt.silent || events.received(Buffer.from(bytes))), end: () => later(() => events.closed('ended')) }, { address: 'test' });
          attempt.server = server;
          events.connected({ ...shared, write: (bytes) => later(() => attempt.silent || server.receive(Buffer.from(bytes))), end: () => later(() => server.close()) });
        },
      };
      attempts.push(attempt);
      return () => (attempt.ended = true);
    },
  });
  const client = createClient(Echo, channel);
  const ask = async (text: string, options?: object): Promise<string> => Buffer.from((await client.one(Buffer.from(text), options)) as Uint8Array).toString();
  const newest = (): (typeof attempts)[number] => attempts[attempts.length - 1] as (typeof attempts)[number];
  return { clock, chance, channel, client, ask, attempts, newest };
}

describe('a channel over our own HTTP/2', () => {
  it('connects when it is first asked; calls wait for that, within their time', async () => {
    const { clock, ask, attempts, newest } = setup();
    expect(attempts).toHaveLength(0);
    const early = ask('a');
    const short = ask('b', { timeoutMs: 100 });
    const late = expect(short).rejects.toMatchObject({ code: Code.DEADLINE_EXCEEDED });
    await clock.advance(200);
    await late;
    newest().establish();
    expect(await early).toBe('a');
    expect(await ask('c')).toBe('c');
    expect(attempts).toHaveLength(1);
  });

  it('fails calls while it cannot connect, and tries less and less often', async () => {
    const { clock, ask, attempts, newest } = setup();
    const refused = { code: Code.UNAVAILABLE, message: 'No connection established. Last error: refused' };
    for (const pause of [100, 200, 400, 800, 1600, 2000, 2000]) {
      const asked = attempts.length;
      const call = expect(ask('a')).rejects.toMatchObject(refused);
      expect(attempts).toHaveLength(asked + 1);
      newest().events.closed('refused');
      await call;
      await clock.advance(pause - 1);
      await expect(ask('b')).rejects.toMatchObject(refused);
      expect(attempts).toHaveLength(asked + 1);
      await clock.advance(1);
    }
    const call = ask('c');
    newest().establish();
    expect(await call).toBe('c');
  });

  it('pauses a fifth less or more, as chance has it', async () => {
    const { clock, chance, ask, attempts, newest } = setup();
    for (const [value, pause] of [[0, 80], [0.999_999, 240]] as const) {
      chance.value = value;
      const asked = attempts.length;
      const call = ask('a').catch(() => undefined);
      newest().events.closed('refused');
      await call;
      await clock.advance(pause - 1);
      await ask('b').catch(() => undefined);
      expect(attempts).toHaveLength(asked + 1);
      await clock.advance(1);
    }
    void ask('c').catch(() => undefined);
    expect(attempts).toHaveLength(3);
  });

  it('fails what was under way when the connection is lost, and makes another', async () => {
    const { ask, newest, attempts } = setup();
    const first = ask('wait');
    newest().establish();
    const lost = expect(first).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    newest().events.closed('reset');
    await lost;
    const second = ask('x');
    newest().establish();
    expect(await second).toBe('x');
    expect(attempts).toHaveLength(2);
  });

  it('lets calls finish when the server leaves, and asks others elsewhere', async () => {
    const { client, ask, newest, attempts } = setup();
    const requests = new AsyncQueue<Uint8Array>();
    const answers = client.both(requests)[Symbol.asyncIterator]();
    newest().establish();
    requests.push(Buffer.from('1'));
    await answers.next();
    attempts[0]?.server?.leave();
    await new Promise((resolve) => setImmediate(resolve));
    const other = ask('x');
    expect(attempts).toHaveLength(2);
    newest().establish();
    expect(await other).toBe('x');
    requests.push(Buffer.from('2'));
    expect(String((await answers.next()).value)).toBe('2');
    requests.end();
    expect(await answers.next()).toEqual({ done: true, value: undefined });
    await new Promise((resolve) => setImmediate(resolve));
    expect(attempts.map(({ ended }) => ended)).toEqual([true, false]);
  });

  it('gives up a server that is silent', async () => {
    const { clock, ask, newest } = setup();
    const waiting = ask('wait');
    newest().establish();
    await clock.advance(20_000);
    expect(newest().ended).toBe(false);
    newest().silent = true;
    const lost = expect(waiting).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    await clock.advance(10_000);
    await lost;
    expect(newest().ended).toBe(true);
  });

  it('tells the server what nobody waits for any more', async () => {
    const { channel, client, ask, newest } = setup();
    const abort = new AbortController();
    const given = expect(ask('wait', { signal: abort.signal })).rejects.toMatchObject({ code: Code.CANCELLED });
    newest().establish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(newest().server?.size).toBe(1);
    abort.abort();
    await given;
    await new Promise((resolve) => setImmediate(resolve));
    expect(newest().server?.size).toBe(0);
    const requests = new AsyncQueue<Uint8Array>();
    const open = client.both(requests)[Symbol.asyncIterator]().next();
    const closed = expect(open).rejects.toMatchObject({ code: Code.CANCELLED });
    channel.close();
    await closed;
    await expect(ask('x')).rejects.toMatchObject({ code: Code.UNAVAILABLE, message: 'channel closed' });
  });
});
