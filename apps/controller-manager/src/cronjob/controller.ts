import { CronJobs, Jobs } from '@orrery/api';
import type { CronJob, CronJobStatus, Job, ObjectReference } from '@orrery/api/types';
import { deepEqual, keyOf } from '@orrery/client';
import { type ControllerContext, type WriteFence, byControllerUid, controllerOf, createWriteFence, defineController, newControllerRef } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { jobName, plan } from './plan.ts';

interface State {
  readonly fence: WriteFence;
}

type Context = ControllerContext<State>;

function referenceTo(job: Job): ObjectReference {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = job.metadata ?? {};
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion };
}

function newJob(cronJob: CronJob, startMs: number): Job {
  const { jobTemplate, timeZone } = cronJob.spec ?? {};
  const { labels, annotations } = jobTemplate?.metadata ?? {};
  return {
    metadata: {
      name: jobName(cronJob, startMs),
      namespace: cronJob.metadata?.namespace ?? '',
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, 'batch.kubernetes.io/cronjob-scheduled-timestamp': zoned(startMs, timeZone) },
      ownerReferences: [newControllerRef(CronJobs, cronJob)],
    },
    ...(jobTemplate?.spec ? { spec: jobTemplate.spec } : {}),
  };
}

/** RFC 3339 in the CronJob's own zone. */
function zoned(ms: number, timeZone: string | undefined): string {
  if (!timeZone) return rfc3339(ms);
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }).formatToParts(new Date(ms));
  const offset = /GMT([+-]\d\d:\d\d)?/.exec(parts.find((part) => part.type === 'timeZoneName')?.value ?? '')?.[1];
  if (!offset) return rfc3339(ms);
  const sign = offset.startsWith('-') ? -1 : 1;
  const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number);
  return `${rfc3339(ms + sign * (hours * 60 + minutes) * 60_000).slice(0, 19)}${offset}`;
}

async function remove(context: Context, cronJob: CronJob, job: Job): Promise<void> {
  const { namespace = '', name = '', uid } = job.metadata ?? {};
  try {
    await context.api.delete(Jobs, { namespace, name }, { propagationPolicy: 'Background', ...(uid ? { preconditions: { uid } } : {}) });
    context.events.event(CronJobs, cronJob, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted job ${name}` });
  } catch (error) {
    if (isNotFound(error)) return;
    context.events.event(CronJobs, cronJob, { type: 'Warning', reason: 'FailedDelete', message: `Deleted job: ${(error as Error).message}` });
    throw error;
  }
}

/** How late Jobs are made. */
const skewOf = ({ env }: Context) =>
  env.metrics.histogram('cronjob_controller_job_creation_skew_duration_seconds', 'Time between when a cronjob is scheduled to be run, and when the corresponding job is created', [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);

/** Creates the Job of a time; one that is there already is taken for ours if we control it. */
async function start(context: Context, cronJob: CronJob, startMs: number): Promise<Job | undefined> {
  const draft = newJob(cronJob, startMs);
  const { namespace = '', name = '' } = draft.metadata ?? {};
  try {
    const made = await context.api.create(Jobs, draft);
    skewOf(context).observe(Math.max(0, context.env.clock.now() - startMs) / 1000);
    context.events.event(CronJobs, cronJob, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created job ${name}` });
    return made;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined;
    if (isAlreadyExists(error)) {
      const there = await context.api.get(Jobs, { namespace, name });
      if (controllerOf(there)?.uid === cronJob.metadata?.uid) return there;
      context.env.log.warn('a job of that name belongs to something else', { cronJob: keyOf(cronJob), job: name });
      return undefined;
    }
    context.events.event(CronJobs, cronJob, { type: 'Warning', reason: 'FailedCreate', message: `Error creating job: ${(error as Error).message}` });
    throw error;
  }
}

async function reconcile(key: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api, env, events, state, store } = context;
  const cronJob = store(CronJobs).get(key);
  if (!cronJob) return state.fence.forget(key);
  if (!state.fence.passed(key, store(CronJobs))) return { requeueAfterMs: 500 };
  const jobs = [...store(Jobs).byIndex(byControllerUid, cronJob.metadata?.uid ?? '')];
  const planned = plan({ cronJob, jobs }, env.clock.now());
  for (const event of planned.events) events.event(CronJobs, cronJob, event);
  for (const job of [...planned.forget, ...planned.replace]) await remove(context, cronJob, job);
  const gone = new Set(planned.replace.map((job) => job.metadata?.uid));
  const active = (planned.status.active ?? []).filter((ref) => !gone.has(ref.uid));
  let { lastScheduleTime } = planned.status;
  const started = planned.startMs === undefined ? undefined : await start(context, cronJob, planned.startMs);
  if (started && planned.startMs !== undefined) {
    if (!active.some((ref) => ref.uid === started.metadata?.uid)) active.push(referenceTo(started));
    lastScheduleTime = rfc3339(planned.startMs);
  }
  const { active: _active, lastScheduleTime: _last, ...rest } = planned.status;
  const status: CronJobStatus = { ...rest, ...(active.length ? { active } : {}), ...(lastScheduleTime ? { lastScheduleTime } : {}) };
  if (!deepEqual(cronJob.status ?? {}, status)) state.fence.wrote(key, await api.update(CronJobs, { ...cronJob, status }, { subresource: 'status' }));
  return planned.requeueAfterMs === undefined ? undefined : { requeueAfterMs: planned.requeueAfterMs };
}

/** Creates Jobs on a schedule. */
export const cronJobController = defineController<CronJob, State>({
  name: 'cronjob-controller',
  queue: 'cronjob',
  for: CronJobs,
  owns: [Jobs],
  setup: (context) => ({ fence: createWriteFence(context.env.clock) }),
  reconcile,
});
