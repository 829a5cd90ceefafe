import type { Shape } from './figures.ts';
import type { LoadProcess } from './load-process.ts';
import type { Operation } from './loads.ts';
import type { Target } from './servers.ts';

export interface Measure {
  readonly target: Target;
  readonly load: LoadProcess;
  readonly ms: number;
  readonly keys: number;
  readonly rounds: number;
}

/** One line of the bench: what is measured, how, and on clusters of how many members. */
export interface Line extends Shape {
  readonly members: readonly number[];
  /** It fills what later lines need, or starts what cannot be repeated. */
  readonly once?: boolean;
  /** It leaves history behind. */
  readonly writes?: boolean;
  /** Undefined where the server cannot be asked that. */
  measure(context: Measure): Promise<number | undefined>;
}

const watchers = 500;
const watchedPuts = 1000;

function rate(name: string, operation: Operation, options: { clients: number; members?: readonly number[]; writes?: boolean }): Line {
  const { clients, members = [1, 3], writes = false } = options;
  const label = `${name} at ${clients}`;
  return { name: label, unit: '/s', better: 'more', members, writes, measure: async ({ target, load, ms }) => (await load.run({ kind: 'loop', address: target.address, operation, clients, ms })).perSecond };
}

const counts = [1, 50, 1000];
const mib = 1024 * 1024;
const memoryAtRest = new Map<Target, number>();

/** In this order: reading needs the keys that were put. */
export const lines: readonly Line[] = [
  ...counts.map((clients) => rate('put', 'put', { clients, writes: true })),
  ...counts.map((clients) => rate('txn', 'txn', { clients, writes: true })),
  ...counts.map((clients) => rate('linearizable range', 'linearizable', { clients })),
  ...counts.map((clients) => rate('serializable range', 'serializable', { clients, members: [1] })),
  ...[1, 50].map((clients) => rate('page of 500 keys', 'page', { clients, members: [1] })),
  {
    name: `watch events to ${watchers}`,
    unit: '/s',
    better: 'more',
    members: [1],
    writes: true,
    measure: async ({ target, load }) => (await load.run({ kind: 'fanOut', address: target.address, watchers, puts: watchedPuts })).perSecond,
  },
  {
    name: 'watch from put to event, p50',
    unit: 'µs',
    better: 'less',
    members: [1, 3],
    writes: true,
    measure: async ({ target, load, ms }) => (await load.run({ kind: 'watchLatency', address: target.address, ms })).p50Us,
  },
  {
    name: 'filling for restart',
    unit: '/s',
    better: 'more',
    members: [1],
    once: true,
    measure: async ({ target, load, keys }) => {
      if (target.memoryBytes() !== undefined) {
        await target.restart();
        memoryAtRest.set(target, target.memoryBytes() ?? 0);
      }
      return (await load.run({ kind: 'fill', address: target.address, keys })).perSecond;
    },
  },
  {
    name: 'memory after filling',
    unit: 'B/key',
    better: 'less',
    members: [1],
    once: true,
    measure: async ({ target, keys }) => perKey(target, keys),
  },
  {
    name: 'restart after kill -9',
    unit: 'ms',
    better: 'less',
    members: [1],
    measure: async ({ target }) => (target.memoryBytes() === undefined ? undefined : target.restart()),
  },
  {
    name: 'memory after restart',
    unit: 'MiB',
    better: 'less',
    members: [1],
    once: true,
    measure: async ({ target }) => (target.memoryBytes() ?? Number.NaN) / mib,
  },
];

/** What the keys have added to the memory of the server. */
function perKey(target: Target, keys: number): number | undefined {
  const [now, before] = [target.memoryBytes(), memoryAtRest.get(target)];
  return now === undefined || before === undefined ? undefined : (now - before) / keys;
}
