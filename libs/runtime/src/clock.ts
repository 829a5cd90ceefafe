/** A pending call; cancelling one that has already fired does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Components never read the system clock, sleep or set timers by any other way, so a
 * virtual clock can drive a whole cluster.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. Use it for durations. */
  monotonic(): number;
  /** Calls `fn` once, `delayMs` from now, never synchronously. */
  after(delayMs: number, fn: () => void): Timer;
  /** Calls `fn` every `periodMs`, the first time one period from now. */
  every(periodMs: number, fn: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The seconds that were written last, each in the place that its last bits give it: objects of one moment carry the same few times. */
const written: { readonly second: number; readonly text: string }[] = [];
const places = 8;

/** RFC 3339 with second precision, as `metav1.Time` is written. */
export function rfc3339(ms: number): string {
  const second = Math.floor(ms / 1000);
  const place = Math.abs(second % places);
  const known = written[place];
  if (known?.second === second) return known.text;
  const text = `${new Date(ms).toISOString().slice(0, 19)}Z`;
  written[place] = { second, text };
  return text;
}

/** RFC 3339 with microsecond precision, as `metav1.MicroTime` is written. */
export function rfc3339Micro(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

/** An AbortSignal that aborts after `delayMs` of the given clock (the virtual-clock form of AbortSignal.timeout). */
export function timeoutSignal(clock: Clock, delayMs: number, parent?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const timer = clock.after(delayMs, () => controller.abort(new Error(`timed out after ${delayMs} ms`)));
  const stop = (): void => {
    timer.cancel();
    controller.abort(parent?.reason);
  };
  if (parent?.aborted) stop();
  else parent?.addEventListener('abort', stop, { once: true });
  return controller.signal;
}

/** `sleep` in terms of `after`, shared by all clocks. */
export function sleepWith(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Whether `work` ends within a time. It goes on in any case; its error rejects while it is waited for. */
export async function endsWithin(clock: Clock, delayMs: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  try {
    return await Promise.race([work.then(() => true), clock.sleep(delayMs, over.signal).then(() => false)]);
  } finally {
    over.abort();
  }
}
