import { VirtualClock } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { withDeadlines } from './deadlines.ts';
import { http2Channel } from './http2/http2-channel.ts';
import { Code } from './rpc-error.ts';
import type { CallOptions, Channel, MethodDefinition } from './service.ts';

const empty = { encode: () => ({ finish: () => new Uint8Array(0) }), decode: () => ({}) } as never;
const method = (name: string, requestStream = false, responseStream = false): MethodDefinition => ({ name, requestType: empty, responseType: empty, requestStream, responseStream });
const service = { name: 'S', fullName: 'x.S', methods: {} };

/** What the channel below was told. */
function recorder(): { channel: Channel; seen: CallOptions[] } {
  const seen: CallOptions[] = [];
  return { seen, channel: { call: (_service, _method, _input, options) => void seen.push(options), close: () => undefined } };
}

it('gives calls of one answer the time they have, unless the caller does, and leaves streams alone', () => {
  const { channel, seen } = recorder();
  const limited = withDeadlines(channel, 30_000);
  const { signal } = new AbortController();
  limited.call(service, method('Get'), {}, { signal });
  limited.call(service, method('Get'), {}, { timeoutMs: 5 });
  limited.call(service, method('Watch', false, true), {}, {});
  limited.call(service, method('Send', true), {}, {});
  limited.call(service, method('Link', true, true), {}, {});
  expect(seen).toEqual([{ signal, timeoutMs: 30_000 }, { timeoutMs: 5 }, {}, {}, {}]);
});

it('chooses by method', () => {
  const { channel, seen } = recorder();
  const limited = withDeadlines(channel, ({ name }) => (name === 'Pull' ? undefined : 1000));
  limited.call(service, method('Pull'), {}, {});
  limited.call(service, method('Status'), {}, {});
  expect(seen).toEqual([{}, { timeoutMs: 1000 }]);
});

it('passes on whether a connection can be waited for', async () => {
  const { channel } = recorder();
  expect(withDeadlines(channel, 1).connected).toBeUndefined();
  const asked: number[] = [];
  const known = { ...channel, connected: (ms: number) => Promise.resolve(void asked.push(ms)) };
  await withDeadlines(known, 1).connected?.(7);
  expect(asked).toEqual([7]);
});

it('ends a call to a server that never answers', async () => {
  const clock = new VirtualClock();
  const silent = http2Channel({ clock, random: { next: () => 0.5 }, authority: 'a:1', scheme: 'http', maxMessageBytes: 1000, keepAliveMs: 10_000, connect: () => () => undefined });
  const call = withDeadlines(silent, 30_000).call(service, method('Get'), {}, {}) as Promise<unknown>;
  const outcome = call.catch((error: { code?: number }) => error.code);
  await clock.advance(29_999);
  expect(await Promise.race([outcome, Promise.resolve('waits')])).toBe('waits');
  await clock.advance(1);
  expect(await outcome).toBe(Code.DEADLINE_EXCEEDED);
});
