import { Jobs, Pods } from '@orrery/api';
import type { Job, JobStatus, Pod } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { type ControllerContext, type Doubts, type WriteFence, byControllerUid, claimDependents, controllerOf, createDoubts, createWriteFence, defineController, forEachInParallel, slowStart, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { createPod, deletePod, isNamespaceTerminating } from '../pods/pod-control.ts';
import { isTerminal } from '../pods/pod-state.ts';
import { conditionOf, externalController, isFinished } from './conditions.ts';
import { isTracked, newJobPod, trackingFinalizer, uidOf } from './job-pods.ts';
import { type JobMetrics, jobMetrics } from './metrics.ts';
import { type BackOff, type JobPlan, plan, settle } from './plan.ts';

interface State {
  readonly metrics: JobMetrics;
  readonly fence: WriteFence;
  readonly doubts: Doubts;
  readonly backOffs: Map<string, BackOff>;
  /** Pods whose finalizer was taken away, until the cache shows it. */
  readonly released: Set<string>;
  /** The newest revision of a Job's status written: older ones in the cache are not acted upon. */
  readonly written: Map<string, number>;
}

type Context = ControllerContext<State>;

/** Takes the tracking finalizer from a pod. True when it is gone, with or without the pod. */
async function release(context: Context, pod: Pod): Promise<void> {
  const { namespace = '', name = '', uid, finalizers = [] } = pod.metadata ?? {};
  const at = finalizers.indexOf(trackingFinalizer);
  if (at < 0 || context.state.released.has(uidOf(pod))) return;
  const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
  await context.api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json' }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  context.state.released.add(uidOf(pod));
}

async function removePods(context: Context, job: Job, planned: JobPlan): Promise<void> {
  const key = keyOf(job);
  context.expectations.expectDeletions(key, planned.remove.map(uidOf));
  await forEachInParallel(planned.remove, async (pod) => {
    try {
      if (planned.uncountRemoved) await release(context, pod);
      await deletePod(context, { resource: Jobs, owner: job }, pod);
    } catch (error) {
      context.expectations.deletionObserved(key, uidOf(pod));
      context.state.doubts.failed(key, error);
      if (!isNotFound(error)) throw error;
    }
  });
}

async function createPods(context: Context, job: Job, slots: JobPlan['create']): Promise<void> {
  const key = keyOf(job);
  context.expectations.expectCreations(key, slots.length);
  const made = await slowStart(slots.length, async (i) => {
    try {
      await createPod(context, { resource: Jobs, owner: job }, newJobPod(job, slots[i] ?? {}));
    } catch (error) {
      context.state.doubts.failed(key, error);
      throw error;
    }
  });
  // In a namespace that ends, expectations stay open: every pod that goes would make us try again, and be refused again.
  if (!isNamespaceTerminating(made.error)) context.expectations.creationObserved(key, made.remaining);
  context.state.metrics.podsCreated(job, { succeeded: made.succeeded, failed: made.error ? 1 : 0 });
  if (made.error && !isNamespaceTerminating(made.error)) throw made.error;
}

async function writeStatus(context: Context, job: Job, status: JobStatus): Promise<Job> {
  if (deepEqual(job.status ?? {}, status)) return job;
  const written = await context.api.update(Jobs, { ...job, status }, { subresource: 'status' });
  context.state.written.set(keyOf(job), Number(written.metadata?.resourceVersion ?? 0));
  announce(context, job, written);
  context.state.metrics.written(job, written);
  return written;
}

/** Events for conditions that have just become true. */
function announce(context: Context, before: Job, after: Job): void {
  const became = (type: string): boolean => conditionOf(after.status, type)?.status === 'True' && conditionOf(before.status, type)?.status !== 'True';
  const event = (type: 'Normal' | 'Warning', reason: string, message: string): void => context.events.event(Jobs, after, { type, reason, message });
  if (became('Complete')) event('Normal', 'Completed', 'Job completed');
  const failed = conditionOf(after.status, 'Failed');
  if (became('Failed')) event('Warning', failed?.reason ?? '', failed?.message ?? '');
  if (became('Suspended')) event('Normal', 'Suspended', 'Job suspended');
  if (conditionOf(before.status, 'Suspended')?.status === 'True' && conditionOf(after.status, 'Suspended')?.status === 'False') event('Normal', 'Resumed', 'Job resumed');
}

/** Pods of a Job that is gone would linger for ever on its finalizer. */
async function releaseOrphans(key: string, context: Context): Promise<void> {
  const slash = key.indexOf('/');
  const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)];
  const job = context.store(Jobs).get(key);
  const orphans = [...context.store(Pods).byIndex('namespace', namespace)].filter((pod) => {
    const ref = controllerOf(pod);
    return isTracked(pod) && ref?.kind === 'Job' && ref.name === name && ref.uid !== job?.metadata?.uid;
  });
  await forEachInParallel(orphans, (pod) => release(context, pod));
}

/** Keys of pods, among those of Jobs. */
const lonePrefix = 'pod:';

