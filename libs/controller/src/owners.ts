import type { KubeObject, OwnerReference, ResourceRef } from '@orrery/apimachinery';
import { type Indexer, apiVersionOf } from '@orrery/client';

/** The reference to the object that manages this one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  const references = object.metadata?.ownerReferences;
  if (references) for (let i = 0; i < references.length; i++) if (references[i]?.controller === true) return references[i];
  return undefined;
}

/** The reference a dependent of `owner` carries. */
export function newControllerRef(resource: ResourceRef, owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = owner.metadata ?? {};
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Does the reference name an object of this resource (at any version of its group)? */
export function refersTo(ref: OwnerReference, resource: ResourceRef): boolean {
  if (ref.kind !== resource.kind) return false;
  const { apiVersion } = ref;
  const { group } = resource;
  return group === '' ? !apiVersion.includes('/') : apiVersion.length > group.length && apiVersion[group.length] === '/' && apiVersion.startsWith(group);
}

/** Name of the index of dependents by the UID of their controller. */
export const byControllerUid = 'controllerUid';

/** What has no controller is found under `orphan:<namespace>`. */
export const controllerUidIndexer: Indexer<KubeObject> = (object) => controllerOf(object)?.uid ?? orphansOf(object.metadata?.namespace ?? '');

export function orphansOf(namespace: string): string {
  return `orphan:${namespace}`;
}
