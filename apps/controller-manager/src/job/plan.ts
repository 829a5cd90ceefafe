import type { Job, JobStatus, Pod } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { compareForDeletion, isReady, isTerminating } from '../pods/pod-state.ts';
import { type Verdict, conditionOf, verdictOf, withCondition } from './conditions.ts';
import { formatIndexes } from './indexes.ts';
import { type PodSlot, finishedMs, indexOf, isIndexed } from './job-pods.ts';
import { type Survey, type Uncounted, indexFailures, survey } from './survey.ts';
import { type Tally, decide } from './verdict.ts';

export interface JobObserved {
  readonly job: Job;
  readonly pods: readonly Pod[];
  /** Creations and deletions asked for have all been seen. */
  readonly expectationsMet: boolean;
  /** Pods whose finalizer is known to be gone although the cache may still show it. */
  readonly released: ReadonlySet<string>;
  /** Failures in a row and when the last was. */
  readonly backOff: BackOff;
}

export interface BackOff {
  readonly failures: number;
  readonly lastMs: number;
}

export interface JobPlan {
  /** With the UIDs of pods that ended in uncountedTerminatedPods; write it before their finalizers are taken away. */
  readonly status: JobStatus;
  /** Pods to take the finalizer from, once the status is written. */
  readonly release: readonly Pod[];
  /** Pods to delete. Those not needed any more lose their finalizer first, so that they are not counted as failed. */
  readonly remove: readonly Pod[];
  readonly uncountRemoved: boolean;
  readonly create: readonly PodSlot[];
  readonly backOff: BackOff;
  /** What the failure policy said of pods that are counted now. */
  readonly policyActions: readonly string[];
  readonly requeueAfterMs: number | undefined;
}

const backOffBaseMs = 10_000;
const backOffMaxMs = 600_000;
const maxPodChanges = 500;

function nextBackOff(old: BackOff, { newlyFailed, newlySucceeded }: Survey, nowMs: number): BackOff {
  if (!newlyFailed.length) return newlySucceeded.length ? { failures: 0, lastMs: 0 } : old;
  const lastMs = Math.max(old.lastMs, ...newlyFailed.map((pod) => finishedMs(pod, nowMs)));
  return { failures: (newlySucceeded.length ? 0 : old.failures) + newlyFailed.length, lastMs };
}

/** Milliseconds until a pod may be created again after failures: 10 s, 20 s, 40 s … up to 10 min. */
function backOffLeft({ failures, lastMs }: BackOff, nowMs: number): number {
  if (failures === 0) return 0;
  return Math.max(0, lastMs + Math.min(backOffMaxMs, backOffBaseMs * 2 ** Math.min(failures - 1, 20)) - nowMs);
}

/** Pods of one index beyond the first, which count for nothing. */
function duplicates(active: readonly Pod[], job: Job): Pod[] {
  const seen = new Set<number>();
  const sorted = [...active].sort((a, b) => ((a.metadata?.creationTimestamp ?? '') < (b.metadata?.creationTimestamp ?? '') ? -1 : 1));
  return sorted.filter((pod) => {
    const index = indexOf(pod, job);
    if (index === undefined || seen.has(index)) return true;
    seen.add(index);
    return false;
  });
}

interface Wanted {
  readonly remove: readonly Pod[];
  readonly create: readonly PodSlot[];
  readonly waitMs: number;
}

