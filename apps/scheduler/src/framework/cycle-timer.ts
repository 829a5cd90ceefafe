/**
 * Times plugins. They are timed in one cycle of ten, as upstream does: Filter alone runs thousands
 * of times a cycle.
 */
export interface CycleTimer {
  /** A new cycle begins. */
  next(): void;
  /** Plugins are timed in this cycle. */
  readonly sampled: boolean;
  /** What `end` is to be given when the plugin has answered. */
  begin(): number;
  end(plugin: string, point: string, began: number, result: unknown): void;
}

export interface CycleTimerOptions {
  /** Milliseconds. */
  readonly now: () => number;
  readonly plugin: (plugin: string, point: string, seconds: number, result: unknown) => void;
}

const sampledOneIn = 10;
/** What began is not timed. */
const untimed = -1;

export function createCycleTimer({ now, plugin: observe }: CycleTimerOptions): CycleTimer {
  let cycle = -1;
  let sampled = false;
  return {
    next() {
      cycle = (cycle + 1) % sampledOneIn;
      sampled = cycle === 0;
    },
    get sampled() {
      return sampled;
    },
    begin: () => (sampled ? now() : untimed),
    end(plugin, point, began, result) {
      if (began !== untimed) observe(plugin, point, (now() - began) / 1000, result);
    },
  };
}
