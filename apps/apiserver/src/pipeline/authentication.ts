import type { HttpHeaders, PeerCertificate } from '@orrery/node-io/http-server';
import type { RequestInfo, UserInfo } from './request-info.ts';

/** What a request shows of its sender. gRPC metadata (`authorization`) is passed as headers. */
export interface Credentials {
  readonly headers: HttpHeaders;
  /** A client certificate that verified against the client CA. */
  readonly certificate?: PeerCertificate;
  /** The same, where it verified against the CA of front proxies (`--requestheader-client-ca-file`). */
  readonly proxyCertificate?: PeerCertificate;
  readonly remoteAddress: string;
  /** Path of the request, for what depends on it (anonymous access); absent in TokenReview. */
  readonly path?: string;
  /** Adds to the audit record of the request; absent where there is none. */
  readonly annotate?: (key: string, value: string) => void;
  /** Adds a `Warning` header to the reply; absent where there is none. */
  readonly warn?: (text: string) => void;
}

/**
 * One way to prove who one is. Undefined: not my kind of credential, ask the next. Throwing `unauthorized()` rejects the
 * request with 401 (a bearer token that nobody knows does). The first authenticator that returns a user wins. Requests
 * without any are anonymous when the configuration allows it, 401 otherwise; `system:authenticated` is added by the authenticator.
 */
export interface Authenticator {
  readonly name: string;
  authenticate(credentials: Credentials): Promise<UserInfo | undefined> | UserInfo | undefined;
}

/**
 * Runs after authentication and before authorization of the request itself; returns the user the request acts as (from
 * Impersonate-* headers). Throws 403 when `user` may not impersonate.
 */
export interface Impersonator {
  impersonate(request: { readonly user: UserInfo; readonly headers: HttpHeaders; readonly info: RequestInfo }): Promise<UserInfo> | UserInfo;
}
