import { request as httpsRequest } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { APIServices, ClusterRoleBindings, ConfigMaps, CustomResourceDefinitions, EndpointSlices, Namespaces, RoleBindings, ServiceAccounts, Services } from '@orrery/api';
import { createGrpcApiClient } from '@orrery/client';
import { ensurePki } from '@orrery/node-io';
import { dial } from '@orrery/node-io/dial';
import { grpcChannel } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, version } from '../src/aggregation/testing/sample-documents.ts';
import { SampleServer } from '../src/aggregation/testing/sample-server.ts';
import { plugins } from '../src/plugins.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

const group = 'wardle.example.com';
const name = `${version}.${group}`;
const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const pki = ensurePki(undefined);
const { frontProxy } = pki;
const admin = pki.clientCert('root', ['system:masters']);
let samplePki: ReturnType<typeof ensurePki>;
let sample: SampleServer;
let t: TestServer;
let isCut = false;

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: any;
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: unknown;
  /** Default: the administrator's; null: none. */
  readonly identity?: { cert: string; key: string } | null;
}

function ask(path: string, { method = 'GET', headers = {}, body, identity = admin }: Ask = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest({ host: '127.0.0.1', port: t.server.port, path, method, ca: pki.caCert, servername: 'localhost', agent: false, headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers }, ...identity }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, get json() { return JSON.parse(text) as unknown; } });
      });
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body ? JSON.stringify(body) : undefined);
  });
}

const token = async (account: string): Promise<string> => {
  const reply = await ask(`/api/v1/namespaces/wardle/serviceaccounts/${account}/token`, { method: 'POST', body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } });
  return reply.json.status.token as string;
};

const condition = async (): Promise<any> => (await t.api.get(APIServices, { name })).status?.conditions?.find(({ type }) => type === 'Available');
const becomes = (reason: string): Promise<void> => eventually(async () => (await condition())?.reason === reason, reason);

beforeAll(async () => {
  samplePki = ensurePki(undefined);
  const { cert, key } = samplePki.servingCert('sample', { subject: { commonName: 'sample' }, altNames: { dnsNames: ['api.wardle.svc'] } });
  sample = new SampleServer({ cert, key, requestHeaderCa: frontProxy.caCert, allowedNames: ['front-proxy-client'] });
  await sample.start();
  t = await startTestServer(
    {
      tlsCert: pki.serverCert, tlsKey: pki.serverKey, clientCa: pki.caCert, serviceAccountKey: pki.saKey,
      requestheaderClientCaFile: frontProxy.caCert, requestheaderAllowedNames: ['front-proxy-client'], proxyClientCertFile: frontProxy.cert, proxyClientKeyFile: frontProxy.key,
    },
    {
      plugins,
      clusterNet: { dial: ({ ip, port }) => (ip === '10.244.0.9' && port === 8443 && !isCut ? dial({ host: '127.0.0.1', port: sample.port }) : Promise.reject(new Error(`dial tcp ${ip}:${port}: connect: no route to host`))) },
    },
  );
  await t.api.create(Namespaces, { metadata: { name: 'wardle' } });
});

afterAll(async () => {
  await t?.stop();
  await sample?.stop();
});

