import { performance } from 'node:perf_hooks';
import { type Clock, sleepWith } from '@orrery/runtime';

/** Node's own clock and timers. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, fn) {
    const timer = setInterval(fn, periodMs);
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (delayMs, signal) => sleepWith(realClock, delayMs, signal),
};
