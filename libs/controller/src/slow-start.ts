/** Calls that are under way at once: enough for any distance to the API server, and what is under way takes memory. Upstream has up to 500. */
const maxInFlight = 256;

export interface BatchResult {
  readonly succeeded: number;
  /** The first failure, if any. */
  readonly error: unknown;
  /** Calls that failed or were not tried. */
  readonly remaining: number;
}

/**
 * Calls `fn` for 0 … count-1, one at first and with every success one more at once, so that twice as many are under way each round, as in upstream's
 * batches of 1, 2, 4, …; none begins after a failure: a quota that refuses everything is asked once, not ten thousand times. None waits for the slowest of a batch.
 */
export async function slowStart(count: number, fn: (index: number) => Promise<void>): Promise<BatchResult> {
  let [next, underWay, atOnce, succeeded] = [0, 0, 1, 0];
  const failures: unknown[] = [];
  await new Promise<void>((resolve) => {
    const begin = async (): Promise<void> => {
      underWay++;
      try {
        await fn(next++);
        succeeded++;
        atOnce = Math.min(atOnce + 1, maxInFlight);
      } catch (error) {
        failures.push(error);
      }
      underWay--;
      goOn();
    };
    const goOn = (): void => {
      while (failures.length === 0 && next < count && underWay < atOnce) void begin();
      if (underWay === 0) resolve();
    };
    goOn();
  });
  return { succeeded, error: failures[0], remaining: count - succeeded };
}

/** Calls `fn` for every item, many at once, waits for all, then throws the first failure. */
export async function forEachInParallel<T>(items: readonly T[], fn: (item: T) => Promise<unknown>): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      try {
        await fn(items[next++] as T);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(maxInFlight, items.length) }, work));
  if (failures.length) throw failures[0];
}
