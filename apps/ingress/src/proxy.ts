import type { Endpoint } from '@orrery/vnet';
import type { Certificate } from './routing/table.ts';

/** What to do with one request. */
export type Verdict =
  /** Forward; the endpoints are tried in this order until one accepts the connection. */
  | { readonly kind: 'forward'; readonly endpoints: readonly Endpoint[]; readonly ingress: string }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'reply'; readonly status: number; readonly body: string };

export interface ProxyRequest {
  readonly host: string;
  /** Path with query. */
  readonly target: string;
  readonly secure: boolean;
  readonly clientIp: string;
}

export interface ProxyHandlers {
  decide(request: ProxyRequest): Verdict;
  /** For a TLS handshake; undefined uses the proxy's own certificate. */
  certificate(serverName: string): Certificate | undefined;
  /** After each request. */
  done(record: { readonly request: ProxyRequest; readonly status: number; readonly ingress: string; readonly seconds: number }): void;
}

/** The data plane: an HTTP(S) reverse proxy on this machine whose connections go into the pod network. An adapter. */
export interface ReverseProxy {
  /** Resolves to the bound `host:port`s. Rejects with an Error that names the port when it is taken. */
  start(handlers: ProxyHandlers): Promise<{ readonly http: string; readonly https: string }>;
  stop(): Promise<void>;
}
