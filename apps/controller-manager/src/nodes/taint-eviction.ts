import { Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import { type ControllerContext, defineController, forEachInParallel, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { isTerminal } from '../pods/pod-state.ts';
import { byNodeName } from './lifecycle-controller.ts';
import { evictionTime } from './taints.ts';

export interface EvictionPlan {
  /** Pods whose time is up. */
  readonly evict: readonly Pod[];
  /** When the next one's is. */
  readonly nextMs: number | undefined;
}

/** Which pods the NoExecute taints of their node end now, and when to look again. */
export function plan(observed: { node: Node; pods: Iterable<Pod> }, nowMs: number): EvictionPlan {
  const taints = (observed.node.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
  const evict: Pod[] = [];
  let nextMs: number | undefined;
  if (!taints.length) return { evict, nextMs };
  for (const pod of observed.pods) {
    if (pod.metadata?.deletionTimestamp || isTerminal(pod)) continue;
    const atMs = evictionTime(pod, taints, nowMs);
    if (atMs === undefined) continue;
    if (atMs <= nowMs) evict.push(pod);
    else nextMs = Math.min(nextMs ?? atMs, atMs);
  }
  return { evict, nextMs };
}

async function evictPod(context: ControllerContext, pod: Pod): Promise<void> {
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
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Deletes pods that do not tolerate the NoExecute taints of their node, or not any longer. */
export const taintEvictionController = defineController<Node>({
  name: 'taint-eviction-controller',
  for: Nodes,
  rbac: [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'delete'] },
    { apiGroups: [''], resources: ['pods/status'], verbs: ['patch'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  ],
  watches: [
    watch(Pods, ({ object, gone }, context) => {
      const { nodeName } = object.spec ?? {};
      if (!nodeName || gone) return [];
      return context.store(Nodes).get(nodeName)?.spec?.taints?.some((taint) => taint.effect === 'NoExecute') ? [nodeName] : [];
    }),
  ],
  setup(context) {
    context.store(Pods).addIndexer(byNodeName, (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []));
  },
  async reconcile(key, context) {
    const node = context.store(Nodes).get(key);
    if (!node) return;
    const nowMs = context.env.clock.now();
    const { evict, nextMs } = plan({ node, pods: context.store(Pods).byIndex(byNodeName, key) }, nowMs);
    await forEachInParallel(evict, (pod) => evictPod(context, pod));
    return nextMs === undefined ? undefined : { requeueAfterMs: nextMs - nowMs };
  },
});
