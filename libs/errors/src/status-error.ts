/** A `metav1.Status` as sent to clients. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** The one error class of API requests: what a server answers with and what a client throws. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Omit<Status, 'kind' | 'apiVersion' | 'metadata' | 'status'> & { metadata?: Status['metadata'] }) {
    const { stackTraceLimit } = Error;
    // A refusal is an answer like any other, and often thousands a second: where it was made up tells nothing that its message does not.
    if (status.code < 500) Error.stackTraceLimit = 0;
    super(status.message ?? status.reason ?? `HTTP ${status.code}`);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'StatusError';
    const { code, reason, message, details, metadata = {}, ...more } = status;
    // In the order of the original, for whoever reads it.
    this.status = { kind: 'Status', apiVersion: 'v1', metadata, status: 'Failure', ...(message === undefined ? {} : { message }), ...(reason === undefined ? {} : { reason }), ...(details ? { details } : {}), ...more, code };
  }

  get code(): number {
    return this.status.code;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }
}

/** Which object an error speaks of. `resource` is the plural, e.g. `deployments`. */
export interface Subject {
  group: string;
  resource: string;
  name?: string;
}

/** `deployments.apps`, or `pods` for the core group. */
export function qualifiedResource(subject: { group: string; resource: string }): string {
  return subject.group ? `${subject.resource}.${subject.group}` : subject.resource;
}

function details(subject: Subject, extra: StatusDetails = {}): StatusDetails {
  return {
    ...(subject.name ? { name: subject.name } : {}),
    ...(subject.group ? { group: subject.group } : {}),
    kind: subject.resource,
    ...extra,
  };
}

export function notFound(subject: Subject): StatusError {
  const message = `${qualifiedResource(subject)} "${subject.name ?? ''}" not found`;
  return new StatusError({ code: 404, reason: 'NotFound', message, details: details(subject) });
}

export function alreadyExists(subject: Subject): StatusError {
  const message = `${qualifiedResource(subject)} "${subject.name ?? ''}" already exists`;
  return new StatusError({ code: 409, reason: 'AlreadyExists', message, details: details(subject) });
}

export function conflict(subject: Subject, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualifiedResource(subject)} "${subject.name ?? ''}": ${why}`;
  return new StatusError({ code: 409, reason: 'Conflict', message, details: details(subject) });
}

/** The optimistic-lock failure in upstream's words. */
export function modifiedConflict(subject: Subject): StatusError {
  return conflict(subject, 'the object has been modified; please apply your changes to the latest version and try again');
}

export function forbidden(subject: Subject, why: string): StatusError {
  const name = subject.name ? ` "${subject.name}"` : '';
  const message = subject.resource ? `${qualifiedResource(subject)}${name} is forbidden: ${why}` : `forbidden: ${why}`;
  return new StatusError({ code: 403, reason: 'Forbidden', message, details: details(subject) });
}

export function badRequest(message: string): StatusError {
  return new StatusError({ code: 400, reason: 'BadRequest', message });
}

export function unauthorized(message = 'Unauthorized'): StatusError {
  return new StatusError({ code: 401, reason: 'Unauthorized', message });
}

export function methodNotSupported(subject: Subject, verb: string): StatusError {
  const message = `${verb} is not supported on resources of kind "${qualifiedResource(subject)}"`;
  return new StatusError({ code: 405, reason: 'MethodNotAllowed', message, details: details(subject) });
}

export function notAcceptable(message: string): StatusError {
  return new StatusError({ code: 406, reason: 'NotAcceptable', message });
}

export function unsupportedMediaType(message: string): StatusError {
  return new StatusError({ code: 415, reason: 'UnsupportedMediaType', message });
}

/** The requested revision is gone; `continueToken` lets a paging client go on inconsistently. */
export function expired(message: string, continueToken?: string): StatusError {
  return new StatusError({ code: 410, reason: 'Expired', message, ...(continueToken ? { metadata: { continue: continueToken } } : {}) });
}

export function tooLarge(message: string): StatusError {
  return new StatusError({ code: 413, reason: 'RequestEntityTooLarge', message });
}

export function tooManyRequests(message: string, retryAfterSeconds?: number): StatusError {
  const more = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return new StatusError({ code: 429, reason: 'TooManyRequests', message, ...more });
}

export function internalError(error: unknown): StatusError {
  const text = error instanceof Error ? error.message : String(error);
  const message = `Internal error occurred: ${text}`;
  return new StatusError({ code: 500, reason: 'InternalError', message, details: { causes: [{ message: text }] } });
}

export function serviceUnavailable(message: string, retryAfterSeconds?: number): StatusError {
  const more = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return new StatusError({ code: 503, reason: 'ServiceUnavailable', message, ...more });
}

export function timeout(message: string, retryAfterSeconds?: number): StatusError {
  const more = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return new StatusError({ code: 504, reason: 'Timeout', message, ...more });
}

/** Translates anything thrown into a StatusError, once, at a boundary. */
export function toStatusError(error: unknown): StatusError {
  return error instanceof StatusError ? error : internalError(error);
}

export function hasReason(error: unknown, reason: string): error is StatusError {
  return error instanceof StatusError && error.reason === reason;
}

export const isNotFound = (error: unknown): error is StatusError => hasReason(error, 'NotFound');
export const isAlreadyExists = (error: unknown): error is StatusError => hasReason(error, 'AlreadyExists');
export const isConflict = (error: unknown): error is StatusError => hasReason(error, 'Conflict');
/** 410 under either of its reasons. */
export const isExpired = (error: unknown): error is StatusError => error instanceof StatusError && error.code === 410;
