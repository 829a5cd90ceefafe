import { Pods, ReplicaSets, ReplicationControllers } from '@orrery/api';
import type { Pod, PodTemplateSpec, ReplicaSet, ReplicaSetStatus, ReplicationController } from '@orrery/api/types';
import type { ResourceRef } from '@orrery/apimachinery';
import { type Labels, type Matcher, deepEqual, keyOf, labelMapMatcher, labelSelectorMatcher } from '@orrery/client';
import { type AnyController, type ControllerContext, type Doubts, type WriteFence, byControllerUid, claimDependents, controllerOf, controllerUidIndexer, createDoubts, createWriteFence, defineController, forEachInParallel, slowStart } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { manyWorkers } from '../concurrency.ts';
import { createPod, deletePod, isNamespaceTerminating, podFromTemplate } from '../pods/pod-control.ts';
import { isActive } from '../pods/pod-state.ts';
import { type ReplicasPlan, deletionAgeRatios, planReplicas, replicaFailure } from './plan.ts';

type Replicated = ReplicaSet | ReplicationController;

interface State {
  readonly fence: WriteFence;
  readonly doubts: Doubts;
}

type Context = ControllerContext<State>;

/** How soon to look whether the cache has caught up. */
const waitForCacheMs = 500;
/** How long the status waits for pods to show that were created or deleted. */
const waitForPodsMs = 1_000;

interface Kind<T extends Replicated> {
  readonly name: string;
  readonly account: string;
  readonly queue: string;
  readonly resource: ResourceRef<T>;
  readonly group: string;
  readonly plural: string;
  selectorOf(object: T): Matcher<Labels | undefined>;
}

/** Active pods a node of everything that shares our controller, e.g. all ReplicaSets of a Deployment. */
function siblingCounter<T extends Replicated>(kind: Kind<T>, context: Context, owner: T): (node: string) => number {
  let counts: Map<string, number> | undefined;
  const count = (): Map<string, number> => {
    const found = new Map<string, number>();
    const parent = controllerOf(owner)?.uid;
    const store = context.store(kind.resource);
    const siblings = parent ? store.byIndex(byControllerUid, parent) : [owner];
    for (const sibling of siblings) {
      for (const pod of context.store(Pods).byIndex(byControllerUid, sibling.metadata?.uid ?? '')) {
        const node = pod.spec?.nodeName;
        if (node && isActive(pod)) found.set(node, (found.get(node) ?? 0) + 1);
      }
    }
    return found;
  };
  return (node) => (counts ??= count()).get(node) ?? 0;
}

