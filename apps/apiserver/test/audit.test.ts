import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigMaps } from '@orrery/api';
import { createInMemoryBus } from '@orrery/bus';
import { createGrpcApiClient } from '@orrery/client';
import { serveHttp } from '@orrery/node-io';
import { grpcChannel } from '@orrery/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiServerConfig, ApiServerDeps } from '../src/component.ts';
import type { PluginFactory } from '../src/pipeline/index.ts';
import { plugins } from '../src/plugins.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

interface Event {
  readonly level: string;
  readonly auditID: string;
  readonly stage: string;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: { username?: string; groups?: string[] };
  readonly [name: string]: any;
}

const token = 'secret-token,alice,7,"system:masters"\nother,bob,8,"dev"';
const alice = { authorization: 'Bearer secret-token' };

describe('audit', () => {
  let dir = '';
  let server: TestServer;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'orrery-audit-'))));
  afterEach(async () => {
    await server.stop();
    rmSync(dir, { recursive: true });
  });

  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const start = async (rules: string, settings: Partial<ApiServerConfig> = {}, deps: Partial<ApiServerDeps> = {}): Promise<void> => {
    const auditPolicyFile = file('policy.yaml', `apiVersion: audit.k8s.io/v1\nkind: Policy\n${rules}`);
    server = await startTestServer({ auditPolicyFile, auditLogPath: join(dir, 'audit.log'), tokenAuth: token, ...settings }, { plugins, ...deps });
  };
  const lines = (): string[] => readFileSync(join(dir, 'audit.log'), 'utf8').split('\n').slice(0, -1);
  const events = (of: (event: Event) => boolean = () => true): Event[] => lines().map((line) => JSON.parse(line) as Event).filter((event) => event.user.username !== 'system:apiserver' && of(event));
  const request = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${server.url}${path}`, { ...init, headers: { ...alice, 'content-type': 'application/json', 'user-agent': 'test/1', ...init.headers } });

  it('records a create in full, with the id, the addresses and the decision', async () => {
    await start('rules: [{level: RequestResponse, resources: [{resources: [configmaps]}]}]');
    const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' }, data: { k: 'v' } };
    const reply = await request('/api/v1/namespaces/default/configmaps?fieldManager=me', { method: 'POST', body: JSON.stringify(body), headers: { 'audit-id': 'my-id', 'x-forwarded-for': '10.1.2.3, junk', 'x-real-ip': '10.9.9.9' } });
    expect(reply.status).toBe(201);
    expect(reply.headers.get('audit-id')).toBe('my-id');
    const answer = (await reply.json()) as { metadata: Record<string, unknown> };
    const [received, complete] = events((event) => event.auditID === 'my-id');
    expect(received).toMatchObject({ stage: 'RequestReceived', level: 'RequestResponse' });
    expect(received).not.toHaveProperty('responseStatus');
    expect(complete).toMatchObject({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      stage: 'ResponseComplete',
      requestURI: '/api/v1/namespaces/default/configmaps?fieldManager=me',
      verb: 'create',
      user: { username: 'alice', uid: '7', groups: ['system:masters', 'system:authenticated'] },
      sourceIPs: ['10.1.2.3', '10.9.9.9', '127.0.0.1'],
      userAgent: 'test/1',
      objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
      responseStatus: { metadata: {}, code: 201 },
      requestObject: body,
      responseObject: answer,
      annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
    });
    expect(complete?.['requestReceivedTimestamp']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(Object.keys(complete ?? {})).toEqual(['kind', 'apiVersion', 'level', 'auditID', 'stage', 'requestURI', 'verb', 'user', 'sourceIPs', 'userAgent', 'objectRef', 'responseStatus', 'requestObject', 'responseObject', 'requestReceivedTimestamp', 'stageTimestamp', 'annotations']);
  });

  it('keeps bodies out at level Metadata, but tells of failures; says who is impersonated', async () => {
    await start('omitStages: [RequestReceived]\nrules: [{level: Metadata}]');
    await request('/api/v1/namespaces/default/configmaps', { method: 'POST', body: JSON.stringify({ metadata: { name: 'm', uid: 'u' }, data: { k: 'private' } }) });
    await request('/api/v1/namespaces/default/secrets', { headers: { 'impersonate-user': 'carol' } });
    await request('/api/v1/namespaces/default/configmaps/none');
    await request('/api/v1/namespaces/default/configmaps/m', { method: 'DELETE', body: JSON.stringify({ propagationPolicy: 'Background' }) });
    expect(readFileSync(join(dir, 'audit.log'), 'utf8')).not.toContain('private');
    const [created, forbidden, missing, gone] = events();
    expect(created).toMatchObject({ objectRef: { name: 'm', uid: 'u' }, responseStatus: { code: 201 } });
    expect(forbidden).toMatchObject({
      user: { username: 'alice' },
      impersonatedUser: { username: 'carol', groups: ['system:authenticated'] },
      responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403 },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    });
    expect(missing).toMatchObject({ verb: 'get', responseStatus: { status: 'Failure', message: 'configmaps "none" not found', reason: 'NotFound', details: { name: 'none', kind: 'configmaps' }, code: 404 } });
    expect(gone).toMatchObject({ verb: 'delete', responseStatus: { status: 'Success', details: { name: 'm' }, code: 200 } });
  });

  it('records patches and delete options at level Request; managed fields can stay out', async () => {
    await start('omitStages: [RequestReceived]\nomitManagedFields: true\nrules: [{level: Request, verbs: [patch, delete]}, {level: RequestResponse, verbs: [list]}]');
    await request('/api/v1/namespaces/default/configmaps', { method: 'POST', body: JSON.stringify({ metadata: { name: 'p' } }) });
    await request('/api/v1/namespaces/default/configmaps/p', { method: 'PATCH', body: '{"data":{"a":"b"}}', headers: { 'content-type': 'application/merge-patch+json' } });
    await request('/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Dp');
    await request('/api/v1/namespaces/default/configmaps/p', { method: 'DELETE', body: '{"propagationPolicy":"Background"}' });
    const [patched, listed, deleted] = events();
    expect(patched).toMatchObject({ requestObject: { data: { a: 'b' } }, responseStatus: { code: 200 } });
    expect(patched).not.toHaveProperty('responseObject');
    expect(listed?.['responseObject'].items).toHaveLength(1);
    expect(listed?.['responseObject'].items[0].metadata.managedFields).toBeUndefined();
    expect(deleted).toMatchObject({ requestObject: { kind: 'DeleteOptions', propagationPolicy: 'Background' } });
    expect(deleted?.['requestObject'].preconditions).toBeUndefined();
  });

  it('has a stage for the head of a watch, and one event for who cannot be authenticated', async () => {
    await start('rules: [{level: Metadata, resources: [{resources: [configmaps]}]}]');
    const over = new AbortController();
    await request('/api/v1/configmaps?watch=true&resourceVersion=0', { signal: over.signal });
    await eventually(() => events().length === 2);
    over.abort();
    await eventually(() => events().length === 3);
    expect(events().map((event) => [event.stage, event['responseStatus']?.code])).toEqual([['RequestReceived', undefined], ['ResponseStarted', 200], ['ResponseComplete', 200]]);
    await request('/api/v1/configmaps', { headers: { authorization: 'Bearer wrong' } });
    const [refused, ...more] = events().slice(3);
    expect(refused).toMatchObject({ stage: 'ResponseStarted', user: {}, responseStatus: { status: 'Failure', message: 'Unauthorized', reason: 'Unauthorized', code: 401 } });
    expect(more).toEqual([]);
  });

  it('records requests of components in memory and over gRPC alike', async () => {
    await start('omitStages: [RequestReceived]\nrules: [{level: Request, users: [component, "system:anonymous"]}]', { authorizationMode: 'AlwaysAllow' });
    const memory = server.server.client({ username: 'component', groups: [] });
    await memory.create(ConfigMaps, { metadata: { name: 'x', namespace: 'default' }, data: { a: '1' } });
    await expect(memory.get(ConfigMaps, { namespace: 'default', name: 'no' })).rejects.toThrow('not found');
    const channel = grpcChannel(`127.0.0.1:${server.server.grpcPort}`);
    const remote = createGrpcApiClient(channel, { env: server.env });
    await remote.create(ConfigMaps, { metadata: { name: 'y', namespace: 'default' } });
    await remote.get(ConfigMaps, { namespace: 'default', name: 'y' });
    await remote.list(ConfigMaps, { namespace: 'default' });
    await remote.close();
    channel.close();
    const [created, missing, ...overGrpc] = events();
    expect(created).toMatchObject({ verb: 'create', requestURI: '/api/v1/namespaces/default/configmaps', requestObject: { kind: 'ConfigMap', data: { a: '1' } }, responseStatus: { code: 201 } });
    expect(missing).toMatchObject({ verb: 'get', responseStatus: { reason: 'NotFound', code: 404 } });
    expect(overGrpc.map((event) => [event.verb, event['sourceIPs'], event['responseStatus'].code, event.user.username])).toEqual([
      ['create', ['127.0.0.1'], 201, 'system:anonymous'],
      ['get', ['127.0.0.1'], 200, 'system:anonymous'],
      ['list', ['127.0.0.1'], 200, 'system:anonymous'],
    ]);
  });

  it('posts batches to a webhook and tries again when it fails; publishes on the bus without secrets', async () => {
    const posts: { items: Event[] }[] = [];
    let fails = 1;
    const hook = await serveHttp({
      host: '127.0.0.1',
      port: 0,
      handler: {
        async request(incoming, response) {
          const body = JSON.parse((await incoming.body(1 << 20)).toString('utf8')) as { items: Event[] };
          if (fails-- > 0) return response.send(503, {}, 'not now');
          posts.push(body);
          return response.send(200, {});
        },
      },
    });
    const kubeconfig = `apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: h, cluster: {server: "http://127.0.0.1:${hook.port}/hook?x=1"}}]\nusers: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: h, user: u}}]\n`;
    const bus = createInMemoryBus();
    const published: Event[] = [];
    bus.subscribe('audit.events', ({ payload }) => void published.push(JSON.parse(Buffer.from(payload).toString('utf8')) as Event));
    const settings = { auditLogPath: '', auditWebhookConfigFile: file('hook.yaml', kubeconfig), auditWebhookBatchMaxWait: '5ms', auditWebhookInitialBackoff: '1ms', auditNatsSubject: 'audit.events' };
    await start('omitStages: [RequestReceived]\nrules: [{level: RequestResponse, users: [alice]}]', settings, { bus });
    await request('/api/v1/namespaces/default/secrets', { method: 'POST', body: JSON.stringify({ metadata: { name: 's' }, stringData: { password: 'hunter2' } }) });
    await request('/api/v1/namespaces/default/configmaps', { method: 'POST', body: JSON.stringify({ metadata: { name: 'c' } }) });
    await eventually(() => posts.flatMap((post) => post.items).length === 2, 'both events posted');
    expect(posts[0]).toMatchObject({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1' });
    expect(JSON.stringify(posts)).toContain('hunter2');
    await eventually(() => published.length === 2);
    expect(JSON.stringify(published)).not.toContain('hunter2');
    expect(published[0]?.['annotations']['audit.k8s.io/truncated']).toBe('true');
    expect(published[1]).toMatchObject({ requestObject: { kind: 'ConfigMap' } });
    expect(server.env.metrics.expose()).toMatch(/apiserver_audit_event_total 2/);
    await hook.close();
  });

  it('carries what plug-ins say, patches of webhooks from level Request on, and tells of a bug', async () => {
    const talkative: PluginFactory = () => ({
      admission: [
        {
          name: 'Talkative',
          handles: ({ kind }) => kind.resource === 'configmaps',
          admit(attributes) {
            attributes.annotate('talk.example.com/said', 'first');
            attributes.annotate('talk.example.com/said', 'second');
            attributes.annotate('patch.webhook.admission.k8s.io/round_0_index_0', '{"patch":[]}');
            if (attributes.name === 'bug') throw new TypeError('x is not a function');
          },
        },
      ],
    });
    await start('omitStages: [RequestReceived]\nrules: [{level: Metadata, verbs: [create]}, {level: Request, verbs: [update]}]', {}, { plugins: [...plugins, talkative] });
    const send = (name: string, method: string, path = ''): Promise<Response> => request(`/api/v1/namespaces/default/configmaps${path}`, { method, body: JSON.stringify({ metadata: { name } }) });
    await send('a', 'POST');
    await send('a', 'PUT', '/a');
    expect((await send('bug', 'POST')).status).toBe(500);
    const [created, updated, bug] = events();
    expect(created?.['annotations']).toMatchObject({ 'talk.example.com/said': 'first' });
    expect(created?.['annotations']).not.toHaveProperty('patch.webhook.admission.k8s.io/round_0_index_0');
    expect(updated?.['annotations']).toHaveProperty('patch.webhook.admission.k8s.io/round_0_index_0');
    expect(bug).toMatchObject({ stage: 'Panic', responseStatus: { status: 'Failure', message: "APIServer panic'd: x is not a function", reason: 'InternalError', code: 500 } });
  });

  it('refuses requests in mode blocking-strict when the log cannot be written', async () => {
    await start('rules: [{level: Metadata, users: [alice]}]', { auditLogPath: '/dev/full', auditLogMode: 'blocking-strict' });
    const reply = await request('/api/v1/namespaces');
    expect(reply.status).toBe(500);
    expect(await reply.json()).toMatchObject({ reason: 'InternalError', message: 'Internal error occurred: failed to store audit event' });
    const metrics = server.env.metrics.expose();
    expect(metrics).toMatch(/apiserver_audit_requests_rejected_total 1/);
    expect(metrics).toMatch(/apiserver_audit_error_total\{plugin="log"\} [12]/);
  });
});
