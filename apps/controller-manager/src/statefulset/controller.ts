import { ControllerRevisions, PersistentVolumeClaims, Pods, StatefulSets } from '@orrery/api';
import type { ControllerRevision, Pod, PodTemplateSpec, StatefulSet, StatefulSetStatus } from '@orrery/api/types';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { type AnyController, type ControllerContext, type WriteFence, byControllerUid, claimDependents, controllerUidIndexer, createWriteFence, defineController } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { availableInMs } from '../pods/pod-state.ts';
import { RevisionCollision, byRevision, claimRevisions, deleteRevisions, planHistory, syncRevision, templateOf } from '../revisions/revisions.ts';
import { isStaleClaim, ownersOfClaim } from './claim-owners.ts';
import { claimsFor, isInRange, newSetPod, ordinalOf, podName, revisionOfPod } from './identity.ts';
import { tellUnavailable } from './metrics.ts';
import { type SetAction, plan } from './plan.ts';

export interface SetOptions {
  /** Whether sets may have several pods away while they are updated: the gate MaxUnavailableStatefulSet, which is off by default. */
  readonly hasMaxUnavailable: boolean;
}

interface State extends SetOptions {
  readonly fence: WriteFence;
}

type Context = ControllerContext<State>;

function tell(context: Context, set: StatefulSet, verb: string, subject: string, error?: Error): void {
  const reason = `${error ? 'Failed' : 'Successful'}${verb.charAt(0).toUpperCase()}${verb.slice(1)}`;
  const { name = '' } = set.metadata ?? {};
  const message = `${verb} ${subject.replace('{set}', `in StatefulSet ${name}`)} ${error ? `failed error: ${error.message}` : subject.startsWith('Claim') ? 'success' : 'successful'}`;
  context.events.event(StatefulSets, set, { type: error ? 'Warning' : 'Normal', reason, message });
}

/** A claim of the pod is about to go with the pod before it: nothing can be made until it has. */
class StaleClaim extends Error {}

