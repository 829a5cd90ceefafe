import { type Labels, type Metrics, latencyBuckets, tellBuild } from '@orrery/runtime';
import { type ClusterEvent, eventName, isStatus } from './framework/types.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';
export type QueueName = 'active' | 'backoff' | 'unschedulable' | 'gated';

/** Metrics of upstream's names. Durations are seconds. */
export interface SchedulerMetrics {
  attempt(profile: string, result: AttemptResult, seconds: number): void;
  /** A pod was bound: since it first came, at which try, and whether nothing but the time it waited had brought that try. */
  scheduled(sinceQueuedSeconds: number, attempts: number, flushed: boolean): void;
  algorithm(seconds: number): void;
  permitWaited(result: string, seconds: number): void;
  incoming(queue: QueueName, event: string): void;
  hinted(plugin: string, event: ClusterEvent, hint: string, seconds: number): void;
  /** What the scheduler does about an event is done, by upstream's name of it. */
  handled(event: string, beganMs: number): void;
  /** These plugins of a profile, a list of that point alone, had a say about a pod. Upstream counts Filter and Score for each node, here they count once a try. */
  evaluated(profile: string, point: string, plugins: readonly { readonly name: string }[]): void;
  extensionPoint(profile: string, point: string, seconds: number, result: unknown): void;
  plugin(plugin: string, point: string, seconds: number, result: unknown): void;
  /** Milliseconds, for `whole`. */
  now(): number;
  /** A whole extension point has run since. */
  whole(profile: string, point: string, beganMs: number, result?: unknown): void;
  nextCycle(): void;
  /** What is read when scraped. */
  watch(read: { pending(): Readonly<Record<QueueName, number>>; refused(): Iterable<readonly [plugin: string, profile: string, pods: number]>; cache(): Readonly<Record<string, number>>; inFlight(): ReadonlyMap<string, number>; binding(): number }): void;
}

const pluginBuckets: readonly number[] = Array.from({ length: 20 }, (_, i) => 0.00001 * 1.5 ** i);
const pointBuckets: readonly number[] = Array.from({ length: 12 }, (_, i) => 0.0001 * 2 ** i);
const sliBuckets: readonly number[] = Array.from({ length: 20 }, (_, i) => 0.01 * 2 ** i);

function statusOf(result: unknown): string {
  return typeof result === 'object' && result !== null && isStatus(result) ? result.code : 'Success';
}

/** Series by up to three values of labels, which are not looked up at every observation. */
function seriesOf<Bound>(metric: { with(labels: Labels): Bound }, labels: (a: string, b: string, c: string) => Labels): (a: string, b?: string, c?: string) => Bound {
  const known = new Map<string, Map<string, Map<string, Bound>>>();
  return (a, b = '', c = '') => {
    let found = known.get(a)?.get(b)?.get(c);
    if (!found) {
      const ofFirst = known.get(a) ?? new Map<string, Map<string, Bound>>();
      const ofSecond = ofFirst.get(b) ?? new Map<string, Bound>();
      known.set(a, ofFirst.set(b, ofSecond.set(c, (found = metric.with(labels(a, b, c))))));
    }
    return found;
  };
}

