import { StatusError } from '@orrery/errors';
import { type Env, latencyBuckets } from '@orrery/runtime';

/** Does what a publisher does and tells how it went, as upstream's publishers do: `NAME_sync_total` and `NAME_sync_duration_seconds` by the code of the answer. */
export async function observedSync({ clock, metrics }: Pick<Env, 'clock' | 'metrics'>, about: { readonly name: string; readonly total: string; readonly seconds: string }, sync: () => Promise<unknown>): Promise<void> {
  const beganMs = clock.monotonic();
  const tell = (code: string): void => {
    metrics.counter(`${about.name}_sync_total`, about.total).inc({ code });
    metrics.histogram(`${about.name}_sync_duration_seconds`, about.seconds, latencyBuckets).observe((clock.monotonic() - beganMs) / 1000, { code });
  };
  try {
    await sync();
  } catch (error) {
    tell(error instanceof StatusError ? String(error.code) : '500');
    throw error;
  }
  tell('200');
}
