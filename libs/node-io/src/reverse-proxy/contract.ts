import type { Conn, Endpoint } from '@orrery/vnet';

/** Names in lower case. */
export type ProxyHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A certificate that a client has shown. Distinguished names as RFC 2253 writes them. */
export interface PresentedCertificate {
  readonly pem: string;
  readonly subject: string;
  readonly issuer: string;
  readonly commonName: string;
  /** OpenSSL's name of what is wrong with it; empty: it leads to the authority. */
  readonly error: string;
  /** Certificates between it and the authority. */
  readonly intermediates: number;
}

/** One request as it came. */
export interface ProxiedRequest {
  readonly method: string;
  /** The Host header or :authority, as sent. */
  readonly host: string;
  /** Path with query. */
  readonly target: string;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0';
  readonly secure: boolean;
  readonly headers: ProxyHeaders;
  readonly clientIp: string;
  readonly clientPort: number;
  /** It asks for another protocol: WebSocket. */
  readonly upgrade: boolean;
  /** What the client has shown, where it was asked. */
  clientCertificate?(): PresentedCertificate | undefined;
}

export interface ExternalAuth {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of its reply, passed to the backend. */
  readonly responseHeaders: readonly string[];
  /** Where who is refused with 401 is sent. */
  readonly signIn: string;
}

/** How to send a request on. */
export interface ForwardPlan {
  /** Tried in this order until one answers; not empty. */
  readonly endpoints: readonly Endpoint[];
  readonly target: string;
  /** Replace what the client sent; an empty value takes the header away. Lower-case names. */
  readonly setHeaders: Readonly<Record<string, string>>;
  /** Added to the reply, in place of the backend's own. */
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** Added to the reply beside others of the name. */
  readonly cookies: readonly string[];
  readonly hideHeaders: readonly string[];
  readonly protocol: 'HTTP' | 'HTTPS' | 'GRPC' | 'GRPCS';
  readonly verify: boolean;
  readonly serverName: string;
  readonly connectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** Bytes; 0: no limit. */
  readonly bodyLimit: number;
  /** Conditions as nginx names them: error, timeout, http_502 …, non_idempotent. */
  readonly retryOn: ReadonlySet<string>;
  readonly tries: number;
  /** 0: no limit. */
  readonly retryTimeoutMs: number;
  readonly mirror: { readonly url: string; readonly body: boolean } | undefined;
  readonly auth: ExternalAuth | undefined;
  /** Told of each endpoint that did not answer. */
  failed?(endpoint: Endpoint): void;
  /** Another answer in the place of a reply with this status; undefined passes it on. */
  instead?(status: number): ProxyVerdict | undefined;
}

/** `tag` is given back in the record of the request. */
export type ProxyVerdict =
  | { readonly kind: 'reply'; readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly tag: unknown }
  | { readonly kind: 'forward'; readonly plan: ForwardPlan; readonly tag: unknown };

/** One try at a backend. */
export interface Attempt {
  readonly endpoint: Endpoint;
  /** 0: none came. */
  readonly status: number;
  /** Seconds to the connection, to the head and to the end of the reply. */
  readonly connectSeconds: number;
  readonly headerSeconds: number;
  seconds: number;
  bytes: number;
}

export interface ProxyRecord {
  readonly request: ProxiedRequest;
  readonly tag: unknown;
  readonly status: number;
  readonly bytesSent: number;
  readonly requestBytes: number;
  readonly seconds: number;
  readonly attempts: readonly Attempt[];
}

export interface ReverseProxyHandlers {
  decide(request: ProxiedRequest): ProxyVerdict | Promise<ProxyVerdict>;
  /** For a TLS handshake; without `own` the proxy's own certificate. `clientCa` (PEM): authorities of the clients' certificates. */
  certificate(serverName: string): { readonly own?: { readonly cert: string; readonly key: string } | undefined; readonly clientCa?: string };
  /** Whether any server name has a `clientCa`: only then clients are asked for certificates. */
  asksClients(): boolean;
  /** After each request. */
  done(record: ProxyRecord): void;
  /** Idle connections to backends that are kept, and how long. */
  keepAlive(): { readonly connections: number; readonly seconds: number };
  /** Address within the cluster of a name in auth-url or a mirror's URL; undefined: this machine's resolver and network. */
  resolve(name: string): string | undefined;
}

export interface ReverseProxyOptions {
  readonly host: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Ports tried when the wanted one is taken or not allowed: another one of the system's choice. */
  readonly anyPortIfTaken: boolean;
  readonly fallbackCertificate: { readonly cert: string; readonly key: string };
  dial(to: Endpoint): Promise<Conn>;
}

/** The data plane: an HTTP(S) reverse proxy on this machine whose backends live in the emulated network. */
export interface ReverseProxy {
  /** Resolves to the bound `host:port`s. Rejects with an Error that names the port when it is taken. */
  start(handlers: ReverseProxyHandlers): Promise<{ readonly http: string; readonly https: string }>;
  /** Stops listening, lets what runs end for a moment, then ends every connection. */
  stop(): Promise<void>;
  /** Open connections of clients. */
  connections(): number;
}
