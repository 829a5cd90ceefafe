import { SubjectAccessReviews } from '@orrery/api';
import { criLogLine } from '@orrery/cri';
import { exchange } from '@orrery/http';
import { dialHost, serveHttp } from '@orrery/node-io';
import { resolveConfig } from '@orrery/runtime';
import { afterEach, expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { type KubeletServer, createKubeletServer, kubeletServerSchema } from './kubelet-server.ts';
import { serving } from './serving-fixture.ts';

const servers: KubeletServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const ns = (seconds: number): bigint => BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n + BigInt(seconds) * 1_000_000_000n;

test('only who is known and allowed is served', async () => {
  const f = await serving();
  expect(await f.get('/pods', [])).toEqual({ status: 401, body: 'Unauthorized' });
  expect(await f.get('/pods', [['Authorization', 'Bearer bad']])).toMatchObject({ status: 401 });
  expect(await f.get('/stats/summary')).toEqual({ status: 403, body: 'Forbidden (user=reader, verb=get, resource=nodes, subresource(s)=[stats])\n' });
  expect(await f.get('/run/default/p/app', [['Authorization', 'Bearer good']], 'POST')).toMatchObject({ status: 403 });
  expect(await f.get('/nope')).toEqual({ status: 404, body: '404 page not found\n' });
  expect(JSON.parse((await f.get('/pods')).body)).toMatchObject({ kind: 'PodList', items: [] });
  expect((await f.get('/nodes/other/pods')).body).toBe('node "other" is not here');
  expect((await f.get('/metrics/resource')).body).toContain('resource_scrape_error 0');
});

test.each([
  ['nobody, where nobody is let in', { anonymousAuth: true }, [], 403, 'Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[stats])\n'],
  ['a token, where tokens are not asked about', { authenticationTokenWebhook: false }, [['Authorization', 'Bearer good']], 401, 'Unauthorized'],
  ['anybody who is known, where all may', { authorizationMode: 'AlwaysAllow' }, [['Authorization', 'Bearer good']], 200, expect.stringContaining('nodeName')],
  ['who proves nothing, where all may', { authorizationMode: 'AlwaysAllow' }, [['Authorization', 'Bearer bad']], 401, 'Unauthorized'],
] as const)('%s', async (_what, settings, headers, status, body) => {
  const f = await serving({ settings });
  expect(await f.get('/stats/summary', headers.map(([name, value]) => [name, value]))).toEqual({ status, body });
});

test('answers about tokens and accesses count as long as the configuration says', async () => {
  let asked: string[] = [];
  const f = await serving({ settings: { authenticationTokenWebhookCacheTtl: '1m' } });
  f.api.create = ((create) => (async (resource, object, options) => (asked.push((object as { kind?: string }).kind ?? ''), create.call(f.api, resource, object, options))) as typeof create)(f.api.create);
  const reviewsAfter = async (ms: number, path: string): Promise<string> => {
    await f.clock.advance(ms);
    asked = [];
    await f.get(path);
    return asked.filter((kind) => kind.endsWith('Review')).join(' ');
  };
  expect(await reviewsAfter(0, '/stats/summary')).toBe('TokenReview SubjectAccessReview');
  expect(await reviewsAfter(29_000, '/stats/summary')).toBe('');
  expect(await reviewsAfter(2_000, '/stats/summary')).toBe('SubjectAccessReview');
  expect(await reviewsAfter(30_000, '/pods')).toBe('TokenReview SubjectAccessReview');
  expect(await reviewsAfter(239_000, '/pods')).toBe('TokenReview');
  expect(await reviewsAfter(70_000, '/pods')).toBe('TokenReview SubjectAccessReview');
});

test('logs: whole, tail, since, timestamps, limit, previous, and what is refused', async () => {
  const f = await serving({ script: ({ attempt }) => (attempt === 0 ? { exitAfterMs: 1000, exitCode: 1 } : {}), pull: (image) => (image.startsWith('bad') ? { error: 'no' } : {}) });
  await f.create('p', { containers: [container('app')] });
  await f.create('q', { containers: [container('bad')] });
  await f.clock.advance(5_000);
  const path = (n: number) => [...f.cri.containers.values()].find((c) => c.config.metadata?.attempt === n)?.logPath ?? '';
  f.logs.append(path(0), criLogLine({ timeNs: ns(0), stream: 'stdout', text: 'first life' }));
  for (let i = 0; i < 5; i++) f.logs.append(path(1), criLogLine({ timeNs: ns(i), stream: i === 2 ? 'stderr' : 'stdout', text: `line ${i}`, partial: i === 3 }));
  const logs = async (query: string) => (await f.get(`/containerLogs/default/p/app${query}`)).body;
  expect(await logs('')).toBe('line 0\nline 1\nline 2\nline 3line 4\n');
  expect(await logs('?tailLines=2')).toBe('line 3line 4\n');
  expect(await logs('?tailLines=0')).toBe('');
  expect(await logs('?limitBytes=10')).toBe('line 0\nlin');
  expect(await logs('?sinceTime=2026-01-01T00:00:02Z&timestamps=true')).toBe('2026-01-01T00:00:02.000000000Z line 2\n2026-01-01T00:00:03.000000000Z line 3line 4\n');
  expect(await logs('?previous=true')).toBe('first life\n');
  expect(await logs('?tailLines=x')).toContain('Invalid request');
  expect(await f.get('/containerLogs/default/p/nope')).toEqual({ status: 404, body: 'container "nope" not found in pod "p"' });
  expect(await f.get('/containerLogs/default/gone/app')).toEqual({ status: 404, body: 'pod "gone" does not exist' });
  expect(await f.get('/containerLogs/default/q/bad')).toEqual({ status: 400, body: 'container "bad" in pod "q" is waiting to start: trying and failing to pull image' });
});

test('followed logs end with the container', async () => {
  const f = await serving();
  await f.create('p', { containers: [container('app')], restartPolicy: 'Never' });
  await f.clock.advance(0);
  const [running] = [...f.cri.containers.values()];
  f.logs.append(running?.logPath ?? '', criLogLine({ timeNs: ns(0), stream: 'stdout', text: 'one' }));
  const conn = await dialHost({ host: '127.0.0.1', port: f.server.port });
  const { body } = await exchange(conn, { method: 'GET', target: '/containerLogs/default/p/app?follow=true', headers: [['Host', 'x'], ['Authorization', 'Bearer good']] });
  const chunks = body[Symbol.asyncIterator]();
  const next = async () => Buffer.from((await chunks.next()).value ?? []).toString();
  expect(await next()).toBe('one\n');
  f.logs.append(running?.logPath ?? '', criLogLine({ timeNs: ns(1), stream: 'stdout', text: 'two' }));
  f.cri.exit(running?.id ?? '', { exitCode: 0 });
  await f.clock.advance(10);
  expect([await next(), (await chunks.next()).done]).toEqual(['two\n', true]);
});

test('exec is passed on to the streaming server of the runtime', async () => {
  const f = await serving();
  f.api.create = ((create) => (async (resource, object, options) => (resource === (SubjectAccessReviews as unknown) ? { ...object, status: { allowed: true } } : create.call(f.api, resource, object, options))) as typeof create)(f.api.create);
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(0);
  const seen: unknown[] = [];
  const clients = f.kubelet.context.runtime.clients as unknown as { runtime: Record<string, unknown> };
  clients.runtime['exec'] = async (request: unknown) => (seen.push(request), { url: 'http://127.0.0.1:1/exec/token' });
  const upgrade = async (target: string) => {
    const conn = await dialHost({ host: '127.0.0.1', port: f.server.port });
    await conn.write(Buffer.from(`POST ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n`));
    let text = '';
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) text += Buffer.from(bytes).toString();
    return text;
  };
  expect(await upgrade('/exec/default/p/app?command=ls&command=-l&input=1&output=1&error=1')).toMatch(/^HTTP\/1.1 101 [\s\S]*\/exec\/token\|POST \/exec\/token HTTP\/1.1$/);
  expect(seen).toEqual([expect.objectContaining({ cmd: ['ls', '-l'], stdin: true, stdout: true, stderr: true, tty: false })]);
  expect(await upgrade('/exec/default/p/app?command=ls')).toMatch(/^HTTP\/1.1 400 Bad Request[\s\S]*you must specify at least 1 of stdin, stdout, stderr$/);
  expect(await upgrade('/exec/default/p/other?command=ls&output=1')).toMatch(/^HTTP\/1.1 404 Not Found[\s\S]*container not found \("other"\)$/);
});

