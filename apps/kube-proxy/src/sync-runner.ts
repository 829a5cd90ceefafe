import type { Env, Timer } from '@orrery/runtime';

/** Runs a sync some time after it was asked for, one at a time, and again after a failure. */
export interface SyncRunner {
  /** Nothing runs before. */
  open(): void;
  request(): void;
  /** Runs at once; rejects with the failure, after which it is tried again. */
  now(): Promise<void>;
  close(): Promise<void>;
}

const retryMs = 1_000;

export function createSyncRunner(env: Pick<Env, 'clock' | 'log'>, options: { delayMs: number; sync: () => Promise<void>; what: string }): SyncRunner {
  const { delayMs, sync, what } = options;
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  let open = false;
  const runNow = (): Promise<void> => {
    const run = running.then(sync);
    running = run.catch((error: unknown) => {
      if (!open) return;
      env.log.warn(`cannot program ${what}, trying again`, { error });
      after(retryMs);
    });
    return run;
  };
  const after = (ms: number): void => {
    if (!open || timer) return;
    timer = env.clock.after(ms, () => {
      timer = undefined;
      // Reported by `running`.
      runNow().catch(() => undefined);
    });
  };
  return {
    open: () => void (open = true),
    request: () => after(delayMs),
    now: runNow,
    async close() {
      open = false;
      timer?.cancel();
      timer = undefined;
      await running;
    },
  };
}
