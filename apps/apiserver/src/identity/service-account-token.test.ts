import { Nodes, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { ensurePki } from '@orrery/node-io/pki';
import { resolveConfig } from '@orrery/runtime';
import fc from 'fast-check';
import { SignJWT, decodeJwt, importPKCS8 } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ApiServerConfig, apiServerSchema } from '../config.ts';
import type { PluginContext, PluginSet, UserInfo } from '../pipeline/index.ts';
import { FakeCluster, allowAll } from '../testing/fake-cluster.ts';
import { identityPlugin } from './index.ts';

const old = ensurePki(undefined);
const current = ensurePki(undefined);
const podRef = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'pod-1' };

let cluster: FakeCluster;
let set: PluginSet;
let annotations: Record<string, string>;
let warnings: string[];

function open(settings: Partial<ApiServerConfig> = {}): PluginSet {
  const config = resolveConfig(apiServerSchema, [{ serviceAccountKey: current.saKey, ...settings }]);
  // Patches as the store would take them; only labels are patched here.
  const patch = async (ref: ResourceRef, key: { namespace?: string; name: string }, change: KubeObject): Promise<KubeObject> => {
    const object = await cluster.api.get(ref, key);
    return cluster.put(ref, { ...object, metadata: { ...object.metadata, labels: { ...object.metadata?.labels, ...change.metadata?.labels } } });
  };
  const context = { ...cluster, api: { ...cluster.api, patch }, config, kinds: { get: () => undefined, kept: () => undefined, byKind: () => undefined, all: () => [] }, securePort: () => 6443, authorize: allowAll, authenticate: () => undefined };
  set = identityPlugin(context as unknown as PluginContext);
  return set;
}

