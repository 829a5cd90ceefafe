import { type WorkQueue, createWorkQueue } from '@orrery/client';
import type { Env } from '@orrery/runtime';

export interface WorkLoop {
  /** Label of the queue's metrics. */
  readonly name: string;
  readonly concurrency: number;
  /** Longest wait of a key that fails again and again. */
  readonly maxDelayMs: number;
  /** How often every key of `keys` comes again by itself; 0 never. */
  readonly resyncMs: number;
  keys(): readonly string[];
  /** A rejection is logged and the key comes again after its back-off; so does a key that wants to (`again`). */
  work(key: string): Promise<'done' | 'again'>;
}

/** Works off keys until the signal aborts. */
export function startWorkLoop(env: Env, loop: WorkLoop, signal: AbortSignal): Pick<WorkQueue<string>, 'add' | 'addAfter'> {
  const { name, concurrency, maxDelayMs, resyncMs } = loop;
  const queue = createWorkQueue<string>(env, { name, maxDelayMs });
  let active = 0;

  const one = async (key: string): Promise<void> => {
    let outcome: 'done' | 'again' = 'again';
    try {
      outcome = await loop.work(key);
    } catch (error) {
      if (!signal.aborted) env.log.debug('will try again', { queue: name, key, error });
    }
    if (outcome === 'done') queue.forget(key);
    else queue.addRateLimited(key);
    queue.done(key);
    active--;
    pump();
  };
  const pump = (): void => {
    while (active < concurrency && !signal.aborted) {
      const key = queue.take();
      if (key === undefined) return;
      active++;
      void one(key);
    }
  };
  const resync = (): void => {
    for (const key of loop.keys()) queue.add(key);
    if (resyncMs > 0 && !signal.aborted) timer = env.clock.after(resyncMs, resync);
  };
  let timer: { cancel(): void } | undefined;
  signal.addEventListener('abort', () => {
    timer?.cancel();
    queue.shutDown();
  }, { once: true });
  queue.onReady(() => queueMicrotask(pump));
  resync();
  return queue;
}
