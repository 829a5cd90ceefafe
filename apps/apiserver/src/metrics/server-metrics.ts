import { MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient } from '@orrery/rpc';
import { type Env, tellBuild } from '@orrery/runtime';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { StoreFeed } from '../cache/store-feed.ts';

/** How long a scrape waits for the store's word. */
const statusTimeoutMs = 1_000;

/** `pods`, `deployments.apps`. */
const qualified = (kind: { group: string; resource: string }): string => (kind.group ? `${kind.resource}.${kind.group}` : kind.resource);

function registerCaches({ metrics }: Env, feed: StoreFeed): void {
  metrics.collect('apiserver_storage_objects', { type: 'gauge', help: '[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.' }, () =>
    feed.all().map(({ kind, size }) => ({ labels: { resource: qualified(kind) }, value: size })),
  );
  const perResource = (name: string, type: 'counter' | 'gauge', help: string, read: (cache: ResourceCache) => number): void =>
    metrics.collect(name, { type, help }, () => feed.all().map((cache) => ({ labels: { group: cache.kind.group, resource: cache.kind.resource }, value: read(cache) })));
  perResource('apiserver_watch_cache_events_received_total', 'counter', 'Counter of events received in watch cache broken by resource type.', (cache) => cache.received);
  perResource('apiserver_watch_cache_events_dispatched_total', 'counter', 'Counter of events dispatched in watch cache broken by resource type.', (cache) => cache.received);
  perResource('watch_cache_capacity', 'gauge', 'Total capacity of watch cache broken by resource type.', (cache) => cache.capacity);
  perResource('apiserver_resource_objects', 'gauge', 'Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.', (cache) => cache.size);
  perResource('apiserver_watch_cache_resource_version', 'gauge', 'Current resource version of watch cache broken by resource type.', () => feed.revision);
  perResource('orrery_watch_cache_watchers', 'gauge', 'Number of open watches split by the resource whose cache serves them.', (cache) => cache.watcherCount);
}

/** What the store says of its size when it is asked; nothing while it does not answer. */
function storeSize({ metrics, clock }: Env, store: Channel): () => Promise<void> {
  const client = createClient(MaintenanceDefinition, store);
  let size: { bytes: number; member: string } | undefined;
  metrics.collect('apiserver_storage_size_bytes', { type: 'gauge', help: 'Size of the storage database file physically allocated in bytes.' }, () =>
    size ? [{ labels: { storage_cluster_id: size.member }, value: size.bytes }] : [],
  );
  return async () => {
    const abort = new AbortController();
    const timer = clock.after(statusTimeoutMs, () => abort.abort(new Error('the store does not answer')));
    try {
      const { dbSize = 0, header } = await client.status({}, { signal: abort.signal });
      size = { bytes: dbSize, member: `etcd-${header?.clusterId ?? '0'}` };
    } catch {
      size = undefined;
    } finally {
      timer.cancel();
    }
  };
}

/** Registers what the server knows of itself, its caches and its store; returns what to run before a scrape. */
export function serverMetrics(env: Env, parts: { readonly feed: StoreFeed; readonly store: Channel }): (() => Promise<void>)[] {
  tellBuild(env.metrics);
  for (const name of ['hidden', 'disabled']) env.metrics.counter(`${name}_metrics_total`, `The count of ${name} metrics.`).with({});
  registerCaches(env, parts.feed);
  return [storeSize(env, parts.store)];
}
