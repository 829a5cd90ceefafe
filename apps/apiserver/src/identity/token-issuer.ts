import { SignJWT } from 'jose';
import type { KubernetesClaims, TokenClaims } from './claims.ts';
import { serviceAccountUser } from './claims.ts';
import { type TokenKeys, loadTokenKeys } from './token-keys.ts';

export interface IssueRequest {
  readonly claims: KubernetesClaims;
  readonly audiences: readonly string[];
  readonly nowSeconds: number;
  readonly lifetimeSeconds: number;
  /** A unique id for the token. */
  readonly id: string;
}

/** Signs service-account tokens. The keys are loaded on first use. */
export interface TokenIssuer {
  /** The first one issues; tokens of all are accepted. */
  readonly issuers: readonly string[];
  keys(): Promise<TokenKeys>;
  issue(request: IssueRequest): Promise<string>;
}

export function tokenIssuer(options: { readonly issuers: readonly string[]; readonly key: string; readonly furtherKeys: readonly string[] }): TokenIssuer {
  let loaded: Promise<TokenKeys> | undefined;
  const keys = (): Promise<TokenKeys> => (loaded ??= loadTokenKeys({ signing: options.key, further: options.furtherKeys }));
  return {
    issuers: options.issuers,
    keys,
    async issue({ claims, audiences, nowSeconds, lifetimeSeconds, id }) {
      const { algorithm, keyId, privateKey } = (await keys()).signing;
      const payload: TokenClaims = {
        aud: audiences,
        exp: nowSeconds + lifetimeSeconds,
        iat: nowSeconds,
        iss: options.issuers[0] ?? '',
        jti: id,
        'kubernetes.io': claims,
        nbf: nowSeconds,
        sub: serviceAccountUser(claims.namespace, claims.serviceaccount.name),
      };
      return new SignJWT(payload as never).setProtectedHeader({ alg: algorithm, kid: keyId }).sign(privateKey);
    },
  };
}
