import type { KubeObject, ObjectMeta, OwnerReference } from './object.ts';

/** The reference to the managing controller, if there is one. */
export function controllerOf(object: { readonly metadata?: ObjectMeta }): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
}

/** Is the object managed by the controller object with this uid? */
export function isControlledBy(object: { readonly metadata?: ObjectMeta }, owner: { readonly metadata?: ObjectMeta }): boolean {
  const uid = controllerOf(object)?.uid;
  return uid !== undefined && uid === owner.metadata?.uid;
}

export function isOwnedBy(object: { readonly metadata?: ObjectMeta }, uid: string): boolean {
  return object.metadata?.ownerReferences?.some((reference) => reference.uid === uid) ?? false;
}

/** A controller reference as upstream's NewControllerRef makes it: it blocks the owner's foreground deletion. */
export function controllerReference(owner: KubeObject, kind: { readonly apiVersion: string; readonly kind: string }): OwnerReference {
  return {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** `apps/v1` is group apps, version v1; `v1` is the core group. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

export function formatApiVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}
