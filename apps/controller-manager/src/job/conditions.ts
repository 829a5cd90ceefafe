import type { Job, JobCondition, JobStatus } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';

export interface Verdict {
  readonly type: 'FailureTarget' | 'SuccessCriteriaMet';
  readonly reason: string;
  readonly message: string;
}

export function conditionOf(status: JobStatus | undefined, type: string): JobCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

const isTrue = (status: JobStatus | undefined, type: string): boolean => conditionOf(status, type)?.status === 'True';

export function isFinished(job: Job): boolean {
  return isTrue(job.status, 'Complete') || isTrue(job.status, 'Failed');
}

/** Sets a condition; the time moves only with the status. */
export function withCondition(status: JobStatus, wanted: { type: string; status: string; reason: string; message: string; nowMs: number }): JobStatus {
  const { nowMs, ...fields } = wanted;
  const known = conditionOf(status, wanted.type);
  if (known && known.status === fields.status && known.reason === fields.reason && known.message === fields.message) return status;
  const at = rfc3339(nowMs);
  const condition: JobCondition = { ...fields, lastProbeTime: at, lastTransitionTime: known?.status === fields.status ? (known.lastTransitionTime ?? at) : at };
  const others = status.conditions ?? [];
  return { ...status, conditions: known ? others.map((other) => (other === known ? condition : other)) : [...others, condition] };
}

/** The verdict already written: what is to become of the Job once its pods are gone. */
export function verdictOf(status: JobStatus | undefined): Verdict | undefined {
  for (const type of ['FailureTarget', 'SuccessCriteriaMet'] as const) {
    const known = conditionOf(status, type);
    if (known?.status === 'True') return { type, reason: known.reason ?? '', message: known.message ?? '' };
  }
  return undefined;
}

/** Who works on the Job if it is not this controller. */
export function externalController({ spec }: Job): string | undefined {
  return spec?.managedBy === 'kubernetes.io/job-controller' ? undefined : spec?.managedBy;
}