/** Makes the claims of an ordinal that are missing. */
async function ensureClaims(context: Context, set: StatefulSet, ordinal: number): Promise<void> {
  for (const claim of claimsFor(set, ordinal)) {
    const { namespace = '', name = '' } = claim.metadata ?? {};
    const known = context.store(PersistentVolumeClaims).get(`${namespace}/${name}`);
    if (known && isStaleClaim(known, set, podName(set, ordinal))) throw new StaleClaim(name);
    if (known?.metadata?.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`);
    if (known) continue;
    const subject = `Claim ${name} Pod ${podName(set, ordinal)} {set}`;
    try {
      await context.api.create(PersistentVolumeClaims, claim);
      tell(context, set, 'create', subject);
    } catch (error) {
      if (isAlreadyExists(error)) continue;
      tell(context, set, 'create', subject.replace(' Pod ', ' for Pod '), error as Error);
      if (isNamespaceTerminating(error)) throw error;
      throw new Error(`failed to create PVC ${name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Gives the claims of pods to whom they are to go with. */
async function ownClaims(context: Context, set: StatefulSet, pods: readonly Pod[]): Promise<void> {
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal === undefined || !pod.metadata?.uid) continue;
    let changed = false;
    const starts = pod.status?.phase === 'Pending';
    for (const { metadata = {} } of claimsFor(set, ordinal)) {
      const name = metadata.name ?? '';
      const claim = context.store(PersistentVolumeClaims).get(`${metadata.namespace ?? ''}/${name}`);
      if (!claim) continue;
      const { conflict, references } = ownersOfClaim(claim, set, pod);
      // Told as upstream tells it, misspelling and all: while the pod starts, and when references of ours are taken back.
      const message = `PersistentVolumeClaim ${name} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
      if (conflict && (starts || references)) context.events.event(StatefulSets, set, { type: 'Warning', reason: 'ConflictingController', message });
      if (!references) continue;
      await context.api.update(PersistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, ownerReferences: references } });
      changed = true;
    }
    if (changed && !starts && isInRange(set, ordinal)) tell(context, set, 'update', `Pod ${pod.metadata.name ?? ''} {set}`);
  }
}

async function act(context: Context, set: StatefulSet, action: SetAction, templates: ReadonlyMap<string, PodTemplateSpec>): Promise<void> {
  const key = keyOf(set);
  const { api, state } = context;
  if (action.type === 'restore') {
    state.fence.wrote(key, await api.update(Pods, action.pod));
    return tell(context, set, 'update', `Pod ${action.pod.metadata?.name ?? ''} {set}`);
  }
  if (action.type === 'claims') return ensureClaims(context, set, action.ordinal);
  const name = action.type === 'create' ? podName(set, action.ordinal) : (action.pod.metadata?.name ?? '');
  const verb = action.type;
  try {
    if (action.type === 'create') {
      await ensureClaims(context, set, action.ordinal);
      const template = templates.get(action.revision) ?? (set.spec?.template as PodTemplateSpec);
      state.fence.wrote(key, await api.create(Pods, newSetPod(set, action.ordinal, { revision: action.revision, template })));
    } else {
      const { namespace = '', uid } = action.pod.metadata ?? {};
      await api.delete(Pods, { namespace, name }, uid ? { preconditions: { uid } } : {});
      state.fence.deleted(key, action.pod);
    }
    tell(context, set, verb, `Pod ${name} {set}`);
  } catch (error) {
    if (!(error instanceof StaleClaim) && !isNotFound(error) && !isAlreadyExists(error) && !isNamespaceTerminating(error)) tell(context, set, verb, `Pod ${name} {set}`, error as Error);
    throw error;
  }
}

async function writeStatus(context: Context, set: StatefulSet, status: StatefulSetStatus): Promise<void> {
  if (!deepEqual(set.status ?? {}, status)) await context.api.update(StatefulSets, { ...set, status }, { subresource: 'status' });
}

async function currentRevision(context: Context, set: StatefulSet, history: readonly ControllerRevision[]): Promise<ControllerRevision | number> {
  const template = set.spec?.template as PodTemplateSpec;
  try {
    const of = { resource: StatefulSets, owner: set, template, collisionCount: set.status?.collisionCount, labels: template.metadata?.labels ?? {} };
    return await syncRevision(context, of, history);
  } catch (error) {
    if (error instanceof RevisionCollision) return (set.status?.collisionCount ?? 0) + 1;
    throw error;
  }
}

async function reconcile(key: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { api, env, state, store } = context;
  const set = store(StatefulSets).get(key);
  if (!set) return state.fence.forget(key);
  if (!state.fence.passed(key, store(Pods))) return { requeueAfterMs: 500 };
  const pods = await claimDependents({ api, ownerResource: StatefulSets, owner: set, dependents: store(Pods), matches: labelSelectorMatcher(set.spec?.selector) });
  if (set.metadata?.deletionTimestamp) return;
  const history = (await claimRevisions(context, { resource: StatefulSets, owner: set, selector: set.spec?.selector })).sort(byRevision);
  try {
    const update = await currentRevision(context, set, history);
    if (typeof update === 'number') return await writeStatus(context, set, { ...(set.status ?? { replicas: 0 }), collisionCount: update });
    const updateName = update.metadata?.name ?? '';
    const known = history.find((revision) => revision.metadata?.name === set.status?.currentRevision);
    const currentName = known?.metadata?.name ?? updateName;
    const templates = new Map([...history, update].flatMap((revision): [string, PodTemplateSpec][] => {
      const template = templateOf(revision);
      return template ? [[revision.metadata?.name ?? '', template]] : [];
    }));
    const nowMs = env.clock.now();
    const planned = plan({ set, pods, currentRevision: currentName, updateRevision: updateName, collisionCount: set.status?.collisionCount, hasMaxUnavailable: state.hasMaxUnavailable }, nowMs);
    await writeStatus(context, set, planned.status);
    if (set.spec?.volumeClaimTemplates?.length) await ownClaims(context, set, pods);
    for (const action of planned.actions) await act(context, set, action, templates);
    const used = new Set([...pods.map(revisionOfPod), currentName, updateName]);
    const { revisionHistoryLimit = 10, minReadySeconds = 0 } = set.spec ?? {};
    await deleteRevisions(context, planHistory(history, { limit: revisionHistoryLimit, inUse: (revision) => used.has(revision.metadata?.name ?? '') }));
    const waits = pods.map((pod) => availableInMs(pod, minReadySeconds, nowMs)).filter((ms) => ms !== undefined && ms > 0) as number[];
    return waits.length ? { requeueAfterMs: Math.min(...waits) } : undefined;
  } catch (error) {
    if (error instanceof StaleClaim) return { requeueAfterMs: 1000 };
    if (!isNamespaceTerminating(error)) throw error;
  }
}

/** Runs pods with an identity and storage of their own. */
export const statefulSetController = ({ hasMaxUnavailable }: SetOptions): AnyController => defineController<StatefulSet, State>({
  name: 'statefulset-controller',
  queue: 'statefulset',
  for: StatefulSets,
  owns: [Pods],
  *adopters(orphan, context) {
    for (const owner of context.store(StatefulSets).byIndex('namespace', orphan.metadata?.namespace ?? '')) {
      if (labelSelectorMatcher(owner.spec?.selector)(orphan.metadata?.labels)) yield keyOf(owner);
    }
  },
  setup(context) {
    context.store(ControllerRevisions).addIndexer(byControllerUid, controllerUidIndexer);
    context.store(PersistentVolumeClaims);
    if (hasMaxUnavailable) tellUnavailable(context);
    return { hasMaxUnavailable, fence: createWriteFence(context.env.clock) };
  },
  reconcile,
});
