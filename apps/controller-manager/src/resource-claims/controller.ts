import { Pods, ResourceClaimTemplates, ResourceClaims } from '@orrery/api';
import type { Pod, ResourceClaim, ResourceClaimConsumerReference } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type ControllerContext, byControllerUid, controllerOf, controllerUidIndexer, defineController, refersTo, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { claimCreations, hasAdminAccess, tellClaims } from './metrics.ts';
import { claimFinalizer, claimFromTemplate, claimNameOf, isDone, isOwnedBy, planClaim, podClaimAnnotation, reservationFor } from './plan.ts';

type PodClaim = NonNullable<NonNullable<Pod['spec']>['resourceClaims']>[number];

const podPrefix = 'pod:';
const claimPrefix = 'claim:';
/** Pods by the claims they use, as `namespace/name`. */
const byClaim = 'resourceClaim';

/** The claim that an entry of a pod stands for: the one noted, or one made for it before that was noted; else a new one. */
async function ensureClaim(context: ControllerContext, pod: Pod, entry: PodClaim): Promise<string | undefined> {
  const { api, env, store } = context;
  const namespace = pod.metadata?.namespace ?? '';
  const noted = claimNameOf(pod, entry);
  if (noted === null || !entry.resourceClaimTemplateName) return undefined;
  const known = noted === undefined ? undefined : store(ResourceClaims).get(`${namespace}/${noted}`);
  if (known && isOwnedBy(pod, known)) return undefined;
  for (const claim of store(ResourceClaims).byIndex(byControllerUid, pod.metadata?.uid ?? '')) {
    if (claim.metadata?.annotations?.[podClaimAnnotation] === entry.name && !claim.metadata.deletionTimestamp) return claim.metadata.name;
  }
  // The cache may be behind what an earlier attempt has made.
  for (const claim of (await api.list(ResourceClaims, { namespace })).items) {
    if (isOwnedBy(pod, claim) && claim.metadata?.annotations?.[podClaimAnnotation] === entry.name && !claim.metadata.deletionTimestamp) return claim.metadata.name;
  }
  const template = store(ResourceClaimTemplates).get(`${namespace}/${entry.resourceClaimTemplateName}`);
  if (!template) throw new Error(`resource claim template "${entry.resourceClaimTemplateName}": resourceclaimtemplate.resource.k8s.io "${entry.resourceClaimTemplateName}" not found`);
  const claim = claimFromTemplate(pod, entry, template);
  const told = (status: string): void => claimCreations(env.metrics).inc({ status, admin_access: String(hasAdminAccess(claim)) });
  try {
    const made = await api.create(ResourceClaims, claim);
    told('success');
    return made.metadata?.name;
  } catch (error) {
    told('failure');
    throw error;
  }
}

async function reserve(context: ControllerContext, pod: Pod): Promise<void> {
  for (const entry of pod.spec?.resourceClaims ?? []) {
    const name = claimNameOf(pod, entry);
    const claim = name ? context.store(ResourceClaims).get(`${pod.metadata?.namespace ?? ''}/${name}`) : undefined;
    if (!claim || (entry.resourceClaimTemplateName && !isOwnedBy(pod, claim))) continue;
    const entryOfPod = reservationFor(pod, claim);
    if (!entryOfPod) continue;
    const status = { ...claim.status, reservedFor: [...(claim.status?.reservedFor ?? []), entryOfPod] };
    await context.api.update(ResourceClaims, { ...claim, status }, { subresource: 'status' });
  }
}

async function syncPod(key: string, context: ControllerContext): Promise<void> {
  const pod = context.store(Pods).get(key);
  if (!pod || pod.metadata?.deletionTimestamp || isDone(pod)) return;
  const { namespace = '', name = '' } = pod.metadata ?? {};
  const made = new Map<string, string>();
  for (const entry of pod.spec?.resourceClaims ?? []) {
    try {
      const claim = await ensureClaim(context, pod, entry);
      if (claim) made.set(entry.name, claim);
    } catch (error) {
      const message = `PodResourceClaim ${entry.name}: ${(error as Error).message}`;
      context.events.event(Pods, pod, { type: 'Warning', reason: 'FailedResourceClaimCreation', message });
      throw new Error(`pod ${key}, ${message}`, { cause: error });
    }
  }
  if (made.size) {
    const resourceClaimStatuses = [...made].map(([entry, claim]) => ({ name: entry, resourceClaimName: claim }));
    const patch = { metadata: { uid: pod.metadata?.uid }, status: { resourceClaimStatuses } };
    await context.api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
  }
  // A pod without a node is the scheduler's, which reserves for it.
  if (pod.spec?.nodeName) await reserve(context, pod);
}