async function manage<T extends Replicated>(kind: Kind<T>, context: Context, owner: T, plan: ReplicasPlan): Promise<Error | undefined> {
  const key = keyOf(owner);
  const { expectations } = context;
  const control = { resource: kind.resource, owner };
  if (plan.create > 0) {
    const pod = podFromTemplate(owner.spec?.template as PodTemplateSpec, kind.resource, owner);
    expectations.expectCreations(key, plan.create);
    const made = await slowStart(plan.create, async () => {
      try {
        await createPod(context, control, pod);
      } catch (error) {
        context.state.doubts.failed(key, error);
        throw error;
      }
    });
    // The expectations stay open, as upstream's do: every pod that goes would make us try again, and be refused again.
    if (isNamespaceTerminating(made.error)) return undefined;
    expectations.creationObserved(key, made.remaining);
    return made.error as Error | undefined;
  }
  expectations.expectDeletions(key, plan.remove.map((pod) => pod.metadata?.uid ?? ''));
  try {
    await forEachInParallel(plan.remove, async (pod: Pod) => {
      try {
        await deletePod(context, control, pod);
      } catch (error) {
        expectations.deletionObserved(key, pod.metadata?.uid ?? '');
        context.state.doubts.failed(key, error);
        if (!isNotFound(error)) throw error;
      }
    });
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

async function writeStatus<T extends Replicated>(kind: Kind<T>, context: Context, owner: T, counted: ReplicaSetStatus): Promise<void> {
  const { terminatingReplicas, ...known } = counted;
  // ReplicationControllers have no such field.
  const status = kind.group === 'apps' ? counted : known;
  if (deepEqual(owner.status ?? { replicas: 0 }, status)) return;
  await context.api.update(kind.resource, { ...owner, status }, { subresource: 'status' });
}

function forget(key: string, { expectations, state }: Context): void {
  expectations.forget(key);
  state.fence.forget(key);
  state.doubts.forget(key);
}

async function reconcile<T extends Replicated>(kind: Kind<T>, key: string, context: Context): Promise<{ requeueAfterMs?: number } | void> {
  const owner = context.store(kind.resource).get(key);
  if (!owner) return forget(key, context);
  await context.state.doubts.settle(key, owner, context.store(Pods));
  if (!context.state.fence.passed(key, context.store(Pods))) return { requeueAfterMs: waitForCacheMs };
  const { spec } = owner;
  const pods = await claimDependents({ api: context.api, ownerResource: kind.resource, owner, dependents: context.store(Pods), matches: kind.selectorOf(owner) });
  const { env } = context;
  const nowMs = env.clock.now();
  const plan = planReplicas(
    {
      replicas: spec?.replicas ?? 1,
      minReadySeconds: spec?.minReadySeconds ?? 0,
      generation: owner.metadata?.generation ?? 0,
      templateLabels: spec?.template?.metadata?.labels,
      deleting: owner.metadata?.deletionTimestamp !== undefined,
      status: owner.status,
      pods,
      siblingsOn: siblingCounter(kind, context, owner),
      expectationsMet: context.expectations.satisfied(key),
      isGoing: (pod) => context.expectations.expectsDeletion(key, pod.metadata?.uid ?? ''),
    },
    nowMs,
  );
  if (plan.remove.length && plan.remove.length < plan.counts.replicas && kind.group === 'apps') {
    const ratios = env.metrics.histogram('replicaset_controller_sorting_deletion_age_ratio', "The ratio of chosen deleted pod's ages to the current youngest pod's age (at the time). Should be <2. The intent of this metric is to measure the rough efficacy of the LogarithmicScaleDown feature gate's effect on the sorting (and deletion) of pods when a replicaset scales down. This only considers Ready pods when calculating and reporting.", [0.25, 0.5, 1, 2, 4, 8]);
    for (const ratio of deletionAgeRatios(pods, plan.remove, nowMs)) ratios.observe(ratio);
  }
  const acts = plan.create > 0 || plan.remove.length > 0;
  const failure = acts ? await manage(kind, context, owner, plan) : undefined;
  // The pods that came and went will bring us back, to tell of them as well: what is told now would be out of date at once.
  if (acts && !failure) return { requeueAfterMs: waitForPodsMs };
  const reason = plan.create > 0 ? 'FailedCreate' : 'FailedDelete';
  const conditions = replicaFailure(owner.status?.conditions, { failure, reason, at: rfc3339(nowMs) });
  await writeStatus(kind, context, owner, { ...plan.counts, ...(conditions?.length ? { conditions } : {}) });
  if (failure) throw failure;
  return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
}

function defineReplicaController<T extends Replicated>(kind: Kind<T>): AnyController {
  return defineController<T, State>({
    name: kind.name,
    account: kind.account,
    queue: kind.queue,
    eventSource: kind.account,
    concurrency: manyWorkers,
    for: kind.resource,
    owns: [Pods],
    *adopters(orphan, context) {
      for (const owner of context.store(kind.resource).byIndex('namespace', orphan.metadata?.namespace ?? '')) {
        if (kind.selectorOf(owner)(orphan.metadata?.labels)) yield keyOf(owner);
      }
    },
    // A reconcile looks at every pod of its owner, so the many changes of a large one are taken together; and all the more where many owners have some.
    coalesceMs(key, context, { asked, perSecond }) {
      if (asked) return 0;
      const uid = context.store(kind.resource).get(key)?.metadata?.uid ?? '';
      return Math.floor(Math.min(250, context.store(Pods).countByIndex(byControllerUid, uid) / 40) + Math.min(250, perSecond / 2));
    },
    setup({ api, env, store }) {
      store(kind.resource).addIndexer(byControllerUid, controllerUidIndexer);
      const fence = createWriteFence(env.clock);
      return { fence, doubts: createDoubts({ api, fence }) };
    },
    reconcile: (key, context) => reconcile(kind, key, context),
  });
}

export const replicaSetController = defineReplicaController<ReplicaSet>({
  name: 'replicaset-controller',
  queue: 'replicaset',
  account: 'replicaset-controller',
  resource: ReplicaSets,
  group: 'apps',
  plural: 'replicasets',
  selectorOf: (object) => labelSelectorMatcher(object.spec?.selector),
});

export const replicationControllerController = defineReplicaController<ReplicationController>({
  name: 'replicationcontroller-controller',
  queue: 'replicationmanager',
  account: 'replication-controller',
  resource: ReplicationControllers,
  group: '',
  plural: 'replicationcontrollers',
  selectorOf: (object) => labelMapMatcher(object.spec?.selector),
});

