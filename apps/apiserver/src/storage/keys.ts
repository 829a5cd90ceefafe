import type { KindDescriptor } from '@orrery/api';

/** `/registry/pods/` and the like: every object of one resource lies under it. */
export function resourcePrefix(root: string, kind: Pick<KindDescriptor, 'storagePrefix'>): string {
  return `${root}/${kind.storagePrefix}/`;
}

/** What follows the prefix: `ns/name`, or `name` of cluster-scoped objects. Also the key within a watch cache. */
export function itemKey(kind: Pick<KindDescriptor, 'namespaced'>, namespace: string, name: string): string {
  return kind.namespaced ? `${namespace}/${name}` : name;
}

/** The first key after all keys with this prefix, as etcd wants range ends. */
export function prefixEnd(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}
