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

/** Deletes Jobs some time after they finished. */
export const ttlAfterFinishedController = defineController<Job>({
  name: 'ttl-after-finished-controller',
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
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  },
});
