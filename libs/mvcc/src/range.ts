import { type KeyValue, type RangeRequest, RangeRequest_SortOrder as Order, RangeRequest_SortTarget as Target } from '@orrery/proto/etcd';
import { MvccError } from './errors.ts';
import type { StoredKv } from './stored-kv.ts';

/** The part of a range's answer that comes from the keys. */
export interface RangeResult {
  kvs: KeyValue[];
  /** Keys in the range at the revision, whatever limit and filters say. */
  count: number;
  more: boolean;
}

/** How many keys a scan must collect: 0 is all of them. With sorting or filters the limit applies only afterwards. */
export function fetchLimit(request: RangeRequest): number {
  const limit = request.limit ?? 0;
  return limit > 0 && !sortsOrFilters(request) ? limit + 1 : 0;
}

/** The scan already gives keys in ascending order; a target other than the key with no order means ascending, as in etcd. */
function orderOf(request: RangeRequest): Order {
  const order = request.sortOrder ?? Order.NONE;
  const byKey = (request.sortTarget ?? Target.KEY) === Target.KEY;
  if (order === Order.NONE && !byKey) return Order.ASCEND;
  return order === Order.ASCEND && byKey ? Order.NONE : order;
}

function filters(request: RangeRequest): boolean {
  return !!(request.minModRevision || request.maxModRevision || request.minCreateRevision || request.maxCreateRevision);
}

function sortsOrFilters(request: RangeRequest): boolean {
  return filters(request) || orderOf(request) !== Order.NONE;
}

function keeps(request: RangeRequest, kv: StoredKv): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  if (minModRevision && kv.modRevision < minModRevision) return false;
  if (maxModRevision && kv.modRevision > maxModRevision) return false;
  if (minCreateRevision && kv.createRevision < minCreateRevision) return false;
  return !(maxCreateRevision && kv.createRevision > maxCreateRevision);
}

const comparators: Record<Target, (a: StoredKv, b: StoredKv) => number> = {
  [Target.KEY]: (a, b) => Buffer.compare(a.key, b.key),
  [Target.VERSION]: (a, b) => a.version - b.version,
  [Target.CREATE]: (a, b) => a.createRevision - b.createRevision,
  [Target.MOD]: (a, b) => a.modRevision - b.modRevision,
  [Target.VALUE]: (a, b) => Buffer.compare(a.value, b.value),
};

export function checkSort(request: RangeRequest): void {
  const [order, target] = [request.sortOrder ?? 0, request.sortTarget ?? 0];
  if (order < 0 || order > Order.DESCEND || target < 0 || target > Target.VALUE) throw new MvccError('invalidSort');
}

const noBytes = Buffer.alloc(0);

function withoutValue({ key, createRevision, modRevision, version, lease }: StoredKv): KeyValue {
  return { key, createRevision, modRevision, version, value: noBytes, lease };
}

/** Filters, sorts, cuts and strips what a scan found. Owns `found`. */
export function finishRange(request: RangeRequest, found: StoredKv[], count: number): RangeResult {
  const limit = request.limit ?? 0;
  let kvs = filters(request) ? found.filter((kv) => keeps(request, kv)) : found;
  const order = orderOf(request);
  if (order !== Order.NONE) {
    const compare = comparators[request.sortTarget ?? Target.KEY];
    kvs.sort(order === Order.DESCEND ? (a, b) => compare(b, a) : compare);
  }
  const more = limit > 0 && kvs.length > limit;
  if (more) kvs = kvs.slice(0, limit);
  return { kvs: request.keysOnly ? kvs.map(withoutValue) : kvs, count, more };
}
