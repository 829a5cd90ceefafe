import type { EndpointSlice, Service } from '@orrery/api/types';
import type { Metrics } from '@orrery/runtime';
import type { SlicePlan } from './slice-plan.ts';

/** Upstream's: 2 doubling to 32,768. */
export const sliceCounts = Array.from({ length: 15 }, (_, i) => 2 ** (i + 1));
const changes = Array.from({ length: 11 }, (_, i) => 2 ** i - 1);

/** What one Service, or one Endpoints, has. */
interface Sizes {
  readonly endpoints: number;
  readonly slices: number;
  /** So many would do. */
  readonly desired: number;
}

const nothing: Sizes = { endpoints: 0, slices: 0, desired: 0 };

const uidsOf = (slices: readonly EndpointSlice[]): Set<string> => new Set(slices.flatMap(({ endpoints }) => (endpoints ?? []).map(({ addresses, targetRef }) => targetRef?.uid ?? addresses[0] ?? '')));

function missing(of: ReadonlySet<string>, from: ReadonlySet<string>): number {
  let found = 0;
  for (const one of of) if (!from.has(one)) found += 1;
  return found;
}

/** The slices after a plan, and how few would hold what is in them. */
function sizesAfter(slices: readonly EndpointSlice[], plan: SlicePlan, most: number): Sizes {
  const touched = new Set([...plan.update, ...plan.remove].map(({ metadata }) => metadata?.name ?? ''));
  const now = [...slices.filter(({ metadata }) => !touched.has(metadata?.name ?? '')), ...plan.update, ...plan.create];
  const groups = new Map<string, number>();
  for (const { addressType, endpoints = [], ports } of now) {
    const key = `${addressType} ${JSON.stringify(ports ?? [])}`;
    groups.set(key, (groups.get(key) ?? 0) + endpoints.length);
  }
  let [endpoints, desired] = [0, 0];
  for (const size of groups.values()) {
    endpoints += size;
    desired += Math.max(1, Math.ceil(size / most));
  }
  return { endpoints, slices: now.length, desired };
}

/** Upstream's metrics of who keeps slices: `endpoint_slice_controller_…`, `endpoint_slice_mirroring_controller_…`. */
export interface SliceMetrics {
  /** A plan that was carried out. `slices` are those before it. */
  planned(key: string, done: { readonly slices: readonly EndpointSlice[]; readonly plan: SlicePlan; readonly most: number }): void;
  /** There is nothing to keep slices of any more. */
  forget(key: string): void;
}

export function createSliceMetrics(metrics: Metrics, prefix: string): SliceMetrics {
  const known = new Map<string, Sizes>();
  const added = metrics.histogram(`${prefix}_endpoints_added_per_sync`, 'Number of endpoints added on each sync', sliceCounts);
  const removed = metrics.histogram(`${prefix}_endpoints_removed_per_sync`, 'Number of endpoints removed on each sync', sliceCounts);
  const changed = metrics.counter(`${prefix}_changes`, 'Number of EndpointSlice changes');
  const endpoints = metrics.gauge(`${prefix}_endpoints_desired`, 'Number of endpoints desired').with({});
  const slices = metrics.gauge(`${prefix}_num_endpoint_slices`, 'Number of EndpointSlices').with({});
  const desired = metrics.gauge(`${prefix}_desired_endpoint_slices`, 'Number of EndpointSlices that would exist with perfect endpoint allocation').with({});
  const note = (key: string, now: Sizes): void => {
    const before = known.get(key) ?? nothing;
    endpoints.add(now.endpoints - before.endpoints);
    slices.add(now.slices - before.slices);
    desired.add(now.desired - before.desired);
    if (now === nothing) known.delete(key);
    else known.set(key, now);
  };
  return {
    planned(key, { slices: existing, plan, most }) {
      const touched = new Set(plan.update.map(({ metadata }) => metadata?.name));
      const after = uidsOf([...plan.create, ...plan.update]);
      const before = uidsOf([...plan.remove, ...(touched.size ? existing.filter(({ metadata }) => touched.has(metadata?.name)) : [])]);
      added.observe(missing(after, before));
      removed.observe(missing(before, after));
      for (const [operation, { length }] of Object.entries({ create: plan.create, update: plan.update, delete: plan.remove })) if (length) changed.inc({ operation }, length);
      note(key, sizesAfter(existing, plan, most));
    },
    forget: (key) => note(key, nothing),
  };
}

/** How many slices a sync changes, and how many Services ask for a distribution of their traffic. */
export interface TrafficMetrics {
  synced(key: string, service: Service, changedSlices: number): void;
  forget(key: string): void;
}

export function createTrafficMetrics(metrics: Metrics, isHinted: (service: Service) => boolean): TrafficMetrics {
  const perSync = metrics.histogram('endpoint_slice_controller_endpointslices_changed_per_sync', 'Number of EndpointSlices changed on each Service sync', changes);
  const wanting = new Map<string, string>();
  metrics.collect('endpoint_slice_controller_services_count_by_traffic_distribution', { type: 'gauge', help: 'Number of Services using some specific trafficDistribution' }, () => {
    const found = new Map<string, number>();
    for (const kind of wanting.values()) found.set(kind, (found.get(kind) ?? 0) + 1);
    return [...found].map(([kind, value]) => ({ labels: { traffic_distribution: kind }, value }));
  });
  return {
    synced(key, service, changedSlices) {
      const kind = service.spec?.trafficDistribution ?? '';
      if (kind) wanting.set(key, kind);
      else wanting.delete(key);
      perSync.observe(changedSlices, { topology: isHinted(service) ? 'Auto' : 'Disabled', traffic_distribution: kind });
    },
    forget: (key) => void wanting.delete(key),
  };
}
