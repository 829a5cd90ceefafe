import type { Quota } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Table } from './ledger.ts';

/** How much of each there may be unless somebody said otherwise. */
const defaults = {
  instances: 10_000,
  'load-balancers': 5000,
  listeners: 50_000,
  routes: 20_000,
  'scaling-groups': 1000,
  disks: 100_000,
  'disk-gib': 10_000_000,
  snapshots: 100_000,
} as const;

export type QuotaResource = keyof typeof defaults;

export interface Quotas {
  /** Says how to count what is used of a resource. */
  counted(resource: QuotaResource, used: () => number): void;
  /** Throws RESOURCE_EXHAUSTED when `more` would be too much. */
  take(resource: QuotaResource, more?: number): void;
  set(quota: Quota): Quota;
  list(): Quota[];
}

/** Limits by resource; `given` are those of the configuration (`disks=5`), `kept` those set while it ran, which count more. */
export function createQuotas(given: readonly string[], kept: Table<Quota>): Quotas {
  const counters = new Map<string, () => number>();
  const limits = new Map<string, number>(Object.entries(defaults));
  for (const entry of given) {
    const [resource = '', limit = ''] = entry.split('=');
    if (!limits.has(resource) || !/^\d+$/.test(limit)) throw new Error(`--quotas: ${entry} is not RESOURCE=NUMBER; resources are ${Object.keys(defaults).join(', ')}`);
    limits.set(resource, Number(limit));
  }
  const limitOf = (resource: string): number => kept.get(resource)?.limit ?? limits.get(resource) ?? 0;
  const usedOf = (resource: string): number => counters.get(resource)?.() ?? 0;
  return {
    counted: (resource, used) => void counters.set(resource, used),
    take(resource, more = 1) {
      const [used, limit] = [usedOf(resource), limitOf(resource)];
      if (used + more > limit) throw new RpcError(Code.RESOURCE_EXHAUSTED, `quota ${resource} exceeded: ${used} of ${limit} used, ${more} more asked for`);
    },
    set({ resource = '', limit = 0 }) {
      if (!limits.has(resource)) throw new RpcError(Code.INVALID_ARGUMENT, `resource: ${JSON.stringify(resource)} is none of ${Object.keys(defaults).join(', ')}`);
      kept.put(resource, { resource, limit });
      return { resource, limit, used: usedOf(resource) };
    },
    list: () => [...limits.keys()].map((resource) => ({ resource, limit: limitOf(resource), used: usedOf(resource) })),
  };
}
