import { CustomResourceDefinitions, Deployments, PodDisruptionBudgets, Pods, ReplicaSets, ReplicationControllers, StatefulSets } from '@orrery/api';
import type { Pod, PodDisruptionBudget } from '@orrery/api/types';
import type { OwnerReference } from '@orrery/apimachinery';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { type ControllerContext, controllerOf, defineController, refersTo, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { allResources } from '../resources/catalog.ts';
import { printSelector } from '../printed-selector.ts';
import { plan } from './plan.ts';
import { endStaleDisruption, podOfStaleKey, staleKey } from './stale-condition.ts';

type Stores = Pick<ControllerContext, 'store'>;

interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

/** The built-in workload that decides how many pods like this one there are, and how many it wants. */
function knownScale({ store }: Stores, namespace: string, ref: OwnerReference): Scale | undefined {
  const key = `${namespace}/${ref.name}`;
  const sized = (found: { metadata?: { uid?: string }; spec?: { replicas?: number } } | undefined, uid: string): Scale | undefined =>
    found?.metadata?.uid === uid ? { uid, replicas: found.spec?.replicas ?? 1 } : undefined;
  if (refersTo(ref, ReplicaSets)) {
    const set = store(ReplicaSets).get(key);
    if (set?.metadata?.uid !== ref.uid) return undefined;
    const parent = controllerOf(set);
    if (!parent || !refersTo(parent, Deployments)) return sized(set, ref.uid);
    return sized(store(Deployments).get(`${namespace}/${parent.name}`), parent.uid);
  }
  if (refersTo(ref, ReplicationControllers)) return sized(store(ReplicationControllers).get(key), ref.uid);
  return refersTo(ref, StatefulSets) ? sized(store(StatefulSets).get(key), ref.uid) : undefined;
}

/** Asks any other controller for its scale. Throws when its kind has none. */
async function askedScale({ api, store }: Pick<ControllerContext, 'api' | 'store'>, namespace: string, ref: OwnerReference): Promise<Scale | undefined> {
  const definitions = [...store(CustomResourceDefinitions).list()];
  const resource = allResources(definitions).find((candidate) => refersTo(ref, candidate));
  if (!resource) throw new Error(`no matches for kind "${ref.kind}" in version "${ref.apiVersion}"`);
  const definition = definitions.find(({ spec }) => spec?.group === resource.group && spec.names.plural === resource.resource);
  const scales = definition?.spec?.versions.some(({ name, subresources }) => name === resource.version && subresources?.scale);
  if (!scales) throw new Error(`${resource.resource}${resource.group ? `.${resource.group}` : ''} does not implement the scale subresource`);
  try {
    const scale: { metadata?: { uid?: string }; spec?: { replicas?: number } } = await api.get(resource, { namespace, name: ref.name }, { subresource: 'scale' });
    return scale.metadata?.uid === ref.uid ? { uid: ref.uid, replicas: scale.spec?.replicas ?? 0 } : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const builtIn = [ReplicaSets, ReplicationControllers, StatefulSets];

/** How many pods the controllers of these want together, and the pods without a controller. */
async function expectedPods(context: Pick<ControllerContext, 'api' | 'store'>, pods: readonly Pod[]): Promise<{ total: number; unmanaged: Pod[] }> {
  const scales = new Map<string, number>();
  const asked = new Set<string>();
  const unmanaged: Pod[] = [];
  for (const pod of pods) {
    const ref = controllerOf(pod);
    if (!ref) {
      unmanaged.push(pod);
      continue;
    }
    if (asked.has(ref.uid)) continue;
    asked.add(ref.uid);
    const namespace = pod.metadata?.namespace ?? '';
    const scale = builtIn.some((resource) => refersTo(ref, resource)) ? knownScale(context, namespace, ref) : await askedScale(context, namespace, ref);
    if (!scale) throw new Error(`found no controllers for pod "${pod.metadata?.name ?? ''}"`);
    scales.set(scale.uid, scale.replicas);
  }
  return { total: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged };
}

/** Only such budgets need to know how many pods there should be. */
function needsTotal({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';
}

async function reconcileBudget(key: string, context: ControllerContext): Promise<{ requeueAfterMs: number } | undefined> {
  const { api, env, events, store } = context;
  const budget = store(PodDisruptionBudgets).get(key);
  if (!budget) return undefined;
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => events.event(PodDisruptionBudgets, budget, { type, reason, message });
  const matches = labelSelectorMatcher(budget.spec?.selector);
  const pods = [...store(Pods).byIndex('namespace', budget.metadata?.namespace ?? '')].filter((pod) => matches(pod.metadata?.labels));
  if (!pods.length) tell('Normal', 'NoPods', 'No matching pods found');
  let expected: number | Error = pods.length;
  if (needsTotal(budget)) {
    try {
      const { total, unmanaged } = await expectedPods(context, pods);
      expected = total;
      if (unmanaged.length) {
        const why = 'As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.';
        tell('Warning', 'UnmanagedPods', `Pods selected by this PodDisruptionBudget (selector: ${printSelector(budget.spec?.selector)}) were found to be unmanaged. ${why}`);
      }
    } catch (error) {
      expected = error as Error;
      tell('Warning', 'CalculateExpectedPodCountFailed', `Failed to calculate the number of expected pods: ${expected.message}`);
    }
  }
  const planned = plan({ budget, pods, expected }, env.clock.now());
  for (const name of planned.overdue) tell('Warning', 'NotDeleted', `Pod ${name} was expected by PDB ${key} to be deleted but it wasn't`);
  if (!deepEqual(budget.status ?? {}, planned.status)) await api.update(PodDisruptionBudgets, { ...budget, status: planned.status }, { subresource: 'status' });
  return planned.requeueAfterMs === undefined ? undefined : { requeueAfterMs: planned.requeueAfterMs };
}

/** The budgets that are about a pod, or were. */
function budgetsOf(pod: Pod, old: Pod | undefined, { store }: Stores): string[] {
  const found: string[] = [];
  for (const budget of store(PodDisruptionBudgets).byIndex('namespace', pod.metadata?.namespace ?? '')) {
    const matches = labelSelectorMatcher(budget.spec?.selector);
    if (matches(pod.metadata?.labels) || (old && old.metadata?.labels !== pod.metadata?.labels && matches(old.metadata?.labels))) found.push(keyOf(budget));
  }
  return found;
}

const none: readonly string[] = [];

/** Keeps the status of PodDisruptionBudgets, which evictions are granted by, and takes back announced disruptions that did not come. */
export const disruptionController = defineController<PodDisruptionBudget>({
  name: 'disruption-controller',
  queue: 'disruption',
  eventSource: 'controllermanager',
  for: PodDisruptionBudgets,
  watches: [
    watch(Pods, ({ object, old, gone }, context) => {
      const some = context.store(PodDisruptionBudgets).countByIndex('namespace', object.metadata?.namespace ?? '') > 0;
      const found = some ? budgetsOf(object, old, context) : none;
      const stale = gone ? undefined : staleKey(object);
      return stale ? [...found, stale] : found;
    }),
  ],
  coalesceMs: (key, context) => Math.min(250, Math.floor(context.store(Pods).countByIndex('namespace', key.slice(0, key.indexOf('/'))) / 40)),
  setup(context) {
    context.store(CustomResourceDefinitions);
    context.store(Deployments);
    context.store(ReplicaSets);
    context.store(ReplicationControllers);
    context.store(StatefulSets);
  },
  reconcile(key, context) {
    const pod = podOfStaleKey(key);
    return pod === undefined ? reconcileBudget(key, context) : endStaleDisruption(pod, context);
  },
});
