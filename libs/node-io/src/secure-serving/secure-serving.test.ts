import { request } from 'node:https';
import { type ApiClient, userAgentOf } from '@orrery/client';
import { notFound } from '@orrery/errors';
import { type Component, type ServingSettings, parseFlags, resolveConfig, servingFlags } from '@orrery/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { realEnv } from '../env.ts';
import { ensurePki } from '../pki/index.ts';
import { withSecureServing } from './secure-serving.ts';
import { selfSigned } from './serving-certificate.ts';
import { tlsOptions } from './tls-options.ts';

const schema = servingFlags({ port: 10259, tolerateLookupFailure: false });
const settingsOf = (...argv: string[]): ServingSettings => resolveConfig(schema, [parseFlags(schema, argv)]);
const pki = ensurePki(undefined);
const allowed = new Set(['ann /metrics', 'system:serviceaccount:x:prometheus /metrics', 'bob /flagz', 'carl /statusz']);

/** An API server that knows one token, publishes its authorities and lets each read what `allowed` says. */
function apiServer(asked: string[], groupsAsked: (readonly string[])[]): ApiClient {
  const api = {
    get: () => Promise.resolve({ data: { 'client-ca-file': pki.caCert, 'requestheader-client-ca-file': pki.frontProxy.caCert, 'requestheader-allowed-names': '["front-proxy-client"]', 'requestheader-username-headers': '["X-Remote-User"]', 'requestheader-group-headers': '["X-Remote-Group"]' } }),
    create: (_resource: unknown, review: { kind: string; spec: { token?: string; user?: string; groups?: string[]; nonResourceAttributes?: { verb: string; path: string } } }) => {
      const { token, user = '', groups = [], nonResourceAttributes } = review.spec;
      asked.push(review.kind);
      if (review.kind === 'TokenReview') return Promise.resolve({ status: token === 't0ken' ? { authenticated: true, user: { username: 'system:serviceaccount:x:prometheus', groups: ['system:authenticated'] } } : { authenticated: false } });
      groupsAsked.push(groups);
      return Promise.resolve({ status: { allowed: allowed.has(`${user} ${nonResourceAttributes?.path ?? ''}`) } });
    },
  };
  return api as unknown as ApiClient;
}

