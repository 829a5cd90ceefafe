import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ObjectKey } from './api-client.ts';

/** `namespace/name`, or `name` alone for what has no namespace: the key of informers and work queues. */
export function keyOf(object: KubeObject): string {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace ? `${namespace}/${name}` : name;
}

export function formatKey(key: ObjectKey): string {
  return key.namespace ? `${key.namespace}/${key.name}` : key.name;
}

/** The inverse of `formatKey`. */
export function parseKey(key: string): ObjectKey {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `apps/v1/deployments`, or `v1/pods` for the core group. */
export function resourceKey(resource: ResourceRef): string {
  return resource.group ? `${resource.group}/${resource.version}/${resource.resource}` : `${resource.version}/${resource.resource}`;
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(resource: ResourceRef): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version;
}
