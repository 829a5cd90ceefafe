import { ControllerRevisions, DaemonSets, Nodes, Pods } from '@orrery/api';
import type { DaemonSet, DaemonSetStatus, Node, Pod, PodTemplateSpec } from '@orrery/api/types';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { type ControllerContext, type Doubts, type WriteFence, byControllerUid, claimDependents, controllerUidIndexer, createDoubts, createWriteFence, defineController, forEachInParallel, slowStart, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { createPod, deletePod, isNamespaceTerminating, podFromTemplate } from '../pods/pod-control.ts';
import { availableInMs } from '../pods/pod-state.ts';
import { RevisionCollision, claimRevisions, deleteRevisions, planHistory, revisionHashLabel, syncRevision } from '../revisions/revisions.ts';
import { pinnedTo } from './placement.ts';
import { type DaemonPlan, plan } from './plan.ts';

const generationLabel = 'pod-template-generation';

interface State {
  readonly fence: WriteFence;
  readonly doubts: Doubts;
  /** When a node's daemon pod may be replaced again after it ended, and how often it did. */
  readonly backOffs: Map<string, { failures: number; untilMs: number }>;
}

type Context = ControllerContext<State>;

function newDaemonPod(daemonSet: DaemonSet, nodeName: string, hash: string): Pod {
  const template = daemonSet.spec?.template as PodTemplateSpec;
  const pod = podFromTemplate(template, DaemonSets, daemonSet);
  const generation = daemonSet.metadata?.annotations?.['deprecated.daemonset.template.generation'];
  const labels = { ...pod.metadata?.labels, ...(generation ? { [generationLabel]: generation } : {}), [revisionHashLabel]: hash };
  return { ...pod, metadata: { ...pod.metadata, labels }, spec: pinnedTo(pod.spec ?? { containers: [] }, nodeName) };
}

async function apply(context: Context, daemonSet: DaemonSet, planned: DaemonPlan, hash: string): Promise<void> {
  const { expectations } = context;
  const key = keyOf(daemonSet);
  const control = { resource: DaemonSets, owner: daemonSet };
  for (const pod of planned.ended) {
    const failed = pod.status?.phase === 'Failed';
    const what = failed ? 'failed' : 'succeeded';
    const message = `Found ${what} daemon pod ${keyOf(pod)} on node ${pod.spec?.nodeName ?? ''}, will try to ${failed ? 'kill' : 'delete'} it`;
    context.events.event(DaemonSets, daemonSet, { type: failed ? 'Warning' : 'Normal', reason: failed ? 'FailedDaemonPod' : 'SucceededDaemonPod', message });
  }
  expectations.expectCreations(key, planned.create.length);
  expectations.expectDeletions(key, planned.remove.map((pod) => pod.metadata?.uid ?? ''));
  const made = await slowStart(planned.create.length, async (i) => {
    try {
      await createPod(context, control, newDaemonPod(daemonSet, planned.create[i] ?? '', hash));
    } catch (error) {
      context.state.doubts.failed(key, error);
      throw error;
    }
  });
  // In a namespace that ends, expectations stay open: every pod that goes would make us try again, and be refused again.
  if (!isNamespaceTerminating(made.error)) expectations.creationObserved(key, made.remaining);
  await forEachInParallel(planned.remove, async (pod) => {
    try {
      await deletePod(context, control, pod);
    } catch (error) {
      expectations.deletionObserved(key, pod.metadata?.uid ?? '');
      context.state.doubts.failed(key, error);
      if (!isNotFound(error)) throw error;
    }
  });
  if (made.error && !isNamespaceTerminating(made.error)) throw made.error;
}

async function writeStatus(context: Context, daemonSet: DaemonSet, status: DaemonSetStatus): Promise<void> {
  if (!deepEqual(daemonSet.status ?? {}, status)) await context.api.update(DaemonSets, { ...daemonSet, status }, { subresource: 'status' });
}

/** Pods that end again and again are replaced ever more slowly: 1 s, 2 s … up to 15 min. */
function held(context: Context, daemonSet: DaemonSet, planned: DaemonPlan): { planned: DaemonPlan; waitMs: number | undefined } {
  const now = context.env.clock.monotonic();
  let waitMs: number | undefined;
  const wait = (pod: Pod): boolean => {
    const key = `${daemonSet.metadata?.uid ?? ''}/${pod.spec?.nodeName ?? ''}`;
    const known = context.state.backOffs.get(key);
    if (known && now < known.untilMs) {
      waitMs = Math.min(waitMs ?? Number.POSITIVE_INFINITY, known.untilMs - now);
      return true;
    }
    const failures = (known?.failures ?? 0) + 1;
    context.state.backOffs.set(key, { failures, untilMs: now + Math.min(900_000, 1000 * 2 ** (failures - 1)) });
    return false;
  };
  const waiting = new Set(planned.ended.filter((pod) => pod.status?.phase === 'Failed' && wait(pod)));
  const go = (pods: readonly Pod[]): Pod[] => pods.filter((pod) => !waiting.has(pod));
  return { planned: { ...planned, ended: go(planned.ended), remove: go(planned.remove) }, waitMs };
}

async function reconcile(key: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api, env, expectations, state, store } = context;
  const daemonSet = store(DaemonSets).get(key);
  if (!daemonSet) {
    state.fence.forget(key);
    state.doubts.forget(key);
    return expectations.forget(key);
  }
  await state.doubts.settle(key, daemonSet, store(Pods));
  if (!state.fence.passed(key, store(Pods))) return { requeueAfterMs: 500 };
  const { selector, template, revisionHistoryLimit = 10, minReadySeconds = 0 } = daemonSet.spec ?? {};
  if (!Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length) {
    const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
    return context.events.event(DaemonSets, daemonSet, { type: 'Warning', reason: 'SelectingAll', message });
  }
  if (daemonSet.metadata?.deletionTimestamp) return;
  const history = await claimRevisions(context, { resource: DaemonSets, owner: daemonSet, selector });
  let hash: string;
  try {
    const of = { resource: DaemonSets, owner: daemonSet, template: template as PodTemplateSpec, collisionCount: daemonSet.status?.collisionCount, labels: template?.metadata?.labels ?? {} };
    hash = (await syncRevision(context, of, history)).metadata?.labels?.[revisionHashLabel] ?? '';
  } catch (error) {
    if (isNamespaceTerminating(error)) return;
    if (!(error instanceof RevisionCollision)) throw error;
    const collisionCount = (daemonSet.status?.collisionCount ?? 0) + 1;
    return writeStatus(context, daemonSet, { ...(daemonSet.status ?? { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }), collisionCount });
  }
  const pods = await claimDependents({ api, ownerResource: DaemonSets, owner: daemonSet, dependents: store(Pods), matches: labelSelectorMatcher(selector) });
  const nowMs = env.clock.now();
  const full = plan({ daemonSet, nodes: [...store(Nodes).list()], pods, hash, expectationsMet: expectations.satisfied(key) }, nowMs);
  const { planned, waitMs } = held(context, daemonSet, full);
  await apply(context, daemonSet, planned, hash);
  const used = new Set(pods.map((pod) => pod.metadata?.labels?.[revisionHashLabel]));
  const inUse = (label: string | undefined): boolean => label === hash || used.has(label);
  await deleteRevisions(context, planHistory(history, { limit: revisionHistoryLimit, inUse: (revision) => inUse(revision.metadata?.labels?.[revisionHashLabel]) }));
  await writeStatus(context, daemonSet, full.status);
  const soon = pods.map((pod) => availableInMs(pod, minReadySeconds, nowMs)).filter((ms) => ms !== undefined && ms > 0) as number[];
  const waits = [...soon, ...(waitMs === undefined ? [] : [waitMs])];
  return waits.length ? { requeueAfterMs: Math.min(...waits) } : undefined;
}