const running: Component[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function start(...argv: string[]) {
  const asked: string[] = [];
  const groups: (readonly string[])[] = [];
  let port = 0;
  let isReady = true;
  const component: Component = { name: 'scheduler', start: () => Promise.resolve(), stop: () => Promise.resolve(), ready: () => isReady };
  const env = realEnv({ name: 'test', level: 'error', write: () => undefined });
  const pages = { component: 'kube-scheduler', ready: [{ name: 'sched-handler-sync', failure: () => (isReady ? undefined : 'handlers are not fully synchronized') }], flags: { 'leader-elect': 'true' }, configuration: { componentconfig: { kind: 'KubeSchedulerConfiguration' } }, metrics: { '/metrics/resources': () => 'kube_pod_resource_request 1\n' } };
  const served = withSecureServing(component, { env, settings: settingsOf(...argv), pages, api: apiServer(asked, groups), listen: { host: '127.0.0.1', port: 0, certificate: selfSigned(env.clock.now()) }, onListening: (open) => (port = open) });
  running.push(served);
  await served.start();
  const get = (path: string, as: { cert?: string; key?: string; headers?: Record<string, string> } = {}): Promise<{ code: number; body: string }> =>
    new Promise((resolve, reject) => {
      const { headers = {}, ...tls } = as;
      const call = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false, ...tls, headers: { 'user-agent': userAgentOf('test'), ...headers } }, (reply) => {
        const parts: Buffer[] = [];
        reply.on('data', (part: Buffer) => parts.push(part)).on('end', () => resolve({ code: reply.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
      });
      call.on('error', reject).end();
    });
  return { get, asked, groups, setReady: (value: boolean) => (isReady = value) };
}

describe('the HTTPS port of a program', () => {
  it('shows its health to anybody, and all else to whom the API server lets read it', async () => {
    const { get, asked } = await start();
    expect(await get('/healthz')).toEqual({ code: 200, body: 'ok' });
    expect(asked).toEqual([]);
    const nobody = await get('/metrics');
    expect([nobody.code, JSON.parse(nobody.body)]).toEqual([403, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'forbidden: User "system:anonymous" cannot get path "/metrics"', reason: 'Forbidden', details: {}, code: 403 }]);
    const wrong = await get('/metrics', { headers: { authorization: 'Bearer wrong' } });
    expect([wrong.code, JSON.parse(wrong.body)]).toEqual([401, expect.objectContaining({ message: 'Unauthorized', reason: 'Unauthorized' })]);
    expect((await get('/metrics', { headers: { authorization: 'Bearer t0ken' } })).body).toContain('process_cpu_seconds_total');
    expect((await get('/metrics', pki.clientCert('ann'))).code).toBe(200);
    expect((await get('/flagz', pki.clientCert('ann'))).code).toBe(403);
    expect((await get('/flagz', pki.clientCert('bob'))).body).toContain('\nleader-elect=true\n');
    expect((await get('/metrics/resources', pki.clientCert('admin', ['system:masters']))).body).toBe('kube_pod_resource_request 1\n');
    expect(JSON.parse((await get('/configz', pki.clientCert('admin', ['system:masters']))).body)).toEqual({ componentconfig: { kind: 'KubeSchedulerConfiguration' } });
    expect((await get('/nothing', pki.clientCert('admin', ['system:masters']))).code).toBe(404);
  });

  it('believes front proxies, and only them, in who asks', async () => {
    const { get, groups } = await start();
    const { cert, key } = pki.frontProxy;
    const headers = { 'x-remote-user': 'carl' };
    expect((await get('/statusz', { cert, key, headers })).body).toContain('\nPaths: /configz /flagz /healthz /livez /metrics /readyz\n');
    expect((await get('/statusz', { ...pki.clientCert('mallory'), headers })).code).toBe(403);
    await get('/statusz', { cert, key, headers: { 'x-remote-user': 'system:anonymous', 'x-remote-group': 'system:unauthenticated' } });
    expect(groups.at(-1)).toEqual(['system:unauthenticated']);
  });

  it('tells which check fails', async () => {
    const { get, setReady } = await start('--authorization-always-allow-paths=/readyz*');
    expect((await get('/readyz?verbose')).body).toBe('[+]ping ok\n[+]sched-handler-sync ok\nreadyz check passed\n');
    expect((await get('/healthz')).code).toBe(403);
    setReady(false);
    expect(await get('/readyz')).toEqual({ code: 500, body: '[+]ping ok\n[-]sched-handler-sync failed: reason withheld\nreadyz check failed\n' });
    expect(await get('/readyz/sched-handler-sync')).toEqual({ code: 500, body: 'internal server error: handlers are not fully synchronized\n' });
    expect((await get('/readyz?exclude=sched-handler-sync')).code).toBe(200);
  });

  it('does not start without authorities that must be known, once the API server says that there are none', async () => {
    const component: Component = { name: 'x', start: () => Promise.resolve(), stop: () => Promise.resolve(), ready: () => true };
    const env = { ...realEnv({ name: 'test', level: 'error', write: () => undefined }) };
    const clock = { ...env.clock, sleep: () => Promise.resolve() };
    const api = { get: () => Promise.reject(notFound({ group: '', resource: 'configmaps', name: 'extension-apiserver-authentication' })) } as unknown as ApiClient;
    const served = withSecureServing(component, { env: { ...env, clock }, settings: settingsOf(), pages: { component: 'x', ready: [], flags: {}, configuration: {} }, api, listen: { host: '127.0.0.1', port: 0, certificate: selfSigned(env.clock.now()) } });
    running.push(served);
    await expect(served.start()).rejects.toThrow('unable to load configmap based request-header-client-ca-file: configmaps "extension-apiserver-authentication" not found');
  });
});

describe('flags of TLS', () => {
  it('take the names of Go', () => {
    expect(tlsOptions(settingsOf('--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', '--tls-min-version=VersionTLS13'))).toEqual({ ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256', minVersion: 'TLSv1.3' });
    expect(tlsOptions(settingsOf())).toEqual({});
    expect(() => tlsOptions(settingsOf('--tls-cipher-suites=TLS_X'))).toThrow("Cipher suite TLS_X not supported or doesn't exist");
  });
});