beforeEach(() => {
  cluster = new FakeCluster();
  annotations = {};
  warnings = [];
  cluster.put(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a', uid: 'sa-1' } });
  cluster.put(Nodes, { metadata: { name: 'n1', uid: 'node-1' } });
  cluster.put(Pods, { metadata: { name: 'p', namespace: 'a', uid: 'pod-1' }, spec: { nodeName: 'n1', serviceAccountName: 'robot', containers: [] } });
  open();
});

const notes = {
  annotate: (key: string, value: string) => void (annotations[key] = value),
  warn: (text: string) => void warnings.push(text),
};

async function request(spec: object = {}, on = set): Promise<{ status: { token: string }; spec: { expirationSeconds: number } }> {
  const handler = on.reviews?.find((one) => one.subresource === 'token');
  return (await handler?.create({ user: { username: 'x', groups: [] }, namespace: 'a', name: 'robot', object: { metadata: {}, spec: { audiences: [], ...spec } }, dryRun: false, ...notes })) as never;
}

const issue = async (spec: object = {}, on = set): Promise<string> => (await request(spec, on)).status.token;

async function bearer(token: string, on = set): Promise<UserInfo | undefined> {
  for (const authenticator of on.authenticators ?? []) {
    const user = await authenticator.authenticate({ headers: { authorization: `Bearer ${token}` }, remoteAddress: '', ...notes });
    if (user) return user;
  }
  return undefined;
}

/** What TokenReview says is wrong with a token. */
async function complaint(token: string, audiences?: string[]): Promise<string> {
  const handler = set.reviews?.find((one) => one.resource === 'tokenreviews');
  const review = (await handler?.create({ user: { username: 'x', groups: [] }, namespace: '', name: '', object: { spec: { token, ...(audiences ? { audiences } : {}) } }, dryRun: false })) as { status: { error?: string } };
  return review.status.error ?? '';
}

describe('keys and issuers', () => {
  it('a new signing key: tokens of the old one hold as long as its public key is given', async () => {
    const before = open({ serviceAccountKey: old.saKey });
    const token = await issue({}, before);
    open();
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
    open({ serviceAccountKeyFile: [old.saPublicKey] });
    expect(await bearer(token)).toMatchObject({ uid: 'sa-1' });
    const { keys } = (await set.identity?.jwks()) as { keys: { kid: string }[] };
    expect(keys).toHaveLength(2);
    expect(await bearer(await issue())).toMatchObject({ uid: 'sa-1' });
  });

  it('a new issuer: tokens of the old one hold while it is listed', async () => {
    const token = await issue({}, open({ serviceAccountIssuer: 'https://old' }));
    open({ serviceAccountIssuer: 'https://new,https://old' });
    expect(await bearer(token)).toMatchObject({ uid: 'sa-1' });
    expect(decodeJwt(await issue())).toMatchObject({ iss: 'https://new', aud: ['https://new', 'https://old'] });
    expect(await set.identity?.openidConfiguration()).toMatchObject({ issuer: 'https://new' });
  });

  it('refuses settings that make no sense', () => {
    expect(() => open({ serviceAccountMaxTokenExpiration: '30m' })).toThrow('must be between 1 hour and 2^32 seconds');
    expect(() => open({ serviceAccountMaxTokenExpiration: 'soon' })).toThrow('time: invalid duration "soon"');
    expect(() => open({ serviceAccountIssuer: 'a,a' })).toThrow('specified more than once');
  });
});

describe('times', () => {
  it('are shortened to the longest allowed, with a warning', async () => {
    open({ serviceAccountMaxTokenExpiration: '1h' });
    expect((await request({ expirationSeconds: 7200 })).spec.expirationSeconds).toBe(3600);
    expect(warnings).toEqual(['requested expiration of 7200 seconds shortened to 3600 seconds']);
  });

  it('that were extended are noted once the token should have been replaced', async () => {
    const token = await issue({ expirationSeconds: 3607, boundObjectRef: podRef });
    expect(annotations['authentication.kubernetes.io/issued-credential-id']).toMatch(/^JTI=/);
    await bearer(token);
    expect(annotations['authentication.k8s.io/stale-token']).toBeUndefined();
    await cluster.clock.advance(3_707_000);
    expect(await bearer(token)).toMatchObject({ uid: 'sa-1' });
    expect(annotations['authentication.k8s.io/stale-token']).toBe('subject: system:serviceaccount:a:robot, seconds after warning threshold: 100');
    const { 'kubernetes.io': claims } = decodeJwt(await issue({ expirationSeconds: 3607, boundObjectRef: podRef }, open({ serviceAccountExtendTokenExpiration: false }))) as Record<string, { warnafter?: number }>;
    expect(claims?.warnafter).toBeUndefined();
  });
});

describe('what is no token', () => {
  const part = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const claims = { iss: 'https://kubernetes.default.svc.cluster.local', nbf: 'x', aud: 5 };

  it('is refused whatever it looks like', async () => {
    const near = fc.tuple(fc.oneof(fc.string(), fc.constant(part({ alg: 'ES256' })), fc.constant(part({ alg: 'none', kid: 3 }))), fc.oneof(fc.constant(part(claims)), fc.json().map(part), fc.string()), fc.string()).map((parts) => parts.join('.'));
    await fc.assert(
      fc.asyncProperty(fc.oneof(near, fc.string({ minLength: 1 })), async (token) => {
        const compact = token.replaceAll(/\s/g, '');
        if (compact) await expect(bearer(compact)).rejects.toMatchObject({ code: 401 });
      }),
      { numRuns: 300 },
    );
  });

  it('is refused when it only names the issuer', async () => {
    for (const head of ['', '!', part('[]'), part({ alg: 'none' }), part({ alg: 'HS256' })]) {
      await expect(bearer(`${head}.${part(claims)}.AAAA`)).rejects.toMatchObject({ code: 401 });
      expect(await complaint(`${head}.${part(claims)}.AAAA`)).toBe('invalid bearer token');
    }
    expect(await complaint(`${part({ alg: 'ES256' })}.${part(claims)}.AAAA`)).toBe('[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]');
  });
});

describe('what ends a token', () => {
  it.each<[string, object, () => void, string]>([
    ['the account', {}, () => cluster.remove(ServiceAccounts, { namespace: 'a', name: 'robot' }), 'serviceaccounts "robot" not found'],
    ['another account', {}, () => cluster.put(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a', uid: 'sa-2' } }), 'service account UID (sa-2) does not match claim (sa-1)'],
    ['the pod', { boundObjectRef: podRef }, () => cluster.remove(Pods, { namespace: 'a', name: 'p' }), 'service account token has been invalidated'],
    ['another pod', { boundObjectRef: podRef }, () => cluster.put(Pods, { metadata: { name: 'p', namespace: 'a', uid: 'pod-2' } }), 'pod UID (pod-2) does not match service account pod ref claim (pod-1)'],
    ['the node', { boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: 'n1' } }, () => cluster.remove(Nodes, { name: 'n1' }), 'service account token has been invalidated'],
    ['the secret', { boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 's' } }, () => cluster.remove(Secrets, { namespace: 'a', name: 's' }), 'service account token has been invalidated'],
  ])('%s', async (_what, spec, end, why) => {
    cluster.put(Secrets, { metadata: { name: 's', namespace: 'a', uid: 'secret-1' } });
    const token = await issue(spec);
    expect(await complaint(token)).toBe('');
    end();
    expect(await complaint(token)).toBe(`[invalid bearer token, ${why}]`);
  });

  it('the node of a pod does not', async () => {
    const token = await issue({ boundObjectRef: podRef });
    cluster.remove(Nodes, { name: 'n1' });
    expect((await bearer(token))?.extra).toMatchObject({ 'authentication.kubernetes.io/node-name': ['n1'], 'authentication.kubernetes.io/pod-uid': ['pod-1'] });
    const later = await bearer(await issue({ boundObjectRef: podRef }));
    expect(later?.extra?.['authentication.kubernetes.io/node-name']).toEqual(['n1']);
    expect(later?.extra?.['authentication.kubernetes.io/node-uid']).toBeUndefined();
  });

  it('names audiences it is not for', async () => {
    expect(await complaint(await issue({ audiences: ['vault', 'x'] }), ['y'])).toBe('[invalid bearer token, token audiences ["vault" "x"] is invalid for the target audiences ["y"]]');
  });
});

describe('tokens of secrets', () => {
  async function legacy(overrides: object = {}): Promise<string> {
    const claim = (name: string): string => `kubernetes.io/serviceaccount/${name}`;
    const payload = { [claim('namespace')]: 'a', [claim('secret.name')]: 's', [claim('service-account.name')]: 'robot', [claim('service-account.uid')]: 'sa-1', ...overrides };
    const token = await new SignJWT({ iss: 'kubernetes/serviceaccount', sub: 'system:serviceaccount:a:robot', ...payload }).setProtectedHeader({ alg: 'ES256' }).sign(await importPKCS8(current.saKey, 'ES256'));
    cluster.put(Secrets, { metadata: { name: 's', namespace: 'a' }, type: 'kubernetes.io/service-account-token', data: { token: Buffer.from(token).toString('base64') } });
    return token;
  }

  it('hold while the secret holds them, and their use is noted', async () => {
    const token = await legacy();
    expect(await bearer(token)).toMatchObject({ username: 'system:serviceaccount:a:robot', uid: 'sa-1' });
    const today = new Date(cluster.clock.now()).toISOString().slice(0, 10);
    expect(cluster.read.get(Secrets, { namespace: 'a', name: 's' })?.metadata?.labels).toEqual({ 'kubernetes.io/legacy-token-last-used': today });
    expect(annotations['authentication.k8s.io/legacy-token']).toBe('system:serviceaccount:a:robot');
    expect(warnings).toEqual([]);
    cluster.put(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a', uid: 'sa-1' }, secrets: [{ name: 's' }] });
    await bearer(token);
    expect(warnings[0]).toContain('instead of auto-generated secret-based tokens');
    cluster.remove(Secrets, { namespace: 'a', name: 's' });
    expect(await complaint(token)).toBe('[invalid bearer token, Token has been invalidated]');
  });

  it('that were marked invalid, changed or are of somebody else are refused', async () => {
    const token = await legacy();
    const secret = cluster.read.get(Secrets, { namespace: 'a', name: 's' });
    cluster.put(Secrets, { ...secret, metadata: { ...secret?.metadata, labels: { 'kubernetes.io/legacy-token-invalid-since': '2024-01-01' } } });
    expect(await complaint(token)).toContain('the token in secret a/s for service account a/robot has been marked invalid.');
    await legacy({ extra: 1 });
    expect(await complaint(token)).toBe("[invalid bearer token, Token does not match server's copy]");
    expect(await complaint(await legacy({ sub: 'system:serviceaccount:a:other' }))).toBe('[invalid bearer token, sub claim is invalid]');
  });
});
