/** What a request is about, in upstream's terms; the same for REST, gRPC and the in-memory client. */
export interface RequestInfo {
  /** False for paths such as /healthz, /version, /apis: then only `path` and `verb` (the lower-case method) mean something. */
  readonly isResource: boolean;
  /** URL path without the query. In-memory and gRPC requests carry the path REST would use. */
  readonly path: string;
  /**
   * get, list, watch, create, update, patch, delete, deletecollection; for subresources that connect (exec, proxy …) the
   * verb that the method maps to (GET get, POST create).
   */
  readonly verb: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural. */
  readonly resource: string;
  readonly subresource: string;
  /** Empty for cluster-scoped resources and for requests across all namespaces. */
  readonly namespace: string;
  readonly name: string;
}

/** Who asks. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** The API server itself: may do everything, is asked nothing. */
export const systemUser: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

export const anonymousUser: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
