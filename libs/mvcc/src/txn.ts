import {
  type Compare,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type KeyValue,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from '@orrery/proto/etcd';
import { MvccError } from './errors.ts';
import { rangeOf } from './keys.ts';
import type { MvccState, WriteTxn } from './state.ts';
import type { StoredKv } from './stored-kv.ts';

const noBytes = Buffer.alloc(0);
const absent = { createRevision: 0, modRevision: 0, version: 0, value: noBytes, lease: '0' };

function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return BigInt(a) < BigInt(b) ? -1 : 1;
}

/** Sign of the key's attribute against the given one; a union of another kind counts as that attribute's zero. */
function difference(compare: Compare, kv: Omit<KeyValue, 'key'>): number {
  const union = compare.targetUnion;
  switch (compare.target ?? Target.VERSION) {
    case Target.VERSION:
      return (kv.version ?? 0) - (union?.$case === 'version' ? union.value : 0);
    case Target.CREATE:
      return (kv.createRevision ?? 0) - (union?.$case === 'createRevision' ? union.value : 0);
    case Target.MOD:
      return (kv.modRevision ?? 0) - (union?.$case === 'modRevision' ? union.value : 0);
    case Target.VALUE:
      return Buffer.compare(kv.value ?? noBytes, union?.$case === 'value' ? union.value : noBytes);
    case Target.LEASE:
      return compareIds(kv.lease ?? '0', union?.$case === 'lease' ? union.value : '0');
  }
  return 0;
}

function holds(compare: Compare, kv: Omit<KeyValue, 'key'>): boolean {
  const sign = difference(compare, kv);
  switch (compare.result ?? Result.EQUAL) {
    case Result.EQUAL:
      return sign === 0;
    case Result.NOT_EQUAL:
      return sign !== 0;
    case Result.GREATER:
      return sign > 0;
    case Result.LESS:
      return sign < 0;
  }
  return true;
}

/** A comparison of a value never holds on an absent key: the protocol cannot tell absent from empty. */
function holdsWhenAbsent(compare: Compare): boolean {
  return compare.target !== Target.VALUE && holds(compare, absent);
}

/** Whether a comparison holds on every key of its range. */
export function evaluate(state: MvccState, compare: Compare): boolean {
  const range = rangeOf(compare.key, compare.rangeEnd);
  if (range.single) {
    const kv = state.get(range.start);
    return kv ? holds(compare, kv) : holdsWhenAbsent(compare);
  }
  let some = false;
  let all = true;
  state.scan(range, state.revision, (kv) => {
    some = true;
    all &&= holds(compare, kv);
  });
  return some ? all : holdsWhenAbsent(compare);
}

/** Which branch each transaction of the tree takes, decided before anything is written. */
interface Path {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  /** Paths of the nested transactions in `ops`, in order. */
  readonly nested: readonly Path[];
}

function choose(state: MvccState, txn: TxnRequest): Path {
  const succeeded = (txn.compare ?? []).every((compare) => evaluate(state, compare));
  const ops = (succeeded ? txn.success : txn.failure) ?? [];
  const nested: Path[] = [];
  for (const { request } of ops) if (request?.$case === 'requestTxn') nested.push(choose(state, request.value));
  return { succeeded, ops, nested };
}

export function checkPut(state: MvccState, put: PutRequest): void {
  if ((put.ignoreValue || put.ignoreLease) && !state.get(rangeOf(put.key, undefined).start)) throw new MvccError('keyNotFound');
  if (put.lease && put.lease !== '0') state.leases.require(put.lease);
}

function checkPath(state: MvccState, path: Path): void {
  let nested = 0;
  for (const { request } of path.ops) {
    if (request?.$case === 'requestPut') checkPut(state, request.value);
    else if (request?.$case === 'requestRange') state.checkRevision(request.value.revision ?? 0);
    else if (request?.$case === 'requestTxn') checkPath(state, path.nested[nested++] as Path);
  }
}

function applyPut(txn: WriteTxn, request: PutRequest): PutResponse {
  const key = request.key ?? noBytes;
  let { value, lease } = request;
  if (request.ignoreValue || request.ignoreLease) {
    const current = txn.state.get(rangeOf(key, undefined).start, Infinity) as StoredKv;
    if (request.ignoreValue) value = current.value;
    if (request.ignoreLease) lease = current.lease;
  }
  const before = txn.put({ key, value, lease });
  const header = { revision: txn.revision };
  return request.prevKv && before ? { header, prevKv: before } : { header };
}

function applyDelete(txn: WriteTxn, request: DeleteRangeRequest): DeleteRangeResponse {
  const gone = txn.deleteRange(rangeOf(request.key, request.rangeEnd));
  const header = { revision: txn.revision };
  return { header, deleted: gone.length, prevKvs: request.prevKv ? gone : [] };
}

function applyOp(txn: WriteTxn, op: RequestOp, nested: () => Path): ResponseOp {
  const request = op.request;
  switch (request?.$case) {
    case 'requestRange': {
      const result: RangeResponse = txn.range(request.value);
      result.header = { revision: txn.revision };
      return { response: { $case: 'responseRange', value: result } };
    }
    case 'requestPut':
      return { response: { $case: 'responsePut', value: applyPut(txn, request.value) } };
    case 'requestDeleteRange':
      return { response: { $case: 'responseDeleteRange', value: applyDelete(txn, request.value) } };
    case 'requestTxn':
      return { response: { $case: 'responseTxn', value: applyPath(txn, nested()) } };
    case undefined:
      return {};
  }
}

function applyPath(txn: WriteTxn, path: Path): TxnResponse {
  let taken = 0;
  const next = (): Path => path.nested[taken++] as Path;
  const responses = path.ops.map((op) => applyOp(txn, op, next));
  return { header: { revision: txn.revision }, succeeded: path.succeeded, responses };
}

/** A response and the versions written for it, in order. */
export interface Applied<T> {
  readonly response: T;
  readonly written: readonly StoredKv[];
}

/**
 * Evaluates all comparisons against the state before, checks the chosen operations, then carries them out as one
 * revision. Throws without having written anything.
 */
export function applyTxn(state: MvccState, request: TxnRequest): Applied<TxnResponse> {
  const path = choose(state, request);
  checkPath(state, path);
  const { result, written } = state.write((txn) => applyPath(txn, path));
  return { response: result, written };
}

export function put(state: MvccState, request: PutRequest): Applied<PutResponse> {
  checkPut(state, request);
  const { result, written } = state.write((txn) => applyPut(txn, request));
  return { response: result, written };
}

export function deleteRange(state: MvccState, request: DeleteRangeRequest): Applied<DeleteRangeResponse> {
  const { result, written } = state.write((txn) => applyDelete(txn, request));
  return { response: result, written };
}

export function range(state: MvccState, request: RangeRequest): RangeResponse {
  const response: RangeResponse = state.range(request);
  response.header = { revision: state.revision };
  return response;
}

/** Revokes a lease: all its keys die in one revision, in order of key. */
export function revokeLease(state: MvccState, id: string): Applied<void> {
  const lease = state.leases.require(id);
  const keys = [...lease.keys].sort();
  const { written } = state.write((txn) => {
    for (const start of keys) txn.deleteRange({ start, end: `${start}\0`, single: true });
  });
  state.leases.remove(id);
  return { response: undefined, written };
}
