import { type JWTPayload, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import type { TokenClaims } from '../identity/claims.ts';
import type { TokenIssuer } from '../identity/token-issuer.ts';
import type { VerifyingKey } from '../identity/token-keys.ts';
import { InvalidTokenError, type TokenKind } from './bearer.ts';
import { identifyBound } from './bound-token.ts';
import { identifyLegacy, legacyIssuer } from './legacy-token.ts';
import type { TokenSettings } from './token-objects.ts';

const maxVerified = 10_000;

/** Those with the key id that the token names; all when it names none that is known, as older tokens do. */
function candidates(keys: readonly VerifyingKey[], token: string): readonly VerifyingKey[] {
  const { kid } = decodeProtectedHeader(token);
  const named = kid ? keys.filter(({ keyId }) => keyId === kid) : [];
  return named.length ? named : keys;
}

/** The payload if one of the keys has signed it. Times are checked against the server's own clock, later. */
async function verifySignature(keys: readonly VerifyingKey[], token: string): Promise<JWTPayload> {
  const { nbf = 0 } = decodeJwt(token);
  for (const { publicKey, algorithm } of candidates(keys, token)) {
    try {
      return (await jwtVerify(token, publicKey, { algorithms: [algorithm], currentDate: new Date((nbf + 1) * 1000) })).payload;
    } catch {
      // Signed with another key, perhaps.
    }
  }
  throw new InvalidTokenError('go-jose/go-jose: error in cryptographic primitive');
}

const algorithms = new Set(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA']);

/** Undefined for what is no signed token. */
function issuerOf(token: string): string | undefined {
  try {
    return algorithms.has(decodeProtectedHeader(token).alg ?? '') ? decodeJwt(token).iss : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Service-account tokens. A signature is checked once a token; whether its objects still exist, its time and audience are
 * checked on every use.
 */
export function serviceAccountTokens(settings: TokenSettings & { readonly issuer: TokenIssuer }): TokenKind {
  const verified = new Map<string, JWTPayload>();
  const verify = async (token: string): Promise<JWTPayload> => {
    const known = verified.get(token);
    if (known) return known;
    const payload = await verifySignature((await settings.issuer.keys()).verifying, token);
    if (verified.size >= maxVerified) verified.clear();
    verified.set(token, payload);
    return payload;
  };
  return {
    name: 'ServiceAccount',
    async identify(token, question) {
      const issuer = issuerOf(token);
      if (issuer === undefined || (issuer !== legacyIssuer && !settings.issuer.issuers.includes(issuer))) return undefined;
      const payload = await verify(token);
      if (issuer === legacyIssuer) return identifyLegacy(settings, { token, payload }, question);
      if (payload['kubernetes.io'] === undefined) throw new InvalidTokenError('service account token claims could not be validated due to unexpected private claim');
      const audience = typeof payload.aud === 'string' ? [payload.aud] : (payload.aud ?? settings.apiAudiences);
      return identifyBound(settings, { ...payload, aud: audience } as unknown as TokenClaims, question);
    },
  };
}
