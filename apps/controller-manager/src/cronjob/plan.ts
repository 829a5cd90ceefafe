import type { CronJob, CronJobStatus, Job, ObjectReference } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { type Due, dueBetween, isTimeZone, parseSchedule } from './schedule.ts';

export interface CronEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface CronObserved {
  readonly cronJob: CronJob;
  /** Jobs it controls. */
  readonly jobs: readonly Job[];
}

export interface CronPlan {
  readonly events: readonly CronEvent[];
  /** Of what was seen; the Job created below is not in it yet. */
  readonly status: CronJobStatus;
  /** Jobs that make way for the next one. */
  readonly replace: readonly Job[];
  /** When to create a Job for, milliseconds since the epoch. */
  readonly startMs: number | undefined;
  /** Finished Jobs beyond the limits of the history. */
  readonly forget: readonly Job[];
  readonly requeueAfterMs: number | undefined;
}

const nameOf = (job: Job): string => job.metadata?.name ?? '';

export function finishedType(job: Job): string | undefined {
  return job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')?.type;
}

/** `Thu, 01 Jan 2026 00:05:00 +0000`, as Go's RFC1123Z writes UTC. */
function rfc1123z(ms: number): string {
  return new Date(ms).toUTCString().replace(/GMT$/, '+0000');
}

/** The name says which time a Job is for, so that it is never created twice. */
export function jobName(cronJob: CronJob, startMs: number): string {
  return `${cronJob.metadata?.name ?? ''}-${Math.floor(startMs / 60_000)}`;
}

interface Tracked {
  readonly events: CronEvent[];
  active: ObjectReference[];
  lastSuccessfulTime: string | undefined;
}

/** Brings the list of active Jobs up to date. */
function track({ cronJob, jobs }: CronObserved): Tracked {
  const { active = [], lastSuccessfulTime } = cronJob.status ?? {};
  const out: Tracked = { events: [], active: [...active], lastSuccessfulTime };
  for (const job of jobs) {
    const listed = out.active.some((ref) => ref.uid === job.metadata?.uid);
    const finished = finishedType(job);
    if (!listed && !finished) {
      out.events.push({ type: 'Warning', reason: 'UnexpectedJob', message: `Saw a job that the controller did not create or forgot: ${nameOf(job)}` });
    } else if (listed && finished) {
      out.active = out.active.filter((ref) => ref.uid !== job.metadata?.uid);
      out.events.push({ type: 'Normal', reason: 'SawCompletedJob', message: `Saw completed job: ${nameOf(job)}, condition: ${finished}` });
    }
    const { completionTime } = job.status ?? {};
    if (finished === 'Complete' && completionTime && (out.lastSuccessfulTime ?? '') < completionTime) out.lastSuccessfulTime = completionTime;
  }
  const known = new Set(jobs.map((job) => job.metadata?.uid));
  for (const ref of out.active) {
    if (known.has(ref.uid)) continue;
    out.events.push({ type: 'Normal', reason: 'MissingJob', message: `Active job went missing: ${ref.name ?? ''}` });
    out.active = out.active.filter((other) => other !== ref);
  }
  return out;
}

function history(cronJob: CronJob, jobs: readonly Job[]): Job[] {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec ?? {};
  const excess = (type: string, limit: number | undefined): Job[] => {
    if (limit === undefined) return [];
    const finished = jobs.filter((job) => finishedType(job) === type);
    finished.sort((a, b) => ((a.status?.startTime ?? '') < (b.status?.startTime ?? '') ? -1 : (a.status?.startTime ?? '') > (b.status?.startTime ?? '') ? 1 : nameOf(a) < nameOf(b) ? -1 : 1));
    return finished.slice(0, Math.max(0, finished.length - limit));
  };
  return [...excess('Complete', successfulJobsHistoryLimit ?? 3), ...excess('Failed', failedJobsHistoryLimit ?? 1)];
}

function due(cronJob: CronJob, nowMs: number, events: CronEvent[]): Due | undefined {
  const { schedule = '', timeZone, startingDeadlineSeconds } = cronJob.spec ?? {};
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    events.push({ type: 'Warning', reason: 'UnknownTimeZone', message: `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}` });
    return undefined;
  }
  try {
    const createdMs = Date.parse(cronJob.metadata?.creationTimestamp ?? '');
    const lastMs = cronJob.status?.lastScheduleTime ? Date.parse(cronJob.status.lastScheduleTime) : createdMs;
    const fromMs = startingDeadlineSeconds === undefined ? lastMs : Math.max(lastMs, nowMs - startingDeadlineSeconds * 1000);
    return dueBetween(parseSchedule(schedule, timeZone), fromMs, nowMs);
  } catch (error) {
    events.push({ type: 'Warning', reason: 'UnparseableSchedule', message: `unparseable schedule: ${JSON.stringify(schedule)} : ${(error as Error).message}` });
    return undefined;
  }
}

/** One step of a CronJob. */
export function plan(observed: CronObserved, nowMs: number): CronPlan {
  const { cronJob, jobs } = observed;
  const tracked = track(observed);
  const { events, active, lastSuccessfulTime } = tracked;
  const { lastScheduleTime } = cronJob.status ?? {};
  const status: CronJobStatus = {
    ...(active.length ? { active } : {}),
    ...(lastScheduleTime ? { lastScheduleTime } : {}),
    ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}),
  };
  const idle: CronPlan = { events, status, replace: [], startMs: undefined, forget: history(cronJob, jobs), requeueAfterMs: undefined };
  const { concurrencyPolicy, startingDeadlineSeconds, suspend } = cronJob.spec ?? {};
  if (cronJob.metadata?.deletionTimestamp || suspend) return idle;
  const found = due(cronJob, nowMs, events);
  if (!found) return idle;
  const requeueAfterMs = found.nextMs === undefined ? undefined : found.nextMs - nowMs + 100;
  const waiting: CronPlan = { ...idle, requeueAfterMs };
  const startMs = found.latestMs;
  if (startMs === undefined) return waiting;
  if (found.tooMany) {
    const message = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
    events.push({ type: 'Warning', reason: 'TooManyMissedTimes', message });
  }
  if (startingDeadlineSeconds !== undefined && startMs + startingDeadlineSeconds * 1000 < nowMs) {
    events.push({ type: 'Warning', reason: 'MissSchedule', message: `Missed scheduled time to start a job: ${rfc1123z(startMs)}` });
    return waiting;
  }
  const name = jobName(cronJob, startMs);
  if (active.some((ref) => ref.name === name) || lastScheduleTime === rfc3339(startMs)) return waiting;
  // A Job that was made and could not be listed any more runs all the same.
  const unlisted = jobs.filter((job) => !finishedType(job) && !active.some((ref) => ref.uid === job.metadata?.uid));
  if (concurrencyPolicy === 'Forbid' && active.length + unlisted.length) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.push({ type: 'Normal', reason: 'JobAlreadyActive', message });
    return waiting;
  }
  const replace = concurrencyPolicy === 'Replace' ? jobs.filter((job) => unlisted.includes(job) || active.some((ref) => ref.uid === job.metadata?.uid)) : [];
  return { ...waiting, startMs, replace };
}
