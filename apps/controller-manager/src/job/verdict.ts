import type { Job, Pod } from '@orrery/api/types';
import type { Verdict } from './conditions.ts';
import { matchFailurePolicy } from './failure-policy.ts';
import { parseIndexes } from './indexes.ts';
import { isIndexed } from './job-pods.ts';

export interface Tally {
  readonly succeeded: number;
  readonly failed: number;
  readonly active: readonly Pod[];
  /** Failed and not counted yet, or about to be. */
  readonly newlyFailed: readonly Pod[];
  readonly completedIndexes: ReadonlySet<number>;
  readonly failedIndexes: ReadonlySet<number>;
}

function restartCount(pod: Pod): number {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].reduce((sum, status) => sum + (status.restartCount ?? 0), 0);
}

/** Pods that restart in place fail without ending: their restarts count against the limit. */
function restartsExceed(job: Job, active: readonly Pod[]): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== 'OnFailure') return false;
  const total = active.filter((pod) => pod.status?.phase === 'Running' || pod.status?.phase === 'Pending').reduce((sum, pod) => sum + restartCount(pod), 0);
  const limit = job.spec.backoffLimit ?? 6;
  return limit === 0 ? total > 0 : total >= limit;
}

function failure(job: Job, tally: Tally, nowMs: number): Verdict | undefined {
  const type = 'FailureTarget';
  const { spec, status } = job;
  for (const pod of tally.newlyFailed) {
    const match = matchFailurePolicy(job, pod);
    if (match?.action === 'FailJob') return { type, reason: 'PodFailurePolicy', message: match.message };
  }
  const perIndex = spec?.backoffLimitPerIndex !== undefined;
  const limit = spec?.backoffLimit ?? (perIndex ? 2_147_483_647 : 6);
  if (tally.failed > limit || restartsExceed(job, tally.active)) return { type, reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  const { activeDeadlineSeconds, suspend } = spec ?? {};
  if (activeDeadlineSeconds !== undefined && !suspend && status?.startTime && nowMs - Date.parse(status.startTime) >= activeDeadlineSeconds * 1000) {
    return { type, reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  if (!perIndex) return undefined;
  if (spec.maxFailedIndexes !== undefined && tally.failedIndexes.size > spec.maxFailedIndexes) {
    return { type, reason: 'MaxFailedIndexesExceeded', message: 'Job has exceeded the specified maximal number of failed indexes' };
  }
  const all = tally.failedIndexes.size + tally.completedIndexes.size >= (spec.completions ?? 0);
  return tally.failedIndexes.size && all ? { type, reason: 'FailedIndexes', message: 'Job has failed indexes' } : undefined;
}

function success(job: Job, tally: Tally): Verdict | undefined {
  const type = 'SuccessCriteriaMet';
  const { completions, parallelism = 1, successPolicy } = job.spec ?? {};
  for (const [index, rule] of (isIndexed(job) ? (successPolicy?.rules ?? []) : []).entries()) {
    const wanted = rule.succeededIndexes === undefined ? undefined : parseIndexes(rule.succeededIndexes, completions ?? 0);
    const met = wanted ? [...wanted].filter((i) => tally.completedIndexes.has(i)).length : tally.completedIndexes.size;
    if (met >= (rule.succeededCount ?? wanted?.size ?? Number.POSITIVE_INFINITY)) return { type, reason: 'SuccessPolicy', message: `Matched rules at index ${index}` };
  }
  const reached = { type, reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' } as const;
  // Without completions the first success says that the work is done; the pods still running may finish.
  if (completions === undefined) return tally.succeeded > 0 && tally.active.length === 0 ? reached : undefined;
  if (tally.succeeded >= completions) return parallelism === 0 && completions > 0 && tally.active.length ? undefined : reached;
  return undefined;
}

/** Whether the Job is decided, and how. Failure beats success. */
export function decide(job: Job, tally: Tally, nowMs: number): Verdict | undefined {
  return failure(job, tally, nowMs) ?? success(job, tally);
}
