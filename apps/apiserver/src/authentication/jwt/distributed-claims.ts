import { decodeJwt } from 'jose';
import { InvalidTokenError } from '../bearer.ts';
import type { Claims } from './claims.ts';
import type { Fetch } from './fetch-json.ts';
import type { IssuerKeys } from './issuer-keys.ts';

interface Options {
  /** The claim that may be elsewhere: the one that groups are read from. */
  readonly claim: string;
  readonly fetch: Fetch;
  /** The keys of an issuer; found once. */
  readonly keysOf: (issuer: string) => IssuerKeys;
  /** Checks audience and times of the token that holds the claim. */
  readonly check: (claims: Claims) => void;
}

const refuse = (why: string): never => {
  throw new InvalidTokenError(`oidc: could not expand distributed claims: ${why}`);
};

const record = (value: unknown): Record<string, unknown> | undefined => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined);

/** Where the claim is, by `_claim_names` and `_claim_sources`; undefined when it is in the token or nowhere. */
function sourceOf(claims: Claims, claim: string): { readonly endpoint: string; readonly token: string } | undefined {
  if (claims[claim] !== undefined || claims['_claim_names'] === undefined) return undefined;
  const names = record(claims['_claim_names']) ?? refuse('oidc: error parsing distributed claim names: not an object');
  const sources = record(claims['_claim_sources']) ?? refuse('oidc: no claim sources');
  const name = names[claim];
  if (name === undefined) return undefined;
  const source = record(sources[String(name)]) ?? refuse(`id token _claim_names contained a source ${String(name)} missing in _claims_sources`);
  const { endpoint, access_token: token } = source;
  // Without an endpoint the claim is an aggregated one, which upstream does not read either.
  return typeof endpoint === 'string' && endpoint ? { endpoint, token: typeof token === 'string' ? token : '' } : undefined;
}

function issuerOf(jwt: string, endpoint: string, claim: string): string {
  try {
    return decodeJwt(jwt).iss ?? '';
  } catch (error) {
    return refuse(`getting untrusted issuer from endpoint ${endpoint} failed for claim ${JSON.stringify(claim)}: ${(error as Error).message}`);
  }
}

/** Fetches the claim from where the token says it is (OpenID Connect Core 5.6.2). The answer is a signed token of its own. */
export async function expandClaims(claims: Claims, { claim, fetch, keysOf, check }: Options): Promise<Claims> {
  const source = sourceOf(claims, claim);
  if (!source) return claims;
  const { endpoint, token } = source;
  let jwt = '';
  try {
    jwt = (await fetch(endpoint, token ? { authorization: `Bearer ${token}` } : {})).trim();
  } catch (error) {
    refuse(`while getting distributed claim ${JSON.stringify(claim)}: ${(error as Error).message}`);
  }
  const issuer = issuerOf(jwt, endpoint, claim);
  let found: Claims = {};
  try {
    const keys = keysOf(issuer);
    await keys.attempted;
    found = JSON.parse(await keys.verify(jwt)) as Claims;
    check(found);
  } catch (error) {
    refuse(`verify distributed claim token: ${(error as Error).message}`);
  }
  if (found[claim] === undefined) refuse(`jwt returned by distributed claim endpoint ${endpoint} did not contain claim: ${claim}`);
  return { ...claims, [claim]: found[claim] };
}
