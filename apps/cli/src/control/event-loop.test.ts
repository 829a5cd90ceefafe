import { expect, it } from 'vitest';
import { atEndOfTurn, eventLoopSettled } from './event-loop.ts';

it('waits for what was left to the end of a turn, and for what comes of that', async () => {
  let done = 0;
  const next = (): void => {
    if (++done < 20) atEndOfTurn(() => setImmediate(next));
  };
  next();
  await eventLoopSettled();
  expect(done).toBe(20);
});
