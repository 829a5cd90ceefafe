import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient, Informer, Labels, Matcher } from '@orrery/client';
import { StatusError, isNotFound } from '@orrery/errors';
import { byControllerUid, controllerOf, newControllerRef, orphansOf } from './owners.ts';

export interface Claims<D> {
  /** Ours and matching. */
  readonly owned: D[];
  /** Matching and nobody's. */
  readonly adopt: D[];
  /** Ours but no longer matching. */
  readonly release: D[];
}

/** Which of the candidates belong to an owner, by upstream's ControllerRefManager: what is being deleted is neither adopted nor released. */
export function planClaims<D extends KubeObject>(owner: KubeObject, matches: Matcher<Labels | undefined>, candidates: Iterable<D>): Claims<D> {
  const claims: Claims<D> = { owned: [], adopt: [], release: [] };
  const { uid, namespace, deletionTimestamp } = owner.metadata ?? {};
  for (const candidate of candidates) {
    const ref = controllerOf(candidate);
    const meta = candidate.metadata ?? {};
    if (ref) {
      if (ref.uid !== uid) continue;
      if (matches(meta.labels)) claims.owned.push(candidate);
      else if (!deletionTimestamp && !meta.deletionTimestamp) claims.release.push(candidate);
    } else if (!deletionTimestamp && !meta.deletionTimestamp && meta.namespace === namespace && matches(meta.labels)) claims.adopt.push(candidate);
  }
  return claims;
}

export interface ClaimOptions<D extends KubeObject> {
  readonly api: ApiClient;
  readonly ownerResource: ResourceRef;
  readonly owner: KubeObject;
  /** Needs the index `byControllerUid`. */
  readonly dependents: Informer<D>;
  readonly matches: Matcher<Labels | undefined>;
  /** Finalizers given to what is adopted, and taken from what is released. */
  readonly finalizers?: readonly string[];
}

function gone(error: unknown): undefined {
  if (isNotFound(error) || (error instanceof StatusError && error.code === 422)) return undefined;
  throw error;
}

/** Adopts and releases as planned and returns what the owner has afterwards. Asks the server that the owner still lives before it adopts. */
export async function claimDependents<D extends KubeObject>(options: ClaimOptions<D>): Promise<D[]> {
  const { api, ownerResource, owner, dependents, matches, finalizers = [] } = options;
  const { namespace = '', name = '', uid = '' } = owner.metadata ?? {};
  const mine = planClaims(owner, matches, dependents.byIndex(byControllerUid, uid));
  const { adopt } = planClaims(owner, matches, dependents.byIndex(byControllerUid, orphansOf(namespace)));
  if (!adopt.length && !mine.release.length) return mine.owned;
  const key = (object: D) => ({ namespace, name: object.metadata?.name ?? '' });
  const type = 'application/strategic-merge-patch+json';
  const released = mine.release.map((object) => {
    const ours = finalizers.length ? { '$deleteFromPrimitiveList/finalizers': finalizers } : {};
    const patch = { metadata: { uid: object.metadata?.uid, ownerReferences: [{ $patch: 'delete', uid }], ...ours } };
    return api.patch(dependents.resource, key(object), patch, { type }).catch(gone);
  });
  if (adopt.length) {
    const fresh = await api.get(ownerResource, { namespace, name });
    if (fresh.metadata?.uid !== uid || fresh.metadata.deletionTimestamp) adopt.length = 0;
  }
  const adopted = adopt.map((object) => {
    const ownerReferences = [newControllerRef(ownerResource, owner)];
    const patch = { metadata: { uid: object.metadata?.uid, ownerReferences, ...(finalizers.length ? { finalizers } : {}) } };
    return api.patch(dependents.resource, key(object), patch, { type }).catch(gone);
  });
  await Promise.all(released);
  const joined = (await Promise.all(adopted)).filter((object): object is Awaited<D> & D => object !== undefined);
  return [...mine.owned, ...joined];
}
