import type { Job, Pod } from '@orrery/api/types';
import { isActive, isTerminal, isTerminating } from '../pods/pod-state.ts';
import { verdictOf } from './conditions.ts';
import { type PolicyMatch, matchFailurePolicy } from './failure-policy.ts';
import { parseIndexes } from './indexes.ts';
import { type IndexFailures, failuresBefore, indexOf, isFailed, isIndexed, isTracked, uidOf } from './job-pods.ts';
import type { JobObserved } from './plan.ts';

export interface Uncounted {
  readonly succeeded: Set<string>;
  readonly failed: Set<string>;
}

/** What the pods of a Job say. */
export interface Survey {
  readonly active: Pod[];
  readonly terminating: number;
  readonly uncounted: Uncounted;
  /** Pods whose finalizer may go once they are counted. */
  readonly release: Pod[];
  readonly newlyFailed: Pod[];
  readonly newlySucceeded: Pod[];
  /** What the failure policy said of pods that are counted now. */
  readonly policyActions: string[];
  readonly completedIndexes: Set<number>;
  readonly failedIndexes: Set<number>;
  /** With a back-off limit per index: the failed pod of an index that no other pod has replaced yet. */
  readonly toReplace: ReadonlyMap<number, Pod>;
  /** How many of those count as failed: they keep their finalizer, and are written down when they are replaced. */
  kept: number;
}

/** Failures of an index up to and with this pod of it. */
export function indexFailures(job: Job, pod: Pod): IndexFailures {
  const before = failuresBefore(pod);
  const ignored = matchFailurePolicy(job, pod)?.action === 'Ignore';
  return { counted: before.counted + Number(!ignored), ignored: before.ignored + Number(ignored) };
}

const sum = ({ counted, ignored }: IndexFailures): number => counted + ignored;

/** A failed pod is the memory of its index's failures until its successor, which carries their number, is there. */
function podsToReplace({ job, pods, released }: JobObserved, done: ReadonlySet<number>): Map<number, Pod> {
  const found = new Map<number, Pod>();
  if (job.spec?.backoffLimitPerIndex === undefined || verdictOf(job.status) || job.metadata?.deletionTimestamp) return found;
  const active = new Set(pods.filter(isActive).map((pod) => indexOf(pod, job)));
  for (const pod of pods) {
    const index = indexOf(pod, job);
    if (index === undefined || done.has(index) || active.has(index) || !isTracked(pod) || released.has(uidOf(pod)) || pod.status?.phase === 'Succeeded' || !isFailed(pod, job)) continue;
    const known = found.get(index);
    if (!known || sum(indexFailures(job, known)) <= sum(indexFailures(job, pod))) found.set(index, pod);
  }
  return found;
}

/** Indexes that have failed for good. */
function failedIndexes(job: Job, pods: readonly Pod[]): Set<number> {
  const { backoffLimitPerIndex, completions = 0 } = job.spec ?? {};
  const found = isIndexed(job) ? parseIndexes(job.status?.failedIndexes, completions) : new Set<number>();
  if (backoffLimitPerIndex === undefined) return found;
  for (const pod of pods) {
    const index = indexOf(pod, job);
    if (index === undefined || pod.status?.phase === 'Succeeded' || !isFailed(pod, job)) continue;
    if (indexFailures(job, pod).counted > backoffLimitPerIndex || matchFailurePolicy(job, pod)?.action === 'FailIndex') found.add(index);
  }
  return found;
}

function countSucceeded(found: Survey, pod: Pod, at: { indexed: boolean; index: number | undefined }): void {
  const uid = uidOf(pod);
  if (found.uncounted.succeeded.has(uid) || (at.indexed && (at.index === undefined || found.completedIndexes.has(at.index)))) return;
  found.newlySucceeded.push(pod);
  if (at.index === undefined) found.uncounted.succeeded.add(uid);
  else found.completedIndexes.add(at.index);
}

function countFailed(found: Survey, pod: Pod, match: PolicyMatch | undefined): void {
  if (found.uncounted.failed.has(uidOf(pod)) || match?.action === 'Ignore') return;
  found.newlyFailed.push(pod);
  found.uncounted.failed.add(uidOf(pod));
}

/** Counts what has not been counted yet. */
export function survey(observed: JobObserved): Survey {
  const { job, pods, released } = observed;
  const { completions = 0 } = job.spec ?? {};
  const known = job.status?.uncountedTerminatedPods;
  const verdict = verdictOf(job.status);
  const indexed = isIndexed(job);
  const completedIndexes = indexed ? parseIndexes(job.status?.completedIndexes, completions) : new Set<number>();
  const failed = failedIndexes(job, pods);
  const found: Survey = {
    active: pods.filter(isActive),
    terminating: pods.filter(isTerminating).length,
    uncounted: { succeeded: new Set(known?.succeeded), failed: new Set(known?.failed) },
    release: [],
    newlyFailed: [],
    newlySucceeded: [],
    policyActions: [],
    completedIndexes,
    failedIndexes: failed,
    toReplace: podsToReplace(observed, new Set([...completedIndexes, ...failed])),
    kept: 0,
  };
  const kept = new Set([...found.toReplace.values()].map(uidOf));
  for (const pod of pods) {
    if (!isTracked(pod) || released.has(uidOf(pod))) continue;
    const index = indexOf(pod, job);
    const ended = isFailed(pod, job) || (verdict?.type === 'FailureTarget' && !isTerminal(pod) && pod.metadata?.deletionTimestamp !== undefined);
    if (pod.status?.phase === 'Succeeded') countSucceeded(found, pod, { indexed, index });
    else if (ended) {
      const match = matchFailurePolicy(job, pod);
      if (kept.has(uidOf(pod)) && match?.action !== 'FailJob') {
        if (match?.action !== 'Ignore' && !found.uncounted.failed.has(uidOf(pod))) found.kept++;
        continue;
      }
      if (match && !found.uncounted.failed.has(uidOf(pod))) found.policyActions.push(match.action);
      countFailed(found, pod, match);
    } else if (!(verdict && pod.metadata?.deletionTimestamp)) continue;
    found.release.push(pod);
  }
  return found;
}
