import { type MvccErrorCode, MvccError } from '@orrery/mvcc';
import { Code, RpcError } from '@orrery/rpc';
import { type AuthErrorCode, AuthError } from './auth/auth-error.ts';

/** etcd's gRPC errors by what went wrong: code and text as its clients match them. Source: etcd's api/v3rpc/rpctypes. */
const table = {
  compacted: [Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
  futureRevision: [Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'],
  keyNotFound: [Code.INVALID_ARGUMENT, 'etcdserver: key not found'],
  emptyKey: [Code.INVALID_ARGUMENT, 'etcdserver: key is not provided'],
  valueProvided: [Code.INVALID_ARGUMENT, 'etcdserver: value is provided'],
  leaseProvided: [Code.INVALID_ARGUMENT, 'etcdserver: lease is provided'],
  tooManyOperations: [Code.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request'],
  duplicateKey: [Code.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request'],
  invalidSort: [Code.INVALID_ARGUMENT, 'etcdserver: invalid sort option'],
  leaseNotFound: [Code.NOT_FOUND, 'etcdserver: requested lease not found'],
  leaseExists: [Code.FAILED_PRECONDITION, 'etcdserver: lease already exists'],
  leaseTtlTooLarge: [Code.OUT_OF_RANGE, 'etcdserver: too large lease TTL'],
  noSpace: [Code.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'],
  requestTooLarge: [Code.INVALID_ARGUMENT, 'etcdserver: request is too large'],
  stopped: [Code.UNAVAILABLE, 'etcdserver: server stopped'],
  memberNotFound: [Code.NOT_FOUND, 'etcdserver: member not found'],
  memberNotLearner: [Code.FAILED_PRECONDITION, 'etcdserver: can only promote a learner member'],
  memberBadUrls: [Code.INVALID_ARGUMENT, 'etcdserver: given member URLs are invalid'],
  notEnoughMembers: [Code.FAILED_PRECONDITION, 'etcdserver: re-configuration failed due to not enough started members'],
  noLeader: [Code.UNAVAILABLE, 'etcdserver: no leader'],
  notLeader: [Code.FAILED_PRECONDITION, 'etcdserver: not leader'],
  leaderChanged: [Code.UNAVAILABLE, 'etcdserver: leader changed'],
  timeout: [Code.UNAVAILABLE, 'etcdserver: request timed out'],
  timeoutLeaderFail: [Code.UNAVAILABLE, 'etcdserver: request timed out, possibly due to previous leader failure'],
  timeoutTransfer: [Code.UNAVAILABLE, 'etcdserver: request timed out, leader transfer took too long'],
  unhealthy: [Code.UNAVAILABLE, 'etcdserver: unhealthy cluster'],
  memberExists: [Code.FAILED_PRECONDITION, 'etcdserver: member ID already exist'],
  peerUrlExists: [Code.FAILED_PRECONDITION, 'etcdserver: Peer URLs already exists'],
  learnerNotReady: [Code.FAILED_PRECONDITION, 'etcdserver: can only promote a learner member which is in sync with leader'],
  tooManyLearners: [Code.FAILED_PRECONDITION, 'etcdserver: too many learner members in cluster'],
  notForLearner: [Code.FAILED_PRECONDITION, 'etcdserver: rpc not supported for learner'],
  badTransferee: [Code.FAILED_PRECONDITION, 'etcdserver: bad leader transferee'],
  authNotEnabled: [Code.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled'],
  rootUserMissing: [Code.FAILED_PRECONDITION, 'etcdserver: root user does not exist'],
  rootRoleMissing: [Code.FAILED_PRECONDITION, 'etcdserver: root user does not have root role'],
  userExists: [Code.FAILED_PRECONDITION, 'etcdserver: user name already exists'],
  userEmpty: [Code.INVALID_ARGUMENT, 'etcdserver: user name is empty'],
  userNotFound: [Code.FAILED_PRECONDITION, 'etcdserver: user name not found'],
  roleExists: [Code.FAILED_PRECONDITION, 'etcdserver: role name already exists'],
  roleNotFound: [Code.FAILED_PRECONDITION, 'etcdserver: role name not found'],
  roleEmpty: [Code.INVALID_ARGUMENT, 'etcdserver: role name is empty'],
  authFailed: [Code.INVALID_ARGUMENT, 'etcdserver: authentication failed, invalid user ID or password'],
  // etcd has no gRPC error of its own for it.
  passwordlessUser: [Code.UNKNOWN, 'auth: authentication failed, password was given for no password user'],
  permissionNotGiven: [Code.INVALID_ARGUMENT, 'etcdserver: permission not given'],
  permissionDenied: [Code.PERMISSION_DENIED, 'etcdserver: permission denied'],
  roleNotGranted: [Code.FAILED_PRECONDITION, 'etcdserver: role is not granted to the user'],
  permissionNotGranted: [Code.FAILED_PRECONDITION, 'etcdserver: permission is not granted to the role'],
  invalidToken: [Code.UNAUTHENTICATED, 'etcdserver: invalid auth token'],
  invalidAuthManagement: [Code.INVALID_ARGUMENT, 'etcdserver: invalid auth management'],
  oldAuthRevision: [Code.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old'],
  duplicateWatchId: [Code.FAILED_PRECONDITION, 'mvcc: duplicate watch ID provided on the WatchStream'],
  emptyWatchRange: [Code.INVALID_ARGUMENT, 'mvcc: watcher range is empty'],
  badSnapshot: [Code.DATA_LOSS, 'etcdserver: corrupt snapshot'],
} as const satisfies Record<string, readonly [Code, string]> & Record<MvccErrorCode | AuthErrorCode, readonly [Code, string]>;

export type EtcdErrorCode = keyof typeof table;

export function etcdError(code: EtcdErrorCode): RpcError {
  const [status, message] = table[code];
  return new RpcError(status, message);
}

/** Translates what the state throws into etcd's gRPC error; anything else passes as it is. */
export function toEtcdError(error: unknown): unknown {
  return isRefusal(error) ? etcdError(error.code) : error;
}

/** Does `work`, and throws etcd's error for what it throws. */
export function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toEtcdError(error);
  }
}

/** What applying an entry may end in: a request that cannot be granted, on every member alike. Anything else is a bug. */
export function isRefusal(error: unknown): error is MvccError | AuthError {
  return error instanceof MvccError || error instanceof AuthError;
}
