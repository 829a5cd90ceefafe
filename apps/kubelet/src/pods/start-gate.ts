import type { Clock } from '@orrery/runtime';

/**
 * Lets few pods of a process begin at a time. Thousands of nodes in one process share a processor: pods that all begin at once are
 * all late, and what each has under way is meanwhile copied by the garbage collector, over and over. A pod that waits for something
 * else (an image, a volume) makes room for the next after a moment, so nobody is held up by it.
 */
export interface StartGate {
  /** A turn to begin, now or later. What it gives ends the turn, and may be called more than once. */
  enter(): (() => void) | Promise<() => void>;
}

/** With these, pods that wait for ever let a thousand others begin in a second. */
const places = 64;
const holdMs = 60;

export function createStartGate(clock: Pick<Clock, 'after'>): StartGate {
  const waiting: (() => void)[] = [];
  let next = 0;
  let free = places;
  const turn = (): (() => void) => {
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      const begin = waiting[next];
      if (!begin) {
        free += 1;
        return;
      }
      next += 1;
      if (next === waiting.length) next = waiting.length = 0;
      begin();
    };
    const timer = clock.after(holdMs, end);
    return end;
  };
  return {
    enter() {
      if (free === 0) return new Promise((resolve) => waiting.push(() => resolve(turn())));
      free -= 1;
      return turn();
    },
  };
}