describe('APIServices of what is served here', () => {
  it('are registered with their priorities, and available', async () => {
    const services = new Map((await t.api.list(APIServices)).items.map((one) => [one.metadata?.name, one]));
    expect(services.get('v1.')?.spec).toEqual({ version: 'v1', groupPriorityMinimum: 18_000, versionPriority: 1 });
    expect(services.get('v1.apps')).toMatchObject({ metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } }, spec: { group: 'apps', groupPriorityMinimum: 17_800, versionPriority: 15 }, status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local', message: 'Local APIServices are always available' }] } });
    expect(services.has('v1.apiregistration.k8s.io')).toBe(false);
    const legacy = (await ask('/apis')).json.groups.map((one: any) => one.name);
    expect(legacy[0]).toBe('apiregistration.k8s.io');
    expect([...services.values()].filter(({ spec }) => spec?.group).map(({ spec }) => spec?.group).every((one) => legacy.includes(one))).toBe(true);
  });

  it.each(['/healthz?verbose=1', '/livez?verbose=1', '/readyz?verbose=1'])('are waited for by %s', async (path) => {
    const hooks = [
      'start-apiserver-admission-initializer', 'priority-and-fairness-filter', 'storage-readiness', 'storage-object-count-tracker-hook', 'generic-apiserver-start-informers', 'start-apiextensions-informers', 'start-apiextensions-controllers', 'crd-informer-synced', 'bootstrap-controller', 'rbac/bootstrap-roles',
      'start-system-namespaces-controller', 'scheduling/bootstrap-system-priority-classes', 'start-kube-apiserver-identity-lease-controller', 'start-kube-apiserver-identity-lease-garbage-collector', 'start-cluster-authentication-info-controller', 'start-kube-aggregator-informers', 'apiservice-registration-controller',
      'apiservice-status-local-available-controller', 'apiservice-status-remote-available-controller', 'kube-apiserver-autoregistration', 'apiservice-openapi-controller', 'apiservice-openapiv3-controller', 'apiservice-discovery-controller',
    ];
    const lines = (await ask(path)).text.split('\n');
    for (const name of ['ping', 'log', 'etcd', 'autoregister-completion', ...hooks.map((hook) => `poststarthook/${hook}`)]) expect(lines).toContain(`[+]${name} ok`);
  });

  it('come and go with the definitions of custom resources', async () => {
    const versions = ['v1', 'v1beta1'].map((one, i) => ({ name: one, served: true, storage: i === 0, schema: { openAPIV3Schema: { type: 'object' } } }));
    await t.api.create(CustomResourceDefinitions, { metadata: { name: 'tins.shop.example.com' }, spec: { group: 'shop.example.com', scope: 'Namespaced', names: { plural: 'tins', kind: 'Tin' }, versions } } as any);
    const isRegistered = async (one: string): Promise<boolean> => (await ask(`/apis/apiregistration.k8s.io/v1/apiservices/${one}.shop.example.com`)).status === 200;
    await eventually(async () => (await isRegistered('v1')) && (await isRegistered('v1beta1')), 'registered');
    expect((await t.api.get(APIServices, { name: 'v1.shop.example.com' })).metadata?.labels).toEqual({ 'kube-aggregator.kubernetes.io/automanaged': 'true' });
    expect((await t.api.get(APIServices, { name: 'v1.shop.example.com' })).spec).toEqual({ group: 'shop.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 100 });
    // Kept: what is deleted comes back.
    await t.api.delete(APIServices, { name: 'v1.shop.example.com' });
    await eventually(() => isRegistered('v1'), 'registered again');
    await t.api.delete(CustomResourceDefinitions, { name: 'tins.shop.example.com' });
    await eventually(async () => (await t.api.list(APIServices)).items.every((one) => one.spec?.group !== 'shop.example.com'), 'unregistered');
  });

  it('are judged as upstream judges them', async () => {
    const bad = { metadata: { name: 'v1.x.example.com' }, spec: { group: 'x.example.com', version: 'v2', groupPriorityMinimum: 0, versionPriority: 2000, caBundle: 'AAAA', insecureSkipTLSVerify: true, service: { name: '', namespace: 'n', port: 70_000 } } };
    const reply = await ask('/apis/apiregistration.k8s.io/v1/apiservices', { method: 'POST', body: { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', ...bad } });
    expect(reply.status).toBe(422);
    expect(reply.json.details.causes.map((one: any) => `${one.field}: ${one.message}`)).toEqual([
      'metadata.name: Invalid value: "v1.x.example.com": must be `spec.version+"."+spec.group`: "v2.x.example.com"',
      'spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000',
      'spec.versionPriority: Invalid value: 2000: must be positive and less than 1000',
      'spec.service.name: Required value',
      'spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive',
      'spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present',
    ]);
  });
});

describe('an APIService of another server', () => {
  it('says what keeps it from being available', async () => {
    const caBundle = Buffer.from(samplePki.caCert).toString('base64');
    await t.api.create(APIServices, { metadata: { name }, spec: { group, version, groupPriorityMinimum: 2000, versionPriority: 200, caBundle, service: { namespace: 'wardle', name: 'api' } } });
    await becomes('ServiceNotFound');
    expect(await condition()).toMatchObject({ status: 'False', message: 'service/api in "wardle" is not present' });
    const unavailable = await ask(`${root}/flunders`);
    expect([unavailable.status, unavailable.text, unavailable.headers['content-type']]).toEqual([503, 'service unavailable\n', 'text/plain; charset=utf-8']);
    expect((await ask('/apis', { headers: { accept: aggregated } })).json.items.find((one: any) => one.metadata.name === group).versions).toEqual([{ version, freshness: 'Stale' }]);

    await t.api.create(Services, { metadata: { name: 'api', namespace: 'wardle' }, spec: { ports: [{ port: 80 }] } });
    await becomes('ServicePortError');
    expect((await condition()).message).toBe('service/api in "wardle" is not listening on port 443');
    const service = await t.api.get(Services, { namespace: 'wardle', name: 'api' });
    await t.api.update(Services, { ...service, spec: { ...service.spec, ports: [{ port: 443, targetPort: 8443 }] } } as any);
    await becomes('EndpointsNotFound');
    expect((await condition()).message).toBe('cannot find endpointslices for service/api in "wardle"');
    const slice = await t.api.create(EndpointSlices, { metadata: { name: 'api-1', namespace: 'wardle', labels: { 'kubernetes.io/service-name': 'api' } }, addressType: 'IPv4', ports: [{ name: '', port: 8443 }], endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: false } }] } as any);
    await becomes('MissingEndpoints');
    expect((await condition()).message).toBe('endpointslices for service/api in "wardle" have no addresses with port name ""');
    sample.outage = 500;
    await t.api.update(EndpointSlices, { ...slice, endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: true } }] } as any);
    await becomes('FailedDiscoveryCheck');
    const url = `https://10.244.0.9:8443${root}`;
    expect((await condition()).message).toBe(`failing or missing response from ${url}: bad status from ${url}: 500`);
    sample.outage = undefined;
    await becomes('Passed');
    expect(await condition()).toMatchObject({ status: 'True', message: 'all checks passed' });
  });

  it('is read by the clients of components too, which do not speak REST', async () => {
    await eventually(async () => (await ask(`${root}/flunders`)).status === 200, 'served');
    const flunders = { group, version, resource: 'flunders', kind: 'Flunder', namespaced: true };
    const key = { namespace: 'default', name: 'quiet' };
    await ask(`${root}/namespaces/default/flunders`, { method: 'POST', body: { apiVersion: `${group}/${version}`, kind: 'Flunder', metadata: { name: 'quiet' } } });
    const { cert, key: privateKey } = admin;
    const remote = createGrpcApiClient(grpcChannel(`127.0.0.1:${t.server.grpcPort}`, { tls: { ca: pki.caCert, cert, key: privateKey }, serverName: 'localhost' }), { env: t.env });
    for (const client of [t.api, remote]) {
      expect((await client.list(flunders, { namespace: 'default', labelSelector: 'a=b' })).items.map(({ metadata }) => metadata?.name)).toContain('quiet');
      expect(sample.clients.at(-1)?.url).toBe(`${root}/namespaces/default/flunders?labelSelector=a%3Db`);
      expect((await client.get(flunders, key, { parameters: { metricLabelSelector: 'x' } })).metadata?.name).toBe('quiet');
      expect(sample.clients.at(-1)?.url).toBe(`${root}/namespaces/default/flunders/quiet?metricLabelSelector=x`);
      await expect(client.get(flunders, { ...key, name: 'none' })).rejects.toMatchObject({ code: 404 });
      await expect(client.list({ ...flunders, version: 'v9' })).rejects.toMatchObject({ code: 404 });
    }
    const nobody = t.server.client({ username: 'nobody', groups: [] });
    await expect(nobody.list(flunders)).rejects.toMatchObject({ code: 403 });
    await remote.close();
    await ask(`${root}/namespaces/default/flunders/quiet`, { method: 'DELETE' });
  });

  it('is passed on to it, with the sender and without what clients claim to be', async () => {
    await eventually(async () => (await ask(`${root}/flunders`)).status === 200, 'served');
    const flunder = { apiVersion: `${group}/${version}`, kind: 'Flunder', metadata: { name: 'one' } };
    const made = await ask(`${root}/namespaces/default/flunders?fieldManager=me&dryRun=`, { method: 'POST', body: flunder, headers: { 'x-remote-user': 'evil', 'x-remote-group': 'system:masters', 'x-remote-extra-a': 'b', 'x-remote-uid': '7', authorization: '' } });
    expect(made.status).toBe(201);
    expect(made.headers['warning']).toBe('299 - "flunders are shy", 299 - "and few"');
    expect(made.headers['access-control-allow-origin']).toBeUndefined();
    expect(made.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
    const seen = sample.clients.at(-1);
    expect(seen).toMatchObject({ user: 'root', uid: '', groups: ['system:masters', 'system:authenticated'], url: `${root}/namespaces/default/flunders?fieldManager=me&dryRun=` });
    expect(Object.keys(seen?.extra ?? {})).toEqual(['authentication.kubernetes.io/credential-id']);
    expect(seen?.headers).toMatchObject({ 'audit-id': made.headers['audit-id'], host: '10.244.0.9:8443', 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' });
    expect(seen?.headers['authorization']).toBeUndefined();
    await ask(`${root}/flunders`, { headers: { 'impersonate-user': 'jörg', 'impersonate-group': ['CN=a, OU=b', 'staff'], 'impersonate-uid': 'u1', 'impersonate-extra-dept%2fone': 'x' } }).then(({ status }) => expect(status).toBe(403));
    await t.api.create(ClusterRoleBindings, { metadata: { name: 'staff' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }, subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'staff' }] });
    await eventually(async () => (await ask(`${root}/flunders`, { headers: { 'impersonate-user': 'jörg', 'impersonate-group': ['CN=a, OU=b', 'staff'], 'impersonate-uid': 'u1', 'impersonate-extra-dept%2fone': 'x' } })).status === 200, 'allowed');
    expect(sample.clients.at(-1)).toMatchObject({ uid: 'u1', groups: ['CN=a, OU=b', 'staff', 'system:authenticated'], extra: { 'dept/one': ['x'] } });
    expect(sample.clients.at(-1)?.headers['impersonate-user']).toBeUndefined();
  });

  it('is authorized here first', async () => {
    const before = sample.clients.length;
    const reply = await ask(`${root}/flunders`, { identity: null });
    expect(reply.status).toBe(403);
    expect(reply.json.message).toBe(`flunders.${group} is forbidden: User "system:anonymous" cannot list resource "flunders" in API group "${group}" at the cluster scope`);
    expect(sample.clients.length).toBe(before);
  });

  it('may not lead clients elsewhere', async () => {
    const reply = await ask(`${root}/elsewhere`);
    expect([reply.status, reply.text, reply.headers['location']]).toEqual([502, 'the backend attempted to redirect this request, which is not permitted', undefined]);
  });

  it('keeps what others say in its status', async () => {
    const at = `/apis/apiregistration.k8s.io/v1/apiservices/${name}`;
    const patched = await ask(`${at}/status`, { method: 'PATCH', headers: { 'content-type': 'application/strategic-merge-patch+json' }, body: { status: { conditions: [{ type: 'StatusPatched', status: 'True', reason: 'Patched', message: 'by me' }] } } });
    expect(patched.json.status.conditions.map((one: any) => one.type)).toEqual(expect.arrayContaining(['Available', 'StatusPatched']));
    sample.outage = 500;
    const slice = await t.api.get(EndpointSlices, { namespace: 'wardle', name: 'api-1' });
    await t.api.update(EndpointSlices, { ...slice, metadata: { ...slice.metadata, annotations: { a: 'b' } } } as any);
    await becomes('FailedDiscoveryCheck');
    sample.outage = undefined;
    await becomes('Passed');
    expect((await ask(`${at}/status`)).json.status.conditions.map((one: any) => [one.type, one.status])).toEqual(expect.arrayContaining([['Available', 'True'], ['StatusPatched', 'True']]));
    const wrong = await ask(`${at}/status`, { method: 'PATCH', headers: { 'content-type': 'application/merge-patch+json' }, body: { status: { conditions: [{ type: 'X', status: 'Maybe' }] } } });
    expect([wrong.status, wrong.json.details.causes[0]]).toEqual([422, { reason: 'FieldValueNotSupported', message: 'Unsupported value: "Maybe": supported values: "True", "False", "Unknown"', field: 'status.conditions[0].status' }]);
  });

  it('streams watches as they come, and ends them with the client', async () => {
    const lines: string[] = [];
    const call = httpsRequest({ host: '127.0.0.1', port: t.server.port, path: `${root}/flunders?watch=1`, ca: pki.caCert, servername: 'localhost', agent: false, ...admin }, (response) => {
      response.on('data', (chunk) => lines.push(...String(chunk).trim().split('\n')));
      response.on('error', () => undefined);
    });
    call.on('error', () => undefined);
    call.end();
    await eventually(() => lines.length === 1, 'first event');
    await ask(`${root}/namespaces/default/flunders/one`, { method: 'PUT', body: { spec: { reference: 'x' } } });
    await eventually(() => lines.length === 2, 'second event');
    await ask(`${root}/namespaces/default/flunders/one`, { method: 'DELETE' });
    await eventually(() => lines.length === 3, 'third event');
    expect(lines.map((line) => (JSON.parse(line) as any).type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    const watching = (sample as unknown as { watches: Set<unknown> }).watches;
    expect(watching.size).toBe(1);
    call.destroy();
    await eventually(() => watching.size === 0, 'the watch ended');
  });

  it('takes upgrades both ways, and refusals of them', async () => {
    const talk = (protocol: string, last = 'echo'): Promise<string> => new Promise((resolve, reject) => {
      const socket = tlsConnect({ host: '127.0.0.1', port: t.server.port, ca: pki.caCert, servername: 'localhost', ...admin }, () => {
        socket.write(`GET ${root}/namespaces/default/flunders/one/${last} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
      });
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
        if (text.endsWith('\r\n\r\n') && text.includes(' 101 ')) setTimeout(() => socket.write('hello'), last.includes('timeout') ? 150 : 0);
        if (text.endsWith('HELLO')) socket.end();
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(await talk('websocket')).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\nHELLO$/s);
    expect(sample.clients.at(-1)).toMatchObject({ user: 'root', groups: ['system:masters', 'system:authenticated'] });
    // What a request may take does not end a conversation.
    expect(await talk('websocket', 'echo?timeout=50ms')).toMatch(/ 101 .*\r\n\r\nHELLO$/s);
    expect(await talk('websocket', 'elsewhere')).toMatch(/^HTTP\/1\.1 503 .*\r\n\r\nthe backend attempted to redirect this request, which is not permitted\n$/s);
    expect(await talk('spdy/3.1')).toMatch(/^HTTP\/1\.1 403 .*no\n$/s);
  });

  it('shows in discovery of all forms', async () => {
    const list = await ask('/apis', { headers: { accept: aggregated } });
    const names = list.json.items.map((one: any) => one.metadata.name);
    expect(names.at(-1)).toBe(group);
    expect(list.json.items.at(-1).versions).toMatchObject([{ version, freshness: 'Current', resources: [{ resource: 'flunders', subresources: [{ subresource: 'status' }] }] }]);
    expect((await ask('/apis', { headers: { accept: aggregated, 'if-none-match': String(list.headers['etag']) } })).status).toBe(304);
    expect((await ask('/apis')).json.groups.at(-1)).toEqual({ name: group, versions: [{ groupVersion: `${group}/${version}`, version }], preferredVersion: { groupVersion: `${group}/${version}`, version } });
    expect((await ask(`/apis/${group}`)).json).toMatchObject({ kind: 'APIGroup', name: group });
    expect((await ask(root)).json).toMatchObject({ kind: 'APIResourceList', resources: [{ name: 'flunders' }, { name: 'flunders/status' }] });
    const service = await t.api.get(APIServices, { name });
    await t.api.update(APIServices, { ...service, spec: { ...service.spec, groupPriorityMinimum: 19_000 } } as any);
    await eventually(async () => (await ask('/apis')).json.groups[1].name === group, 'its new place');
  });

  it('shows in OpenAPI', async () => {
    const key = root.slice(1);
    await eventually(async () => (await ask('/openapi/v3')).json.paths[key] !== undefined, 'published');
    const { serverRelativeURL } = (await ask('/openapi/v3')).json.paths[key];
    expect(serverRelativeURL).toBe(`/openapi/v3${root}?hash=1`);
    expect((await ask(serverRelativeURL)).json.components.schemas['com.example.wardle.v1alpha1.Flunder'].description).toBe('Flunder is a thing of the sample server.');
    const v2 = (await ask('/openapi/v2')).json;
    expect(v2.paths[`${root}/namespaces/{namespace}/flunders`].post.operationId).toBe('createFlunder');
    expect(v2.definitions['com.example.wardle.v1alpha1.Flunder'].properties.metadata.$ref).toBe('#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2');
    expect(v2.definitions['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2'].description).toBe('Older than the one of this cluster.');
    expect(v2.definitions['com.example.wardle.Unused']).toBeUndefined();
    expect(v2.definitions['io.k8s.api.core.v1.Pod'].properties.metadata.$ref).toBe('#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
  });
});

describe('an older server', () => {
  it('is discovered the old way, and its OpenAPI v2 is published as v3', async () => {
    sample.isOld = true;
    const service = await t.api.get(APIServices, { name });
    await t.api.update(APIServices, { ...service, metadata: { ...service.metadata, annotations: { touched: 'yes' } } } as any);
    const key = root.slice(1);
    await eventually(async () => (await ask('/openapi/v3')).json.paths[key]?.serverRelativeURL !== `/openapi/v3${root}?hash=1`, 'published anew');
    const { serverRelativeURL } = (await ask('/openapi/v3')).json.paths[key];
    expect(serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/wardle\.example\.com\/v1alpha1\?hash=[0-9A-F]{128}$/);
    const published = await ask(serverRelativeURL);
    expect(published.json.components.schemas['com.example.wardle.v1alpha1.Flunder'].description).toBe('Flunder is a thing of the sample server.');
    expect(published.headers['cache-control']).toBe('public, immutable');
    const moved = await ask(`/openapi/v3${root}?hash=0`);
    expect([moved.status, moved.headers['location']]).toEqual([301, serverRelativeURL]);
    await eventually(async () => (await ask('/apis', { headers: { accept: aggregated } })).text.includes('"responseKind":{"group":"","version":"","kind":"Flunder"}'), 'discovered anew');
  });

  it('that cannot be reached is told apart from one that is known to be away', async () => {
    isCut = true;
    const reply = await ask(`${root}/flunders`);
    expect([reply.status, reply.text]).toEqual([503, 'error trying to reach service: dial tcp 10.244.0.9:8443: connect: no route to host\n']);
    isCut = false;
    const metrics = (await ask('/metrics')).text;
    expect(metrics).toContain('aggregator_unavailable_apiservice{name="v1.apps"} 0');
    expect(metrics).toMatch(/aggregator_unavailable_apiservice_total\{name="v1alpha1\.wardle\.example\.com",reason="ServiceNotFound"\} 1/);
  });
});

describe('an extension server in the cluster', () => {
  it('learns whom to believe, and asks who somebody is and what he may', async () => {
    await t.api.create(ServiceAccounts, { metadata: { name: 'sample', namespace: 'wardle' } });
    const subject = { kind: 'ServiceAccount', name: 'sample', namespace: 'wardle' };
    await t.api.create(ClusterRoleBindings, { metadata: { name: 'sample' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:auth-delegator' }, subjects: [subject] });
    await t.api.create(RoleBindings, { metadata: { name: 'sample', namespace: 'kube-system' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'extension-apiserver-authentication-reader' }, subjects: [subject] });
    const bearer = { authorization: `Bearer ${await token('sample')}` };
    const config = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
    await eventually(async () => (await ask(config, { headers: bearer, identity: null })).status === 200, 'may read');
    expect((await ask(config, { headers: bearer, identity: null })).json.data).toEqual({
      'client-ca-file': pki.caCert.trim().concat('\n'),
      'requestheader-allowed-names': '["front-proxy-client"]',
      'requestheader-client-ca-file': frontProxy.caCert.trim().concat('\n'),
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
      'requestheader-username-headers': '["X-Remote-User"]',
    });
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { user: 'root', groups: ['system:masters'], resourceAttributes: { group, resource: 'flunders', verb: 'get', namespace: 'default' } } };
    const allowed = await ask('/apis/authorization.k8s.io/v1/subjectaccessreviews', { method: 'POST', body: review, headers: bearer, identity: null });
    expect([allowed.status, allowed.json.status.allowed]).toEqual([201, true]);
    const known = await ask('/apis/authentication.k8s.io/v1/tokenreviews', { method: 'POST', body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: bearer.authorization.slice(7) } }, headers: bearer, identity: null });
    expect(known.json.status).toMatchObject({ authenticated: true, user: { username: 'system:serviceaccount:wardle:sample' } });
  });

  it('finds its trust restored when somebody spoils it', async () => {
    const place = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
    const map = await t.api.get(ConfigMaps, place);
    await t.api.update(ConfigMaps, { ...map, data: { 'requestheader-allowed-names': '["other"]' } });
    await eventually(async () => (await t.api.get(ConfigMaps, place)).data?.['requestheader-allowed-names'] === '["other","front-proxy-client"]', 'restored');
    await t.api.delete(ConfigMaps, place);
    await eventually(async () => (await ask('/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication')).status === 200, 'made again');
  });
});

describe('a front proxy before this server', () => {
  const whoami = (headers: Record<string, string | string[]>, identity: { cert: string; key: string } | null): Promise<Reply> =>
    ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', { method: 'POST', body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }, headers, identity });

  it('is believed in its headers', async () => {
    const reply = await whoami({ 'X-Remote-User': 'ann', 'X-Remote-Uid': 'u7', 'X-Remote-Group': ['CN=x, OU=y', 'devs'], 'X-Remote-Extra-Dept%2Fa': ['1', '2'] }, frontProxy);
    expect(reply.json.status.userInfo).toEqual({ username: 'ann', uid: 'u7', groups: ['CN=x, OU=y', 'devs', 'system:authenticated'], extra: { 'dept/a': ['1', '2'] } });
  });

  it('is nobody itself, and others are not believed', async () => {
    expect((await whoami({}, frontProxy)).status).toBe(401);
    expect((await whoami({ 'X-Remote-User': 'ann' }, admin)).json.status.userInfo.username).toBe('root');
    expect((await whoami({ 'X-Remote-User': 'ann' }, null)).json.status?.userInfo?.username ?? 'nobody').not.toBe('ann');
    const other = pki.clientCert('front-proxy-client');
    expect((await whoami({ 'X-Remote-User': 'ann' }, other)).json.status.userInfo.username).toBe('front-proxy-client');
  });
});
