import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { type CryptoKey, SignJWT, exportJWK, generateKeyPair } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ApiServerConfig, apiServerSchema } from '../../config.ts';
import { type JsonServer, jsonServer } from '../../testing/json-server.ts';
import type { TokenIdentity } from '../bearer.ts';
import { type StructuredAuthentication, structuredAuthentication } from './index.ts';

interface Key {
  readonly kid: string;
  readonly pair: { privateKey: CryptoKey; publicKey: CryptoKey };
}

let server: JsonServer;
let keys: Key[];
let published: Key[];
let discoverable = true;
let distributed = '';
let clock: VirtualClock;
let stop: AbortController;

const indent = (pem: string): string => pem.trim().split('\n').map((line) => `        ${line}`).join('\n');

beforeAll(async () => {
  keys = await Promise.all(['k1', 'k2'].map(async (kid) => ({ kid, pair: await generateKeyPair('RS256', { extractable: true }) })));
  const jwks = await Promise.all(keys.map(async ({ kid, pair }) => ({ ...(await exportJWK(pair.publicKey)), kid, alg: 'RS256', use: 'sig' })));
  server = await jsonServer(({ path, authorization }) => {
    if (!discoverable) return { status: 503, body: {} };
    if (path.endsWith('/.well-known/openid-configuration')) return { body: { issuer: server.url, jwks_uri: `${server.url}/keys` } };
    if (path === '/groups') return { status: authorization === 'Bearer f005' ? 200 : 403, text: distributed, body: {} };
    if (path === '/moved') return { status: 302, headers: { location: '/elsewhere/.well-known/openid-configuration' }, body: {} };
    return { body: { keys: jwks.filter(({ kid }) => published.some((key) => key.kid === kid)) } };
  });
});
afterAll(() => server.close());

beforeEach(() => {
  published = keys.slice(0, 1);
  discoverable = true;
  server.requests.length = 0;
  clock = new VirtualClock();
  stop = new AbortController();
});
afterEach(() => stop.abort());

const env = () => ({ clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() });

function open(settings: Partial<ApiServerConfig>): StructuredAuthentication {
  const config = resolveConfig(apiServerSchema, [settings]);
  const structured = structuredAuthentication({ env: env(), config, apiAudiences: ['https://api'], disallowedIssuers: ['https://api'] });
  structured.start(stop.signal);
  return structured;
}

async function sign(claims: object, options: { key?: Key | undefined; seconds?: number } = {}): Promise<string> {
  const key = options.key ?? (keys[0] as Key);
  const now = Math.floor(clock.now() / 1000);
  return new SignJWT({ iss: server.url, aud: 'me', sub: 'jane', iat: now, exp: now + (options.seconds ?? 600), ...claims }).setProtectedHeader({ alg: 'RS256', kid: key.kid }).sign(key.pair.privateKey);
}

async function identify(on: StructuredAuthentication, claims: object = {}, options?: Parameters<typeof sign>[1]): Promise<TokenIdentity | undefined> {
  return on.tokens.identify(await sign(claims, options), { audiences: ['https://api'] });
}

/** Discovery goes on in the background. */
async function ready(on: StructuredAuthentication): Promise<StructuredAuthentication> {
  await vi.waitFor(async () => {
    const why = await identify(on).then(() => '', (error: Error) => error.message);
    expect(why).not.toContain('not initialized');
  }, { timeout: 30_000 });
  return on;
}

const flags = (): Partial<ApiServerConfig> => ({ oidcIssuerUrl: server.url, oidcClientId: 'me', oidcCaFile: server.ca });
const file = (jwt: string, more = ''): Partial<ApiServerConfig> => ({
  authenticationConfig: `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: ${server.url}
    audiences: [me, you]
    audienceMatchPolicy: MatchAny
    certificateAuthority: |
${indent(server.ca)}
${jwt}
${more}`,
});

