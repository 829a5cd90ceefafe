import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '@orrery/proto/etcd';
import { MvccError } from './errors.ts';
import { type Key, type KeyRange, contains, keyOf, rangeOf } from './keys.ts';
import { checkSort } from './range.ts';

/** Checks a request that can be made without the state, in etcd's order. All throw MvccError. */
export function checkRange(request: RangeRequest): void {
  if (!request.key?.length) throw new MvccError('emptyKey');
  checkSort(request);
}

export function checkPutRequest(request: PutRequest): void {
  if (!request.key?.length) throw new MvccError('emptyKey');
  if (request.ignoreValue && request.value?.length) throw new MvccError('valueProvided');
  if (request.ignoreLease && (request.lease ?? '0') !== '0') throw new MvccError('leaseProvided');
}

export function checkDelete(request: DeleteRangeRequest): void {
  if (!request.key?.length) throw new MvccError('emptyKey');
}

/** A level may have as many comparisons or operations a branch as are left: nested transactions share their parents' allowance. */
function checkOps(txn: TxnRequest, allowed: number): void {
  const { compare = [], success = [], failure = [] } = txn;
  const most = Math.max(compare.length, success.length, failure.length);
  if (most > allowed) throw new MvccError('tooManyOperations');
  for (const c of compare) if (!c.key?.length) throw new MvccError('emptyKey');
  for (const op of success) checkOp(op, allowed - most);
  for (const op of failure) checkOp(op, allowed - most);
}

function checkOp({ request }: RequestOp, allowed: number): void {
  switch (request?.$case) {
    case 'requestRange':
      return checkRange(request.value);
    case 'requestPut':
      return checkPutRequest(request.value);
    case 'requestDeleteRange':
      return checkDelete(request.value);
    case 'requestTxn':
      return checkOps(request.value, allowed);
    case undefined:
      throw new MvccError('keyNotFound');
  }
}

/** Keys that a list of operations may put and ranges that it may delete, whichever branches are taken. */
interface Touched {
  readonly puts: Set<Key>;
  readonly deletes: KeyRange[];
}

function claim(touched: Touched, key: Key): void {
  if (touched.puts.has(key) || touched.deletes.some((range) => contains(range, key))) throw new MvccError('duplicateKey');
  touched.puts.add(key);
}

/** Adds a nested transaction. Its two branches exclude each other, so both may put the same key. */
function claimNested(all: Touched, txn: TxnRequest): void {
  const success = touched(txn.success ?? []);
  const failure = touched(txn.failure ?? []);
  for (const key of success.puts) claim(all, key);
  for (const key of failure.puts) if (!success.puts.has(key)) claim(all, key);
  all.deletes.push(...success.deletes, ...failure.deletes);
}

/** Throws `duplicateKey` when a key would be put twice, or both put and deleted; deletes may overlap each other. */
function touched(ops: readonly RequestOp[]): Touched {
  const all: Touched = { puts: new Set(), deletes: [] };
  for (const { request } of ops) {
    if (request?.$case === 'requestDeleteRange') all.deletes.push(rangeOf(request.value.key, request.value.rangeEnd));
  }
  for (const { request } of ops) if (request?.$case === 'requestTxn') claimNested(all, request.value);
  for (const { request } of ops) if (request?.$case === 'requestPut') claim(all, keyOf(request.value.key));
  return all;
}

/** True when the transaction and those nested in it only read. */
export function isReadOnly(txn: TxnRequest): boolean {
  const reads = ({ request }: RequestOp): boolean =>
    request?.$case === 'requestRange' || (request?.$case === 'requestTxn' && isReadOnly(request.value));
  return (txn.success ?? []).every(reads) && (txn.failure ?? []).every(reads);
}

export function checkTxn(txn: TxnRequest, maxOps: number): void {
  checkOps(txn, maxOps);
  if ((txn.success?.length ?? 0) > 1 || hasNested(txn.success)) touched(txn.success ?? []);
  if ((txn.failure?.length ?? 0) > 1 || hasNested(txn.failure)) touched(txn.failure ?? []);
}

function hasNested(ops: readonly RequestOp[] = []): boolean {
  return ops.some((op) => op.request?.$case === 'requestTxn');
}
