import { performance } from 'node:perf_hooks';
import { type Clock, sleepWith } from '@orrery/runtime';

/** Node fires a longer timer at once (2³¹ ms are 25 days). */
const longestTimerMs = 2 ** 31 - 1;

/** Node's own clock and timers, of any length. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, fn) {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      timer = leftMs > longestTimerMs ? setTimeout(() => wait(leftMs - longestTimerMs), longestTimerMs) : setTimeout(fn, leftMs);
    };
    wait(delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, fn) {
    const timer = setInterval(fn, Math.min(periodMs, longestTimerMs));
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (delayMs, signal) => sleepWith(realClock, delayMs, signal),
};
