import type { Metrics } from '@orrery/runtime';
import type { Member } from './member.ts';

/** Gauges under etcd's names, read when scraped. */
export function registerMetrics(metrics: Metrics, options: { member: Member; diskBytes: () => number; quotaBytes: number }): void {
  const { member, diskBytes, quotaBytes } = options;
  metrics.gaugeFn('etcd_server_has_leader', 'Whether or not a leader exists. 1 is existence, 0 is not.', () => (member.replica?.log.leaderId === '' ? 0 : 1));
  metrics.gaugeFn('etcd_server_is_leader', 'Whether or not this member is a leader. 1 if is, 0 otherwise.', () => (member.isLeader ? 1 : 0));
  metrics.gaugeFn('etcd_server_proposals_applied_total', 'The total number of consensus proposals applied.', () => member.appliedIndex);
  metrics.gaugeFn('etcd_server_proposals_pending', 'The current number of pending proposals to commit.', () => member.pending);
  metrics.gaugeFn('etcd_server_quota_backend_bytes', 'Current backend storage quota size in bytes.', () => quotaBytes);
  metrics.gaugeFn('etcd_mvcc_db_total_size_in_bytes', 'Total size of the underlying database physically allocated in bytes.', diskBytes);
  metrics.gaugeFn('etcd_mvcc_db_total_size_in_use_in_bytes', 'Total size of the underlying database logically in use in bytes.', () => member.state.sizeBytes);
  metrics.gaugeFn('etcd_debugging_mvcc_current_revision', 'The current revision of store.', () => member.state.revision);
  metrics.gaugeFn('etcd_debugging_mvcc_compact_revision', 'The revision of the last compaction in store.', () => member.state.compactRevision);
  metrics.gaugeFn('etcd_debugging_mvcc_keys_total', 'Total number of keys.', () => member.state.index.size);
  metrics.gaugeFn('etcd_debugging_mvcc_watcher_total', 'Total number of watchers.', () => member.hub.watchers);
  metrics.gaugeFn('etcd_debugging_lease_total', 'Number of leases that are granted.', () => member.state.leases.size);
}