describe('--oidc-*', () => {
  it('accepts tokens of the issuer', async () => {
    const structured = await ready(open({ ...flags(), oidcGroupsClaim: 'groups', oidcGroupsPrefix: 'oidc:', oidcRequiredClaim: ['org=acme'] }));
    expect(await identify(structured, { groups: ['a', 'b'], org: 'acme', jti: 'j1' })).toEqual({
      user: { username: `${server.url}#jane`, groups: ['oidc:a', 'oidc:b', 'system:authenticated'], extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j1'] } },
      audiences: ['https://api'],
    });
    expect((await identify(structured, { groups: 'one', org: 'acme' }))?.user.groups).toEqual(['oidc:one', 'system:authenticated']);
    await expect(identify(structured)).rejects.toThrow('oidc: required claim org not present in ID token');
    await expect(identify(structured, { org: 'x' })).rejects.toThrow('oidc: required claim org value does not match. Got = x, want = acme');
  });

  it('knows mailboxes only once they are verified', async () => {
    const structured = await ready(open({ ...flags(), oidcUsernameClaim: 'email' }));
    expect((await identify(structured, { email: 'j@x' }))?.user.username).toBe('j@x');
    await expect(identify(structured, { email: 'j@x', email_verified: false })).rejects.toThrow('oidc: email not verified');
    await expect(identify(structured)).rejects.toThrow('oidc: parse username claims "email": claim not present');
  });

  it('refuses tokens that are old, early, for others or forged, and leaves those of other issuers', async () => {
    const structured = await ready(open(flags()));
    await expect(identify(structured, {}, { seconds: -1 })).rejects.toThrow('token is expired');
    await expect(identify(structured, { nbf: clock.now() / 1000 + 400 })).rejects.toThrow('before the nbf');
    await expect(identify(structured, { aud: 'other' })).rejects.toThrow('expected audience in ["me"] got ["other"]');
    await expect(identify(structured, {}, { key: keys[1] })).rejects.toThrow('oidc: verify token: failed to verify signature');
    expect(await identify(structured, { iss: 'https://elsewhere' })).toBeUndefined();
    expect(await structured.tokens.identify('nonsense', { audiences: ['https://api'] })).toBeUndefined();
    expect(await structured.tokens.identify(await sign({}), { audiences: ['vault'] })).toBeUndefined();
  });

  it('fetches groups that are kept elsewhere', async () => {
    const structured = await ready(open({ ...flags(), oidcGroupsClaim: 'groups' }));
    const elsewhere = (token = 'f005') => ({ _claim_names: { groups: 'src' }, _claim_sources: { src: { endpoint: `${server.url}/groups`, access_token: token } } });
    distributed = await sign({ groups: ['far', 'away'] });
    expect((await identify(structured, elsewhere()))?.user.groups).toEqual(['far', 'away', 'system:authenticated']);
    expect((await identify(structured, { ...elsewhere(), groups: ['here'] }))?.user.groups).toEqual(['here', 'system:authenticated']);
    await expect(identify(structured, elsewhere('wrong'))).rejects.toThrow('oidc: could not expand distributed claims: while getting distributed claim "groups"');
    distributed = await sign({ groups: ['forged'] }, { key: keys[1] });
    await expect(identify(structured, elsewhere())).rejects.toThrow('verify distributed claim token');
    distributed = await sign({});
    await expect(identify(structured, elsewhere())).rejects.toThrow('did not contain claim: groups');
    distributed = await sign({ groups: ['x'], iss: 'http://plain' });
    await expect(identify(structured, elsewhere())).rejects.toThrow('issuer "http://plain" is no https URL');
    await expect(identify(structured, { _claim_names: { groups: 'src' }, _claim_sources: {} })).rejects.toThrow('contained a source src missing in _claims_sources');
  });

  it('follows new keys, and asks for keys only when it must', async () => {
    const structured = await ready(open(flags()));
    const asked = (): number => server.requests.filter((request) => request.endsWith('/keys')).length;
    const before = asked();
    await identify(structured);
    expect(asked()).toBe(before);
    published = [...keys];
    expect(await identify(structured, {}, { key: keys[1] })).toMatchObject({ user: { groups: ['system:authenticated'] } });
    expect(asked()).toBe(before + 1);
  });

  it('waits for an issuer that is away', async () => {
    discoverable = false;
    const structured = open(flags());
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), { timeout: 30_000 });
    await expect(identify(structured)).rejects.toThrow(`oidc: authenticator for issuer "${server.url}" is not initialized`);
    discoverable = true;
    await vi.waitFor(async () => {
      await clock.advance(10_000);
      expect(await identify(structured)).toBeDefined();
    }, { timeout: 30_000 });
  });

  it.each<[Partial<ApiServerConfig>, string]>([
    [{ oidcIssuerUrl: 'http://x', oidcClientId: 'me' }, 'jwt[0].issuer.url: Invalid value: "http://x": URL scheme must be https'],
    [{ oidcIssuerUrl: 'https://api', oidcClientId: 'me' }, 'URL must not overlap with disallowed issuers: [https://api]'],
    [{ oidcIssuerUrl: 'https://x' }, 'oidc-issuer-url and oidc-client-id must be specified together'],
    [{ oidcIssuerUrl: 'https://x', oidcClientId: 'me', oidcSigningAlgs: ['HS256'] }, 'oidc: unsupported signing alg: "HS256"'],
    [{ oidcIssuerUrl: 'https://x', oidcClientId: 'me', oidcRequiredClaim: ['a'] }, 'a must be formatted as key=value'],
  ])('refuses %j', (settings, message) => expect(() => open(settings)).toThrow(message));
});

