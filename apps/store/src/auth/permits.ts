import { type KeyRange, type Leases, rangeOf } from '@orrery/mvcc';
import type { DeleteRangeRequest, PutRequest, RequestOp, TxnRequest } from '@orrery/proto/etcd';
import type { Entry } from '../entry.ts';
import type { Caller } from './auth-calls.ts';
import type { AuthState } from './auth-state.ts';

/** What decides whether a caller may do something. */
export interface Permits {
  readonly auth: AuthState;
  readonly leases: Leases;
}

function single(latin1: string): KeyRange {
  return { start: latin1, end: `${latin1}\0`, single: true };
}

/** A lease may be ended, or given more keys, only by those who may write all keys that hang on it. */
function permitLease({ auth, leases }: Permits, caller: Caller | undefined, id = '0'): void {
  const lease = leases.get(id);
  if (lease) for (const key of lease.keys) auth.requireAccess(caller, 'write', single(key));
}

function permitPut(permits: Permits, caller: Caller | undefined, request: PutRequest): void {
  const range = rangeOf(request.key, undefined);
  permits.auth.requireAccess(caller, 'write', range);
  permitLease(permits, caller, request.lease);
  if (request.prevKv) permits.auth.requireAccess(caller, 'read', range);
}

function permitDelete({ auth }: Permits, caller: Caller | undefined, request: DeleteRangeRequest): void {
  const range = rangeOf(request.key, request.rangeEnd);
  auth.requireAccess(caller, 'write', range);
  if (request.prevKv) auth.requireAccess(caller, 'read', range);
}

function permitOp(permits: Permits, caller: Caller | undefined, { request }: RequestOp): void {
  if (request?.$case === 'requestRange') permits.auth.requireAccess(caller, 'read', rangeOf(request.value.key, request.value.rangeEnd));
  else if (request?.$case === 'requestPut') permitPut(permits, caller, request.value);
  else if (request?.$case === 'requestDeleteRange') permitDelete(permits, caller, request.value);
  else if (request?.$case === 'requestTxn') permitTxn(permits, caller, request.value);
}

/** Both branches must be permitted, whichever is taken, and so must what is nested in them: which one it is would tell about keys. */
export function permitTxn(permits: Permits, caller: Caller | undefined, { compare = [], success = [], failure = [] }: TxnRequest): void {
  for (const { key, rangeEnd } of compare) permits.auth.requireAccess(caller, 'read', rangeOf(key, rangeEnd));
  for (const op of success) permitOp(permits, caller, op);
  for (const op of failure) permitOp(permits, caller, op);
}

/** Users may look at themselves and at the roles they have; everything else about users and roles is root's. */
function permitAdministration({ auth }: Permits, entry: Entry): void {
  const { as } = entry;
  if (entry.kind === 'userGet' && as && entry.request.name === as.user) return;
  if (entry.kind === 'roleGet' && as && auth.user(as.user)?.roles.includes(entry.request.role ?? '')) return;
  auth.requireAdmin(as);
}

/**
 * Throws AuthError unless the entry's caller may do what it says. Judged when it is applied: then everyone agrees on who
 * may do what. What only needs a user or an administrator, whoever that is, the service asks before it proposes.
 */
export function permitEntry(permits: Permits, entry: Entry): void {
  switch (entry.kind) {
    case 'term':
    case 'leaseGrant':
    case 'leaseCheckpoint':
    case 'alarm':
    case 'compact':
    case 'authenticate':
      return;
    case 'put':
      return permitPut(permits, entry.as, entry.request);
    case 'deleteRange':
      return permitDelete(permits, entry.as, entry.request);
    case 'txn':
      return permitTxn(permits, entry.as, entry.request);
    case 'leaseRevoke':
      return permitLease(permits, entry.as, entry.request.ID);
    default:
      permitAdministration(permits, entry);
  }
}
