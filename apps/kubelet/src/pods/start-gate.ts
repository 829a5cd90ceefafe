import type { Clock, Timer } from '@orrery/runtime';

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

export function createStartGate(clock: Pick<Clock, 'after' | 'monotonic'>): StartGate {
  const waiting: (() => void)[] = [];
  let next = 0;
  let free = places;
  /** Turns under way and when they are over at the latest, the oldest first: all last as long, so one timer is enough. */
  const held = new Map<() => void, number>();
  let timer: Timer | undefined;
  const look = (): void => {
    const nowMs = clock.monotonic();
    let nextMs: number | undefined;
    for (const [end, dueMs] of held) {
      if (dueMs > nowMs) {
        nextMs = dueMs - nowMs;
        break;
      }
      end();
    }
    timer = nextMs === undefined ? undefined : clock.after(nextMs, look);
  };
  const turn = (): (() => void) => {
    const end = (): void => {
      if (!held.delete(end)) return;
      const begin = waiting[next];
      if (!begin) {
        free += 1;
        return;
      }
      next += 1;
      if (next === waiting.length) next = waiting.length = 0;
      begin();
    };
    held.set(end, clock.monotonic() + holdMs);
    timer ??= clock.after(holdMs, look);
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
