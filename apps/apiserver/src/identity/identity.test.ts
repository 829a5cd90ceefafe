import { ClusterRoleBindings, ClusterRoles, Nodes, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { TokenRequest } from '@orrery/api/types';
import { createCsr, ensurePki, fromPem, generateKey, signCertificate, toPem } from '@orrery/node-io/pki';
import { resolveConfig } from '@orrery/runtime';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { rbacAuthorizer } from '../authorization/rbac.ts';
import { rbacIndexOf } from '../authorization/rbac-index.ts';
import { setRuleResolver } from '../authorization/rule-resolver.ts';
import { type ApiServerConfig, apiServerSchema } from '../config.ts';
import type { PluginContext, PluginSet, UserInfo } from '../pipeline/index.ts';
import { FakeCluster, allowAll, allowNothing, attempt } from '../testing/fake-cluster.ts';
import { identityPlugin } from './index.ts';

const pki = ensurePki(undefined);
let cluster: FakeCluster;
let set: PluginSet;
let context: PluginContext;

function open(options: { authorize?: PluginContext['authorize'] } & Partial<ApiServerConfig> = {}): void {
  const { authorize: _, ...settings } = options;
  const config = resolveConfig(apiServerSchema, [{ serviceAccountKey: pki.saKey, ...settings }]);
  context = { ...cluster, config, kinds: { get: () => undefined, kept: () => undefined, byKind: () => undefined, all: () => [] }, securePort: () => 6443, authorize: options.authorize ?? allowAll, authenticate: () => undefined };
  set = identityPlugin(context);
}

beforeEach(() => {
  cluster = new FakeCluster();
  cluster.put(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a', uid: 'sa-1' } });
  cluster.put(Nodes, { metadata: { name: 'n1', uid: 'node-1' } });
  cluster.put(Pods, { metadata: { name: 'p', namespace: 'a', uid: 'pod-1' }, spec: { nodeName: 'n1', serviceAccountName: 'robot', containers: [] } });
  open();
});

const someone: UserInfo = { username: 'jane', groups: ['devs', 'system:authenticated'] };

async function review(resource: string, object: object, options: { subresource?: string; user?: UserInfo; namespace?: string } = {}): Promise<any> {
  const handler = set.reviews?.find((one) => one.resource === resource && one.subresource === (options.subresource ?? ''));
  return handler?.create({ user: options.user ?? someone, namespace: options.namespace ?? 'a', name: 'robot', object, dryRun: false });
}

const tokenFor = async (spec: Partial<NonNullable<TokenRequest['spec']>> = {}): Promise<string> => (await review('serviceaccounts', { metadata: {}, spec: { audiences: [], ...spec } }, { subresource: 'token' })).status.token;
const podRef = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'pod-1' };

async function authenticate(headers: Record<string, string>): Promise<UserInfo | undefined> {
  for (const authenticator of set.authenticators ?? []) {
    const user = await authenticator.authenticate({ headers, remoteAddress: '' });
    if (user) return user;
  }
  return undefined;
}
const bearer = (token: string): Promise<UserInfo | undefined> => authenticate({ authorization: `Bearer ${token}` });

describe('service-account tokens', () => {
  it('carry what they are bound to', async () => {
    const token = await tokenFor({ boundObjectRef: podRef, expirationSeconds: 3600 });
    const now = cluster.clock.now() / 1000;
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256' });
    expect(decodeJwt(token)).toMatchObject({
      iss: 'https://kubernetes.default.svc.cluster.local',
      aud: ['https://kubernetes.default.svc.cluster.local'],
      sub: 'system:serviceaccount:a:robot',
      exp: now + 3600,
      'kubernetes.io': { namespace: 'a', serviceaccount: { name: 'robot', uid: 'sa-1' }, pod: { name: 'p', uid: 'pod-1' }, node: { name: 'n1', uid: 'node-1' } },
    });
    expect(await bearer(token)).toMatchObject({
      username: 'system:serviceaccount:a:robot',
      uid: 'sa-1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/pod-name': ['p'], 'authentication.kubernetes.io/node-uid': ['node-1'] },
    });
  });

  it('end with their time, their account, their pod, another uid', async () => {
    const token = await tokenFor({ boundObjectRef: podRef, expirationSeconds: 600 });
    cluster.remove(Pods, { namespace: 'a', name: 'p' });
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
    const plain = await tokenFor({ expirationSeconds: 600 });
    expect(await bearer(plain)).toBeDefined();
    cluster.put(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a', uid: 'sa-2' } });
    await expect(bearer(plain)).rejects.toMatchObject({ code: 401 });
    const young = await tokenFor({ expirationSeconds: 600 });
    await cluster.clock.advance(650_000);
    expect(await bearer(young)).toBeDefined();
    await cluster.clock.advance(20_000);
    await expect(bearer(young)).rejects.toMatchObject({ code: 401 });
  });

  it('are only for their audiences', async () => {
    const token = await tokenFor({ audiences: ['vault'] });
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
    expect((await review('tokenreviews', { spec: { token, audiences: ['vault', 'x'] } })).status).toMatchObject({ authenticated: true, audiences: ['vault'], user: { username: 'system:serviceaccount:a:robot' } });
    expect((await review('tokenreviews', { spec: { token } })).status.authenticated).toBeUndefined();
  });

  it('of other keys, and forged ones, are refused', async () => {
    const token = await tokenFor();
    const [head, , signature] = token.split('.');
    const forged = `${head}.${Buffer.from(JSON.stringify({ ...decodeJwt(token), sub: 'system:serviceaccount:a:admin' })).toString('base64url')}.${signature}`;
    await expect(bearer(forged)).rejects.toMatchObject({ code: 401 });
    await expect(bearer('nonsense')).rejects.toMatchObject({ code: 401 });
  });

  it('last a year for kubelets, with a warning time', async () => {
    const answer = await review('serviceaccounts', { metadata: {}, spec: { audiences: [], expirationSeconds: 3607, boundObjectRef: podRef } }, { subresource: 'token' });
    const claims = decodeJwt(answer.status.token) as { exp: number; iat: number; 'kubernetes.io': { warnafter: number } };
    expect([claims.exp - claims.iat, claims['kubernetes.io'].warnafter - claims.iat]).toEqual([365 * 86400, 3607]);
    expect(Date.parse(answer.status.expirationTimestamp)).toBe(cluster.clock.now() + 3607_000);
  });

  it.each<[string, Partial<NonNullable<TokenRequest['spec']>>, number, string]>([
    ['too short', { expirationSeconds: 60 }, 422, 'may not specify a duration less than 10 minutes'],
    ['unknown pod', { boundObjectRef: { ...podRef, name: 'q' } }, 404, 'pods "q" not found'],
    ['other uid', { boundObjectRef: { ...podRef, uid: 'x' } }, 409, 'Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (x) does not match the UID in record'],
    ['other kind', { boundObjectRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' } }, 400, 'cannot bind token to object of type apps/v1, Kind=Deployment'],
    ['other core kind', { boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'd' } }, 400, 'cannot bind token to object of type /v1, Kind=ConfigMap'],
  ])('are not issued: %s', async (_name, spec, code, message) => {
    await expect(tokenFor(spec)).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
  });

  it('can be verified with the published key', async () => {
    const { keys } = (await set.identity?.jwks()) as { keys: { kid: string; kty: string; d?: string }[] };
    expect(keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: decodeProtectedHeader(await tokenFor()).kid });
    expect(keys[0]?.d).toBeUndefined();
    expect(await set.identity?.openidConfiguration()).toMatchObject({ issuer: 'https://kubernetes.default.svc.cluster.local', jwks_uri: 'https://10.240.0.1:6443/openid/v1/jwks' });
  });
});

describe('other credentials', () => {
  const data = (fields: Record<string, string>): Record<string, string> => Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  it('bootstrap tokens', async () => {
    const secret = { 'token-id': 'abcdef', 'token-secret': '0123456789abcdef', 'usage-bootstrap-authentication': 'true', 'auth-extra-groups': 'system:bootstrappers:x' };
    const put = (fields: Record<string, string>): unknown => cluster.put(Secrets, { metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' }, type: 'bootstrap.kubernetes.io/token', data: data(fields) });
    put(secret);
    expect(await bearer('abcdef.0123456789abcdef')).toEqual({ username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers', 'system:bootstrappers:x', 'system:authenticated'] });
    await expect(bearer('abcdef.0123456789abcdee')).rejects.toMatchObject({ code: 401 });
    put({ ...secret, expiration: '2020-01-01T00:00:00Z' });
    await expect(bearer('abcdef.0123456789abcdef')).rejects.toMatchObject({ code: 401 });
    put({ ...secret, 'auth-extra-groups': 'system:masters' });
    await expect(bearer('abcdef.0123456789abcdef')).rejects.toMatchObject({ code: 401 });
  });
  it('static tokens, also by WebSocket sub-protocol', async () => {
    open({ tokenAuth: 's3cret,admin,1,"system:masters,devs"' });
    const admin = { username: 'admin', uid: '1', groups: ['system:masters', 'devs', 'system:authenticated'] };
    expect(await bearer('s3cret')).toEqual(admin);
    expect(await authenticate({ 'sec-websocket-protocol': `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${Buffer.from('s3cret').toString('base64url')}` })).toEqual(admin);
  });
  it('client certificates, until they end', async () => {
    const [raw = Buffer.alloc(0)] = fromPem('CERTIFICATE', pki.clientCert('jane', ['devs']).cert);
    const certificate = { commonName: 'jane', organizations: ['devs'], raw, notAfterMs: cluster.clock.now() + 1000 };
    const [authenticator] = set.authenticators ?? [];
    const user = await authenticator?.authenticate({ headers: {}, remoteAddress: '', certificate });
    expect(user).toMatchObject({ username: 'jane', groups: ['devs', 'system:authenticated'] });
    expect(user?.uid).toBeUndefined();
    expect(user?.extra?.['authentication.kubernetes.io/credential-id']?.[0]).toMatch(/^X509SHA256=[0-9a-f]{64}$/);
    await cluster.clock.advance(2000);
    expect(await authenticator?.authenticate({ headers: {}, remoteAddress: '', certificate })).toBeUndefined();
  });
  it('client certificates with a uid', async () => {
    const certificateFor = (uid: string) => {
      const { key, publicKey } = generateKey();
      const [raw = Buffer.alloc(0)] = fromPem('CERTIFICATE', signCertificate({ subject: { commonName: 'jane', uid }, publicKey, usages: ['client auth'], notBefore: 0, notAfter: 4e12 }, { key }));
      return { commonName: 'jane', organizations: [], raw, notAfterMs: 4e12 };
    };
    const [authenticator] = set.authenticators ?? [];
    expect(await authenticator?.authenticate({ headers: {}, remoteAddress: '', certificate: certificateFor('u-1') })).toMatchObject({ username: 'jane', uid: 'u-1' });
    expect(cluster.env.metrics.expose()).toContain('apiserver_client_certificate_expiration_seconds_count 1');
    await expect(authenticator?.authenticate({ headers: {}, remoteAddress: '', certificate: certificateFor('') })).rejects.toMatchObject({ code: 401 });
  });
});

describe('impersonation', () => {
  const info = { isResource: true, path: '', verb: 'list', group: '', version: 'v1', resource: 'pods', subresource: '', namespace: '', name: '' };
  const act = async (headers: Record<string, string | readonly string[]>): Promise<UserInfo | undefined> => set.impersonator?.impersonate({ user: someone, headers, info });
  it('takes over user, groups and extra', async () => {
    expect(await act({ 'impersonate-user': 'bob', 'impersonate-group': 'a, b', 'impersonate-extra-scopes': 'x' })).toEqual({ username: 'bob', groups: ['a', 'b', 'system:authenticated'], extra: { scopes: ['x'] } });
    expect((await act({ 'impersonate-user': 'system:serviceaccount:a:robot' }))?.groups).toEqual(['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated']);
    expect(await act({})).toBe(someone);
  });
  it('takes groups with commas and keys with escapes as they are', async () => {
    expect(await act({ 'impersonate-user': 'bob', 'impersonate-group': ['CN=a,OU=b'], 'impersonate-extra-example.org%2fteam': ['x, y'], 'impersonate-extra-50%': ['z'] })).toEqual({
      username: 'bob', groups: ['CN=a,OU=b', 'system:authenticated'], extra: { 'example.org/team': ['x, y'], '50%': ['z'] },
    });
    expect((await act({ 'impersonate-user': 'system:anonymous' }))?.groups).toEqual(['system:unauthenticated']);
  });
  it('takes permission', async () => {
    open({ authorize: allowNothing });
    await expect(act({ 'impersonate-user': 'bob' })).rejects.toThrow('users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope');
    await expect(act({ 'impersonate-user': 'system:serviceaccount:a:robot' })).rejects.toThrow('serviceaccounts "robot" is forbidden: User "jane" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "a"');
    await expect(act({ 'impersonate-group': 'a' })).rejects.toMatchObject({ code: 400, message: 'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, Extra:map[string][]string(nil)} without impersonating a user name' });
  });
  it('asks for every part by itself', async () => {
    const asked: string[] = [];
    const may = new Set(['impersonate users bob', 'impersonate groups a', 'impersonate userextras/scopes x', 'impersonate uids 1']);
    open({ authorize: ({ info: { verb, resource, subresource, name } }) => {
      const question = `${verb} ${subresource ? `${resource}/${subresource}` : resource} ${name}`;
      if (verb === 'impersonate') asked.push(question);
      return { decision: may.has(question) ? 'allow' : 'noOpinion', reason: '' };
    } });
    const headers = { 'impersonate-user': 'bob', 'impersonate-group': ['a'], 'impersonate-extra-scopes': ['x'], 'impersonate-uid': '1' };
    expect(await act(headers)).toMatchObject({ username: 'bob', uid: '1' });
    expect(asked).toEqual([...may].sort((a, b) => ['users', 'uids', 'groups', 'userextras'].findIndex((one) => a.includes(one)) - ['users', 'uids', 'groups', 'userextras'].findIndex((one) => b.includes(one))));
    may.delete('impersonate userextras/scopes x');
    await expect(act(headers)).rejects.toThrow('userextras.authentication.k8s.io "x" is forbidden: User "jane" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io"');
  });
  it('can be limited to identities and to what is done with them', async () => {
    const allow = (...permitted: string[]) => open({ authorize: ({ info: { verb, group, resource, name } }) => ({ decision: permitted.includes(`${verb} ${group}/${resource} ${name}`) ? 'allow' : 'noOpinion', reason: '' }) });
    allow('impersonate-on:user-info:list /pods ', 'impersonate:user-info authentication.k8s.io/users bob');
    expect((await act({ 'impersonate-user': 'bob' }))?.username).toBe('bob');
    await expect(act({ 'impersonate-user': 'eve' })).rejects.toMatchObject({ code: 403 });
    allow('impersonate:user-info authentication.k8s.io/users bob');
    await expect(act({ 'impersonate-user': 'bob' })).rejects.toMatchObject({ code: 403 });
    allow('impersonate-on:user-info:list /pods ', 'impersonate:user-info authentication.k8s.io/users bob', 'impersonate:user-info authentication.k8s.io/groups system:masters');
    await expect(act({ 'impersonate-user': 'bob', 'impersonate-group': ['system:masters'] })).rejects.toMatchObject({ code: 403 });
    allow('impersonate-on:arbitrary-node:list /pods ', 'impersonate:arbitrary-node authentication.k8s.io/nodes n1');
    expect((await act({ 'impersonate-user': 'system:node:n1' }))?.groups).toEqual(['system:nodes', 'system:authenticated']);
  });
  it('lets the pod of a node act as that node', async () => {
    const agent = { username: 'system:serviceaccount:a:agent', groups: [], extra: { 'authentication.kubernetes.io/node-name': ['n1'] } };
    open({ authorize: ({ info: { verb, name } }) => ({ decision: verb === 'impersonate-on:associated-node:list' || (verb === 'impersonate:associated-node' && name === '*') ? 'allow' : 'noOpinion', reason: '' }) });
    expect((await set.impersonator?.impersonate({ user: agent, headers: { 'impersonate-user': 'system:node:n1' }, info }))?.groups).toEqual(['system:nodes', 'system:authenticated']);
    await expect(set.impersonator?.impersonate({ user: agent, headers: { 'impersonate-user': 'system:node:n2' }, info })).rejects.toMatchObject({ code: 403 });
  });
});

describe('signing requests', () => {
  const check = (request: string): unknown => set.admission?.[0]?.validate?.(attempt({ resource: 'certificatesigningrequests', group: 'certificates.k8s.io', object: { metadata: { name: 'r' }, spec: { request: Buffer.from(request).toString('base64') } } }));
  it('are signed by their key', () => {
    const { key } = generateKey();
    const pem = createCsr({ subject: { commonName: 'jane' }, key });
    expect(check(pem)).toBeUndefined();
    const [der = Buffer.alloc(0)] = fromPem('CERTIFICATE REQUEST', pem);
    der[der.indexOf('jane')] = 0x4a;
    expect(() => check(toPem('CERTIFICATE REQUEST', der))).toThrow('spec.request: Invalid value');
    expect(() => check('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n')).toThrow('CertificateSigningRequest.certificates.k8s.io "r" is invalid: spec.request: Invalid value');
  });
});

describe('reviews', () => {
  it('say who one is and what one may do', async () => {
    cluster.put(ClusterRoles, { metadata: { name: 'r' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, { verbs: ['get'], nonResourceURLs: ['/x'] }] });
    cluster.put(ClusterRoleBindings, { metadata: { name: 'b' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'r' }, subjects: [{ kind: 'Group', name: 'devs' }] });
    open({ authorize: (question) => rbacAuthorizer(rbacIndexOf(context)).authorize(question) });
    rbacIndexOf(context).follow(cluster.read);
    setRuleResolver(context, (user, namespace) => rbacAuthorizer(rbacIndexOf(context)).rulesFor(user, namespace));
    expect((await review('selfsubjectreviews', {})).status.userInfo).toEqual({ username: 'jane', groups: ['devs', 'system:authenticated'] });
    expect((await review('selfsubjectaccessreviews', { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } })).status).toEqual({ allowed: true, reason: 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to Group "devs"' });
    expect((await review('subjectaccessreviews', { spec: { user: 'x', nonResourceAttributes: { verb: 'get', path: '/x' } } })).status).toEqual({ allowed: false });
    expect((await review('selfsubjectrulesreviews', { spec: { namespace: 'a' } })).status).toEqual({
      resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }],
      incomplete: false,
    });
    await expect(review('selfsubjectrulesreviews', { spec: {} })).rejects.toThrow('no namespace on request');
  });

  it('ask with selectors, and tell which they could not understand', async () => {
    const asked: object[] = [];
    open({ authorize: (question) => (asked.push(question), { decision: 'deny', reason: 'no' }) });
    const ask = async (selectors: object) => (await review('subjectaccessreviews', { spec: { user: 'x', resourceAttributes: { verb: 'list', resource: 'pods', ...selectors } } })).status;
    const requirement = (key: string, operator: string, ...values: string[]) => ({ key, operator, ...(values.length ? { values } : {}) });
    expect(await ask({ fieldSelector: { requirements: [requirement('spec.nodeName', 'In', 'n,1')] }, labelSelector: { requirements: [requirement('a', 'NotIn', 'b', 'c'), requirement('d', 'Exists')] } })).toEqual({ allowed: false, denied: true, reason: 'no' });
    expect(asked[0]).toMatchObject({ fieldSelector: 'spec.nodeName=n\\,1', labelSelector: 'a notin (b,c),d' });
    expect((await ask({ fieldSelector: { rawSelector: 'x=y' }, labelSelector: { rawSelector: '!!' } })).evaluationError).toBe('spec.resourceAttributes.labelSelector ignored due to parse error');
    expect(asked[1]).toMatchObject({ fieldSelector: 'x=y' });
    expect((await ask({ fieldSelector: { requirements: [requirement('a', 'In', 'b'), requirement('a', 'Newer', 'b')] } })).evaluationError).toBe('spec.resourceAttributes.fieldSelector partially ignored due to parse error');
  });
});
