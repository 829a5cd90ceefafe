import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ResourceCache } from './cache/resource-cache.ts';
import type { StoreFeed } from './cache/store-feed.ts';
import type { ObjectReader } from './pipeline/plugin-set.ts';
import type { Kinds } from './registry/kinds.ts';
import { itemKey } from './storage/keys.ts';

/** Reads for plug-ins, straight from the watch caches. */
export function objectReader(feed: StoreFeed, kinds: Kinds): ObjectReader {
  const kindOf = (ref: ResourceRef) => {
    const kind = kinds.kept(ref.group, ref.version, ref.resource);
    if (!kind) throw new Error(`unknown resource ${ref.resource}.${ref.group}/${ref.version}`);
    return kind;
  };
  const cacheOf = (ref: ResourceRef): ResourceCache => feed.cache(kindOf(ref));
  return {
    get<T extends KubeObject>(ref: ResourceRef<T>, key: { namespace?: string; name: string }): T | undefined {
      const kind = kindOf(ref);
      return feed.cache(kind).get(itemKey(kind, key.namespace ?? '', key.name))?.view(kind).object as T | undefined;
    },
    list<T extends KubeObject>(ref: ResourceRef<T>, namespace = ''): readonly T[] {
      const kind = kindOf(ref);
      return cacheOf(ref)
        .list({ namespace: kind.namespaced ? namespace : '' })
        .map((entry) => entry.view(kind).object as T);
    },
    onChange(ref, listener) {
      const kind = kindOf(ref);
      return cacheOf(ref).listen((change) => {
        listener({ object: change.current?.view(kind).object, old: change.previous?.view(kind).object });
      });
    },
  };
}
