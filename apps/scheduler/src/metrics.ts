import { type Labels, type Metrics, latencyBuckets } from '@orrery/runtime';
import { isStatus } from './framework/types.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';
export type QueueName = 'active' | 'backoff' | 'unschedulable' | 'gated';

/** Metrics of upstream's names. Durations are seconds. */
export interface SchedulerMetrics {
  attempt(profile: string, result: AttemptResult, seconds: number): void;
  /** A pod was bound: since it first came, and at which try. */
  scheduled(sinceQueuedSeconds: number, attempts: number): void;
  algorithm(seconds: number): void;
  permitWaited(result: string, seconds: number): void;
  incoming(queue: QueueName, event: string): void;
  extensionPoint(profile: string, point: string, seconds: number, result: unknown): void;
  plugin(plugin: string, point: string, seconds: number, result: unknown): void;
  /** Times a whole extension point. */
  whole<T>(profile: string, point: string, work: () => T): T;
  nextCycle(): void;
  /** What is read when scraped. */
  watch(read: { pending(): Readonly<Record<QueueName, number>>; refused(): Iterable<readonly [plugin: string, profile: string, pods: number]>; cache(): Readonly<Record<string, number>> }): void;
}

const pluginBuckets: readonly number[] = Array.from({ length: 20 }, (_, i) => 0.00001 * 1.5 ** i);
const pointBuckets: readonly number[] = Array.from({ length: 12 }, (_, i) => 0.0001 * 2 ** i);
const sliBuckets: readonly number[] = Array.from({ length: 20 }, (_, i) => 0.01 * 2 ** i);

function statusOf(result: unknown): string {
  return typeof result === 'object' && result !== null && isStatus(result) ? result.code : 'Success';
}

/** Series by a short key: labels are not looked up at every observation. */
function seriesOf<Bound>(metric: { with(labels: Labels): Bound }): (key: string, labels: () => Labels) => Bound {
  const known = new Map<string, Bound>();
  return (key, labels) => {
    let found = known.get(key);
    if (!found) known.set(key, (found = metric.with(labels())));
    return found;
  };
}

export function createSchedulerMetrics(metrics: Metrics, options: { now: () => number; nextCycle: () => void }): SchedulerMetrics {
  const { now } = options;
  const attempts = seriesOf(metrics.counter('scheduler_schedule_attempts_total', "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem."));
  const attemptTime = seriesOf(metrics.histogram('scheduler_scheduling_attempt_duration_seconds', 'Scheduling attempt latency in seconds (scheduling algorithm + binding)', latencyBuckets));
  const sli = seriesOf(metrics.histogram('scheduler_pod_scheduling_sli_duration_seconds', 'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.', sliBuckets));
  const tries = metrics.histogram('scheduler_pod_scheduling_attempts', 'Number of attempts to successfully schedule a pod.', [1, 2, 4, 8, 16]);
  const algorithm = metrics.histogram('scheduler_scheduling_algorithm_duration_seconds', 'Scheduling algorithm latency in seconds', latencyBuckets);
  const permit = metrics.histogram('scheduler_permit_wait_duration_seconds', 'Duration of waiting on permit.', latencyBuckets);
  const incoming = seriesOf(metrics.counter('scheduler_queue_incoming_pods_total', 'Number of pods added to scheduling queues by event and queue type.'));
  const point = seriesOf(metrics.histogram('scheduler_framework_extension_point_duration_seconds', 'Latency for running all plugins of a specific extension point.', pointBuckets));
  const plugin = seriesOf(metrics.histogram('scheduler_plugin_execution_duration_seconds', 'Duration for running a plugin at a specific extension point.', pluginBuckets));
  const extensionPoint: SchedulerMetrics['extensionPoint'] = (profile, name, seconds, result) => {
    const status = statusOf(result);
    point(`${name}|${status}|${profile}`, () => ({ extension_point: name, status, profile })).observe(seconds);
  };
  const algorithmSeries = algorithm.with({});
  const triesSeries = tries.with({});
  return {
    attempt(profile, result, seconds) {
      const key = `${result}|${profile}`;
      attempts(key, () => ({ result, profile })).inc();
      attemptTime(key, () => ({ result, profile })).observe(seconds);
    },
    scheduled(seconds, count) {
      const attempts = count >= 15 ? '15+' : String(count);
      sli(attempts, () => ({ attempts })).observe(seconds);
      triesSeries.observe(count);
    },
    algorithm: (seconds) => algorithmSeries.observe(seconds),
    permitWaited: (result, seconds) => permit.observe(seconds, { result }),
    incoming: (queue, event) => incoming(`${queue}|${event}`, () => ({ queue, event })).inc(),
    extensionPoint,
    plugin(name, at, seconds, result) {
      const status = statusOf(result);
      plugin(`${name}|${at}|${status}`, () => ({ plugin: name, extension_point: at, status })).observe(seconds);
    },
    whole(profile, name, work) {
      const began = now();
      const result = work();
      if (result instanceof Promise) void result.then((late: unknown) => extensionPoint(profile, name, (now() - began) / 1000, late), () => undefined);
      else extensionPoint(profile, name, (now() - began) / 1000, result);
      return result;
    },
    nextCycle: options.nextCycle,
    watch({ pending, refused, cache }) {
      metrics.collect('scheduler_pending_pods', { type: 'gauge', help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated." }, () =>
        Object.entries(pending()).map(([queue, value]) => ({ labels: { queue }, value })),
      );
      metrics.collect('scheduler_unschedulable_pods', { type: 'gauge', help: 'The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins that caused it to not schedule and so this metric will have meaning only when broken down by plugin.' }, () =>
        [...refused()].map(([name, profile, value]) => ({ labels: { plugin: name, profile }, value })),
      );
      metrics.collect('scheduler_scheduler_cache_size', { type: 'gauge', help: 'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.' }, () =>
        Object.entries(cache()).map(([type, value]) => ({ labels: { type }, value })),
      );
    },
  };
}