/** Which pods to add or take away to run as many as parallelism and what is left to do allow. */
function manage(observed: JobObserved, found: Survey, done: { succeeded: number; backOff: BackOff }, nowMs: number): Wanted {
  const { job } = observed;
  const { completions, parallelism = 1, suspend, podReplacementPolicy } = job.spec ?? {};
  const none: Wanted = { remove: [], create: [], waitMs: 0 };
  if (!observed.expectationsMet || job.metadata?.deletionTimestamp) return none;
  if (suspend) return { ...none, remove: found.active };
  const indexed = isIndexed(job);
  const extra = indexed ? duplicates(found.active, job) : [];
  const active = indexed ? found.active.filter((pod) => !extra.includes(pod)) : found.active;
  let wanted = parallelism;
  if (completions !== undefined) wanted = Math.max(0, Math.min(parallelism, completions - done.succeeded - found.failedIndexes.size));
  else if (done.succeeded > 0) wanted = Math.min(active.length, parallelism);
  const excess = active.length - wanted;
  if (excess > 0 || extra.length) {
    const ranked = active.map((pod) => ({ pod, siblings: 0 })).sort((a, b) => compareForDeletion(a, b, nowMs));
    const remove = [...extra, ...ranked.slice(0, Math.max(0, excess)).map(({ pod }) => pod)];
    return { ...none, remove: remove.slice(0, maxPodChanges) };
  }
  const held = podReplacementPolicy === 'Failed' ? found.terminating : 0;
  const missing = Math.min(maxPodChanges, wanted - active.length - held);
  if (missing <= 0) return none;
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const waitMs = perIndex ? 0 : backOffLeft(done.backOff, nowMs);
  if (waitMs > 0) return { ...none, waitMs };
  const holding = podReplacementPolicy === 'Failed' ? [...active, ...observed.pods.filter(isTerminating)] : active;
  if (!indexed) return { ...none, create: Array.from({ length: missing }, () => ({})) };
  return { ...none, ...openIndexes(job, found, { taken: new Set(holding.map((pod) => indexOf(pod, job))), missing, nowMs }) };
}

/** The lowest indexes without a pod. With a back-off limit per index each waits for its own back-off, not for others'. */
function openIndexes(job: Job, found: Survey, { taken, missing, nowMs }: { taken: ReadonlySet<number | undefined>; missing: number; nowMs: number }): Pick<Wanted, 'create' | 'waitMs'> {
  const create: PodSlot[] = [];
  let waitMs = 0;
  for (let index = 0; index < (job.spec?.completions ?? 0) && create.length < missing; index++) {
    if (taken.has(index) || found.completedIndexes.has(index) || found.failedIndexes.has(index)) continue;
    const replaces = found.toReplace.get(index);
    const failures = replaces ? indexFailures(job, replaces) : undefined;
    const leftMs = replaces && failures ? backOffLeft({ failures: failures.counted + failures.ignored, lastMs: finishedMs(replaces, nowMs) }, nowMs) : 0;
    if (leftMs > 0) waitMs = waitMs > 0 ? Math.min(waitMs, leftMs) : leftMs;
    else create.push({ index, ...(failures ? { failures } : {}) });
  }
  return { create, waitMs };
}

