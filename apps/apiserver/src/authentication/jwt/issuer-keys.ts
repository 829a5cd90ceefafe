import { type CompactVerifyGetKey, type CryptoKey, type JSONWebKeySet, compactVerify, createLocalJWKSet, errors } from 'jose';
import type { Clock, Logger, Timer } from '@orrery/runtime';
import type { Fetch } from './fetch-json.ts';

const retryMs = 10_000;

interface Options {
  readonly url: string;
  readonly discoveryUrl?: string;
  readonly algorithms: readonly string[];
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The keys of one issuer, found by OpenID Connect discovery. An issuer out of reach is asked again every ten seconds. */
export interface IssuerKeys {
  /** Why the issuer is not known yet; undefined once discovery has succeeded. */
  readonly unavailable: string | undefined;
  /** Resolves after the first attempt, whatever came of it. */
  readonly attempted: Promise<void>;
  /** The payload of a token that one of the keys has signed; keys are fetched again when none of those known has. */
  verify(token: string): Promise<string>;
  stop(): void;
}

type Resolver = CompactVerifyGetKey;

/** Keys without an id can be many: each is tried. */
async function verifyWith(token: string, keys: Resolver, algorithms: readonly string[]): Promise<string> {
  const check = async (key: Resolver | CryptoKey): Promise<string> => {
    const options = { algorithms: [...algorithms] };
    const { payload } = typeof key === 'function' ? await compactVerify(token, key, options) : await compactVerify(token, key, options);
    return Buffer.from(payload).toString('utf8');
  };
  try {
    return await check(keys);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await check(key);
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

async function discover({ url, discoveryUrl, fetch }: Options): Promise<string> {
  const text = await fetch(discoveryUrl ?? `${url.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const document = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown };
  if (document.issuer !== url) throw new Error(`oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(url)} got ${JSON.stringify(document.issuer ?? '')}`);
  if (typeof document.jwks_uri !== 'string') throw new Error('oidc: the discovery document has no jwks_uri');
  return document.jwks_uri;
}

/** Begins discovery at once. */
export function issuerKeys(options: Options): IssuerKeys {
  const { clock, log, url } = options;
  let jwksUri: string | undefined;
  let failure = 'not yet discovered';
  let stopped = false;
  let timer: Timer | undefined;
  let keys: Resolver | undefined;
  let fetching: Promise<Resolver> | undefined;
  const begin = (): Promise<void> =>
    discover(options).then(
      (uri) => void (jwksUri = uri),
      (error: unknown) => {
        failure = (error as Error).message;
        log.error('oidc authenticator: initializing plugin', { issuer: url, error: failure });
        if (!stopped) timer = clock.after(retryMs, () => void begin());
      },
    );
  const refresh = (uri: string): Promise<Resolver> =>
    (fetching ??= options
      .fetch(uri)
      .then((text) => (keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)))
      .finally(() => (fetching = undefined)));
  const attempted = begin();
  return {
    attempted,
    get unavailable() {
      return jwksUri === undefined ? failure : undefined;
    },
    async verify(token) {
      if (jwksUri === undefined) throw new Error(`oidc: authenticator for issuer ${JSON.stringify(url)} is not initialized`);
      if (keys) {
        try {
          return await verifyWith(token, keys, options.algorithms);
        } catch (error) {
          // Perhaps the issuer has new keys.
          if (!(error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed)) throw error;
        }
      }
      return verifyWith(token, await refresh(jwksUri), options.algorithms);
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
