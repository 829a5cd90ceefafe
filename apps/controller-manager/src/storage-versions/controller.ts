import { Leases, StorageVersions } from '@orrery/api';
import type { ApiserverinternalV1alpha1StorageVersion as StorageVersion } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';

type Status = NonNullable<StorageVersion['status']>;

const identityLabel = 'apiserver.kubernetes.io/identity';
const leaseNamespace = 'kube-system';

/** The version in which all servers encode; undefined when they differ. */
function commonVersion(servers: Status['storageVersions'] = []): string | undefined {
  const [first] = servers;
  return first && servers.every(({ encodingVersion }) => encodingVersion === first.encodingVersion) ? first.encodingVersion : undefined;
}

/**
 * What becomes of a record of storage versions: 'keep', 'delete' when no API server of it is left, or its status without those
 * that are gone.
 */
export function plan(record: StorageVersion, isAlive: (server: string) => boolean, nowMs: number): 'keep' | 'delete' | Status {
  const all = record.status?.storageVersions ?? [];
  const storageVersions = all.filter(({ apiServerID }) => isAlive(apiServerID ?? ''));
  if (storageVersions.length === all.length) return 'keep';
  if (!storageVersions.length) return 'delete';
  const common = commonVersion(storageVersions);
  const { commonEncodingVersion: before, conditions = [], ...rest } = record.status ?? {};
  const value = common ? 'Set' : 'Unset';
  const known = conditions.find(({ type }) => type === 'AllEncodingVersionsEqual');
  const status = common ? 'True' : 'False';
  const turned = known?.status !== status || (before !== undefined && common !== undefined && before !== common);
  const condition = {
    type: 'AllEncodingVersionsEqual',
    status,
    observedGeneration: record.metadata?.generation ?? 0,
    lastTransitionTime: turned || !known?.lastTransitionTime ? rfc3339(nowMs) : known.lastTransitionTime,
    reason: `CommonEncodingVersion${value}`,
    message: `Common encoding version ${value.toLowerCase()}`,
  };
  return { ...rest, storageVersions, ...(common ? { commonEncodingVersion: common } : {}), conditions: [...conditions.filter((one) => one !== known), condition] };
}

/** Takes API servers that are gone out of the records of storage versions. Meant by its name only: the API is alpha and off by default. */
export const storageVersionGarbageCollector = defineController<StorageVersion>({
  name: 'storageversion-garbage-collector-controller',
  queue: 'storage_version_garbage_collector_storageversions',
  account: 'storage-version-garbage-collector',
  for: StorageVersions,
  needs: StorageVersions,
  concurrency: 1,
  watches: [
    watch(Leases, ({ object, gone }, { store }) => {
      const { labels, name, namespace } = object.metadata ?? {};
      if (!gone || namespace !== leaseNamespace || labels?.[identityLabel] !== 'kube-apiserver') return [];
      return [...store(StorageVersions).list()].filter(({ status }) => status?.storageVersions?.some(({ apiServerID }) => apiServerID === name)).map(keyOf);
    }),
  ],
  async reconcile(key, { api, env, store }) {
    const record = store(StorageVersions).get(key);
    if (!record) return;
    const known = (name: string): boolean => store(Leases).get(`${leaseNamespace}/${name}`)?.metadata?.labels?.[identityLabel] === 'kube-apiserver';
    const doubtful = (record.status?.storageVersions ?? []).map(({ apiServerID = '' }) => apiServerID).filter((name) => !known(name));
    // A server's Lease may be younger than what the cache shows.
    const alive = new Set<string>();
    for (const name of doubtful) {
      try {
        const lease = await api.get(Leases, { namespace: leaseNamespace, name });
        if (lease.metadata?.labels?.[identityLabel] === 'kube-apiserver') alive.add(name);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    const todo = plan(record, (name) => known(name) || alive.has(name), env.clock.now());
    if (todo === 'keep') return;
    const { name = '', uid } = record.metadata ?? {};
    try {
      if (todo === 'delete') await api.delete(StorageVersions, { name }, uid ? { preconditions: { uid } } : {});
      else await api.update(StorageVersions, { ...record, status: todo }, { subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  },
});
