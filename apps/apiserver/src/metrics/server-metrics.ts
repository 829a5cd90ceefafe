import { MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { versionInfo } from '../http/version.ts';
import type { StoreFeed } from '../cache/store-feed.ts';

/** How long a scrape waits for the store's word. */
const statusTimeoutMs = 1_000;

/** `pods`, `deployments.apps`. */
const qualified = (kind: { group: string; resource: string }): string => (kind.group ? `${kind.resource}.${kind.group}` : kind.resource);

function registerCaches({ metrics }: Env, feed: StoreFeed): void {
  metrics.collect('apiserver_storage_objects', { type: 'gauge', help: '[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.' }, () =>
    feed.all().map(({ kind, size }) => ({ labels: { resource: qualified(kind) }, value: size })),
  );
  metrics.collect('apiserver_resource_objects', { type: 'gauge', help: 'Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.' }, () =>
    feed.all().map(({ kind, size }) => ({ labels: { group: kind.group, resource: kind.resource }, value: size })),
  );
  metrics.collect('apiserver_watch_cache_resource_version', { type: 'gauge', help: 'Current resource version of watch cache broken by resource type.' }, () =>
    feed.all().map(({ kind }) => ({ labels: { group: kind.group, resource: kind.resource }, value: feed.revision })),
  );
  metrics.collect('orrery_watch_cache_watchers', { type: 'gauge', help: 'Number of open watches split by the resource whose cache serves them.' }, () =>
    feed.all().map(({ kind, watcherCount }) => ({ labels: { group: kind.group, resource: kind.resource }, value: watcherCount })),
  );
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
  const { major, minor, gitVersion, gitCommit, gitTreeState, buildDate, goVersion, compiler, platform } = versionInfo;
  env.metrics.collect('kubernetes_build_info', { type: 'gauge', help: "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running." }, () => [
    { labels: { major, minor, git_version: gitVersion, git_commit: gitCommit, git_tree_state: gitTreeState, build_date: buildDate, go_version: goVersion, compiler, platform }, value: 1 },
  ]);
  registerCaches(env, parts.feed);
  return [storeSize(env, parts.store)];
}
