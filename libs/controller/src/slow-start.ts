/** Calls of one batch that are under way at once: enough for any distance to the API server, and what is under way takes memory. */
const maxInFlight = 64;

export interface BatchResult {
  readonly succeeded: number;
  /** The first failure, if any. */
  readonly error: unknown;
  /** Calls that failed or were not tried. */
  readonly remaining: number;
}

/**
 * Calls `fn` for 0 … count-1 in batches of 1, 2, 4, … in parallel, and stops after a batch with a failure: a quota that
 * refuses everything is asked once, not ten thousand times.
 */
export async function slowStart(count: number, fn: (index: number) => Promise<void>): Promise<BatchResult> {
  let succeeded = 0;
  let next = 0;
  for (let size = 1; next < count; size = Math.min(size * 2, maxInFlight)) {
    const batch = Array.from({ length: Math.min(size, count - next) }, (_, i) => fn(next + i));
    next += batch.length;
    const settled = await Promise.allSettled(batch);
    const failed = settled.filter((result) => result.status === 'rejected');
    succeeded += settled.length - failed.length;
    if (failed[0]) return { succeeded, error: failed[0].reason, remaining: count - succeeded };
  }
  return { succeeded, error: undefined, remaining: 0 };
}

/** Calls `fn` for every item, many at once, waits for all, then throws the first failure. */
export async function forEachInParallel<T>(items: readonly T[], fn: (item: T) => Promise<unknown>): Promise<void> {
  const failures: unknown[] = [];
  for (let i = 0; i < items.length; i += maxInFlight) {
    const settled = await Promise.allSettled(items.slice(i, i + maxInFlight).map(fn));
    for (const result of settled) if (result.status === 'rejected') failures.push(result.reason);
  }
  if (failures.length) throw failures[0];
}
