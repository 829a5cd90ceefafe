import { VirtualClock } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createRate } from './rate.ts';

test('a rate follows what happens, and fades', async () => {
  const clock = new VirtualClock();
  const rate = createRate(clock);
  expect(rate.count()).toBe(1);
  let seen = 0;
  for (let i = 0; i < 500; i++) {
    await clock.advance(10);
    seen = rate.count();
  }
  expect(seen).toBeGreaterThan(95);
  expect(seen).toBeLessThan(105);
  await clock.advance(10_000);
  expect(rate.count()).toBeCloseTo(1, 1);
});
