import { criLogLine } from '@orrery/cri';
import { Code, RpcError } from '@orrery/rpc';
import { expect, test } from 'vitest';
import { container } from '../testing.ts';
import { serving } from './serving-fixture.ts';

const anybody = (): boolean => true;
const token: [string, string][] = [['Authorization', 'Bearer good']];

test('logs of the node: its directories, files, and logs that the runtime keeps in memory', async () => {
  const f = await serving({ may: anybody });
  const file = (path: string, bytes: Uint8Array) => f.host.writeFile(path, { bytes, mode: 0o644 });
  await file('/var/log/boot.log', Buffer.from('up\n'));
  await file('/var/log/a<b', Buffer.from([1, 0, 2]));
  await file('/var/log/audit/audit.log', Buffer.from('who\n'));
  await file('/etc/shadow', Buffer.from('secret\n'));
  f.logs.append('/var/log/pods/default_p_1/app/0.log', criLogLine({ timeNs: 0n, stream: 'stdout', text: 'hello' }));
  const list = (...lines: string[]) => `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${lines.map((line) => `${line}\n`).join('')}</pre>\n`;
  expect(await f.get('/logs/')).toEqual({ status: 200, body: list('<a href="a%3Cb">a&lt;b</a>', '<a href="audit/">audit/</a>', '<a href="boot.log">boot.log</a>', '<a href="pods/">pods/</a>') });
  expect(await f.get('/logs/boot.log')).toEqual({ status: 200, body: 'up\n' });
  expect(await f.get('/logs/audit')).toMatchObject({ status: 301 });
  expect((await f.get('/logs/audit/')).body).toBe(list('<a href="audit.log">audit.log</a>'));
  expect((await f.get('/logs/pods/default_p_1/')).body).toBe(list('<a href="app/">app/</a>'));
  expect((await f.get('/logs/pods/default_p_1/app/0.log')).body).toMatch(/stdout F hello\n$/);
  expect(await f.get('/logs/..%2f..%2fetc/shadow')).toEqual({ status: 404, body: '404 page not found\n' });
  expect(await f.get('/logs/none.log')).toEqual({ status: 404, body: '404 page not found\n' });
  expect(await f.get('/logs/', token, 'DELETE')).toMatchObject({ status: 405 });
});

test('who may read metrics may not read logs', async () => {
  const f = await serving();
  expect(await f.get('/logs/')).toEqual({ status: 403, body: 'Forbidden (user=reader, verb=get, resource=nodes, subresource(s)=[log])\n' });
  expect(await f.get('/checkpoint/default/p/app', token, 'POST')).toMatchObject({ status: 403, body: expect.stringContaining('[checkpoint]') });
  expect(await f.get('/statusz')).toMatchObject({ status: 403, body: expect.stringContaining('[statusz]') });
  expect(await f.get('/flagz')).toMatchObject({ status: 403, body: expect.stringContaining('[configz]') });
});

