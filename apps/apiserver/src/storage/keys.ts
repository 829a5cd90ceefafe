import { type KindDescriptor, allKinds } from '@orrery/api';

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

/** Whose objects lie under a key. */
export interface StoredResource {
  readonly group: string;
  readonly resource: string;
}

/**
 * Tells the resource of keys such as `/registry/services/specs/default/web`; undefined for keys that hold no objects.
 * Built-in resources are known by their prefix, custom ones lie under their group.
 */
export function resourceLocator(root: string): (key: string) => StoredResource | undefined {
  const known = new Map<string, StoredResource | undefined>();
  for (const { storagePrefix, group, resource, storedAs } of allKinds) if (!storedAs) known.set(storagePrefix, { group, resource });
  const from = root.length + 1;
  const segment = (key: string, start: number): number => {
    const end = key.indexOf('/', start);
    return end < 0 ? key.length : end;
  };
  return (key) => {
    const first = segment(key, from);
    const name = key.slice(from, first);
    const single = known.get(name);
    if (single) return single;
    const second = segment(key, first + 1);
    const prefix = key.slice(from, second);
    if (known.has(prefix)) return known.get(prefix);
    const resource = name.includes('.') ? { group: name, resource: key.slice(first + 1, second) } : undefined;
    if (resource) known.set(prefix, resource);
    return resource;
  };
}
