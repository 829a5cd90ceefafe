import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { realClock } from './real-clock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const day = 24 * 3600_000;

test('waits longer than one timer of Node can', () => {
  const fired = vi.fn();
  realClock.after(60 * day, fired);
  vi.advanceTimersByTime(60 * day - 1);
  expect(fired).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(fired).toHaveBeenCalledTimes(1);
});

test('a long wait can be cancelled in any of its parts', () => {
  const fired = vi.fn();
  const timer = realClock.after(60 * day, fired);
  vi.advanceTimersByTime(40 * day);
  timer.cancel();
  vi.advanceTimersByTime(40 * day);
  expect(fired).not.toHaveBeenCalled();
});
