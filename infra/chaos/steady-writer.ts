import { ConfigMaps } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isAlreadyExists } from '@orrery/errors';
import { eventually } from '@orrery/testkit';
import { within } from './api.ts';

interface Acknowledged {
  readonly uid: string;
  /** What the last acknowledged write said. */
  readonly value: string;
}

/** What a stretch of writing came to. */
export interface Stretch {
  readonly acknowledged: number;
  /** Writes that failed however often they were tried. */
  readonly failed: number;
  /** Why the last of those failed. */
  readonly failure: string;
  /** Longest time without an acknowledged write. */
  readonly longestGapMs: number;
}

/** Writes without a pause and keeps book of what was acknowledged. */
export interface SteadyWriter {
  /** What happened since the last call of this. */
  stretch(): Stretch;
  /** Resolves once a write that began after now was acknowledged; with the milliseconds that took. */
  nextWrite(withinMs: number): Promise<number>;
  /** Ends writing. */
  stop(): Promise<void>;
  /** Names of objects whose acknowledged writes the server does not show: created and gone, or at an older value. */
  lost(): Promise<string[]>;
}

const label = 'chaos.orrery.dev/writer';
const everyMs = 40;

const tries = 6;
const firstWaitMs = 200;

/** Tries again what failed, as clients do that look first whether it was done after all. */
async function insist<T>(write: () => Promise<T>): Promise<T> {
  for (let i = 1; ; i++) {
    try {
      return await write();
    } catch (error) {
      if (i === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, firstWaitMs * 2 ** (i - 1)));
    }
  }
}

/** Creates ConfigMaps in `namespace` and updates each once. */
export function startWriter({ api, namespace }: { readonly api: ApiClient; readonly namespace: string }): SteadyWriter {
  const kept = new Map<string, Acknowledged>();
  let acknowledged = 0;
  let failed = 0;
  let longestGapMs = 0;
  let lastMs = performance.now();
  let beganMs = lastMs;
  let lastError: unknown;
  let isStopping = false;

  const acknowledge = (name: string, uid: string, value: string): void => {
    const now = performance.now();
    kept.set(name, { uid, value });
    acknowledged += 1;
    longestGapMs = Math.max(longestGapMs, now - lastMs);
    lastMs = now;
  };
  const write = async (name: string): Promise<void> => {
    const fresh = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: { [label]: 'yes' } }, data: { value: 'first' } };
    const read = (): Promise<ConfigMap> => within(api.get(ConfigMaps, { namespace, name }));
    const made = await insist(() => within(api.create(ConfigMaps, fresh)).catch((error: unknown) => (isAlreadyExists(error) ? read() : Promise.reject(error as Error))));
    acknowledge(name, made.metadata?.uid ?? '', 'first');
    let known = made;
    await insist(() =>
      within(api.update(ConfigMaps, { ...known, data: { value: 'second' } })).catch(async (error: unknown) => {
        known = await read();
        if (known.data?.['value'] !== 'second') throw error;
      }),
    );
    acknowledge(name, made.metadata?.uid ?? '', 'second');
  };
  const run = async (): Promise<void> => {
    for (let i = 0; !isStopping; i++) {
      const began = performance.now();
      await write(`w-${i}`).then(
        () => (beganMs = began),
        (error: unknown) => {
          failed += 1;
          lastError = error;
        },
      );
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
  const running = run();
  return {
    stretch() {
      const result = { acknowledged, failed, failure: failed ? String(lastError) : '', longestGapMs: Math.max(longestGapMs, performance.now() - lastMs) };
      acknowledged = failed = longestGapMs = 0;
      return result;
    },
    async nextWrite(withinMs) {
      const from = performance.now();
      await eventually(() => beganMs > from, { what: 'a write is acknowledged again', withinMs, everyMs: 20 }).catch((error: Error) => {
        throw new Error(`${error.message}; the last failure: ${String(lastError)}`);
      });
      return performance.now() - from;
    },
    async stop() {
      isStopping = true;
      await running;
    },
    async lost() {
      // Booked before the list begins, so the list must show it.
      const booked = [...kept];
      const { items } = await eventually(() => within(api.list(ConfigMaps, { namespace, labelSelector: label })), { what: 'a list of what was written', withinMs: 60_000, everyMs: 500 });
      const found = new Map(items.map((item) => [item.metadata?.name ?? '', item]));
      return booked.filter(([name, { uid, value }]) => found.get(name)?.metadata?.uid !== uid || (value === 'second' && found.get(name)?.data?.['value'] !== 'second')).map(([name]) => name);
    },
  };
}
