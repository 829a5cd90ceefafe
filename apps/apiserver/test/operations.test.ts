import { once } from 'node:events';
import { type IncomingMessage, get as httpGet } from 'node:http';
import { ConfigMaps } from '@orrery/api';
import { afterEach, describe, expect, it } from 'vitest';
import type { PluginFactory } from '../src/pipeline/index.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

let running: TestServer | undefined;

async function start(...options: Parameters<typeof startTestServer>): Promise<TestServer> {
  running = await startTestServer(...options);
  return running;
}

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const text = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers });
  return { code: response.status, headers: response.headers, body: await response.text() };
};

/** Holds every write of a ConfigMap until it is let go. */
function gate(): { plugin: PluginFactory; waiting: () => number; open: () => void } {
  let waiting = 0;
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const admit = async (): Promise<void> => {
    waiting += 1;
    await opened;
    waiting -= 1;
  };
  return { plugin: () => ({ admission: [{ name: 'gate', handles: ({ kind }) => kind.resource === 'configmaps', admit }] }), waiting: () => waiting, open };
}

const post = (url: string, name: string, query = ''): Promise<Response> =>
  fetch(`${url}/api/v1/namespaces/default/configmaps${query}`, { method: 'POST', body: JSON.stringify({ metadata: { name } }), headers: { 'content-type': 'application/json' } });

describe('deadlines', () => {
  it('are taken from the query, in Go’s words when they are wrong', async () => {
    const { url } = await start();
    const wrong = await text(`${url}/api/v1/namespaces?timeout=10`);
    expect(wrong.code).toBe(400);
    expect(JSON.parse(wrong.body)).toMatchObject({ reason: 'BadRequest', message: 'invalid timeout specified in the request URL - time: missing unit in duration "10"' });
    expect((await text(`${url}/api/v1/namespaces?timeout=0s`)).code).toBe(200);
    expect((await text(`${url}/api/v1/namespaces?timeout=1m30s`)).code).toBe(200);
  });

  it('answer 504 when they pass, give back the seat and store nothing any more', async () => {
    const { plugin, waiting, open } = gate();
    const { url, api } = await start({}, { plugins: [plugin] });
    const late = await post(url, 'late', '?timeout=50ms');
    expect(late.status).toBe(504);
    expect(await late.json()).toMatchObject({ reason: 'Timeout', message: 'Timeout: request did not complete within requested timeout - context deadline exceeded', code: 504 });
    const { body } = await text(`${url}/metrics`);
    expect(body).toContain('apiserver_request_total{code="504",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="CREATE",version="v1"} 1\n');
    expect(body).toContain('apiserver_flowcontrol_current_executing_requests{flow_schema="catch-all",priority_level="catch-all"} 1\n');
    open();
    await eventually(() => waiting() === 0);
    await api.create(ConfigMaps, { metadata: { name: 'next', namespace: 'default' } });
    expect((await api.list(ConfigMaps)).items.map(({ metadata }) => metadata?.name)).toEqual(['next']);
  });
});

describe('priority and fairness', () => {
  it('names schema and level of every reply, and turns away what is too much', async () => {
    const { plugin, waiting, open } = gate();
    const { url } = await start({ maxRequestsInflight: 1, maxMutatingRequestsInflight: 1 }, { plugins: [plugin] });
    const held = [post(url, 'a'), post(url, 'b')];
    await eventually(() => waiting() === 2);
    const refused = await text(`${url}/api/v1/namespaces`);
    expect([refused.code, refused.headers.get('retry-after'), refused.headers.get('content-type'), refused.body]).toEqual([429, '1', 'text/plain; charset=utf-8', 'Too many requests, please try again later.\n']);
    open();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([201, 201]);
    const { code, headers } = await text(`${url}/api/v1/namespaces`);
    expect([code, headers.has('x-kubernetes-pf-flowschema-uid'), headers.has('x-kubernetes-pf-prioritylevel-uid')]).toEqual([200, true, true]);
  });

  it('lets watches hold a seat only while they begin', async () => {
    const { url } = await start({ maxRequestsInflight: 1, maxMutatingRequestsInflight: 0 });
    const watches: Response[] = [];
    for (let i = 0; i < 3; i++) watches.push(await fetch(`${url}/api/v1/configmaps?watch=true`));
    expect(watches.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await text(`${url}/api/v1/namespaces`)).code).toBe(200);
    await Promise.all(watches.map(({ body }) => body?.cancel()));
  });

  it('turned off, leaves plain limits', async () => {
    const { plugin, waiting, open } = gate();
    const { url } = await start({ enablePriorityAndFairness: false, maxMutatingRequestsInflight: 1 }, { plugins: [plugin] });
    const held = post(url, 'a');
    await eventually(() => waiting() === 1);
    const refused = await post(url, 'b');
    expect([refused.status, refused.headers.get('retry-after'), await refused.text()]).toEqual([429, '1', 'Too many requests, please try again later.\n']);
    expect((await text(`${url}/api/v1/namespaces`)).headers.has('x-kubernetes-pf-flowschema-uid')).toBe(false);
    open();
    expect((await held).status).toBe(201);
  });

  it('shows its tables', async () => {
    const { url } = await start();
    expect((await text(`${url}/debug/api_priority_and_fairness/dump_priority_levels`)).body).toMatch(/^PriorityLevelName, ActiveQueues, .*\ncatch-all, +0, +false,/);
    expect((await text(`${url}/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1`)).body).toContain('/debug/api_priority_and_fairness/dump_requests');
    expect((await text(`${url}/debug/api_priority_and_fairness/none`)).code).toBe(404);
  });
});