/** Is the consumer still there to use the claim? What the cache does not know is asked for: the scheduler may be ahead of it. */
async function isValid(context: ControllerContext, namespace: string, ref: ResourceClaimConsumerReference): Promise<boolean> {
  if (ref.apiGroup || ref.resource !== 'pods') return true;
  const known = context.store(Pods).get(`${namespace}/${ref.name}`);
  if (known) return known.metadata?.uid === ref.uid && !isDone(known);
  try {
    const live = await context.api.get(Pods, { namespace, name: ref.name });
    return live.metadata?.uid === ref.uid && !isDone(live);
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function syncClaim(key: string, context: ControllerContext): Promise<void> {
  const { api, store } = context;
  let claim: ResourceClaim | undefined = store(ResourceClaims).get(key);
  if (!claim) return;
  const { namespace = '', name = '' } = claim.metadata ?? {};
  const valid: ResourceClaimConsumerReference[] = [];
  for (const ref of claim.status?.reservedFor ?? []) if (await isValid(context, namespace, ref)) valid.push(ref);
  const owner = controllerOf(claim);
  const ownerPod = owner && refersTo(owner, Pods) ? store(Pods).get(`${namespace}/${owner.name}`) : undefined;
  const planned = planClaim(claim, { valid, ownerPod });
  try {
    if (planned.status) claim = await api.update(ResourceClaims, { ...claim, status: planned.status }, { subresource: 'status' });
    if (planned.removeFinalizer) {
      const finalizers = (claim.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== claimFinalizer);
      await api.update(ResourceClaims, { ...claim, metadata: { ...claim.metadata, finalizers } });
    }
    const { uid } = claim.metadata ?? {};
    if (planned.delete) await api.delete(ResourceClaims, { namespace, name }, uid ? { preconditions: { uid } } : {});
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

const none: readonly string[] = [];
const usesClaims = ({ spec, status }: Pod): boolean => Boolean(spec?.resourceClaims?.length || status?.extendedResourceClaimStatus);

function* claimKeys(pod: Pod): Iterable<string> {
  for (const entry of pod.spec?.resourceClaims ?? []) {
    const name = claimNameOf(pod, entry);
    if (name) yield `${pod.metadata?.namespace ?? ''}/${name}`;
  }
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  if (extended) yield `${pod.metadata?.namespace ?? ''}/${extended}`;
}

/** Makes the claims that pods want from templates, reserves allocated ones for pods that were bound without a scheduler, and ends reservations and allocations with their pods. */
export const resourceClaimController = defineController({
  name: 'resourceclaim-controller',
  queue: 'resource_claim',
  account: 'resource-claim-controller',
  eventSource: 'resource_claim',
  concurrency: 10,
  watches: [
    watch(Pods, ({ object, gone }, context) => {
      if (!usesClaims(object)) return none;
      if (!gone && !isDone(object)) return [podPrefix + keyOf(object)];
      const owned = [...context.store(ResourceClaims).byIndex(byControllerUid, object.metadata?.uid ?? '')].map(keyOf);
      return [...claimKeys(object), ...owned].map((key) => claimPrefix + key);
    }),
    watch(ResourceClaims, function* ({ object, gone }, context) {
      if (!gone) yield claimPrefix + keyOf(object);
      for (const pod of context.store(Pods).byIndex(byClaim, keyOf(object))) yield podPrefix + keyOf(pod);
    }),
    watch(ResourceClaimTemplates, function* ({ object, old, gone }, context) {
      if (gone || old) return;
      for (const pod of context.store(Pods).byIndex('namespace', object.metadata?.namespace ?? '')) {
        if (pod.spec?.resourceClaims?.some((entry) => entry.resourceClaimTemplateName === object.metadata?.name)) yield podPrefix + keyOf(pod);
      }
    }),
  ],
  setup(context): undefined {
    context.store(ResourceClaims).addIndexer(byControllerUid, controllerUidIndexer);
    context.store(Pods).addIndexer(byClaim, (pod) => (usesClaims(pod) ? [...claimKeys(pod)] : none));
    tellClaims(context);
  },
  reconcile: (key, context) => (key.startsWith(podPrefix) ? syncPod(key.slice(podPrefix.length), context) : syncClaim(key.slice(claimPrefix.length), context)),
});
