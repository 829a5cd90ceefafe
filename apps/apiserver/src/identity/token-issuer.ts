import type { CryptoKey } from 'jose';
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

/** How Web Crypto is asked for the signatures of JWS algorithms; RSA keys know their hash. */
const signatures: Readonly<Record<string, Parameters<typeof crypto.subtle.sign>[0]>> = {
  RS256: 'RSASSA-PKCS1-v1_5',
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  ES384: { name: 'ECDSA', hash: 'SHA-384' },
  ES512: { name: 'ECDSA', hash: 'SHA-512' },
};

/** A JWS in compact form. By hand, for every pod that starts has a token made, and the library takes three times as long. */
async function signed(header: { readonly alg: string; readonly kid: string }, payload: object, key: CryptoKey): Promise<string> {
  const parameters = signatures[header.alg];
  if (parameters === undefined) throw new Error(`service account keys of algorithm ${header.alg} are not supported`);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${Buffer.from(await crypto.subtle.sign(parameters, key, Buffer.from(text))).toString('base64url')}`;
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
      return signed({ alg: algorithm, kid: keyId }, payload, privateKey);
    },
  };
}
