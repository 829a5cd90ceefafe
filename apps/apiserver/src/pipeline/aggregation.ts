import type { HttpHeaders, HttpRequest, HttpResponse, RawSocket } from '@orrery/node-io/http-server';
import type { UserInfo } from './request-info.ts';

/** One version of a group as `apidiscovery.k8s.io` describes it. */
export interface VersionDiscovery {
  readonly version: string;
  /** APIResourceDiscovery objects as the other server gave them; absent until it was first read. */
  readonly resources?: readonly object[];
  /** Stale: the server could not be asked when it last should have been. */
  readonly freshness: 'Current' | 'Stale';
}

/** A group version that another server serves, as its APIService says. */
export interface RemoteGroupVersion {
  readonly group: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  readonly discovery: VersionDiscovery;
}

/** An authorized request for a path of another server. */
export interface DelegatedRequest {
  readonly http: HttpRequest;
  /** Of a plain request. */
  readonly response?: HttpResponse;
  /** Of one that asks for an upgrade. */
  readonly socket?: RawSocket;
  /** Aborts when the client has gone or its time is up. */
  readonly signal: AbortSignal;
  readonly user: UserInfo;
  readonly auditId: string;
  /** Of this server, for the reply (Audit-Id, priority and fairness). */
  readonly headers: HttpHeaders;
  /** Called with the status before the body is sent. */
  onStatus(code: number): void;
}

/** The group versions that other servers serve through this one. */
export interface Aggregation {
  /** Moves whenever what is said of other servers (discovery, OpenAPI) has changed. */
  readonly generation: number;
  remotes(): readonly RemoteGroupVersion[];
  /** Does another server serve this URL path (`/apis/GROUP/VERSION` and below, or its OpenAPI v3 document)? */
  serves(path: string): boolean;
  /** Passes the request on. What goes wrong is told in plain text (503), as upstream does. */
  serve(request: DelegatedRequest): Promise<void>;
  /** What `/openapi/v3` lists for other servers: `apis/GROUP/VERSION` and its URL with the hash. */
  openApiV3(): ReadonlyMap<string, string>;
  /** Those `apis/GROUP/VERSION` whose servers have no v3: their documents are made from v2, and served here. */
  openApiV3Made(): readonly string[];
  openApiV3Of(key: string): object | undefined;
  /** Swagger documents of other servers, cut down to what their APIServices name; in order of priority. */
  openApiV2(): readonly object[];
}
