import { type Metrics, latencyBuckets } from '@orrery/runtime';
import type { PluginTimer } from './framework/framework.ts';

/** Metrics of upstream's names. */
export interface SchedulerMetrics {
  scheduled(profile: string, sinceQueuedSeconds: number, attempts: number): void;
  failed(profile: string, result: 'unschedulable' | 'error'): void;
  algorithm(seconds: number): void;
  bound(seconds: number): void;
  readonly plugin: PluginTimer;
}

export function createSchedulerMetrics(metrics: Metrics): SchedulerMetrics {
  const attempts = metrics.counter('scheduler_schedule_attempts_total', 'Number of attempts to schedule pods, by the result.');
  const e2e = metrics.histogram('scheduler_pod_scheduling_sli_duration_seconds', 'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue.', latencyBuckets);
  const tries = metrics.histogram('scheduler_pod_scheduling_attempts', 'Number of attempts to successfully schedule a pod.', [1, 2, 4, 8, 16]);
  const algorithm = metrics.histogram('scheduler_scheduling_algorithm_duration_seconds', 'Scheduling algorithm latency in seconds', latencyBuckets);
  const binding = metrics.histogram('scheduler_framework_extension_point_duration_seconds', 'Latency for running all plugins of a specific extension point.', latencyBuckets);
  const plugin = metrics.histogram('scheduler_plugin_execution_duration_seconds', 'Duration for running a plugin at a specific extension point.', [0.00001, 0.0001, 0.001, 0.01, 0.1, 1]);
  return {
    scheduled(profile, seconds, count) {
      attempts.inc({ result: 'scheduled', profile });
      e2e.observe(seconds, { attempts: String(Math.min(count, 16)) });
      tries.observe(count);
    },
    failed: (profile, result) => attempts.inc({ result, profile }),
    algorithm: (seconds) => algorithm.observe(seconds),
    bound: (seconds) => binding.observe(seconds, { extension_point: 'Bind', status: 'Success' }),
    plugin: (name, point, seconds) => plugin.observe(seconds, { plugin: name, extension_point: point }),
  };
}
