import { StatusError, expired, internalError, serviceUnavailable, timeout } from '@orrery/errors';
import { Code, RpcError } from '@orrery/rpc';

/** 504 for a revision that this server has not seen yet. */
export function tooLargeVersion(wanted: number, current: number): StatusError {
  return new StatusError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
  });
}

export function isTooLargeVersion(error: unknown): boolean {
  return error instanceof StatusError && (error.status.details?.causes ?? []).some(({ reason }) => reason === 'ResourceVersionTooLarge');
}

/** Failures of the connection itself: nothing of the request has left this machine. */
const unsent = /^(?:No connection established|Name resolution failed|channel closed|Channel has been shut down)/;

/** Codes after which nobody knows whether the store has done what it was told. */
const unknownOutcome: readonly Code[] = [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.UNKNOWN, Code.INTERNAL];

/** True when a write that failed so may have happened all the same, or may happen yet. */
export function isAmbiguous(error: unknown): boolean {
  return error instanceof RpcError && unknownOutcome.includes(error.code) && !unsent.test(error.message);
}

/** What etcd itself says reaches clients as it is, with upstream's code and without a reason. */
function fromServer(message: string): StatusError {
  return new StatusError({ code: 500, message });
}

/** A failure of the store in the API's terms; compaction and revisions of the future have their own answers. */
export function toStorageError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (!(error instanceof RpcError)) return serviceUnavailable(`storage: ${error instanceof Error ? error.message : String(error)}`);
  if (error.code === Code.OUT_OF_RANGE && error.message.includes('compacted')) {
    return expired('The resourceVersion for the provided list is too old.');
  }
  if (error.code === Code.OUT_OF_RANGE) return tooLargeVersion(0, 0);
  if (error.message.startsWith('etcdserver: ')) return fromServer(error.message);
  if (error.code === Code.DEADLINE_EXCEEDED) return timeout('Timeout: request did not complete within requested timeout - context deadline exceeded');
  return serviceUnavailable(`etcd: ${error.message}`, 1);
}

/** Of a write whose outcome nobody could find out, as upstream passes it on. Clients are not told to try again: it may have happened. */
export function unknownOutcomeError(error: unknown): StatusError {
  const told = toStorageError(error);
  if (told.code !== 503) return told;
  return fromServer(`rpc error: code = Unavailable desc = ${(error as Error).message}`);
}

/** A value that cannot be made an object again. */
export interface Unreadable {
  /** In the store. */
  readonly key: string;
  readonly why: string;
  /** It could not be decrypted, as opposed to understood. */
  readonly isSealed: boolean;
}

/** What a request for the one object answers. */
export function unreadableObject({ key, why, isSealed }: Unreadable): StatusError {
  return isSealed ? internalError(new Error(why)) : new StatusError({ code: 500, message: `unable to decode ${JSON.stringify(key)}: ${why}` });
}

/** What a list (or watch) that the value belongs to answers: rather nothing than a part. */
export function unreadableList(unreadable: Unreadable): StatusError {
  const { key, why, isSealed } = unreadable;
  return isSealed ? internalError(new Error(`unable to transform key ${JSON.stringify(key)}: ${why}`)) : unreadableObject(unreadable);
}
