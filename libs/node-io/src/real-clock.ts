import { performance } from 'node:perf_hooks';
import { type Clock, type Timer, sleepWith } from '@orrery/runtime';

/** Node fires a longer timer at once (2³¹ ms are 25 days). */
const longestTimerMs = 2 ** 31 - 1;

/** A timer of any length. */
class NodeTimer implements Timer {
  private timer: NodeJS.Timeout;

  constructor(delayMs: number, fn: () => void) {
    this.timer = delayMs > longestTimerMs ? this.first(delayMs, fn) : setTimeout(fn, delayMs);
  }

  cancel(): void {
    clearTimeout(this.timer);
  }

  /** The first part of a long wait. */
  private first(delayMs: number, fn: () => void): NodeJS.Timeout {
    return setTimeout(() => {
      const leftMs = delayMs - longestTimerMs;
      this.timer = leftMs > longestTimerMs ? this.first(leftMs, fn) : setTimeout(fn, leftMs);
    }, longestTimerMs);
  }
}

/** Node's own clock and timers, of any length. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, fn) => new NodeTimer(delayMs, fn),
  every(periodMs, fn) {
    const timer = setInterval(fn, Math.min(periodMs, longestTimerMs));
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (delayMs, signal) => sleepWith(realClock, delayMs, signal),
};
