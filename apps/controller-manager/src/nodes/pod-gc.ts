import { Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import { type AnyController, type ControllerContext, defineController, forEachInParallel, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { isTerminal } from '../pods/pod-state.ts';
import { readyCondition } from './lifecycle-plan.ts';
import { nodeMetrics } from './metrics.ts';

const periodMs = 20_000;
/** How long a node must be missing before its pods are taken for lost. */
const quarantineMs = 40_000;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

export interface PodGcPlan {
  /** Finished pods beyond the threshold, and pods that were being deleted before they had a node. */
  readonly remove: readonly Pod[];
  /** Pods of nodes that are gone or declared out of service, with why. */
  readonly fail: readonly { readonly pod: Pod; readonly message: string; readonly reason: 'orphaned' | 'out-of-service' }[];
  /** Nodes that are missing and not yet for long enough, and since when. */
  readonly missing: ReadonlyMap<string, number>;
}

/** Pods that the kubelet evicted tell nothing more: they go first. */
const isEvicted = (pod: Pod): boolean => pod.status?.phase === 'Failed' && pod.status.reason === 'Evicted';

export function plan(observed: { pods: Iterable<Pod>; nodeOf: (name: string) => Node | undefined; missing: ReadonlyMap<string, number>; threshold: number }, nowMs: number): PodGcPlan {
  const finished: Pod[] = [];
  const remove: Pod[] = [];
  const fail: PodGcPlan['fail'][number][] = [];
  const missing = new Map<string, number>();
  for (const pod of observed.pods) {
    const { nodeName } = pod.spec ?? {};
    if (isTerminal(pod) && !pod.metadata?.deletionTimestamp) finished.push(pod);
    if (!nodeName) {
      if (pod.metadata?.deletionTimestamp) remove.push(pod);
      continue;
    }
    const node = observed.nodeOf(nodeName);
    if (!node) {
      const sinceMs = observed.missing.get(nodeName) ?? nowMs;
      missing.set(nodeName, sinceMs);
      if (nowMs - sinceMs >= quarantineMs) fail.push({ pod, message: 'PodGC: node no longer exists', reason: 'orphaned' });
    } else if (pod.metadata?.deletionTimestamp && readyCondition(node)?.status !== 'True' && node.spec?.taints?.some((taint) => taint.key === outOfServiceTaint)) {
      fail.push({ pod, message: 'PodGC: node is out of service', reason: 'out-of-service' });
    }
  }
  const excess = observed.threshold > 0 ? finished.length - observed.threshold : 0;
  if (excess > 0) {
    finished.sort((a, b) => Number(isEvicted(b)) - Number(isEvicted(a)) || ((a.metadata?.creationTimestamp ?? '') < (b.metadata?.creationTimestamp ?? '') ? -1 : 1));
    remove.push(...finished.slice(0, excess));
  }
  return { remove, fail, missing };
}

async function forceDelete(context: ControllerContext<State>, pod: Pod, reason: string): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  const { forcedDeletionErrors, forcedDeletions } = nodeMetrics(context.env.metrics);
  forcedDeletions.inc({ namespace, reason });
  await context.api.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) }).catch((error: unknown) => {
    if (isNotFound(error)) return;
    forcedDeletionErrors.inc({ namespace, reason });
    throw error;
  });
}

async function failAndDelete(context: ControllerContext<State>, { pod, message, reason }: PodGcPlan['fail'][number]): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  if (!isTerminal(pod)) {
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message, lastTransitionTime: rfc3339(context.env.clock.now()) };
    const patch = { metadata: { uid }, status: { phase: 'Failed', conditions: [condition] } };
    try {
      await context.api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
  }
  await forceDelete(context, pod, reason);
}

interface State {
  missing: ReadonlyMap<string, number>;
}

/** Deletes pods that nobody else will: of lost nodes, deleted before they were scheduled, finished in too great a number. */
export function podGcController(settings: { terminatedPodGcThreshold: number }): AnyController {
  return defineController<Pod, State>({
    name: 'pod-garbage-collector-controller',
    account: 'pod-garbage-collector',
    initialKeys: [''],
    concurrency: 1,
    watches: [watch<Node, State>(Nodes, ({ gone }) => (gone ? [''] : []))],
    setup(context) {
      context.store(Pods);
      return { missing: new Map() };
    },
    async reconcile(_key, context) {
      const { env, state, store } = context;
      const observed = { pods: store(Pods).list(), nodeOf: (name: string) => store(Nodes).get(name), missing: state.missing, threshold: settings.terminatedPodGcThreshold };
      const planned = plan(observed, env.clock.now());
      state.missing = planned.missing;
      await forEachInParallel(planned.remove, (pod) => forceDelete(context, pod, isTerminal(pod) ? 'terminated' : 'unscheduled'));
      await forEachInParallel(planned.fail, (lost) => failAndDelete(context, lost));
      return { requeueAfterMs: periodMs };
    },
  });
}