test('what runs, checkpoints, health by checks, and the metrics of probes and health', async () => {
  const f = await serving({ may: anybody });
  await f.create('p', { containers: [container('app', { livenessProbe: { exec: { command: ['true'] }, periodSeconds: 10, failureThreshold: 3, successThreshold: 1, timeoutSeconds: 1 } })] });
  await f.clock.advance(25_000);
  const { uid } = f.pod('p').metadata ?? {};
  expect(JSON.parse((await f.get('/runningpods/')).body)).toEqual({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [{ metadata: { name: 'p', namespace: 'default', uid }, spec: { containers: [{ name: 'app', image: 'app:1', resources: {} }] }, status: {} }] });
  const probes = (await f.get('/metrics/probes')).body;
  expect(probes).toContain(`prober_probe_total{container="app",namespace="default",pod="p",pod_uid="${uid}",probe_type="Liveness",result="successful"} 3\n`);
  expect(probes).toContain('prober_probe_duration_seconds_bucket{container="app",le="0.005",namespace="default",pod="p",probe_type="Liveness"} 3\n');
  expect(probes).toContain('prober_probe_duration_seconds_count{container="app",namespace="default",pod="p",probe_type="Liveness"} 3\n');
  expect(await f.get('/healthz')).toEqual({ status: 200, body: 'ok' });
  expect((await f.get('/healthz?verbose')).body).toBe('[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n');
  expect(await f.get('/healthz/syncloop')).toEqual({ status: 200, body: 'ok' });
  expect(await f.get('/healthz/none')).toMatchObject({ status: 404 });
  expect((await f.get('/metrics/slis')).body).toContain('kubernetes_healthchecks_total{name="syncloop",status="success",type="healthz"} 3\n');
  expect((await f.get('/metrics')).body).not.toContain('kubernetes_healthcheck');
  const clients = f.kubelet.context.runtime.clients as unknown as { runtime: Record<string, unknown> };
  const asked: unknown[] = [];
  clients.runtime['checkpointContainer'] = async (request: unknown) => (asked.push(request), {});
  const post = (path: string) => f.get(path, token, 'POST');
  const { items } = JSON.parse((await post('/checkpoint/default/p/app?timeout=5')).body) as { items: string[] };
  expect(items[0]).toMatch(/^\/var\/lib\/kubelet\/checkpoints\/checkpoint-p_default-app-.*Z\.tar$/);
  expect(asked).toEqual([expect.objectContaining({ location: items[0], timeout: 5n })]);
  clients.runtime['checkpointContainer'] = () => Promise.reject(new RpcError(Code.UNIMPLEMENTED, 'not here'));
  expect(await post('/checkpoint/default/p/app')).toEqual({ status: 500, body: 'checkpointing of default/p/app failed (rpc error: code = Unimplemented desc = not here)' });
  expect(await post('/checkpoint/default/p/other')).toEqual({ status: 404, body: 'container other does not exist' });
  expect(await post('/checkpoint/default/gone/app')).toEqual({ status: 404, body: 'pod does not exist' });
  expect(await post('/checkpoint/default/p/app?timeout=soon')).toEqual({ status: 404, body: 'cannot parse value of timeout parameter' });
  expect(await f.get('/checkpoint/default/p/app')).toMatchObject({ status: 405 });
});

test('what looks into the program; what the configuration switches off', async () => {
  const f = await serving({ may: anybody });
  expect((await f.get('/debug/pprof/')).body).toContain('/debug/pprof/');
  expect(await f.get('/debug/pprof/heap')).toEqual({ status: 404, body: 'Unknown profile\n' });
  expect(await f.get('/debug/flags/v')).toEqual({ status: 406, body: 'unsupported http method' });
  expect(await f.get('/debug/none')).toMatchObject({ status: 404 });
  expect((await f.get('/statusz')).body).toMatch(/^\nkubelet statusz\nWarning: [^]*\nPaths: \/configz \/debug \/flagz \/healthz \/metrics\n$/);
  expect((await f.get('/flagz')).body).toMatch(/^\nkubelet flagz\n[^]*\nnode-name=node-1\n/);
  expect(JSON.parse((await f.get('/statusz', [...token, ['Accept', 'application/json;v=v1beta1;g=config.k8s.io;as=Statusz']])).body)).toMatchObject({ kind: 'Statusz', metadata: { name: 'kubelet' } });
  expect(await f.get('/flagz/x')).toMatchObject({ status: 404 });
  const started = await serving({ may: anybody, settings: { anonymousAuth: true }, deps: { configuration: { readOnlyPort: 10255, serverTLSBootstrap: true, failSwapOn: false } } });
  const { kubeletconfig } = JSON.parse((await started.get('/configz')).body) as { kubeletconfig: Record<string, unknown> };
  expect(kubeletconfig).toMatchObject({ authentication: { anonymous: { enabled: true } }, failSwapOn: false });
  expect(Object.keys(kubeletconfig)).not.toContain('readOnlyPort');
  const off = await serving({ may: anybody, deps: { configuration: { enableDebuggingHandlers: false, enableDebugFlagsHandler: false } } });
  for (const path of ['/logs/', '/run/default/p/app', '/containerLogs/default/p/app', '/debug/pprof/heap', '/runningpods/']) expect(await off.get(path)).toEqual({ status: 405, body: 'Debug endpoints are disabled.\n' });
  for (const path of ['/configz', '/statusz', '/flagz', '/debug/flags/v']) expect(await off.get(path)).toMatchObject({ status: 404 });
  const quiet = await serving({ may: anybody, deps: { configuration: { enableDebugFlagsHandler: false } } });
  expect(await quiet.get('/debug/flags/v')).toEqual({ status: 405, body: 'flags endpoint is disabled.\n' });
  expect(await off.get('/pods')).toMatchObject({ status: 200 });
});