function suspension(job: Job, status: JobStatus, nowMs: number): JobStatus {
  const known = conditionOf(status, 'Suspended');
  if (job.spec?.suspend) {
    const { startTime: _start, ...rest } = status;
    return withCondition(rest, { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended', nowMs });
  }
  const started = { ...status, startTime: status.startTime ?? rfc3339(nowMs) };
  return known?.status === 'True' ? withCondition(started, { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed', nowMs }) : started;
}

function uncountedFields({ succeeded, failed }: Uncounted): NonNullable<JobStatus['uncountedTerminatedPods']> {
  return { ...(succeeded.size ? { succeeded: [...succeeded] } : {}), ...(failed.size ? { failed: [...failed] } : {}) };
}

function remaining(job: Job, status: JobStatus, nowMs: number): number | undefined {
  const { activeDeadlineSeconds, suspend } = job.spec ?? {};
  if (activeDeadlineSeconds === undefined || suspend || !status.startTime) return undefined;
  return Math.max(0, Date.parse(status.startTime) + activeDeadlineSeconds * 1000 - nowMs);
}

/** One step of a Job. The order status → finalizers → counts makes every pod count exactly once, whatever fails between. */
export function plan(observed: JobObserved, nowMs: number): JobPlan {
  const { job } = observed;
  const found = survey(observed);
  const { uncounted, active } = found;
  const indexed = isIndexed(job);
  const succeeded = indexed ? found.completedIndexes.size : (job.status?.succeeded ?? 0) + uncounted.succeeded.size;
  const failed = (job.status?.failed ?? 0) + uncounted.failed.size + found.kept;
  const tally: Tally = { succeeded, failed, active, newlyFailed: found.newlyFailed, completedIndexes: found.completedIndexes, failedIndexes: found.failedIndexes };
  const verdict: Verdict | undefined = verdictOf(job.status) ?? decide(job, tally, nowMs);
  const backOff = nextBackOff(observed.backOff, found, nowMs);
  const wanted = verdict ? { remove: active, create: [], waitMs: 0 } : manage(observed, found, { succeeded, backOff }, nowMs);

  const ready = active.filter(isReady).length;
  const { completedIndexes: _completed, failedIndexes: _failed, ...old } = job.status ?? {};
  let status: JobStatus = {
    ...old,
    active: active.length + wanted.create.length - wanted.remove.length,
    ready,
    terminating: found.terminating,
    uncountedTerminatedPods: uncountedFields(uncounted),
    ...(indexed ? { succeeded } : {}),
    ...(indexed && found.completedIndexes.size ? { completedIndexes: formatIndexes(found.completedIndexes) } : {}),
    ...(job.spec?.backoffLimitPerIndex !== undefined ? { failedIndexes: formatIndexes(found.failedIndexes) } : {}),
  };
  status = suspension(job, status, nowMs);
  if (verdict) status = withCondition(status, { ...verdict, status: 'True', nowMs });
  const waits = [remaining(job, status, nowMs), wanted.waitMs || undefined].filter((ms) => ms !== undefined);
  return {
    status: dropZeroes(status),
    release: found.release,
    remove: wanted.remove,
    uncountRemoved: verdict === undefined,
    create: wanted.create,
    backOff,
    policyActions: found.policyActions,
    requeueAfterMs: verdict || !waits.length ? undefined : Math.min(...waits),
  };
}

/** `active`, `succeeded` and `failed` are left out when zero, as upstream's omitempty does; `ready` and `terminating` are not. */
function dropZeroes(status: JobStatus): JobStatus {
  const { active, succeeded, failed, ...rest } = status;
  return { ...rest, ...(active ? { active } : {}), ...(succeeded ? { succeeded } : {}), ...(failed ? { failed } : {}) };
}

/** Counts the pods that have lost their finalizer, and ends the Job when it is decided and nothing is left to wait for. */
export function settle(job: Job, status: JobStatus, options: { released: (uid: string) => boolean; podsLeft: number; nowMs: number }): JobStatus {
  const { uncountedTerminatedPods: uncounted } = status;
  const counted = (uids: readonly string[] | undefined): number => uids?.filter(options.released).length ?? 0;
  const left = (uids: readonly string[] | undefined): Set<string> => new Set(uids?.filter((uid) => !options.released(uid)));
  const rest: Uncounted = { succeeded: left(uncounted?.succeeded), failed: left(uncounted?.failed) };
  const next = dropZeroes({
    ...status,
    succeeded: (status.succeeded ?? 0) + counted(uncounted?.succeeded),
    failed: (status.failed ?? 0) + counted(uncounted?.failed),
    uncountedTerminatedPods: uncountedFields(rest),
  });
  const verdict = verdictOf(next);
  if (!verdict || rest.succeeded.size || rest.failed.size || options.podsLeft > 0) return next;
  const type = verdict.type === 'FailureTarget' ? 'Failed' : 'Complete';
  const { active: _active, ...ended } = withCondition(next, { type, status: 'True', reason: verdict.reason, message: verdict.message, nowMs: options.nowMs });
  return { ...ended, ready: 0, terminating: 0, ...(type === 'Complete' ? { completionTime: rfc3339(options.nowMs) } : {}) };
}
