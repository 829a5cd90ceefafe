import { Deployments, Pods, ReplicaSets } from '@orrery/api';
import type { Deployment, DeploymentStatus, Pod, ReplicaSet } from '@orrery/api/types';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { type ControllerContext, type Doubts, type WriteFence, byControllerUid, claimDependents, controllerOf, controllerUidIndexer, createDoubts, createWriteFence, defineController, newControllerRef, watch } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { manyWorkers } from '../concurrency.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { type DeploymentAction, type DeploymentPlan, plan } from './plan.ts';
import { revisionAnnotation, specReplicas, templateKey } from './replica-sets.ts';
import { newCondition, setCondition } from './status.ts';

interface State {
  /** Of ReplicaSets: none is resized by a cache that does not show the last resize. */
  readonly fence: WriteFence;
  readonly doubts: Doubts;
  /** Deployments whose status waits for the next reconcile. */
  readonly untold: Set<string>;
}

type Context = ControllerContext<State>;

/** How soon to look whether the cache has caught up. */
const waitForCacheMs = 500;

class CreateFailed extends Error {
  readonly status: DeploymentStatus;

  constructor(cause: Error, status: DeploymentStatus) {
    super(cause.message, { cause });
    this.status = status;
  }
}

function scaled(context: Context, deployment: Deployment, change: { name: string; from: number; to: number }): void {
  const direction = change.to > change.from ? 'up' : 'down';
  const message = `Scaled ${direction} replica set ${change.name} from ${change.from} to ${change.to}`;
  context.events.event(Deployments, deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
}

/** Creates the new ReplicaSet. A name taken by something else raises collisionCount, and the next reconcile tries another name. */
async function createReplicaSet(context: Context, deployment: Deployment, set: ReplicaSet): Promise<void> {
  const { name = '', namespace = '' } = set.metadata ?? {};
  try {
    const made = await context.api.create(ReplicaSets, { ...set, metadata: { ...set.metadata, ownerReferences: [newControllerRef(Deployments, deployment)] } });
    context.state.fence.wrote(keyOf(deployment), made);
    if (specReplicas(set) > 0) scaled(context, deployment, { name, from: 0, to: specReplicas(set) });
  } catch (error) {
    const status = deployment.status ?? {};
    if (isAlreadyExists(error)) {
      const taken = await context.api.get(ReplicaSets, { namespace, name });
      if (controllerOf(taken)?.uid === deployment.metadata?.uid && templateKey(taken.spec?.template) === templateKey(deployment.spec?.template)) return;
      throw new CreateFailed(error, { ...status, collisionCount: (status.collisionCount ?? 0) + 1 });
    }
    if (isNamespaceTerminating(error)) throw error;
    const message = `Failed to create new replica set "${name}": ${(error as Error).message}`;
    context.events.event(Deployments, deployment, { type: 'Warning', reason: 'ReplicaSetCreateError', message });
    const condition = newCondition('Progressing', 'False', { reason: 'ReplicaSetCreateError', message, nowMs: context.env.clock.now() });
    throw new CreateFailed(error as Error, deployment.spec?.progressDeadlineSeconds === undefined ? status : setCondition(status, condition));
  }
}

async function act(context: Context, deployment: Deployment, action: DeploymentAction): Promise<void> {
  switch (action.type) {
    case 'createReplicaSet':
      return createReplicaSet(context, deployment, action.set);
    case 'updateReplicaSet': {
      const updated = await context.api.update(ReplicaSets, action.set);
      context.state.fence.wrote(keyOf(deployment), updated);
      const to = specReplicas(action.set);
      if (to !== action.from) scaled(context, deployment, { name: updated.metadata?.name ?? '', from: action.from, to });
      return;
    }
    case 'deleteReplicaSet': {
      const { namespace = '', name = '', uid } = action.set.metadata ?? {};
      await context.api.delete(ReplicaSets, { namespace, name }, uid ? { preconditions: { uid } } : {}).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  }
}

/** A write to the status takes annotations along, as upstream's does. */
async function writeStatus(context: Context, deployment: Deployment, { status, revision }: Pick<DeploymentPlan, 'status'> & Partial<DeploymentPlan>): Promise<void> {
  if (revision === undefined && deepEqual(deployment.status ?? {}, status)) return;
  const { metadata } = deployment;
  const noted = revision === undefined ? metadata : { ...metadata, annotations: { ...metadata?.annotations, [revisionAnnotation]: revision } };
  await context.api.update(Deployments, { ...deployment, ...(noted ? { metadata: noted } : {}), status }, { subresource: 'status' });
}

/**
 * Whether the status may wait for the next reconcile, which the ReplicaSets that were just resized will bring about: it can tell of what came of it as
 * well. Never twice in a row, nor when the status has something to tell that the next reconcile would not know.
 */
function mayWait(deployment: Deployment, { actions, revision }: DeploymentPlan): boolean {
  const isKnown = revision === undefined && deployment.status?.observedGeneration === deployment.metadata?.generation;
  return isKnown && actions.length > 0 && actions.every(({ type }) => type === 'updateReplicaSet');
}

async function reconcile(key: string, context: Context): Promise<{ requeueAfterMs?: number } | void> {
  const { doubts, fence, untold } = context.state;
  const deployment = context.store(Deployments).get(key);
  if (!deployment) {
    fence.forget(key);
    untold.delete(key);
    return doubts.forget(key);
  }
  await doubts.settle(key, deployment, context.store(ReplicaSets));
  if (!fence.passed(key, context.store(ReplicaSets))) return { requeueAfterMs: waitForCacheMs };
  const { selector } = deployment.spec ?? {};
  if (!Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length) {
    const message = 'This deployment is selecting all pods. A non-empty selector is required.';
    context.events.event(Deployments, deployment, { type: 'Warning', reason: 'SelectingAll', message });
    return writeStatus(context, deployment, { status: { ...deployment.status, observedGeneration: deployment.metadata?.generation ?? 0 } });
  }
  const replicaSets = await claimDependents({
    api: context.api,
    ownerResource: Deployments,
    owner: deployment,
    dependents: context.store(ReplicaSets),
    matches: labelSelectorMatcher(selector),
  });
  const pods = context.store(Pods);
  const planned = plan({ deployment, replicaSets, podsOf: (set) => pods.byIndex(byControllerUid, set.metadata?.uid ?? '') }, context.env.clock.now());
  try {
    for (const action of planned.actions) await act(context, deployment, action);
  } catch (error) {
    doubts.failed(key, error instanceof CreateFailed ? error.cause : error);
    if (isNamespaceTerminating(error)) return;
    if (error instanceof CreateFailed) await writeStatus(context, deployment, error);
    throw error;
  }
  if (!untold.delete(key) && mayWait(deployment, planned)) untold.add(key);
  else await writeStatus(context, deployment, planned);
  return planned.requeueAfterMs === undefined ? undefined : { requeueAfterMs: planned.requeueAfterMs };
}

const none: readonly string[] = [];

export const deploymentController = defineController<Deployment, State>({
  name: 'deployment-controller',
  queue: 'deployment',
  concurrency: manyWorkers,
  for: Deployments,
  owns: [ReplicaSets],
  watches: [
    // A Recreate rollout waits for the last old pod to go.
    watch<Pod, State>(Pods, ({ object, gone }, context) => {
      if (!gone) return none;
      const ref = controllerOf(object);
      const set = ref?.kind === 'ReplicaSet' ? context.store(ReplicaSets).get(`${object.metadata?.namespace ?? ''}/${ref.name}`) : undefined;
      const parent = set ? controllerOf(set) : undefined;
      const key = `${object.metadata?.namespace ?? ''}/${parent?.name ?? ''}`;
      return parent && context.store(Deployments).get(key)?.spec?.strategy?.type === 'Recreate' ? [key] : none;
    }),
  ],
  // While many roll out at once each would take its ReplicaSets' news one by one, and write as often.
  coalesceMs: (_key, _context, { asked, perSecond }) => (asked ? 0 : Math.floor(Math.min(500, perSecond))),
  setup(context) {
    context.store(Pods).addIndexer(byControllerUid, controllerUidIndexer);
    const fence = createWriteFence(context.env.clock);
    return { fence, doubts: createDoubts({ api: context.api, fence }), untold: new Set() };
  },
  *adopters(orphan, context) {
    for (const owner of context.store(Deployments).byIndex('namespace', orphan.metadata?.namespace ?? '')) {
      if (labelSelectorMatcher(owner.spec?.selector)(orphan.metadata?.labels)) yield keyOf(owner);
    }
  },
  reconcile,
});
