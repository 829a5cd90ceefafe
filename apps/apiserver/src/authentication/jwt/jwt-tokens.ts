import { decodeJwt } from 'jose';
import type { Env } from '@orrery/runtime';
import { InvalidTokenError, type TokenIdentity, type TokenKind } from '../bearer.ts';
import { type Claims, claimsReader } from './claims.ts';
import type { JwtAuthenticator } from './configuration.ts';
import { expandClaims } from './distributed-claims.ts';
import { trustingFetch } from './fetch-json.ts';
import { type IssuerKeys, issuerKeys } from './issuer-keys.ts';

const allAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];
/** Issuers' clocks may be ahead by this much (that of the library upstream uses). */
const notBeforeLeewaySeconds = 300;
const maxOtherIssuers = 16;

/** The tokens of one issuer. */
export interface JwtTokens extends TokenKind {
  /** Why its keys are not known yet. */
  readonly unavailable: string | undefined;
  stop(): void;
}

function claimsOf(payload: string): Claims {
  const claims = JSON.parse(payload) as unknown;
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new InvalidTokenError('oidc: parse claims: not an object');
  return claims as Claims;
}

function checkTimes({ exp, nbf }: Claims, nowSeconds: number): void {
  if (typeof exp !== 'number' || exp <= nowSeconds) {
    const at = new Date((typeof exp === 'number' ? exp : 0) * 1000).toISOString();
    throw new InvalidTokenError(`oidc: verify token: oidc: token is expired (Token Expiry: ${at})`);
  }
  if (typeof nbf === 'number' && nowSeconds + notBeforeLeewaySeconds < nbf) {
    throw new InvalidTokenError(`oidc: verify token: oidc: current time ${new Date(nowSeconds * 1000).toISOString()} before the nbf (not before) time: ${new Date(nbf * 1000).toISOString()}`);
  }
}

function checkAudience({ aud }: Claims, accepted: readonly string[]): void {
  const meant = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : [];
  if (accepted.some((audience) => meant.includes(audience))) return;
  const list = (values: readonly unknown[]): string => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
  throw new InvalidTokenError(`oidc: verify token: oidc: expected audience in ${list([...accepted].sort())} got ${list(meant)}`);
}

/** Issuers that hold claims for others: there are few. */
function otherIssuers(open: (issuer: string) => IssuerKeys): { keysOf(issuer: string): IssuerKeys; stop(): void } {
  const known = new Map<string, IssuerKeys>();
  const stop = (): void => {
    for (const keys of known.values()) keys.stop();
    known.clear();
  };
  return {
    keysOf(issuer) {
      let keys = known.get(issuer);
      if (keys) return keys;
      if (!issuer.startsWith('https://')) throw new Error(`issuer ${JSON.stringify(issuer)} is no https URL`);
      if (known.size >= maxOtherIssuers) stop();
      known.set(issuer, (keys = open(issuer)));
      return keys;
    },
    stop,
  };
}

/** Begins to look for the issuer's keys at once; a token is verified and mapped anew on every use. */
export function jwtTokens(authenticator: JwtAuthenticator, options: { readonly env: Env; readonly apiAudiences: readonly string[] }): JwtTokens {
  const { env, apiAudiences } = options;
  const { url, discoveryURL, certificateAuthority, audiences } = authenticator.issuer;
  const fetch = trustingFetch({ clock: env.clock, ...(certificateAuthority ? { ca: certificateAuthority } : {}) });
  const shared = { algorithms: authenticator.signingAlgorithms ?? allAlgorithms, fetch: fetch.get, clock: env.clock, log: env.log };
  const keys = issuerKeys({ url, ...(discoveryURL ? { discoveryUrl: discoveryURL } : {}), ...shared });
  const others = otherIssuers((issuer) => issuerKeys({ url: issuer, ...shared }));
  const read = claimsReader(authenticator);
  const groupsClaim = authenticator.claimMappings.groups?.claim;
  const check = (claims: Claims): void => {
    checkTimes(claims, env.clock.now() / 1000);
    checkAudience(claims, audiences);
  };
  const expand = async (claims: Claims): Promise<Claims> =>
    groupsClaim ? expandClaims(claims, { claim: groupsClaim, fetch: fetch.get, keysOf: (issuer) => (issuer === url ? keys : others.keysOf(issuer)), check }) : claims;
  const isMine = (token: string): boolean => {
    try {
      return decodeJwt(token).iss === url;
    } catch {
      return false;
    }
  };
  return {
    name: 'JWT',
    get unavailable() {
      return keys.unavailable;
    },
    async identify(token, question): Promise<TokenIdentity | undefined> {
      const meant = question.audiences.filter((audience) => apiAudiences.includes(audience) || audiences.includes(audience));
      if (!meant.length || !isMine(token)) return undefined;
      let payload: string;
      try {
        payload = await keys.verify(token);
      } catch (error) {
        const { message } = error as Error;
        throw new InvalidTokenError(message.startsWith('oidc: ') ? message : `oidc: verify token: failed to verify signature: ${message}`);
      }
      const claims = claimsOf(payload);
      check(claims);
      const { username, uid, groups, extra } = read(await expand(claims));
      const user = { username, ...(uid ? { uid } : {}), groups: [...groups, 'system:authenticated'], ...(Object.keys(extra).length ? { extra } : {}) };
      return { user, audiences: meant };
    },
    stop() {
      keys.stop();
      others.stop();
      fetch.close();
    },
  };
}
