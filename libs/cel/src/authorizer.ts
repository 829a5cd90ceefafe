/** What an expression asks an authorizer: a resource unless there is a path. Selectors are as written in the expression. */
export interface AuthorizerQuery {
  /** `system:serviceaccount:NAMESPACE:NAME` of `authorizer.serviceAccount(…)`; absent asks for the requester. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly verb: string;
  readonly path?: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** `error` is what `errored()` and `error()` tell; it goes with any decision. */
export interface AuthorizerDecision {
  readonly decision: 'allow' | 'deny' | 'noOpinion';
  readonly reason: string;
  readonly error?: string;
}

/** Answers the checks of an expression. A promise makes `evaluate` answer an error: use `evaluateAsync`, which waits for it. */
export type AuthorizerCallback = (query: AuthorizerQuery) => AuthorizerDecision | Promise<AuthorizerDecision>;

/** What `authorizer.requestResource` stands for. */
export type RequestResource = Pick<AuthorizerQuery, 'group' | 'resource' | 'subresource' | 'namespace' | 'name'>;
