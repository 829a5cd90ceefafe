import { expect, test } from 'vitest';
import { createEventQueue } from './event-queue.ts';

test('runs so many jobs at a time, in order, and goes on after failures', async () => {
  const queue = createEventQueue({ inFlight: 2 });
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const job = (i: number) => async (): Promise<void> => {
    started.push(i);
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    if (i % 3 === 0) throw new Error(`job ${i}`);
  };
  const jobs = Array.from({ length: 3000 }, (_, i) => queue.run(job(i)));
  const outcomes = await Promise.allSettled(jobs);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1000);
  expect(started).toEqual(jobs.map((_, i) => i));
  expect(most).toBe(2);
});
