import { VirtualClock } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { type EventJob, createEventQueue } from './event-queue.ts';

test('runs so many jobs at a time, in order', async () => {
  const queue = createEventQueue(new VirtualClock(), { inFlight: 2, burst: 3000, maxWaiting: 3000 });
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const job = (i: number): EventJob => ({
    async run() {
      started.push(i);
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
    },
  });
  const numbers = Array.from({ length: 3000 }, (_, i) => i);
  expect(numbers.filter((i) => !queue.add(job(i)))).toEqual([]);
  for (let turn = 0; turn < 10_000 && started.length < numbers.length; turn++) await Promise.resolve();
  expect(started).toEqual(numbers);
  expect(most).toBe(2);
});

test('a flood is written at a steady pace, what is too much is dropped, and a hurry ends the wait', async () => {
  const clock = new VirtualClock();
  const queue = createEventQueue(clock, { perSecond: 20, burst: 30, maxWaiting: 100 });
  let done = 0;
  const job: EventJob = { run: () => Promise.resolve(void (done += 1)) };
  const flood = (): boolean[] => Array.from({ length: 500 }, () => queue.add(job));
  expect(flood().filter(Boolean)).toHaveLength(102);
  await clock.advance(0);
  expect(done).toBe(30);
  await clock.advance(1000);
  expect(done).toBe(50);
  await clock.advance(60_000);
  // Two were under way when the hundred waited.
  expect(done).toBe(102);
  flood();
  await clock.advance(0);
  expect(done).toBe(132);
  const calm = queue.hurry();
  await clock.advance(0);
  expect(done).toBe(204);
  calm();
});

test('a process that has no time writes less, and catches up when it has', async () => {
  const clock = new VirtualClock();
  let lateMs = 50;
  const slow = { monotonic: () => clock.monotonic(), after: (ms: number, fn: () => void) => clock.after(ms + lateMs, fn) };
  const queue = createEventQueue(slow, { perSecond: 250, burst: 10, maxWaiting: 5000, perSecondWhenBusy: 25 });
  let done = 0;
  for (let i = 0; i < 5000; i++) queue.add({ run: () => Promise.resolve(void (done += 1)) });
  await clock.advance(10_000);
  expect(done).toBeGreaterThan(200);
  expect(done).toBeLessThan(300);
  lateMs = 0;
  const before = done;
  await clock.advance(10_000);
  expect(done - before).toBeGreaterThan(2000);
});
