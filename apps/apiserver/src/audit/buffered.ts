import type { Clock, Timer } from '@orrery/runtime';
import type { AuditBackend, AuditMetrics, Recorded } from './backend.ts';

export interface BatchOptions {
  /** Events that may wait; more are dropped. */
  readonly bufferSize: number;
  readonly maxSize: number;
  /** A batch that is not full leaves after this. 0: at once. */
  readonly maxWaitMs: number;
  /** Batches a second, and how many may leave at once after a pause. Undefined: no limit. */
  readonly throttle: { readonly qps: number; readonly burst: number } | undefined;
}

/** A bucket of tokens that fills at `qps`; `delayMs` takes one and tells how long to wait for it. */
function bucket({ qps, burst }: { qps: number; burst: number }, clock: Clock): { delayMs(): number } {
  let tokens = burst;
  let at = clock.monotonic();
  return {
    delayMs() {
      const now = clock.monotonic();
      tokens = Math.min(burst, tokens + ((now - at) / 1000) * qps) - 1;
      at = now;
      return tokens >= 0 ? 0 : (-tokens / qps) * 1000;
    },
  };
}

/**
 * Mode `batch`: events wait in a bounded buffer and leave in batches, one after the other, so requests never wait for the
 * back end. What does not fit the buffer is dropped and counted, as are batches that the back end refuses.
 */
export function buffered(backend: AuditBackend, options: BatchOptions & { clock: Clock; metrics: AuditMetrics }): AuditBackend {
  const { clock, metrics, bufferSize, maxSize, maxWaitMs } = options;
  const throttle = options.throttle && bucket(options.throttle, clock);
  let waiting: Recorded[] = [];
  let timer: Timer | undefined;
  let sending: Promise<void> | undefined;
  let stopped = false;

  const sendAll = async (all: boolean): Promise<void> => {
    while (waiting.length >= maxSize || (all && waiting.length)) {
      const batch = waiting.splice(0, maxSize);
      const delayMs = stopped ? 0 : (throttle?.delayMs() ?? 0);
      if (delayMs > 0) await clock.sleep(delayMs);
      try {
        await backend.process(batch);
      } catch (error) {
        metrics.failed(backend.name, batch.length, error);
      }
    }
  };
  const flush = (all: boolean): void => {
    if (sending) return;
    sending = sendAll(all).finally(() => {
      sending = undefined;
      arm();
    });
  };
  const arm = (): void => {
    if (waiting.length >= maxSize) return flush(false);
    if (!waiting.length || timer || stopped) return;
    timer = clock.after(maxWaitMs, () => {
      timer = undefined;
      flush(true);
    });
  };
  return {
    name: backend.name,
    process(events) {
      if (stopped) return metrics.failed('buffered', events.length, new Error('audit backend shut down'));
      const room = Math.max(0, bufferSize - waiting.length);
      if (events.length > room) metrics.failed('buffered', events.length - room, new Error('audit buffer queue blocked'));
      waiting.push(...events.slice(0, room));
      arm();
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      await sending;
      await sendAll(true);
      waiting = [];
      await backend.stop();
    },
  };
}
