/** An object that a token is bound to. */
export interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

/** Where a pod runs; without uid when there is no such Node. */
export type BoundNode = Pick<BoundObject, 'name'> & Partial<BoundObject>;

/** The private claims of a bound service-account token. */
export interface KubernetesClaims {
  readonly namespace: string;
  readonly serviceaccount: BoundObject;
  readonly pod?: BoundObject;
  readonly secret?: BoundObject;
  readonly node?: BoundNode;
  /** Seconds since the epoch from which on the token should have been replaced. */
  readonly warnafter?: number;
}

/** The claims of a service-account token. */
export interface TokenClaims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti: string;
  readonly nbf: number;
  readonly sub: string;
  readonly 'kubernetes.io': KubernetesClaims;
}

export const serviceAccountUser = (namespace: string, name: string): string => `system:serviceaccount:${namespace}:${name}`;

/** Namespace and name of a service account's user name; undefined for other users. */
export function parseServiceAccountUser(username: string): { readonly namespace: string; readonly name: string } | undefined {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username);
  return match ? { namespace: match[1] ?? '', name: match[2] ?? '' } : undefined;
}

export const serviceAccountGroups = (namespace: string): string[] => ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
