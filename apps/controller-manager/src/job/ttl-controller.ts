import { Jobs } from '@orrery/api';
import type { Job } from '@orrery/api/types';
import { defineController } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';

/** Milliseconds until a finished Job is to be deleted; undefined when it is not finished or is to be kept. */
export function plan(job: Job, nowMs: number): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec ?? {};
  if (ttlSecondsAfterFinished === undefined || job.metadata?.deletionTimestamp) return undefined;
  const end = job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');
  if (!end?.lastTransitionTime) return undefined;
  return Math.max(0, Date.parse(end.lastTransitionTime) + ttlSecondsAfterFinished * 1000 - nowMs);
}

/** How long ago the time of a finished Job was up. */
function overdueSeconds(job: Job, nowMs: number): number {
  const end = job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');
  return Math.max(0, (nowMs - Date.parse(end?.lastTransitionTime ?? '')) / 1000 - (job.spec?.ttlSecondsAfterFinished ?? 0));
}

/** Deletes Jobs some time after they finished. */
export const ttlAfterFinishedController = defineController<Job>({
  name: 'ttl-after-finished-controller',
  queue: 'ttl_jobs_to_delete',
  for: Jobs,
  async reconcile(key, { api, env, store }) {
    const known = store(Jobs).get(key);
    const waitMs = known && plan(known, env.clock.now());
    if (waitMs === undefined) return undefined;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const { namespace = '', name = '' } = known?.metadata ?? {};
    try {
      // The cache may be old: someone may have given the Job more time.
      const fresh = await api.get(Jobs, { namespace, name });
      if (plan(fresh, env.clock.now()) !== 0) return { requeueAfterMs: 1000 };
      const { uid } = fresh.metadata ?? {};
      await api.delete(Jobs, { namespace, name }, { propagationPolicy: 'Foreground', ...(uid ? { preconditions: { uid } } : {}) });
      const buckets = Array.from({ length: 14 }, (_, i) => 0.1 * 2 ** i);
      env.metrics.histogram('ttl_after_finished_controller_job_deletion_duration_seconds', 'The time it took to delete the job since it became eligible for deletion', buckets).observe(overdueSeconds(fresh, env.clock.now()));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  },
});
