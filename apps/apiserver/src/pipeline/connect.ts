import type { KindDescriptor } from '@orrery/api';
import type { HttpRequest, HttpResponse, RawSocket } from '@orrery/node-io/http-server';
import type { RequestInfo, UserInfo } from './request-info.ts';

/** A request to a streaming subresource, after authentication, authorization and CONNECT admission. */
export interface ConnectRequest {
  readonly http: HttpRequest;
  /** Set for a plain request (logs, port-forward probes, HTTP proxy); the handler sends the reply. */
  readonly response?: HttpResponse;
  /** Set for `Connection: Upgrade` (exec, attach, port-forward over SPDY or WebSocket); the handler writes the 101 itself. */
  readonly socket?: RawSocket;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly query: URLSearchParams;
  readonly kind: KindDescriptor;
  /** The object the subresource belongs to, e.g. the Pod; frozen. */
  readonly object: any;
  /** What follows the subresource in the path, e.g. `metrics` of `/api/v1/nodes/n/proxy/metrics`; without leading slash. */
  readonly tail: string;
}

/**
 * Serves subresources that stream or proxy: pods/exec, attach, portforward, log, proxy, services/proxy, nodes/proxy. A
 * StatusError thrown before the reply has begun is sent to the client in the usual form.
 */
export interface ConnectHandler {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  /** HTTP methods served; others answer 405. */
  readonly methods: readonly string[];
  connect(request: ConnectRequest): Promise<void> | void;
}
