/** `balanced` spreads sticky clients anew when endpoints change, `persistent` keeps them as long as their endpoint lives. */
export interface StickySettings {
  readonly name: string;
  readonly mode: 'balanced' | 'persistent';
  readonly path: string;
  readonly domain: string;
  readonly sameSite: string;
  /** Seconds; undefined: a session cookie. */
  readonly maxAge: number | undefined;
  readonly expires: number | undefined;
  readonly secure: boolean;
  readonly changeOnFailure: boolean;
}

export interface CorsSettings {
  readonly origins: readonly string[];
  readonly methods: string;
  readonly headers: string;
  readonly credentials: boolean;
  readonly maxAge: number;
  readonly expose: string;
}

export interface CanarySettings {
  readonly weight: number;
  readonly weightTotal: number;
  readonly header: string;
  readonly headerValue: string;
  readonly headerPattern: RegExp | undefined;
  readonly cookie: string;
}

export interface LimitSettings {
  /** Per client address; 0: none. */
  readonly perSecond: number;
  readonly perMinute: number;
  readonly connections: number;
  readonly burstMultiplier: number;
  /** CIDRs that are not limited. */
  readonly exempt: readonly string[];
}

export interface RetrySettings {
  /** Of nginx's proxy_next_upstream: error, timeout, http_502 …, non_idempotent, off. */
  readonly on: ReadonlySet<string>;
  /** In all; 0: as many as there are endpoints. */
  readonly tries: number;
  /** 0: no limit. */
  readonly timeoutSeconds: number;
}

export interface BasicAuthSettings {
  /** `namespace/name` */
  readonly secret: string;
  readonly form: 'auth-file' | 'auth-map';
  readonly realm: string;
}

export interface ExternalAuthSettings {
  readonly url: string;
  readonly method: string;
  /** Where who is not let in is sent; empty: 401. */
  readonly signIn: string;
  readonly signInParameter: string;
  /** Of its reply, passed to the backend. */
  readonly responseHeaders: readonly string[];
}

/** Certificates that clients have to show. */
export interface ClientAuthSettings {
  /** `namespace/name` of the Secret with `ca.crt`. */
  readonly secret: string;
  readonly verify: 'on' | 'optional' | 'optional_no_ca';
  /** How many certificates may be between the client's and the authority's. */
  readonly depth: number;
  /** Where who has none is sent; empty: 400. */
  readonly errorPage: string;
  /** The backend gets the certificate itself. */
  readonly pass: boolean;
  readonly matchName: RegExp | undefined;
}

export type BackendProtocol = 'HTTP' | 'HTTPS' | 'GRPC' | 'GRPCS';

/** Everything annotations say about the locations of an Ingress. */
export interface LocationSettings {
  readonly rewriteTarget: string;
  readonly useRegex: boolean;
  readonly appRoot: string;
  readonly sslRedirect: boolean;
  readonly forceSslRedirect: boolean;
  readonly preserveTrailingSlash: boolean;
  /** A whole URL, with nginx variables. */
  readonly redirect: { readonly to: string; readonly status: number } | undefined;
  readonly fromToWww: boolean;
  readonly serverAlias: readonly string[];
  readonly canary: CanarySettings | undefined;
  readonly cors: CorsSettings | undefined;
  readonly limits: LimitSettings;
  readonly sticky: StickySettings | undefined;
  readonly hashBy: string;
  readonly backendProtocol: BackendProtocol;
  readonly connectTimeoutSeconds: number;
  readonly sendTimeoutSeconds: number;
  readonly readTimeoutSeconds: number;
  /** Bytes; 0: no limit. */
  readonly bodyLimit: number;
  readonly retry: RetrySettings;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly basicAuth: BasicAuthSettings | undefined;
  readonly externalAuth: ExternalAuthSettings | undefined;
  readonly clientAuth: ClientAuthSettings | undefined;
  /** Whether one of source ranges and authentication is enough. */
  readonly satisfy: 'all' | 'any';
  readonly loadBalance: 'round_robin' | 'ewma';
  /** Added to replies. */
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** `namespace/name` of a ConfigMap with headers to add to replies. */
  readonly customHeaders: string;
  readonly upstreamVhost: string;
  readonly forwardedPrefix: string;
  readonly mirrorTarget: string;
  readonly mirrorBody: boolean;
  /** The cluster address of the Service instead of its endpoints. */
  readonly serviceUpstream: boolean;
  /** Service of the same namespace for when there is no endpoint. */
  readonly defaultBackend: string;
  /** Status codes that the default backend answers instead. */
  readonly customHttpErrors: readonly number[];
  readonly accessLog: boolean;
  readonly verifyBackend: boolean;
  readonly backendServerName: string;
}
