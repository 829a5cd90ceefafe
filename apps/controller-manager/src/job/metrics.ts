import type { Job, JobStatus, Pod } from '@orrery/api/types';
import { type Metrics } from '@orrery/runtime';
import { conditionOf, externalController } from './conditions.ts';
import { isTracked } from './job-pods.ts';

const syncBuckets = Array.from({ length: 15 }, (_, i) => 0.004 * 2 ** i);

const modeOf = (job: Job): string => job.spec?.completionMode ?? 'NonIndexed';

const hasEnded = (pod: Pod | undefined): boolean => pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed';

/** What upstream's job controller counts, under its names. */
export interface JobMetrics {
  synced(job: Job, outcome: { readonly ok: boolean; readonly action: 'reconciling' | 'tracking' | 'pods_created' | 'pods_deleted'; readonly seconds: number }): void;
  podsCreated(job: Job, count: { readonly succeeded: number; readonly failed: number }): void;
  policyMatched(action: string): void;
  /** A pod, of whatever Job, before and after a change; undefined where it is not there. */
  podChanged(before: Pod | undefined, after: Pod | undefined): void;
  /** A Job that was not there before. */
  appeared(job: Job): void;
  /** The status before and after a write: pods and Jobs that finished in between. */
  written(before: Job, after: Job): void;
}

export function jobMetrics(metrics: Metrics): JobMetrics {
  const duration = metrics.histogram('job_controller_job_sync_duration_seconds', 'The time it took to sync a job', syncBuckets);
  const syncs = metrics.counter('job_controller_job_syncs_total', 'The number of job syncs');
  const finished = metrics.counter('job_controller_jobs_finished_total', 'The number of finished jobs');
  const pods = metrics.counter('job_controller_job_pods_finished_total', 'The number of finished Pods that are fully tracked');
  const created = metrics.counter('job_controller_job_pods_creation_total', 'The number of Pods created by the Job controller labelled with a reason for the Pod creation.');
  const policy = metrics.counter('job_controller_pod_failures_handled_by_failure_policy_total', 'The number of failed Pods handled by failure policy');
  const indexes = metrics.counter('job_controller_job_finished_indexes_total', 'The number of finished indexes.');
  const tracked = metrics.counter('job_controller_terminated_pods_tracking_finalizer_total', 'The number of terminated pods (phase=Failed|Succeeded) that have the finalizer batch.kubernetes.io/job-tracking. The event label can be "add" or "delete".');
  const external = metrics.counter('job_controller_jobs_by_external_controller_total', 'The number of Jobs managed by an external controller');
  const waits = (pod: Pod | undefined): boolean => pod !== undefined && hasEnded(pod) && isTracked(pod);
  const grown = (before: JobStatus | undefined, after: JobStatus | undefined, field: 'succeeded' | 'failed'): number => Math.max(0, (after?.[field] ?? 0) - (before?.[field] ?? 0));
  return {
    synced(job, { action, ok, seconds }) {
      const labels = { completion_mode: modeOf(job), result: ok ? 'success' : 'error', action };
      duration.observe(seconds, labels);
      syncs.inc(labels);
    },
    podsCreated(job, { failed, succeeded }) {
      const reason = job.spec?.podReplacementPolicy === 'Failed' ? 'recreate_failed' : 'recreate_terminating_or_failed';
      const labels = { reason: job.status?.failed || job.status?.terminating ? reason : 'new' };
      if (succeeded) created.inc({ ...labels, status: 'succeeded' }, succeeded);
      if (failed) created.inc({ ...labels, status: 'failed' }, failed);
    },
    policyMatched: (action) => policy.inc({ action }),
    podChanged(before, after) {
      if (waits(before) !== waits(after)) tracked.inc({ event: waits(after) ? 'add' : 'delete' });
    },
    appeared(job) {
      const controller = externalController(job);
      if (controller !== undefined) external.inc({ controller_name: controller });
    },
    written(before, after) {
      for (const result of ['succeeded', 'failed'] as const) {
        const count = grown(before.status, after.status, result);
        if (count) pods.inc({ completion_mode: modeOf(after), result }, count);
        if (count && modeOf(after) === 'Indexed' && result === 'succeeded') indexes.inc({ status: result, backoffLimit: after.spec?.backoffLimitPerIndex === undefined ? 'global' : 'perIndex' }, count);
      }
      for (const [type, result] of [['Complete', 'succeeded'], ['Failed', 'failed']] as const) {
        const condition = conditionOf(after.status, type);
        if (condition?.status !== 'True' || conditionOf(before.status, type)?.status === 'True') continue;
        finished.inc({ completion_mode: modeOf(after), result, reason: result === 'failed' ? (condition.reason ?? '') : '' });
      }
    },
  };
}
