/** What a request on the state can fail with. The service edge gives each its gRPC code and etcd's text. */
export type MvccErrorCode =
  | 'compacted'
  | 'futureRevision'
  | 'keyNotFound'
  | 'emptyKey'
  | 'valueProvided'
  | 'leaseProvided'
  | 'tooManyOperations'
  | 'duplicateKey'
  | 'invalidSort'
  | 'leaseNotFound'
  | 'leaseExists'
  | 'leaseTtlTooLarge'
  | 'duplicateWatchId'
  | 'emptyWatchRange'
  | 'noSpace'
  | 'badSnapshot';

/** The one error class of this library. */
export class MvccError extends Error {
  readonly code: MvccErrorCode;

  constructor(code: MvccErrorCode, detail = '') {
    super(detail ? `${code}: ${detail}` : code);
    this.name = 'MvccError';
    this.code = code;
  }
}
