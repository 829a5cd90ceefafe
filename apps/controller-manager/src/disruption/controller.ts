import { Deployments, PodDisruptionBudgets, Pods, ReplicaSets, ReplicationControllers, StatefulSets } from '@orrery/api';
import type { Pod, PodDisruptionBudget } from '@orrery/api/types';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { type ControllerContext, controllerOf, defineController, watch } from '@orrery/controller';
import { isTerminal } from '../pods/pod-state.ts';
import { plan } from './plan.ts';

type Stores = Pick<ControllerContext, 'store'>;

/** The workload that decides how many pods like this one there are, and how many it wants. */
function scaleOf({ store }: Stores, pod: Pod): { uid: string; replicas: number } | undefined {
  const ref = controllerOf(pod);
  if (!ref) return undefined;
  const key = `${pod.metadata?.namespace ?? ''}/${ref.name}`;
  const sized = (found: { metadata?: { uid?: string }; spec?: { replicas?: number } } | undefined, uid: string) =>
    found?.metadata?.uid === uid ? { uid, replicas: found.spec?.replicas ?? 1 } : undefined;
  switch (ref.kind) {
    case 'ReplicaSet': {
      const set = store(ReplicaSets).get(key);
      if (set?.metadata?.uid !== ref.uid) return undefined;
      const parent = controllerOf(set);
      if (parent?.kind !== 'Deployment') return sized(set, ref.uid);
      return sized(store(Deployments).get(`${pod.metadata?.namespace ?? ''}/${parent.name}`), parent.uid);
    }
    case 'ReplicationController':
      return sized(store(ReplicationControllers).get(key), ref.uid);
    case 'StatefulSet':
      return sized(store(StatefulSets).get(key), ref.uid);
    default:
      return undefined;
  }
}

function expectedPods(stores: Stores, pods: readonly Pod[]): number {
  const scales = new Map<string, number>();
  for (const pod of pods) {
    const ref = controllerOf(pod);
    if (ref && scales.has(ref.uid)) continue;
    const scale = scaleOf(stores, pod);
    if (!scale) {
      const why = ref ? `${ref.apiVersion} ${ref.kind} does not implement the scale subresource` : `found no controller ref for pod "${pod.metadata?.name ?? ''}"`;
      throw new Error(why);
    }
    scales.set(scale.uid, scale.replicas);
  }
  return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
}

function* budgetsOf(pod: Pod, { store }: Stores): Iterable<string> {
  for (const budget of store(PodDisruptionBudgets).byIndex('namespace', pod.metadata?.namespace ?? '')) {
    if (labelSelectorMatcher(budget.spec?.selector)(pod.metadata?.labels)) yield keyOf(budget);
  }
}

/** Keeps the status of PodDisruptionBudgets, which evictions are granted by. */
export const disruptionController = defineController<PodDisruptionBudget>({
  name: 'disruption-controller',
  for: PodDisruptionBudgets,
  rbac: [
    { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['policy'], resources: ['poddisruptionbudgets/status'], verbs: ['update'] },
    { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['pods', 'replicationcontrollers'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  ],
  watches: [
    watch(Pods, function* ({ object, old }, context) {
      yield* budgetsOf(object, context);
      if (old && !deepEqual(old.metadata?.labels, object.metadata?.labels)) yield* budgetsOf(old, context);
    }),
  ],
  coalesceMs: (key, context) => Math.min(250, Math.floor(context.store(Pods).countByIndex('namespace', key.slice(0, key.indexOf('/'))) / 40)),
  setup(context) {
    context.store(Deployments);
    context.store(ReplicaSets);
    context.store(ReplicationControllers);
    context.store(StatefulSets);
  },
  async reconcile(key, context) {
    const { api, env, events, store } = context;
    const budget = store(PodDisruptionBudgets).get(key);
    if (!budget) return undefined;
    const matches = labelSelectorMatcher(budget.spec?.selector);
    const pods = [...store(Pods).byIndex('namespace', budget.metadata?.namespace ?? '')].filter((pod) => matches(pod.metadata?.labels) && !isTerminal(pod));
    if (!pods.length) events.event(PodDisruptionBudgets, budget, { type: 'Normal', reason: 'NoPods', message: 'No matching pods found' });
    const planned = plan({ budget, pods, expected: () => expectedPods(context, pods) }, env.clock.now());
    if (planned.error) {
      const message = `Failed to calculate the number of expected pods: ${planned.error}`;
      events.event(PodDisruptionBudgets, budget, { type: 'Warning', reason: 'CalculateExpectedPodCountFailed', message });
    }
    if (!deepEqual(budget.status ?? {}, planned.status)) await api.update(PodDisruptionBudgets, { ...budget, status: planned.status }, { subresource: 'status' });
    return planned.requeueAfterMs === undefined ? undefined : { requeueAfterMs: planned.requeueAfterMs };
  },
});