/** Where daemon pods may run depends on these alone. */
const shown = (node: Node | undefined): unknown => [node?.metadata?.labels, node?.spec?.taints, node?.metadata?.deletionTimestamp];

/** Runs one pod on every fitting node. */
export const daemonSetController = defineController<DaemonSet, State>({
  name: 'daemonset-controller',
  queue: 'daemonset',
  account: 'daemon-set-controller',
  for: DaemonSets,
  owns: [Pods],
  watches: [watch<Node, State>(Nodes, ({ object, old, gone }, context) => (!gone && old && deepEqual(shown(object), shown(old)) ? [] : [...context.store(DaemonSets).keys()]))],
  *adopters(orphan, context) {
    for (const owner of context.store(DaemonSets).byIndex('namespace', orphan.metadata?.namespace ?? '')) {
      if (labelSelectorMatcher(owner.spec?.selector)(orphan.metadata?.labels)) yield keyOf(owner);
    }
  },
  coalesceMs: (_key, context) => Math.min(250, Math.floor(context.store(Nodes).size / 20)),
  setup(context) {
    context.store(ControllerRevisions).addIndexer(byControllerUid, controllerUidIndexer);
    const fence = createWriteFence(context.env.clock);
    return { backOffs: new Map(), fence, doubts: createDoubts({ api: context.api, fence }) };
  },
  reconcile,
});
