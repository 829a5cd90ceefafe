import type { FieldError } from '@orrery/errors';
import type { Job, JobStatus } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkNonNegative } from '../../../validation/fields.ts';
import { firstCommonIndex, readIndexes } from './indexes.ts';

export const isConditionTrue = (job: Job, type: string): boolean => (job.status?.conditions ?? []).some((one) => one.type === type && one.status === 'True');

const isComplete = (job: Job): boolean => isConditionTrue(job, 'Complete');
const isFailed = (job: Job): boolean => isConditionTrue(job, 'Failed');
const isFinished = (job: Job): boolean => isComplete(job) || isFailed(job);
const isFailing = (job: Job): boolean => isConditionTrue(job, 'FailureTarget');
const isSucceeding = (job: Job): boolean => isConditionTrue(job, 'SuccessCriteriaMet');

/** Rules on what changes with each other are only applied where one of them did: else a status that broke them could not be mended. */
interface Update {
  readonly job: Job;
  readonly old: Job;
  readonly status: JobStatus;
  readonly at: FieldPath;
  readonly changed: (...tests: readonly ((job: Job) => unknown)[]) => boolean;
}

function checkUncounted({ status, at }: Update): void {
  const seen = new Set<string>();
  for (const name of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (status.uncountedTerminatedPods?.[name] ?? []).entries()) {
      const item = at.child('uncountedTerminatedPods').child(name).at(i);
      if (uid === '') item.invalid(uid, 'must not be empty');
      else if (seen.has(uid)) item.duplicate(uid);
      seen.add(uid);
    }
  }
}

function checkCompletionTime({ job, status, at, changed }: Update): void {
  const path = at.child('completionTime');
  const time = (one: Job): unknown => one.status?.completionTime;
  if (changed(isComplete, isFailed) && isComplete(job) && isFailed(job)) at.child('conditions').invalidWithoutValue('cannot set Complete=True and Failed=true conditions');
  if (changed(isComplete, isFailing) && isComplete(job) && isFailing(job)) at.child('conditions').invalidWithoutValue('cannot set Complete=True and FailureTarget=true conditions');
  if (changed(isComplete, time)) {
    if (status.completionTime !== undefined && !isComplete(job)) path.invalid(status.completionTime, 'cannot set completionTime when there is no Complete=True condition');
    if (status.completionTime === undefined && isComplete(job)) path.required('completionTime is required for Complete jobs');
  }
  if (!changed((one) => one.status?.startTime, time) || status.startTime === undefined || status.completionTime === undefined) return;
  if (Date.parse(status.completionTime) < Date.parse(status.startTime)) path.invalid(status.completionTime, 'completionTime cannot be set before startTime');
}

function checkFinished({ job, status, at, changed }: Update): void {
  if (!isFinished(job)) return;
  const { active = 0, terminating = 0, uncountedTerminatedPods: uncounted } = status;
  if (changed(isFinished, (one) => one.status?.active) && active > 0) at.child('active').invalid(active, 'active>0 is invalid for finished job');
  if (changed(isFinished, (one) => one.status?.startTime) && status.startTime === undefined) at.child('startTime').required('startTime is required for finished job');
  const rest = (uncounted?.failed ?? []).length + (uncounted?.succeeded ?? []).length;
  if (changed(isFinished, (one) => one.status?.uncountedTerminatedPods) && rest > 0) at.child('uncountedTerminatedPods').invalid(uncounted, 'uncountedTerminatedPods needs to be empty for finished job');
  if (changed(isFinished, (one) => one.status?.terminating) && terminating > 0) at.child('terminating').invalid(terminating, 'terminating>0 is invalid for finished job');
}