export function createSchedulerMetrics(metrics: Metrics, options: { now: () => number; nextCycle: () => void }): SchedulerMetrics {
  const { now } = options;
  tellBuild(metrics);
  const attempts = seriesOf(metrics.counter('scheduler_schedule_attempts_total', "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem."), (result, profile) => ({ result, profile }));
  const attemptTime = seriesOf(metrics.histogram('scheduler_scheduling_attempt_duration_seconds', 'Scheduling attempt latency in seconds (scheduling algorithm + binding)', latencyBuckets), (result, profile) => ({ result, profile }));
  const sli = seriesOf(metrics.histogram('scheduler_pod_scheduling_sli_duration_seconds', 'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.', sliBuckets), (attempts) => ({ attempts }));
  const tries = metrics.histogram('scheduler_pod_scheduling_attempts', 'Number of attempts to successfully schedule a pod.', [1, 2, 4, 8, 16]);
  const algorithm = metrics.histogram('scheduler_scheduling_algorithm_duration_seconds', 'Scheduling algorithm latency in seconds', latencyBuckets);
  const permit = metrics.histogram('scheduler_permit_wait_duration_seconds', 'Duration of waiting on permit.', latencyBuckets);
  const incoming = seriesOf(metrics.counter('scheduler_queue_incoming_pods_total', 'Number of pods added to scheduling queues by event and queue type.'), (queue, event) => ({ queue, event }));
  const point = seriesOf(metrics.histogram('scheduler_framework_extension_point_duration_seconds', 'Latency for running all plugins of a specific extension point.', pointBuckets), (extension_point, status, profile) => ({ extension_point, status, profile }));
  const plugin = seriesOf(metrics.histogram('scheduler_plugin_execution_duration_seconds', 'Duration for running a plugin at a specific extension point.', pluginBuckets), (plugin, extension_point, status) => ({ plugin, extension_point, status }));
  const hints = seriesOf(metrics.histogram('scheduler_queueing_hint_execution_duration_seconds', 'Duration for running a queueing hint function of a plugin.', pluginBuckets), (plugin, event, hint) => ({ plugin, event, hint }));
  const handling = seriesOf(metrics.histogram('scheduler_event_handling_duration_seconds', 'Event handling latency in seconds.', pointBuckets), (event) => ({ event }));
  const evaluations = seriesOf(metrics.counter('scheduler_plugin_evaluation_total', 'Number of attempts to schedule pods by each plugin and the extension point (available only in PreFilter, Filter, PreScore, and Score).'), (extension_point, profile, plugin) => ({ plugin, extension_point, profile }));
  /** The same few lists come again and again. */
  const evaluated = new WeakMap<readonly object[], { inc(): void }[]>();
  const afterFlush = metrics.counter('scheduler_pod_scheduled_after_flush_total', 'Number of pods that were successfully scheduled after being flushed from unschedulablePods due to timeout. This metric helps detect potential queueing hint misconfigurations or event handling issues.');
  afterFlush.inc({}, 0);
  const extensionPoint: SchedulerMetrics['extensionPoint'] = (profile, name, seconds, result) => {
    point(name, statusOf(result), profile).observe(seconds);
  };
  const algorithmSeries = algorithm.with({});
  const triesSeries = tries.with({});
  return {
    attempt(profile, result, seconds) {
      attempts(result, profile).inc();
      attemptTime(result, profile).observe(seconds);
    },
    scheduled(seconds, count, flushed) {
      if (flushed) afterFlush.inc();
      sli(count >= 15 ? '15+' : String(count)).observe(seconds);
      triesSeries.observe(count);
    },
    algorithm: (seconds) => algorithmSeries.observe(seconds),
    permitWaited: (result, seconds) => permit.observe(seconds, { result }),
    incoming: (queue, event) => incoming(queue, event).inc(),
    hinted: (plugin, event, hint, seconds) => hints(plugin, eventName(event), hint).observe(seconds),
    handled: (event, beganMs) => handling(event).observe((now() - beganMs) / 1000),
    evaluated(profile, point, plugins) {
      let series = evaluated.get(plugins);
      if (!series) evaluated.set(plugins, (series = plugins.map(({ name }) => evaluations(point, profile, name))));
      for (const one of series) one.inc();
    },
    extensionPoint,
    plugin(name, at, seconds, result) {
      plugin(name, at, statusOf(result)).observe(seconds);
    },
    now,
    whole: (profile, name, beganMs, result) => extensionPoint(profile, name, (now() - beganMs) / 1000, result),
    nextCycle: options.nextCycle,
    watch({ pending, refused, cache, inFlight, binding }) {
      metrics.collect('scheduler_pending_pods', { type: 'gauge', help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated." }, () =>
        Object.entries(pending()).map(([queue, value]) => ({ labels: { queue }, value })),
      );
      metrics.collect('scheduler_unschedulable_pods', { type: 'gauge', help: 'The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins that caused it to not schedule and so this metric will have meaning only when broken down by plugin.' }, () =>
        [...refused()].map(([name, profile, value]) => ({ labels: { plugin: name, profile }, value })),
      );
      metrics.collect('scheduler_cache_size', { type: 'gauge', help: 'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.' }, () =>
        Object.entries(cache()).map(([type, value]) => ({ labels: { type }, value })),
      );
      metrics.collect('scheduler_inflight_events', { type: 'gauge', help: 'Number of events currently tracked in the scheduling queue.' }, () => [...inFlight()].map(([event, value]) => ({ labels: { event }, value })));
      metrics.collect('scheduler_goroutines', { type: 'gauge', help: 'Number of running goroutines split by the work they do such as binding.' }, () => [{ labels: { operation: 'binding' }, value: binding() }]);
    },
  };
}
