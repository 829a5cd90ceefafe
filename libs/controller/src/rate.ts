import type { Clock } from '@orrery/runtime';

/** How often something happens. */
export interface Rate {
  /** Counts once, and tells how often a second it was lately: a mean over about a second, of which the past fades. */
  count(): number;
}

export function createRate(clock: Pick<Clock, 'monotonic'>): Rate {
  let [perSecond, atMs] = [0, clock.monotonic()];
  return {
    count() {
      const nowMs = clock.monotonic();
      perSecond = perSecond * Math.exp((atMs - nowMs) / 1000) + 1;
      atMs = nowMs;
      return perSecond;
    },
  };
}
