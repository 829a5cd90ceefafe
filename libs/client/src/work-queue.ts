import { type Env, type Metrics, type Timer, latencyBuckets } from '@orrery/runtime';

export interface WorkQueueOptions {
  /** The `name` label of the queue's metrics. */
  readonly name: string;
  /** First delay of a key that fails; doubles each time. Upstream: 5 ms. */
  readonly baseDelayMs?: number;
  /** Upstream: 1000 s. */
  readonly maxDelayMs?: number;
  /** Overall rate of `addRateLimited`. Upstream: 10/s, bursts of 100. */
  readonly ratePerSecond?: number;
  readonly burst?: number;
}

/**
 * Keys to work on. A key waits at most once, is handed to one worker at a time, and if it is added while being worked
 * on, comes again afterwards (client-go's workqueue).
 */
export interface WorkQueue<K> {
  add(key: K): void;
  /** Adds after a delay; of several delays for one key the earliest counts. */
  addAfter(key: K, delayMs: number): void;
  /** Adds after the back-off of the key and the queue's overall rate. */
  addRateLimited(key: K): void;
  /** Ends the back-off of a key. */
  forget(key: K): void;
  /** How often the key was added rate-limited since it was last forgotten. */
  retries(key: K): number;
  /** The next key, or undefined when there is none now. Call `done` when finished with it. */
  take(): K | undefined;
  done(key: K): void;
  /** Called whenever a key has become ready. One listener. */
  onReady(listener: () => void): void;
  /** Keys ready now. */
  readonly length: number;
  /** Drops what waits and takes nothing more. */
  shutDown(): void;
}

/** What a queue tells of keys that are being worked on, whenever it is asked. */
interface Busy {
  readonly name: string;
  /** How long each has taken so far. */
  seconds(): Iterable<number>;
}

const busyQueues = new WeakMap<Metrics, Set<Busy>>();

/** Joins the queues whose unfinished work is told at every scrape; returns how to leave them. */
function tellBusy(metrics: Metrics, queue: Busy): () => void {
  let queues = busyQueues.get(metrics);
  if (!queues) {
    const all = (queues = new Set());
    busyQueues.set(metrics, all);
    const tell = (name: string, help: string, sum: (seconds: readonly number[]) => number): void =>
      metrics.collect(name, { type: 'gauge', help }, () => [...Map.groupBy(all, (one) => one.name)].map(([label, same]) => ({ labels: { name: label }, value: sum(same.flatMap((one) => [...one.seconds()])) })));
    tell('workqueue_unfinished_work_seconds', 'How many seconds of work has done that is in progress and hasn\'t been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.', (seconds) => seconds.reduce((sum, one) => sum + one, 0));
    tell('workqueue_longest_running_processor_seconds', 'How many seconds has the longest running processor for workqueue been running.', (seconds) => Math.max(0, ...seconds));
  }
  const joined = queues.add(queue);
  return () => void joined.delete(queue);
}

function queueMetrics(env: Pick<Env, 'metrics'>, name: string) {
  const { metrics } = env;
  const labels = { name };
  const depth = metrics.gauge('workqueue_depth', 'Current depth of workqueue').with(labels);
  const adds = metrics.counter('workqueue_adds_total', 'Total number of adds handled by workqueue').with(labels);
  const waited = metrics.histogram('workqueue_queue_duration_seconds', 'How long in seconds an item stays in workqueue before being requested.', latencyBuckets).with(labels);
  const worked = metrics.histogram('workqueue_work_duration_seconds', 'How long in seconds processing an item from workqueue takes.', latencyBuckets).with(labels);
  const retries = metrics.counter('workqueue_retries_total', 'Total number of retries handled by workqueue').with(labels);
  return {
    depth: (n: number) => depth.set(n),
    added: () => adds.inc(),
    waited: (ms: number) => waited.observe(ms / 1000),
    worked: (ms: number) => worked.observe(ms / 1000),
    retried: () => retries.inc(),
  };
}

/** How many keys that have gone are kept in the order. */
const forgetEvery = 1_024;

interface Delayed {
  readonly atMs: number;
  readonly timer: Timer;
}

export function createWorkQueue<K>(env: Pick<Env, 'clock' | 'metrics'>, options: WorkQueueOptions): WorkQueue<K> {
  const { clock } = env;
  const leave = tellBusy(env.metrics, { name: options.name, seconds: () => [...working.values()].map((startedMs) => (clock.monotonic() - startedMs) / 1000) });
  const { baseDelayMs = 5, maxDelayMs = 1_000_000, ratePerSecond = 10, burst = 100 } = options;
  const metrics = queueMetrics(env, options.name);
  const ready = new Map<K, number>();
  /** The keys that are ready in their order, from `first` on: a map looks for its first key among all that have gone. */
  const order: K[] = [];
  let first = 0;
  const working = new Map<K, number>();
  const dirty = new Set<K>();
  const delayed = new Map<K, Delayed>();
  const failures = new Map<K, number>();
  let listener: (() => void) | undefined;
  let down = false;
  let tokens = burst;
  let refilledMs = clock.monotonic();

  const makeReady = (key: K): void => {
    ready.set(key, clock.monotonic());
    order.push(key);
    metrics.depth(ready.size);
    listener?.();
  };
  const add = (key: K): void => {
    if (down || ready.has(key) || dirty.has(key)) return;
    metrics.added();
    if (working.has(key)) {
      dirty.add(key);
      return;
    }
    makeReady(key);
  };
  const addAfter = (key: K, delayMs: number): void => {
    if (down) return;
    if (delayMs <= 0) return add(key);
    const atMs = clock.monotonic() + delayMs;
    const known = delayed.get(key);
    if (known && known.atMs <= atMs) return;
    known?.timer.cancel();
    const fire = (): void => {
      delayed.delete(key);
      add(key);
    };
    delayed.set(key, { atMs, timer: clock.after(delayMs, fire) });
  };
  /** Takes a token, going into debt: the delay until the debt is paid. */
  const reserve = (): number => {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - refilledMs) / 1000) * ratePerSecond) - 1;
    refilledMs = now;
    return tokens >= 0 ? 0 : (-tokens / ratePerSecond) * 1000;
  };
  return {
    add,
    addAfter,
    addRateLimited(key) {
      const failed = failures.get(key) ?? 0;
      failures.set(key, failed + 1);
      metrics.retried();
      addAfter(key, Math.max(Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(failed, 40)), reserve()));
    },
    forget: (key) => void failures.delete(key),
    retries: (key) => failures.get(key) ?? 0,
    take() {
      if (ready.size === 0) return undefined;
      const key = order[first++] as K;
      if (first === order.length || first === forgetEvery) {
        order.splice(0, first);
        first = 0;
      }
      const addedMs = ready.get(key) as number;
      const now = clock.monotonic();
      ready.delete(key);
      working.set(key, now);
      metrics.depth(ready.size);
      metrics.waited(now - addedMs);
      return key;
    },
    done(key) {
      const startedMs = working.get(key);
      if (startedMs === undefined) return;
      metrics.worked(clock.monotonic() - startedMs);
      working.delete(key);
      if (dirty.delete(key) && !down) makeReady(key);
    },
    onReady: (next) => (listener = next),
    get length() {
      return ready.size;
    },
    shutDown() {
      down = true;
      leave();
      for (const { timer } of delayed.values()) timer.cancel();
      delayed.clear();
      ready.clear();
      order.length = 0;
      first = 0;
      dirty.clear();
    },
  };
}
