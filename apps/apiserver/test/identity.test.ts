import { CertificateSigningRequests, ConfigMaps, ServiceAccounts } from '@orrery/api';
import { createGrpcApiClient } from '@orrery/client';
import { type HttpClientOptions, createCsr, createHttpClient, csrSigner, ensurePki, generateKey } from '@orrery/node-io';
import { type TlsMaterial, grpcChannel } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../src/plugins.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const pki = ensurePki(undefined);
const stranger = ensurePki(undefined);
const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';
let t: TestServer;
let token = '';

beforeAll(async () => {
  t = await startTestServer(
    {
      tlsCert: pki.serverCert, tlsKey: pki.serverKey, clientCa: pki.caCert, serviceAccountKey: pki.saKey,
      tokenAuth: 'root-token,root,1,system:masters\n',
      authenticationConfig: `${header}anonymous: {enabled: true, conditions: [{path: /livez}, {path: /version}]}\n`,
    },
    { plugins },
  );
  await t.api.create(ServiceAccounts, { metadata: { name: 'robot', namespace: 'default' } });
  const request = await t.api.createSubresource<{ status: { token: string } }>(ServiceAccounts, { namespace: 'default', name: 'robot' }, 'token', { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec: { audiences: [] } });
  token = request.status.token;
});
afterAll(() => t?.stop());

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: any;
}

async function ask(method: string, path: string, options: { body?: object; headers?: Record<string, string>; tls?: Partial<HttpClientOptions> } = {}): Promise<Reply> {
  const http = createHttpClient({ server: `https://127.0.0.1:${t.server.port}`, ca: pki.caCert, ...options.tls });
  try {
    const response = await http.request({ method, path, headers: { 'content-type': 'application/json', ...options.headers }, ...(options.body ? { body: Buffer.from(JSON.stringify(options.body)) } : {}) });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
  } finally {
    http.close();
  }
}

const as = (bearer: string): Record<string, string> => ({ authorization: `Bearer ${bearer}` });
const root = as('root-token');
const configMap = '/api/v1/namespaces/default/configmaps/x';

describe('who asks', () => {
  it('anonymous only where the configuration lets them', async () => {
    expect((await ask('GET', '/livez')).status).toBe(200);
    expect((await ask('GET', '/version', { headers: { authorization: 'Basic eDp5' } })).status).toBe(200);
    expect(await ask('GET', '/api')).toMatchObject({ status: 401, body: { reason: 'Unauthorized', message: 'Unauthorized' } });
  });
  it('by token, static or of a service account; a bad one is refused even where anonymous may come', async () => {
    expect((await ask('GET', configMap, { headers: root })).status).toBe(404);
    expect(await ask('GET', configMap, { headers: as(token) })).toMatchObject({ status: 403, body: { message: 'configmaps "x" is forbidden: User "system:serviceaccount:default:robot" cannot get resource "configmaps" in API group "" in the namespace "default"' } });
    expect((await ask('GET', '/livez', { headers: as('nonsense') })).status).toBe(401);
  });
  it('by impersonation, also of groups with commas', async () => {
    const whoami = async (headers: Record<string, string>): Promise<Reply> => ask('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { headers: { ...root, ...headers }, body: { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' } });
    const { body } = await whoami({ 'impersonate-user': 'bob', 'impersonate-group': 'CN=a,OU=b', 'impersonate-extra-example.org%2fx': '1' });
    expect(body.status.userInfo).toEqual({ username: 'bob', groups: ['CN=a,OU=b', 'system:authenticated'], extra: { 'example.org/x': ['1'] } });
    expect(await whoami({ 'impersonate-group': 'a' })).toMatchObject({ status: 400, body: { reason: 'BadRequest' } });
  });
});

describe('reviews', () => {
  const review = (group: string, kind: string, spec: object, namespace?: string): Promise<Reply> =>
    ask('POST', `/apis/${group}/v1/${namespace ? `namespaces/${namespace}/` : ''}${kind.toLowerCase()}s`, { headers: root, body: { kind, apiVersion: `${group}/v1`, spec } });
  const authorization = 'authorization.k8s.io';

  it('are refused as upstream refuses them', async () => {
    expect(await review('authentication.k8s.io', 'TokenReview', {})).toMatchObject({ status: 400, body: { message: 'token is required for TokenReview in authentication' } });
    expect(await review(authorization, 'SelfSubjectRulesReview', {})).toMatchObject({ status: 400, body: { message: 'no namespace on request' } });
    expect(await review(authorization, 'SubjectAccessReview', { user: 'x' })).toMatchObject({ status: 422, body: { message: expect.stringContaining('exactly one of nonResourceAttributes or resourceAttributes must be specified') } });
    const attributes = { verb: 'get', resource: 'pods', namespace: 'other' };
    expect(await review(authorization, 'LocalSubjectAccessReview', { user: 'x', resourceAttributes: attributes }, 'default')).toMatchObject({ status: 422, body: { message: expect.stringContaining('must match metadata.namespace') } });
    expect((await review(authorization, 'LocalSubjectAccessReview', { user: 'x', resourceAttributes: { ...attributes, namespace: 'default' } }, 'default')).body.status).toEqual({ allowed: false });
  });
  it('tell whose a token is', async () => {
    const tokenReview = async (spec: object): Promise<any> => (await review('authentication.k8s.io', 'TokenReview', spec)).body.status;
    expect(await tokenReview({ token })).toMatchObject({ authenticated: true, user: { username: 'system:serviceaccount:default:robot' }, audiences: ['https://kubernetes.default.svc.cluster.local'] });
    expect((await tokenReview({ token, audiences: ['x'] })).error).toContain('is invalid for the target audiences ["x"]');
    expect((await tokenReview({ token: 'nonsense' })).error).toBe('invalid bearer token');
  });
});

