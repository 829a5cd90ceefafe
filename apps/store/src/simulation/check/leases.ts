import type { Finding, History, LeaseRecord } from '../history.ts';
import type { Truth } from './truth.ts';

/** When a lease's keys went: revision, and when that was first seen. */
function endOf(lease: LeaseRecord, truth: Truth): { revision: number; seenMs: number } | undefined {
  for (const { revision, events, seenMs } of truth.changes.values()) {
    for (const { type, kv } of events.values()) {
      if (type === 'delete' && truth.at(kv.key, revision - 1)?.lease === lease.id) return { revision, seenMs };
    }
  }
  return undefined;
}

/**
 * A lease lasts at least its time after each renewal that was acknowledged (counted from when it was asked for, which is no
 * later than when it was granted), unless its client ends it. With its end all its keys go, at one revision. In a
 * cluster that is well (`isWell`), long after every lease was let go, none has keys left. Keys under leases must be deleted by
 * nothing but the lease's end.
 */
export function checkLeases(history: History, truth: Truth, { isWell }: { isWell: boolean }): Finding[] {
  const findings: Finding[] = [];
  const found = (lease: LeaseRecord, message: string): void => void findings.push({ checker: 'lease', message: `lease ${lease.id} ${message}` });
  for (const lease of history.leases) {
    const end = endOf(lease, truth);
    const attached = truth.all(truth.last).filter((kv) => kv.lease === lease.id);
    if (isWell && attached.length) found(lease, `is over, and ${attached.map(({ key }) => key).join()} is still there`);
    if (!end) continue;
    const left = truth.all(end.revision).filter((kv) => kv.lease === lease.id);
    if (left.length) found(lease, `ended at revision ${end.revision}, and left ${left.map(({ key }) => key).join()}`);
    if (lease.revokedMs !== undefined && lease.revokedMs <= end.seenMs) continue;
    const renewed = Math.max(...lease.renewals.map(({ askedMs }) => askedMs).filter((askedMs) => askedMs <= end.seenMs));
    if (end.seenMs < renewed + lease.ttlMs) found(lease, `of ${lease.ttlMs} ms, renewed at ${renewed} ms, was over by ${end.seenMs} ms (revision ${end.revision})`);
  }
  return findings;
}
