import type { KubeObject, OwnerReference, ResourceRef } from '@orrery/apimachinery';
import { type Indexer, apiVersionOf } from '@orrery/client';

/** The reference to the object that manages this one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((ref) => ref.controller === true);
}

/** The reference a dependent of `owner` carries. */
export function newControllerRef(resource: ResourceRef, owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = owner.metadata ?? {};
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Does the reference name an object of this resource (at any version of its group)? */
export function refersTo(ref: OwnerReference, resource: ResourceRef): boolean {
  const slash = ref.apiVersion.indexOf('/');
  return ref.kind === resource.kind && (slash < 0 ? '' : ref.apiVersion.slice(0, slash)) === resource.group;
}

/** Name of the index of dependents by the UID of their controller. */
export const byControllerUid = 'controllerUid';

/** What has no controller is found under `orphan:<namespace>`. */
export const controllerUidIndexer: Indexer<KubeObject> = (object) => [controllerOf(object)?.uid ?? orphansOf(object.metadata?.namespace ?? '')];

export function orphansOf(namespace: string): string {
  return `orphan:${namespace}`;
}
