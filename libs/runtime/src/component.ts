import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Random } from './random.ts';

/** What every component is handed: time, chance, a log and metrics. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A service that can be started, stopped and asked whether it serves. */
export interface Component {
  readonly name: string;
  /** Resolves when the component serves (listens, has its caches). Rejects if it cannot. `signal` abandons the start. */
  start(signal?: AbortSignal): Promise<void>;
  /** Stops serving, finishes what is in flight, releases everything. Safe to call twice, or after a failed start. */
  stop(): Promise<void>;
  /** True when a request sent now would be served. */
  ready(): boolean;
  /** Of components that may end for good by themselves: resolves then, stopped, with the reason. Their program ends, too. */
  readonly ended?: Promise<string>;
}

/** Starts in order; on failure stops what was started, in reverse, and rethrows. */
export async function startAll(components: readonly Component[], signal?: AbortSignal): Promise<void> {
  const started: Component[] = [];
  try {
    for (const component of components) {
      started.push(component);
      await component.start(signal);
    }
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

/** Stops in reverse order; every component is stopped even when one fails, then the first failure is thrown. */
export async function stopAll(components: readonly Component[]): Promise<void> {
  const failures: unknown[] = [];
  for (const component of [...components].reverse()) {
    try {
      await component.stop();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length) throw failures[0];
}
