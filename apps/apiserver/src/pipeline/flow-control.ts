import { type StatusError, tooManyRequests } from '@orrery/errors';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { RequestInfo, UserInfo } from './request-info.ts';

/** A request that asks to run. */
export interface FlowRequest {
  readonly user: UserInfo;
  readonly info: RequestInfo;
  /** Of a list or watch: how much is asked for. */
  readonly query?: URLSearchParams;
  /** How long the request may take in all, milliseconds; a quarter of it, and no more than a minute, may be spent waiting. */
  readonly timeoutMs?: number;
  /** Aborts when nobody waits for the answer; asked for only when the request has to wait. */
  readonly signal?: () => AbortSignal | undefined;
}

export interface FlowTicket {
  /** X-Kubernetes-PF-FlowSchema-UID and the like. */
  readonly headers: HttpHeaders;
  /** The request is answered, a watch has begun. Further calls do nothing. */
  release(): void;
}

/** Priority and fairness, or plain limits on requests in flight. */
export interface FlowControl {
  /** The request may run: at once, or when its turn comes. Throws (rejects with) a FlowRefusal. */
  acquire(request: FlowRequest): FlowTicket | Promise<FlowTicket>;
  /** A watch is open: writes that wake it cost more. Returns how to say that it is over. */
  watching(info: RequestInfo, fieldSelector: string): () => void;
  /** The tables of /debug/api_priority_and_fairness; undefined when there is no such page. */
  dump?(page: string, options: { readonly details: boolean }): string | undefined;
}

/** The request may not run now. Over REST upstream says so in plain text, not in a Status. */
export class FlowRefusal extends Error {
  readonly retryAfterSeconds: number;
  readonly headers: HttpHeaders;

  constructor(retryAfterSeconds: number, headers: HttpHeaders = {}) {
    super('Too many requests, please try again later.');
    this.retryAfterSeconds = retryAfterSeconds;
    this.headers = headers;
  }

  /** For clients that do not come by REST. */
  get status(): StatusError {
    return tooManyRequests(this.message, this.retryAfterSeconds);
  }
}
