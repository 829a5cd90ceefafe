/**
 * Times plugins. They are timed in one cycle of ten, as upstream does: Filter alone runs thousands
 * of times a cycle.
 */
export interface CycleTimer {
  /** A new cycle begins. */
  next(): void;
  /** Plugins are timed in this cycle. */
  readonly sampled: boolean;
  run<T>(plugin: string, point: string, work: () => T): T;
  /** As `run`, for what answers later. */
  wait<T>(plugin: string, point: string, work: () => T | Promise<T>): Promise<T>;
}

export interface CycleTimerOptions {
  /** Milliseconds. */
  readonly now: () => number;
  readonly plugin: (plugin: string, point: string, seconds: number, result: unknown) => void;
}

const sampledOneIn = 10;

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
    run(plugin, point, work) {
      if (!sampled) return work();
      const began = now();
      const result = work();
      observe(plugin, point, (now() - began) / 1000, result);
      return result;
    },
    async wait(plugin, point, work) {
      const began = now();
      const timed = sampled;
      const result = await work();
      if (timed) observe(plugin, point, (now() - began) / 1000, result);
      return result;
    },
  };
}