describe('--authentication-config', () => {
  it('maps and checks by expressions', async () => {
    const structured = await ready(open(file(`  claimMappings:
    username: {expression: "'x:' + claims.sub"}
    groups: {expression: "claims.roles"}
    uid: {claim: sub}
    extra: [{key: example.org/team, valueExpression: "claims.team"}]
  claimValidationRules:
  - {expression: "claims.hd == 'example.org'", message: wrong domain}
  userValidationRules:
  - {expression: "!user.username.startsWith('x:system:')", message: reserved}`)));
    expect((await identify(structured, { roles: ['a', 'b'], team: 'core', hd: 'example.org', aud: ['you'] }))?.user).toEqual({
      username: 'x:jane', uid: 'jane', groups: ['a', 'b', 'system:authenticated'], extra: { 'example.org/team': ['core'] },
    });
    await expect(identify(structured, { roles: 'a', team: 'core', hd: 'evil' })).rejects.toThrow("validation expression 'claims.hd == 'example.org'' failed: wrong domain");
    await expect(identify(structured, { roles: 'a', team: 'core', hd: 'example.org', sub: 'system:x' })).rejects.toThrow('failed: reserved');
    await expect(identify(structured, { team: 'core', hd: 'example.org' })).rejects.toThrow('oidc: error evaluating groups claim expression');
  });

  it('finds keys by a discovery URL of its own, through redirects', async () => {
    const text = file(`  claimMappings: {username: {claim: sub, prefix: ""}}`).authenticationConfig?.replace('    audiences:', `    discoveryURL: ${server.url}/moved\n    audiences:`) ?? '';
    const structured = await ready(open({ authenticationConfig: text }));
    expect((await identify(structured))?.user.username).toBe('jane');
    expect(server.requests.slice(0, 2)).toEqual(['GET /moved', 'GET /elsewhere/.well-known/openid-configuration']);
  });

  it('says who may come anonymously', () => {
    const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';
    const some = open({ authenticationConfig: `${header}anonymous: {enabled: true, conditions: [{path: /livez}]}\n` });
    expect([some.allowsAnonymous('/livez'), some.allowsAnonymous('/api')]).toEqual([true, false]);
    expect(open({ authenticationConfig: `${header}anonymous: {enabled: false}\n` }).allowsAnonymous('/livez')).toBe(false);
    expect(open({ authenticationConfig: header }).allowsAnonymous('/livez')).toBeUndefined();
  });

  it.each<[string, string]>([
    ['  claimMappings: {username: {claim: sub}}', 'jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set.'],
    ['  claimMappings: {username: {claim: sub, prefix: "", expression: "1"}}', `jwt[0].claimMappings.username: Invalid value: "": claim and expression can't both be set`],
    ['  claimMappings: {username: {expression: "claims."}}', 'jwt[0].claimMappings.username.expression: Invalid value: "claims.": compilation failed'],
    ['  claimMappings: {username: {expression: claims.email}}', 'claims.email_verified must be used in'],
    ['  claimMappings: {username: {claim: sub, prefix: ""}, extra: [{key: Foo, valueExpression: claims.a}]}', 'must be a domain-prefixed path'],
    ['  claimMappings: {username: {claim: sub, prefix: ""}, extra: [{key: a.k8s.io/x, valueExpression: claims.a}]}', 'are reserved for Kubernetes use'],
    ['  claimMappings: {username: {claim: sub, prefix: ""}}\n  claimValidationRules: [{}]', 'jwt[0].claimValidationRules[0]: Required value: claim or expression is required'],
    ['  claimMappings: {username: {claim: sub, prefix: ""}}\n  surprise: 1', 'strict decoding error: unknown field "jwt[0].surprise"'],
  ])('refuses %s', (jwt, message) => expect(() => open(file(jwt))).toThrow(message));

  it('refuses flags beside it, other kinds and conditions without access', () => {
    expect(() => open({ ...file('  claimMappings: {username: {claim: sub, prefix: ""}}'), ...flags() })).toThrow('mutually exclusive');
    expect(() => open({ authenticationConfig: 'kind: X\napiVersion: v1\n' })).toThrow('no kind "X" is registered for version "v1"');
    expect(() => open({ authenticationConfig: 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: false, conditions: [{path: /x}]}\n' })).toThrow('enabled should be set to true');
  });
});