describe('metrics', () => {
  it('come in both formats, and health checks on a page of their own', async () => {
    const { url, api } = await start();
    await api.create(ConfigMaps, { metadata: { name: 'x', namespace: 'default' } });
    // Waits until the cache has it.
    await api.list(ConfigMaps, {});
    await eventually(async () => (await text(`${url}/readyz`)).body === 'ok', 'readiness');
    const plain = await text(`${url}/metrics`);
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(plain.body).toContain('apiserver_resource_objects{group="",resource="configmaps"} 1\n');
    expect(plain.body).toMatch(/apiserver_storage_size_bytes\{storage_cluster_id="[^"]+"\} [1-9]/);
    expect(plain.body).toMatch(/etcd_request_duration_seconds_count\{group="",operation="create",resource="configmaps"\} 1\n/);
    expect(plain.body).toContain('kubernetes_build_info{');
    expect(plain.body).toContain('apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="false",type="validate"} 1\n');
    expect(plain.body).toContain('apiserver_watch_cache_events_received_total{group="",resource="configmaps"} 1\n');
    expect(plain.body).toMatch(/process_resident_memory_bytes [1-9]/);
    expect(plain.body).not.toContain('kubernetes_healthcheck');
    const open = await text(`${url}/metrics`, { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' });
    expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.body.endsWith('# EOF\n')).toBe(true);
    expect((await text(`${url}/metrics/slis`)).body).toContain('kubernetes_healthchecks_total{name="etcd",status="success",type="readyz"} 1\n');
  });

  it('count what watches send, and who asks for what is deprecated', async () => {
    const { url, api } = await start();
    await api.create(ConfigMaps, { metadata: { name: 'x', namespace: 'default' } });
    const watch = await fetch(`${url}/api/v1/configmaps?watch=true`);
    await watch.body?.getReader().read();
    await text(`${url}/api/v1/componentstatuses`);
    const { body } = await text(`${url}/metrics`);
    expect(body).toContain('apiserver_watch_events_total{group="",resource="configmaps",version="v1"} 1\n');
    expect(body).toContain('apiserver_init_events_total{group="",resource="configmaps"} 1\n');
    expect(body).toContain('apiserver_longrunning_requests{component="apiserver",group="",resource="configmaps",scope="cluster",subresource="",verb="WATCH",version="v1"} 1\n');
    expect(body).toContain('apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",subresource="",version="v1"} 1\n');
  });

  it('keep to bounded labels whatever is asked for', async () => {
    const { url } = await start();
    await Promise.all([text(`${url}/api/v1/evil"label`), text(`${url}/apis/made.up/v1/things`), text(`${url}/not/a/page`), fetch(`${url}/api/v1/pods`, { method: 'REPORT' })]);
    const { body } = await text(`${url}/metrics`);
    expect(body).not.toMatch(/evil|made\.up|not\/a|REPORT/);
    expect(body).toContain('verb="other"');
  });
});

describe('pages for people', () => {
  it('tell status and settings, but no secrets', async () => {
    const { url } = await start({ tokenAuth: 's3cret,admin,1' });
    expect((await text(`${url}/statusz`)).body).toMatch(/^\nkube-apiserver statusz\nWarning: [^\n]+\n\nStarted: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}\nUp: 0 hr 00 min 0\d sec\n/);
    const { body } = await text(`${url}/flagz`);
    expect(body).toContain('\nmax-requests-inflight=400\n');
    expect(body).toContain('\ntoken-auth=CLASSIFIED\n');
    expect(body).not.toContain('s3cret');
    const structured = await fetch(`${url}/statusz`, { headers: { accept: 'application/json;v=v1beta1;g=config.k8s.io;as=Statusz' } });
    expect(await structured.json()).toMatchObject({ kind: 'Statusz', apiVersion: 'config.k8s.io/v1beta1', metadata: { name: 'kube-apiserver' }, paths: ['/flagz', '/healthz', '/livez', '/metrics', '/readyz', '/statusz', '/version'] });
    expect((await fetch(`${url}/flagz`, { headers: { accept: 'application/json' } })).status).toBe(406);
  });

  it('set the verbosity of the log', async () => {
    const { url } = await start();
    const put = (body: string, method = 'PUT') => fetch(`${url}/debug/flags/v`, { method, body: method === 'GET' ? null : body }).then(async (reply) => [reply.status, await reply.text()]);
    expect(await put('5')).toEqual([200, 'successfully set klog.logging.verbosity to 5']);
    expect(await put('much')).toEqual([400, 'failed set klog.logging.verbosity much: strconv.ParseInt: parsing "much": invalid syntax']);
    expect(await put('', 'GET')).toEqual([406, 'unsupported http method']);
  });
});

describe('a server that is told to stop', () => {
  it('says that it is not ready, ends watches cleanly and finishes what is in flight', async () => {
    const { plugin, waiting, open } = gate();
    const { url, server } = await start({ shutdownDelayDuration: '200ms' }, { plugins: [plugin] });
    const [watch] = (await once(httpGet(`${url}/api/v1/configmaps?watch=true`), 'response')) as [IncomingMessage];
    let ended = false;
    watch.on('end', () => (ended = true)).resume();
    const held = post(url, 'late');
    await eventually(() => waiting() === 1);
    const stopped = server.stop();
    const ready = await text(`${url}/readyz`);
    expect([ready.code, ready.body.includes('[-]shutdown failed: reason withheld\nreadyz check failed\n')]).toEqual([500, true]);
    expect((await text(`${url}/livez`)).code).toBe(200);
    await eventually(() => ended, 'the end of the watch');
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
    open();
    expect((await held).status).toBe(201);
    await stopped;
  });
});
