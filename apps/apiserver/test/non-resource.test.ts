import { decodeProtobuf } from '@orrery/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, startTestServer } from './test-server.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.stop());

const get = async (path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string; type: string | null; headers: Headers }> => {
  const reply = await fetch(`${t.url}${path}`, { headers: { accept: 'application/json', ...headers } });
  return { status: reply.status, text: await reply.text(), type: reply.headers.get('content-type'), headers: reply.headers };
};

const plain = 'text/plain; charset=utf-8';
const hooks = ['generic-apiserver-start-informers', 'start-apiextensions-informers', 'start-kube-aggregator-informers', 'storage-readiness', 'storage-object-count-tracker-hook', 'priority-and-fairness-filter', 'priority-and-fairness-config-consumer', 'start-apiextensions-controllers', 'crd-informer-synced'].map((name) => `poststarthook/${name}`);
const checks = ['ping', 'log', 'etcd', ...hooks];
const verbose = (name: string, lines: readonly string[]): string => `${lines.map((line) => `${line}\n`).join('')}${name} check passed\n`;

describe('health', () => {
  it.each([
    ['/healthz', 200, 'ok'],
    ['/livez', 200, 'ok'],
    ['/readyz', 200, 'ok'],
    ['/livez?verbose', 200, verbose('livez', checks.map((name) => `[+]${name} ok`))],
    ['/healthz?verbose', 200, verbose('healthz', checks.map((name) => `[+]${name} ok`))],
    ['/readyz?verbose', 200, verbose('readyz', [...checks.slice(0, 3), 'etcd-readiness', 'informer-sync', ...hooks, 'shutdown'].map((name) => `[+]${name} ok`))],
    ['/livez?verbose&exclude=etcd&exclude=none&exclude=a', 200, verbose('livez', ['[+]ping ok', '[+]log ok', '[+]etcd excluded: ok', ...hooks.map((name) => `[+]${name} ok`), 'warn: some health checks cannot be excluded: no matches for "a","none"'])],
    ['/livez/ping', 200, 'ok'],
    ['/livez/poststarthook/crd-informer-synced', 200, 'ok'],
    ['/readyz/shutdown', 200, 'ok'],
    ['/livez/shutdown', 404, '404 page not found\n'],
    ['/livez/none', 404, '404 page not found\n'],
  ])('%s', async (path, status, text) => {
    const reply = await get(path);
    expect([reply.status, reply.text, reply.type]).toEqual([status, text, plain]);
    expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('what is not there', () => {
  it.each([
    ['/nothing', plain, '404 page not found\n'],
    ['/logs', plain, '404 page not found\n'],
    ['/logs/kube.log', plain, '404 page not found\n'],
    ['/apis/none.example.com', plain, '404 page not found\n'],
    ['/apis/none.example.com/v1', plain, '404 page not found\n'],
    ['/apis/none.example.com/v1/things', plain, '404 page not found\n'],
    ['/api/v2', plain, '404 page not found\n'],
  ])('%s', async (path, type, text) => {
    const reply = await get(path);
    expect([reply.status, reply.type, reply.text]).toEqual([404, type, text]);
  });
  it.each(['/api/v1/things', '/apis/apps/v9', '/apis/apps/v9/things', '/apis/apps/v1/things/x/y'])('%s is a Status', async (path) => {
    const reply = await get(path);
    expect(reply.status).toBe(404);
    expect(JSON.parse(reply.text)).toEqual({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'the server could not find the requested resource', reason: 'NotFound', details: {}, code: 404 });
  });
});

describe('discovery', () => {
  it('lists paths in order, indented', async () => {
    const reply = await get('/');
    const { paths } = JSON.parse(reply.text) as { paths: string[] };
    expect(paths).toEqual([...paths].sort());
    expect(paths).toEqual(expect.arrayContaining(['/.well-known/openid-configuration', '/api', '/api/v1', '/apis', '/apis/', '/apis/apps', '/apis/apps/v1', '/healthz/etcd', '/livez/ping', '/metrics', '/openapi/v2', '/openapi/v3', '/openid/v1/jwks', '/readyz/informer-sync', '/version']));
    expect(reply.text).toContain('\n  "paths": [\n');
  });

  it('says the version in full', async () => {
    const reply = await get('/version');
    expect(Object.keys(JSON.parse(reply.text) as object)).toEqual(['major', 'minor', 'emulationMajor', 'emulationMinor', 'minCompatibilityMajor', 'minCompatibilityMinor', 'gitVersion', 'gitCommit', 'gitTreeState', 'buildDate', 'goVersion', 'compiler', 'platform']);
  });

  const agg = (version: string, type = 'json'): string => `application/${type};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  const protobuf = 'vnd.kubernetes.protobuf';
  it.each([
    ['/apis', agg('v2'), 200, agg('v2')],
    ['/apis', `${agg('v2')},${agg('v2beta1')},application/json`, 200, agg('v2')],
    ['/apis', `${agg('v2beta1')},application/json`, 200, agg('v2beta1')],
    ['/api', agg('v2', 'yaml'), 200, agg('v2', 'yaml')],
    ['/apis', `${agg('v2', protobuf)},${agg('v2')}`, 200, agg('v2', protobuf)],
    ['/api', agg('v2beta1', protobuf), 200, agg('v2beta1', protobuf)],
    ['/apis', `${agg('v3')},application/json`, 200, 'application/json'],
    ['/apis', agg('v3'), 406, 'application/json'],
    ['/apis', 'application/yaml', 200, 'application/yaml'],
    ['/apis', 'application/vnd.kubernetes.protobuf', 200, 'application/vnd.kubernetes.protobuf'],
    ['/api', 'application/vnd.kubernetes.protobuf', 200, 'application/vnd.kubernetes.protobuf'],
    ['/apis', 'text/html', 406, 'application/json'],
    ['/apis/apps', 'text/html', 406, 'application/json'],
    ['/apis/apps', 'application/vnd.kubernetes.protobuf', 200, 'application/vnd.kubernetes.protobuf'],
    ['/apis/apps/v1', 'application/vnd.kubernetes.protobuf', 200, 'application/vnd.kubernetes.protobuf'],
    ['/api/v1', 'application/yaml', 200, 'application/yaml'],
    ['/api/v1', '*/*', 200, 'application/json'],
  ])('%s as %s', async (path, accept, status, type) => {
    const reply = await get(path, { accept });
    expect([reply.status, reply.type]).toEqual([status, type]);
    if (type.startsWith(`application/${protobuf}`)) expect(reply.text.startsWith('k8s\0')).toBe(true);
  });

  it.each(['/api', '/apis'])('says in protobuf what it says in JSON: %s', async (path) => {
    const response = await fetch(`${t.url}${path}`, { headers: { accept: agg('v2', protobuf) } });
    const plain = JSON.parse((await get(path, { accept: agg('v2') })).text, (key, value: unknown) => (key === 'creationTimestamp' || value === '' ? undefined : value)) as object;
    expect(decodeProtobuf(Buffer.from(await response.arrayBuffer())).object).toEqual(plain);
  });

  it('can be asked whether it has changed', async () => {
    const first = await get('/apis', { accept: agg('v2') });
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[0-9A-F]{128}"$/);
    expect([first.headers.get('vary'), first.headers.get('cache-control')]).toEqual(['Accept', 'public']);
    expect((await get('/apis', { accept: agg('v2'), 'if-none-match': etag })).status).toBe(304);
    expect((await get('/apis', { accept: agg('v2'), 'if-none-match': '"other"' })).status).toBe(200);
  });

  it('tells how the kinds are stored', async () => {
    const { resources } = JSON.parse((await get('/api/v1')).text) as { resources: { name: string; storageVersionHash?: string }[] };
    expect(resources.find(({ name }) => name === 'pods')?.storageVersionHash).toBe('xPOwRZ+Yhw8=');
    expect(resources.find(({ name }) => name === 'bindings')?.storageVersionHash).toBeUndefined();
  });
});
