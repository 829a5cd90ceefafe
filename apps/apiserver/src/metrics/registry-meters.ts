import type { KindDescriptor } from '@orrery/api';
import type { BoundCounter, BoundHistogram, Env } from '@orrery/runtime';

const stepBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const eventBuckets = [1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072];

type GroupResource = Pick<KindDescriptor, 'group' | 'resource'>;

/** What is counted of the events one kind's watches send. */
export interface WatchMeter {
  /** `count` events of `bytes` in all; of several sent at once the average size is observed. */
  sent(count: number, bytes: number): void;
}

/** Counts of the registry's verbs, named and labelled as upstream's. */
export interface RegistryMeters {
  /** All plug-ins of one phase of admission were asked, and this many milliseconds have gone by since `fromMs` of the monotonic clock. */
  step(type: 'admit' | 'validate', operation: string, outcome: { fromMs: number; rejected: boolean }): void;
  watch(kind: KindDescriptor): WatchMeter;
  /** Objects that a watch began with. */
  initEvents(kind: GroupResource, count: number): void;
  /** A watch was ended because its client was too slow. */
  terminated(kind: GroupResource): void;
}

function cached<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = make(key)));
    return value;
  };
}

function stepMeter({ metrics, clock }: Env): RegistryMeters['step'] {
  const histogram = metrics.histogram('apiserver_admission_step_admission_duration_seconds', 'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).', stepBuckets);
  const series = new Map<string, BoundHistogram>();
  return (type, operation, { fromMs, rejected }) => {
    const key = `${type} ${operation} ${rejected}`;
    let found = series.get(key);
    if (!found) series.set(key, (found = histogram.with({ type, operation, rejected: String(rejected) })));
    found.observe((clock.monotonic() - fromMs) / 1000);
  };
}

export function registryMeters(env: Env): RegistryMeters {
  const { metrics } = env;
  const events = metrics.counter('apiserver_watch_events_total', 'Number of events sent in watch clients');
  const sizes = metrics.histogram('apiserver_watch_events_sizes', 'Watch event size distribution in bytes', eventBuckets);
  const inits = metrics.counter('apiserver_init_events_total', 'Counter of init events processed in watch cache broken by resource type.');
  const ended = metrics.counter('apiserver_terminated_watchers_total', 'Counter of watchers closed due to unresponsiveness broken by resource type.');
  const initsOf = cached<GroupResource, BoundCounter>(({ group, resource }) => inits.with({ group, resource }));
  return {
    step: stepMeter(env),
    watch: cached<KindDescriptor, WatchMeter>(({ group, version, resource }) => {
      const labels = { group, version, resource };
      const [total, size] = [events.with(labels), sizes.with(labels)];
      return {
        sent(count, bytes) {
          total.inc(count);
          size.add(bytes / count, count);
        },
      };
    }),
    initEvents: (kind, count) => initsOf(kind).inc(count),
    terminated: ({ group, resource }) => ended.inc({ group, resource }),
  };
}
