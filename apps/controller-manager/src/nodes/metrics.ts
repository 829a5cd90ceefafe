import type { Metrics } from '@orrery/runtime';
import type { CidrAllocator, CidrWatch } from './cidr-allocator.ts';

const known = new WeakMap<Metrics, ReturnType<typeof register>>();

/** What upstream's node controllers tell, under their names. */
export function nodeMetrics(metrics: Metrics): ReturnType<typeof register> {
  let found = known.get(metrics);
  if (!found) known.set(metrics, (found = register(metrics)));
  return found;
}

const register = (metrics: Metrics) => ({
  zoneSize: metrics.gauge('node_collector_zone_size', 'Gauge measuring number of registered Nodes per zones.'),
  zoneHealth: metrics.gauge('node_collector_zone_health', 'Gauge measuring percentage of healthy nodes per zone.'),
  unhealthyNodes: metrics.gauge('node_collector_unhealthy_nodes_in_zone', 'Gauge measuring number of not Ready Nodes per zones.'),
  allHealthSeconds: metrics.histogram('node_collector_update_all_nodes_health_duration_seconds', 'Duration in seconds for NodeController to update the health of all nodes.', [0.01, 0.04, 0.16, 0.64, 2.56, 10.24, 40.96, 163.84]),
  healthSeconds: metrics.histogram('node_collector_update_node_health_duration_seconds', 'Duration in seconds for NodeController to update the health of a single node.', [0.001, 0.004, 0.016, 0.064, 0.256, 1.024, 4.096, 16.384]),
  evictions: metrics.counter('node_collector_evictions_total', 'Number of Node evictions that happened since current instance of NodeController started.'),
  podDeletions: metrics.counter('taint_eviction_controller_pod_deletions_total', 'Total number of Pods deleted by TaintEvictionController since its start.'),
  podDeletionSeconds: metrics.histogram(
    'taint_eviction_controller_pod_deletion_duration_seconds',
    'Latency, in seconds, between the time when a taint effect has been activated for the Pod and its deletion via TaintEvictionController.',
    [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
  ),
  cidrAllocations: metrics.counter('node_ipam_controller_cidrset_cidrs_allocations_total', 'Counter measuring total number of CIDR allocations.'),
  cidrTries: metrics.histogram('node_ipam_controller_cidrset_allocation_tries_per_request', 'Histogram measuring CIDR allocation tries per request.', [1, 5, 25, 125, 625]),
  cidrReleases: metrics.counter('node_ipam_controller_cidrset_cidrs_releases_total', 'Counter measuring total number of CIDR releases.'),
  forcedDeletions: metrics.counter('pod_gc_collector_force_delete_pods_total', 'Number of pods that are being forcefully deleted since the Pod GC Controller started.'),
  forcedDeletionErrors: metrics.counter('pod_gc_collector_force_delete_pod_errors_total', 'Number of errors encountered when forcefully deleting the pods since the Pod GC Controller started.'),
});

/** Counts what becomes of the parts of a range. */
export function cidrWatch(metrics: Metrics, clusterCIDR: string): CidrWatch {
  const { cidrAllocations, cidrReleases, cidrTries } = nodeMetrics(metrics);
  return {
    taken: (parts) => cidrAllocations.inc({ clusterCIDR }, parts),
    released: (parts) => cidrReleases.inc({ clusterCIDR }, parts),
    passed: (parts) => cidrTries.observe(parts, { clusterCIDR }),
  };
}

/** How full the ranges are, read when asked for; one name is misspelt as upstream misspells it. */
export function showCidrs(metrics: Metrics, allocators: readonly CidrAllocator[]): void {
  const each = (value: (allocator: CidrAllocator) => number) => () => allocators.map((allocator) => ({ labels: { clusterCIDR: allocator.range }, value: value(allocator) }));
  metrics.collect('node_ipam_controller_cirdset_max_cidrs', { type: 'gauge', help: 'Maximum number of CIDRs that can be allocated.' }, each(({ size }) => size));
  metrics.collect('node_ipam_controller_cidrset_usage_cidrs', { type: 'gauge', help: 'Gauge measuring percentage of allocated CIDRs.' }, each((allocator) => allocator.taken() / allocator.size));
}