test('container metrics on a port of their own, for anybody; the node shows its configuration', async () => {
  const f = fixture();
  await f.kubelet.start();
  const handlers: Parameters<typeof serveHttp>[0][] = [];
  const server = createKubeletServer(f.env, { kubelets: () => [f.kubelet], api: f.api, serveHttp: async (options) => (handlers.push(options), serveHttp({ ...options, port: 0 })), connectStreaming: () => Promise.reject(new Error('none')), configuration: { featureGates: { MemoryQoS: true } } }, resolveConfig(kubeletServerSchema, [{ serverPort: 0, healthzPort: -1, cadvisorPort: 4194 }]));
  servers.push(server);
  await server.start();
  const asked = handlers.find(({ port }) => port === 4194)?.handler;
  const replies: [number, string][] = [];
  const ask = async (method: string, url: string): Promise<[number, string] | undefined> => {
    await asked?.request({ method, url, headers: {} } as never, { send: (status: number, _headers: object, body: string) => void replies.push([status, String(body)]) } as never);
    return replies.at(-1);
  };
  for (const told of ['MemoryQoS",stage="ALPHA"} 1', 'EventedPLEG",stage="ALPHA"} 0']) expect(f.env.metrics.expose()).toContain(`kubernetes_feature_enabled{name="${told}`);
  expect((await ask('GET', '/metrics'))?.[0]).toBe(200);
  expect(replies.at(-1)?.[1]).toContain('container_cpu_usage_seconds_total');
  expect(await ask('GET', '/pods')).toMatchObject([404, expect.stringContaining('404 page not found')]);
  expect(await ask('POST', '/metrics')).toMatchObject([405, expect.any(String)]);
  expect(await ask('GET', '/healthz')).toMatchObject([200, 'ok']);
});