/** A pod whose Job was deleted without it has nobody to count it: when it is to go, it may. */
async function releaseLone(key: string, context: Context): Promise<void> {
  const pod = context.store(Pods).get(key);
  if (pod && isLone(pod)) await release(context, pod);
}

const isLone = (pod: Pod): boolean => isTracked(pod) && pod.metadata?.deletionTimestamp !== undefined && controllerOf(pod) === undefined;

async function reconcile(key: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api, env, expectations, state, store } = context;
  if (key.startsWith(lonePrefix)) return releaseLone(key.slice(lonePrefix.length), context);
  await releaseOrphans(key, context);
  let job = store(Jobs).get(key);
  if (!job) {
    state.backOffs.delete(key);
    state.written.delete(key);
    state.fence.forget(key);
    state.doubts.forget(key);
    return expectations.forget(key);
  }
  const { selector } = job.spec ?? {};
  if (externalController(job) !== undefined) return;
  if (Number(job.metadata?.resourceVersion ?? 0) < (state.written.get(key) ?? 0)) return { requeueAfterMs: 1000 };
  await state.doubts.settle(key, job, store(Pods));
  if (!state.fence.passed(key, store(Pods))) return { requeueAfterMs: 500 };
  const pods = await claimDependents({ api, ownerResource: Jobs, owner: job, dependents: store(Pods), matches: labelSelectorMatcher(selector), finalizers: [trackingFinalizer] });
  if (isFinished(job)) return forEachInParallel(pods.filter(isTracked), (pod) => release(context, pod));
  const backOff = state.backOffs.get(key) ?? { failures: 0, lastMs: 0 };
  const startedMs = env.clock.monotonic();
  const planned = plan({ job, pods, expectationsMet: expectations.satisfied(key), released: state.released, backOff }, env.clock.now());
  if (planned.remove.length) await removePods(context, job, planned);
  if (planned.create.length) await createPods(context, job, planned.create);
  job = await writeStatus(context, job, planned.status);
  state.backOffs.set(key, planned.backOff);
  for (const matched of planned.policyActions) state.metrics.policyMatched(matched);
  await forEachInParallel(planned.release, (pod) => release(context, pod));
  const byUid = new Map(pods.map((pod) => [uidOf(pod), pod]));
  const released = (uid: string): boolean => {
    const pod = byUid.get(uid);
    return !pod || !isTracked(pod) || state.released.has(uid);
  };
  const podsLeft = pods.filter((pod) => !isTerminal(pod)).length + planned.create.length;
  const action = planned.create.length ? 'pods_created' : planned.remove.length ? 'pods_deleted' : planned.release.length ? 'tracking' : 'reconciling';
  await writeStatus(context, job, settle(job, job.status ?? {}, { released, podsLeft, nowMs: env.clock.now() }));
  state.metrics.synced(job, { ok: true, action, seconds: (env.clock.monotonic() - startedMs) / 1000 });
  return planned.requeueAfterMs === undefined ? undefined : { requeueAfterMs: planned.requeueAfterMs };
}

const none: readonly string[] = [];

function countNewcomers({ object, old, gone }: { object: Job; old: Job | undefined; gone: boolean }, context: Context): readonly string[] {
  if (!old && !gone) context.state.metrics.appeared(object);
  return none;
}

function jobsOfOrphans({ object, old, gone }: { object: Pod; old: Pod | undefined; gone: boolean }, context: Context): readonly string[] {
  context.state.metrics.podChanged(gone ? object : old, gone ? undefined : object);
  if (gone || (old && isTracked(old) && !isTracked(object))) context.state.released.delete(uidOf(object));
  if (gone) return none;
  const lone = isLone(object) ? [`${lonePrefix}${keyOf(object)}`] : none;
  const ref = controllerOf(object);
  if (ref?.kind !== 'Job' || !isTracked(object)) return lone;
  const key = `${object.metadata?.namespace ?? ''}/${ref.name}`;
  return context.store(Jobs).get(key)?.metadata?.uid === ref.uid ? lone : [...lone, key];
}

/** Runs pods to completion. */
export const jobController = defineController<Job, State>({
  name: 'job-controller',
  queue: 'job',
  for: Jobs,
  owns: [Pods],
  watches: [watch<Pod, State>(Pods, jobsOfOrphans), watch<Job, State>(Jobs, countNewcomers)],
  *adopters(orphan: KubeObject, context) {
    for (const job of context.store(Jobs).byIndex('namespace', orphan.metadata?.namespace ?? '')) {
      if (labelSelectorMatcher(job.spec?.selector)(orphan.metadata?.labels)) yield keyOf(job);
    }
  },
  coalesceMs: (key, context) => Math.min(500, Math.floor(context.store(Pods).countByIndex(byControllerUid, context.store(Jobs).get(key)?.metadata?.uid ?? '') / 20)),
  setup({ api, env }) {
    const fence = createWriteFence(env.clock);
    return { metrics: jobMetrics(env.metrics), backOffs: new Map(), released: new Set(), written: new Map(), fence, doubts: createDoubts({ api, fence }) };
  },
  reconcile,
});