function checkIndexes({ job, status, at, changed }: Update): void {
  const { completions, backoffLimitPerIndex: perIndex, completionMode } = job.spec ?? {};
  const { completedIndexes: completed = '', failedIndexes: failed } = status;
  const isCompletedNew = changed((one) => one.status?.completedIndexes ?? '');
  const isFailedNew = changed((one) => one.status?.failedIndexes);
  const completedAt = at.child('completedIndexes');
  const failedAt = at.child('failedIndexes');
  if (completions !== undefined && isCompletedNew) {
    const { problem } = readIndexes(completed, completions);
    if (problem !== undefined) completedAt.invalid(completed, `error parsing completedIndexes: ${problem}`);
  }
  if (completions !== undefined && perIndex !== undefined && failed !== undefined && isFailedNew) {
    const { problem } = readIndexes(failed, completions);
    if (problem !== undefined) failedAt.invalid(failed, `error parsing failedIndexes: ${problem}`);
  }
  if (isCompletedNew && completed !== '' && completionMode !== 'Indexed') completedAt.invalid(completed, 'cannot set non-empty completedIndexes when non-indexed completion mode');
  if (isFailedNew && perIndex === undefined && failed !== undefined) failedAt.invalid(failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null');
  if (!(isCompletedNew || isFailedNew) || completions === undefined || failed === undefined) return;
  const common = firstCommonIndex(completed, failed, completions);
  if (common !== undefined) failedAt.invalid(failed, `failedIndexes and completedIndexes overlap at index: ${common}`);
}

function checkConditions({ job, old, at, changed }: Update): void {
  const refuse = (detail: string): void => at.child('conditions').invalidWithoutValue(detail);
  if (changed(isFailed, isFailing) && isFailed(job) && !isFailing(job)) refuse('cannot set Failed=True condition without the FailureTarget=true condition');
  if (changed(isComplete, isSucceeding) && isComplete(job) && !isSucceeding(job)) refuse('cannot set Complete=True condition without the SuccessCriteriaMet=true condition');
  if (isSucceeding(job) && isFailed(job)) refuse('cannot set SuccessCriteriaMet=True and Failed=true conditions');
  if (isSucceeding(job) && isFailing(job)) refuse('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
  if (job.spec?.successPolicy && !isSucceeding(job) && isComplete(job)) refuse('cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True');
  for (const type of ['Failed', 'Complete', 'FailureTarget']) if (isConditionTrue(old, type) && !isConditionTrue(job, type)) refuse(`cannot disable the terminal ${type}=True condition`);
}

function checkProgress({ job, old, status, at }: Update): void {
  const before = old.status ?? {};
  const { failed = 0, succeeded = 0, completionTime } = status;
  if (failed < (before.failed ?? 0)) at.child('failed').invalid(failed, 'cannot decrease the failed counter');
  const { completionMode, completions, parallelism, suspend } = job.spec ?? {};
  const isScalable = completionMode === 'Indexed' && completions === parallelism;
  if (!isScalable && succeeded < (before.succeeded ?? 0)) at.child('succeeded').invalid(succeeded, 'cannot decrease the succeeded counter');
  if (completionTime !== undefined && before.completionTime !== undefined && completionTime !== before.completionTime) at.child('completionTime').invalid(completionTime, 'completionTime cannot be mutated');
  const isResumed = isConditionTrue(old, 'Suspended') && !isConditionTrue(job, 'Suspended');
  if (before.startTime !== undefined && before.startTime !== status.startTime && !suspend && !isResumed) at.child('startTime').required('startTime cannot be removed for unsuspended job');
  const refuse = (detail: string): void => at.child('conditions').invalidWithoutValue(detail);
  if (isSucceeding(old) && !isSucceeding(job)) refuse('cannot disable the SuccessCriteriaMet=True condition');
  if (isComplete(old) && !isSucceeding(old) && isSucceeding(job)) refuse('cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions');
}

export function validateJobStatus(job: Job, old: Job): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const status = job.status ?? {};
    const changed = (...tests: readonly ((one: Job) => unknown)[]): boolean => tests.some((test) => !semanticEqual(test(job), test(old)));
    const update: Update = { job, old, status, at, changed };
    for (const name of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) checkNonNegative(status[name], at.child(name));
    checkUncounted(update);
    checkCompletionTime(update);
    checkFinished(update);
    checkIndexes(update);
    const { ready = 0, active = 0 } = status;
    if (changed((one) => one.status?.active, (one) => one.status?.ready) && ready > active) at.child('ready').invalid(ready, 'cannot set more ready pods than active');
    checkConditions(update);
    checkProgress(update);
  });
}
