import type { Status } from '@orrery/errors';
import type { RequestInfo, UserInfo } from './request-info.ts';

/** A request whose sender is known, as its audit record begins. */
export interface AuditedRequest {
  readonly auditId: string;
  /** Path and query as sent; requests that did not come by URL carry the path REST would use. */
  readonly uri: string;
  /** Undefined: authentication failed. */
  readonly user: UserInfo | undefined;
  readonly info: RequestInfo;
  /** From the client to the last hop; empty for callers in this process. */
  readonly sourceIps: readonly string[];
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly receivedMs: number;
  /** Watches and streams: they have a stage ResponseStarted. */
  readonly isLongRunning: boolean;
  /** Of the request, by reference: what is added before a stage is in its event. */
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * The record of one request, from RequestReceived on. Each method costs nothing beyond the level that the policy gave:
 * bodies are only looked at from Request on. None throws.
 */
export interface AuditTrail {
  /** Is the body of the answer recorded? Asked where making it costs something. */
  readonly wantsResponse: boolean;
  /** The user that the request acts as from here on (impersonation). */
  actsAs(user: UserInfo): void;
  /** The body as decoded, before anything changed it. Copied at once where it is recorded. */
  request(object: object): void;
  /** A patch as sent, as JSON. */
  patch(patch: unknown): void;
  /** The body of the answer: JSON bytes or an object, neither of which may change afterwards. */
  response(body: Uint8Array | object): void;
  /** The answer is a failure. */
  failed(status: Status): void;
  /** The head of an answer that goes on (watch, exec) was sent. */
  started(code: number): void;
  /** The answer is complete; the last call, unless `panicked` is. */
  completed(code: number): void;
  /** The request met a bug. */
  panicked(message: string): void;
}

export interface Auditor {
  /**
   * Begins the record of a request; undefined when the policy wants none. Throws 500 when its first event could not be
   * stored and the mode is blocking-strict. A promise only where a back end is waited for.
   */
  begin(request: AuditedRequest): AuditTrail | undefined | Promise<AuditTrail | undefined>;
  /** Records a request whose sender could not be authenticated, in one event. */
  refused(request: AuditedRequest, status: Status): void;
}
