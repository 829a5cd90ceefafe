import { parseResourceVersion } from '@orrery/apimachinery';
import { notFound } from '@orrery/errors';
import { viewed } from '../cache/conversion.ts';
import { type Entry, entryFromStored } from '../cache/entry.ts';
import { faultedRequest } from '../chaos/faulted.ts';
import { readable } from '../storage/etcd-store.ts';
import { itemKey } from '../storage/keys.ts';
import { list } from './list.ts';
import { type Registry, type RequestScope, subjectOf } from './registry.ts';

/** The entry as the store has it now, through the cache where that is current; undefined when there is none. */
export async function readCurrent(registry: Registry, scope: Pick<RequestScope, 'kind'>, item: string): Promise<Entry | undefined> {
  const cache = registry.feed.cache(scope.kind);
  const { value } = await registry.store.get(cache.prefix + item);
  if (!value) return undefined;
  const cached = cache.get(item);
  return cached?.revision === value.revision && !value.stale ? cached : entryFromStored(item, readable(value));
}

/** GET of one object. Without a resourceVersion the answer is current; with one, at least that new, from the cache. */
export async function get(registry: Registry, scope: RequestScope, resourceVersion = ''): Promise<Entry> {
  const { kind, info } = scope;
  const item = itemKey(kind, info.namespace, info.name);
  let entry: Entry | undefined;
  const stale = registry.faults.active && resourceVersion === '' ? registry.faults.staleRevision(faultedRequest(scope)) : undefined;
  if (stale !== undefined) entry = (await list(registry, scope, { resourceVersion: String(stale), resourceVersionMatch: 'Exact', fieldSelector: `metadata.name=${info.name}` })).entries[0];
  else if (resourceVersion === '') entry = await readCurrent(registry, scope, item);
  else {
    await registry.feed.waitFor(parseResourceVersion(resourceVersion));
    entry = registry.feed.cache(kind).get(item);
  }
  if (!entry) throw notFound(subjectOf(scope));
  return viewed(kind, entry);
}
