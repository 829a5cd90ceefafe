import { isRecord } from '@orrery/apimachinery';
import type { EtcdStore } from '../storage/etcd-store.ts';

/** Where live API servers say that they live; upstream's key, so that its servers and ours can share a store. */
export interface MasterLeases {
  /** Says that this address is served for another `ttlSeconds`. */
  renew(address: string): Promise<void>;
  remove(address: string): Promise<void>;
  /** Addresses whose lease has not run out, sorted. */
  list(): Promise<readonly string[]>;
}

/** How long a server that says nothing counts as alive, as upstream has it. */
const ttlSeconds = 15;

/** An Endpoints object, whichever server wrote it; one that cannot be read tells by its key. */
function addressOf(key: string, value: Buffer): string {
  const fallback = key.slice(key.lastIndexOf('/') + 1);
  if (value[0] !== 0x7b) return fallback;
  const object: unknown = JSON.parse(value.toString('utf8'));
  const subsets: unknown = isRecord(object) ? object['subsets'] : undefined;
  const first: unknown = Array.isArray(subsets) ? subsets[0] : undefined;
  const addresses: unknown = isRecord(first) ? first['addresses'] : undefined;
  const address: unknown = Array.isArray(addresses) ? addresses[0] : undefined;
  return isRecord(address) && typeof address['ip'] === 'string' ? address['ip'] : fallback;
}

export function masterLeases(store: EtcdStore, root: string): MasterLeases {
  const prefix = `${root}/masterleases/`;
  return {
    async renew(address) {
      const lease = await store.leaseFor(ttlSeconds);
      const put = Buffer.from(JSON.stringify({ kind: 'Endpoints', apiVersion: 'v1', metadata: {}, subsets: [{ addresses: [{ ip: address }] }] }));
      await store.commit([{ key: prefix + address, put, lease }]);
    },
    async remove(address) {
      await store.commit([{ key: prefix + address, delete: true }]);
    },
    async list() {
      const { values } = await store.range(prefix, {});
      return values.map(({ key, value }) => addressOf(key, value)).sort();
    },
  };
}
