import { Nodes } from '@orrery/api';
import { VirtualClock } from '@orrery/runtime';
import { expect, test } from 'vitest';
import type { ApiClient } from './api-client.ts';
import { withPace } from './paced-api-client.ts';

function paced(qps: number, burst: number) {
  const clock = new VirtualClock();
  const atMs: number[] = [];
  const note = (): void => void atMs.push(clock.monotonic());
  const get = (): Promise<never> => (note(), Promise.resolve({} as never));
  const api = withPace({ get, watch: () => (note(), { stop: () => atMs.push(-1) }) } as unknown as ApiClient, { clock, qps, burst });
  return { api, atMs, clock };
}

test('a burst goes at once, the rest as the rate has it', async () => {
  const { api, atMs, clock } = paced(10, 3);
  const all = Promise.all(Array.from({ length: 6 }, () => api.get(Nodes, { name: 'n' })));
  await clock.advance(1_000);
  await all;
  expect(atMs).toEqual([0, 0, 0, 100, 200, 300]);
  // A pause fills it up to the burst and no further.
  const more = Promise.all(Array.from({ length: 4 }, () => api.get(Nodes, { name: 'n' })));
  await clock.advance(1_000);
  await more;
  expect(atMs.slice(6)).toEqual([1_000, 1_000, 1_000, 1_100]);
});

test('a watch waits its turn, and may be stopped before it begins', async () => {
  const { api, atMs, clock } = paced(1, 1);
  const sink = { events() {}, closed() {} };
  const first = api.watch(Nodes, {}, sink);
  const second = api.watch(Nodes, {}, sink);
  const third = api.watch(Nodes, {}, sink);
  third.stop();
  await clock.advance(5_000);
  expect(atMs).toEqual([0, 1_000]);
  first.stop();
  second.stop();
  expect(atMs).toEqual([0, 1_000, -1, -1]);
});

test('without a rate it is the client itself', () => {
  const api = {} as ApiClient;
  expect(withPace(api, { clock: new VirtualClock(), qps: 0, burst: 5 })).toBe(api);
});