describe('the issuer of service accounts', () => {
  it('publishes its keys, to be kept for an hour', async () => {
    for (const [path, type] of [['/openid/v1/jwks', 'application/jwk-set+json'], ['/.well-known/openid-configuration', 'application/json']] as const) {
      const reply = await ask('GET', path, { headers: root });
      expect(reply).toMatchObject({ status: 200, headers: { 'content-type': type, 'cache-control': 'public, max-age=3600' } });
    }
  });
});

describe('signing requests', () => {
  it('are judged by /approval, answered by /status, and keep their verdict', async () => {
    const { key } = generateKey();
    const pem = createCsr({ subject: { commonName: 'jane', organizations: ['devs'] }, key });
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const object = { kind: 'CertificateSigningRequest', apiVersion: 'certificates.k8s.io/v1', metadata: { name: 'jane' }, spec: { request: Buffer.from(pem).toString('base64'), signerName: 'example.org/x', usages: ['client auth'] } };
    const broken = { ...object, metadata: { name: 'broken' }, spec: { ...object.spec, request: Buffer.from('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n').toString('base64') } };
    expect((await ask('POST', path, { headers: root, body: broken })).status).toBe(422);
    const { body: created } = await ask('POST', path, { headers: root, body: object });
    expect(created.spec).toMatchObject({ username: 'root', uid: '1', groups: ['system:masters', 'system:authenticated'] });
    const { body: approved } = await ask('PUT', `${path}/jane/approval`, { headers: root, body: { ...created, status: { certificate: 'AAAA', conditions: [{ type: 'Approved', status: 'True', reason: 'r' }] } } });
    expect(approved.status).toEqual({ conditions: [{ type: 'Approved', status: 'True', reason: 'r', lastUpdateTime: expect.any(String), lastTransitionTime: expect.any(String) }] });
    const certificate = Buffer.from(csrSigner({ cert: pki.caCert, key: pki.caKey }).sign(pem, { usages: ['client auth'], notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + 600_000 })).toString('base64');
    const { body: issued } = await ask('PUT', `${path}/jane/status`, { headers: root, body: { ...approved, status: { certificate } } });
    expect(issued.message).toContain('updates may not remove a condition of type "Approved"');
    expect((await ask('PUT', `${path}/jane/status`, { headers: root, body: { ...approved, status: { ...approved.status, certificate } } })).status).toBe(200);
    const withdrawn = await ask('PUT', `${path}/jane/approval`, { headers: root, body: { ...approved, metadata: { name: 'jane' }, status: {} } });
    expect(withdrawn).toMatchObject({ status: 422, body: { message: expect.stringContaining('updates may not remove a condition of type "Approved"') } });
    const stored = await t.api.get(CertificateSigningRequests, { name: 'jane' });
    const cert = Buffer.from(stored.status?.certificate ?? '', 'base64').toString();
    expect(await ask('GET', configMap, { tls: { cert, key } })).toMatchObject({ status: 403, body: { message: expect.stringContaining('User "jane" cannot get resource "configmaps"') } });
  });
});

describe('gRPC', () => {
  async function get(tls: Omit<TlsMaterial, 'ca'>, bearer?: string): Promise<unknown> {
    const channel = grpcChannel(`127.0.0.1:${t.server.grpcPort}`, { tls: { ca: pki.caCert, ...tls } });
    const client = createGrpcApiClient(channel, { env: t.env, ...(bearer === undefined ? {} : { token: () => bearer }) });
    try {
      return await client.get(ConfigMaps, { namespace: 'default', name: 'x' }).catch((error: { code: number; message: string }) => ({ code: error.code, message: error.message }));
    } finally {
      await client.close();
      channel.close();
    }
  }
  it('knows users by certificate or by token alone', async () => {
    expect(await get(pki.clientCert('root', ['system:masters']))).toMatchObject({ code: 404 });
    expect(await get(pki.clientCert('jane'))).toMatchObject({ code: 403, message: expect.stringContaining('User "jane"') });
    expect(await get({}, 'root-token')).toMatchObject({ code: 404 });
    expect(await get({}, token)).toMatchObject({ code: 403, message: expect.stringContaining('system:serviceaccount:default:robot') });
  });
  it('refuses bad tokens, certificates of others, and those who show nothing', async () => {
    expect(await get({}, 'nonsense')).toMatchObject({ code: 401 });
    expect(await get({})).toMatchObject({ code: 401 });
    expect(await get(stranger.clientCert('root', ['system:masters']))).toMatchObject({ code: 401 });
    // A server's certificate is no client's.
    expect(await get({ cert: pki.serverCert, key: pki.serverKey })).toMatchObject({ code: 401 });
  });
});
