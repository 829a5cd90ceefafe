import { Nodes, Pods } from '@orrery/api';
import type { Node, Pod, Taint } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type ControllerContext, defineController, forEachInParallel, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { isTerminal } from '../pods/pod-state.ts';
import { byNodeName } from './lifecycle-controller.ts';
import { nodeMetrics } from './metrics.ts';
import { evictionTime } from './taints.ts';

/** A pod that is to be evicted, and since when it is known to stand on a tainted node. */
export interface Pending {
  readonly pod: Pod;
  readonly sinceMs: number;
}

/** A pod whose time is up, and since when. */
export interface Eviction {
  readonly pod: Pod;
  readonly dueMs: number;
}

export interface EvictionPlan {
  /** Pods whose time is up. */
  readonly evict: readonly Eviction[];
  /** Pods whose time will come, by UID. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** Pods that may stay after all. */
  readonly spared: readonly Pod[];
  /** When the next one's time is up. */
  readonly nextMs: number | undefined;
}

export interface EvictionObserved {
  readonly node: Node | undefined;
  readonly pods: Iterable<Pod>;
  readonly pending: ReadonlyMap<string, Pending>;
}

/** Since when the taints of its node have counted against a pod that we see for the first time, as far as can be known. */
function firstSeen(pod: Pod, taints: readonly Taint[], nowMs: number): number {
  const times = [pod.status?.startTime, ...taints.map((taint) => taint.timeAdded)].map((time) => Date.parse(time ?? ''));
  return times.some(Number.isNaN) ? nowMs : Math.min(nowMs, Math.max(...times));
}

const nothing: EvictionPlan = { evict: [], pending: new Map(), spared: [], nextMs: undefined };

/** Which pods the NoExecute taints of their node end now, and when to look again. */
export function plan(observed: EvictionObserved, nowMs: number): EvictionPlan {
  const taints = (observed.node?.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
  // Nodes change often, and few have such taints.
  if (taints.length === 0 && observed.pending.size === 0) return nothing;
  const evict: Eviction[] = [];
  const spared: Pod[] = [];
  const pending = new Map<string, Pending>();
  let nextMs: number | undefined;
  for (const pod of observed.pods) {
    if (pod.metadata?.deletionTimestamp || isTerminal(pod)) continue;
    const uid = pod.metadata?.uid ?? '';
    const known = observed.pending.get(uid);
    const sinceMs = known?.sinceMs ?? firstSeen(pod, taints, nowMs);
    const atMs = evictionTime(pod, taints, { sinceMs, nowMs });
    if (atMs === undefined) {
      if (known) spared.push(pod);
    } else if (atMs <= nowMs) evict.push({ pod, dueMs: atMs });
    else {
      pending.set(uid, { pod, sinceMs });
      nextMs = Math.min(nextMs ?? atMs, atMs);
    }
  }
  return { evict, pending, spared, nextMs };
}

interface State {
  /** By node. */
  readonly pending: Map<string, ReadonlyMap<string, Pending>>;
}

async function evictPod(context: ControllerContext<State>, { pod, dueMs }: Eviction): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  context.events.event(Pods, pod, { type: 'Normal', reason: 'TaintManagerEviction', message: `Marking for deletion Pod ${namespace}/${name}` });
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: rfc3339(context.env.clock.now()),
  };
  try {
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    await context.api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
    await context.api.delete(Pods, { namespace, name }, uid ? { preconditions: { uid } } : {});
    const { podDeletions, podDeletionSeconds } = nodeMetrics(context.env.metrics);
    podDeletions.inc();
    podDeletionSeconds.observe(Math.max(0, context.env.clock.now() - dueMs) / 1000);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

const none: readonly string[] = [];

/** Deletes pods that do not tolerate the NoExecute taints of their node, or not any longer. */
export const taintEvictionController = defineController<Node, State>({
  name: 'taint-eviction-controller',
  queue: 'noexec_taint_node',
  account: 'node-controller',
  for: Nodes,
  watches: [
    watch<Pod, State>(Pods, ({ object, gone }, context) => {
      const { nodeName } = object.spec ?? {};
      if (!nodeName || gone) return none;
      return context.store(Nodes).get(nodeName)?.spec?.taints?.some((taint) => taint.effect === 'NoExecute') ? [nodeName] : none;
    }),
  ],
  setup(context) {
    context.store(Pods).addIndexer(byNodeName, (pod) => pod.spec?.nodeName || undefined);
    return { pending: new Map() };
  },
  async reconcile(key, context) {
    const { pending } = context.state;
    const node = context.store(Nodes).get(key);
    const nowMs = context.env.clock.now();
    const planned = plan({ node, pods: context.store(Pods).byIndex(byNodeName, key), pending: pending.get(key) ?? new Map() }, nowMs);
    if (planned.pending.size) pending.set(key, planned.pending);
    else pending.delete(key);
    for (const pod of planned.spared) {
      const message = `Cancelling deletion of Pod ${keyOf(pod)}`;
      context.events.event(Pods, pod, { type: 'Normal', reason: 'TaintManagerEviction', message });
    }
    await forEachInParallel(planned.evict, (eviction) => evictPod(context, eviction));
    return planned.nextMs === undefined ? undefined : { requeueAfterMs: planned.nextMs - nowMs };
  },
});
