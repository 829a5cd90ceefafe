import { type ApiClient, createGrpcApiClient, userAgentOf } from '@orrery/client';
import { ConfigMaps } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import { grpcChannel } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.stop());

interface Reply {
  status: number;
  headers: Headers;
  text: string;
  json: any;
}

async function send(method: string, path: string, options: { body?: unknown; type?: string; accept?: string } = {}): Promise<Reply> {
  const { body, type, accept } = options;
  const headers = { ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }), ...(accept ? { accept } : {}) };
  const payload = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const response = await fetch(`${t.url}${path}`, { method, headers, ...payload });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json') && (!path.includes('watch=') || !response.ok);
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

const configMaps = '/api/v1/namespaces/default/configmaps';

describe('failures', () => {
  it.each([
    ['GET', `${configMaps}/none`, undefined, undefined, 404, 'configmaps "none" not found'],
    ['GET', '/api/v1/widgets', undefined, undefined, 404, 'the server could not find the requested resource'],
    ['PUT', configMaps, {}, undefined, 405, 'the server does not allow this method on the requested resource'],
    ['OPTIONS', configMaps, undefined, undefined, 405, 'the server does not allow this method on the requested resource'],
    ['PATCH', configMaps, {}, 'application/merge-patch+json', 405, 'the server does not allow this method on the requested resource'],
    ['POST', '/api/v1/configmaps', {}, undefined, 405, 'the server does not allow this method on the requested resource'],
    ['GET', '/api/v1/componentstatuses?watch=1', undefined, undefined, 405, 'watch is not supported on resources of kind "componentstatuses"'],
    ['POST', configMaps, '{}', 'text/plain', 415, 'the body of the request was in an unknown format'],
    ['POST', configMaps, '{"metadata":', undefined, 400, 'unexpected end of JSON input'],
    ['POST', configMaps, { kind: 'Deployment', apiVersion: 'apps/v1' }, undefined, 400, 'the API version in the data (apps/v1) does not match the expected API version (v1)'],
    ['POST', configMaps, { kind: 'Pod', apiVersion: 'v1' }, undefined, 400, 'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion'],
    ['POST', configMaps, { metadata: { name: 'x', namespace: 'other' } }, undefined, 400, 'the namespace of the provided object does not match the namespace sent on the request'],
    ['POST', configMaps, { metadata: { name: 7 } }, undefined, 400, 'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string'],
    ['POST', configMaps, { data: { x: 'y'.repeat(4e6) } }, undefined, 413, 'Request entity too large'],
    ['PATCH', `${configMaps}/none`, {}, 'application/unknown', 415, 'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml'],
    ['GET', `${configMaps}?watch=1&timeoutSeconds=x`, undefined, undefined, 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['GET', `${configMaps}?resourceVersionMatch=Exact`, undefined, undefined, 422, 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'],
    ['GET', `${configMaps}?resourceVersion=1&resourceVersionMatch=Newest`, undefined, undefined, 422, 'resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""'],
    ['GET', `${configMaps}?resourceVersion=0&resourceVersionMatch=Exact`, undefined, undefined, 422, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
    ['GET', `${configMaps}?sendInitialEvents=true`, undefined, undefined, 422, 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list'],
    ['GET', `${configMaps}?watch=1&sendInitialEvents=true`, undefined, undefined, 422, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'],
    ['GET', `${configMaps}?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact`, undefined, undefined, 422, 'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"'],
    ['GET', `${configMaps}?watch=1&resourceVersionMatch=NotOlderThan`, undefined, undefined, 422, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'],
    ['GET', '/api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name=b', undefined, undefined, 400, "fieldSelector metadata.name doesn't match requested name"],
    ['GET', `${configMaps}?limit=x`, undefined, undefined, 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['GET', `${configMaps}?limit=9223372036854775808`, undefined, undefined, 400, 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
    ['GET', `${configMaps}?resourceVersion=x`, undefined, undefined, 400, 'strconv.ParseUint: parsing "x": invalid syntax'],
    ['GET', `${configMaps}?continue=x`, undefined, undefined, 400, 'invalid continue token: continue key is not valid'],
    ['GET', `${configMaps}?timeoutSeconds=x`, undefined, undefined, 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['GET', `${configMaps}?labelSelector=a+in`, undefined, undefined, 400, 'unable to parse requirement'],
    ['GET', '/api/v1/pods?fieldSelector=spec.foo=1', undefined, undefined, 400, 'field label not supported: spec.foo'],
    ['GET', `${configMaps}?resourceVersion=99999999`, undefined, undefined, 504, 'Timeout: Too large resource version: 99999999, current: '],
  ] as const)('%s %s', async (method, path, body, type, status, message) => {
    const reply = await send(method, path, { ...(body === undefined ? {} : { body }), ...(type ? { type } : {}) });
    expect(reply.status).toBe(status);
    expect(reply.json).toMatchObject({ kind: 'Status', status: 'Failure', code: status });
    expect(reply.json.message).toContain(message);
  });

  it.each([
    ['application/strategic-merge-patch+json', { data: { a: 1 } }, 'patch: Invalid value: "map[data:map[a:1]]": unrecognized type: string'],
    ['application/strategic-merge-patch+json', { data: 'x' }, 'patch: Invalid value: "map[data:x]": cannot restore map from string'],
    ['application/merge-patch+json', { data: { a: 1 } }, 'json: cannot unmarshal number into Go struct field ConfigMap.data of type string'],
    ['application/merge-patch+json', { kind: 'Secret' }, ': converting (v1.Secret) to (core.ConfigMap): unknown conversion'],
    ['application/json-patch+json', [{ op: 'replace', path: '/apiVersion', value: 'v9' }], ': no kind "ConfigMap" is registered for version "v9" in scheme'],
    ['application/json-patch+json', [{ op: 'test', path: '/data/a', value: 9 }], 'the server rejected our request due to an error in our request'],
  ])('a patch that fits no object: %s', async (type, body, message) => {
    await send('POST', configMaps, { body: { metadata: { name: 'patched' }, data: { a: 'b' } } });
    const { status, json } = await send('PATCH', `${configMaps}/patched`, { body, type });
    await send('DELETE', `${configMaps}/patched`);
    expect([status, json.reason, json.message]).toEqual([422, 'Invalid', expect.stringContaining(message)]);
  });

  it('are indented for people', async () => {
    const texts = await Promise.all([{ 'user-agent': 'curl/8' }, { 'user-agent': 'kubectl/v1.33' }].map(async (headers) => (await fetch(`${t.url}${configMaps}/none`, { headers })).text()));
    expect(texts.map((text) => text.startsWith('{\n  "kind": "Status",'))).toEqual([true, false]);
    expect((await send('GET', `${configMaps}/none?pretty=true`)).text).toContain('"message": "configmaps \\"none\\" not found",\n  "reason": "NotFound"');
  });

  it('allows no HEAD of resources', async () => {
    const reply = await fetch(`${t.url}${configMaps}`, { method: 'HEAD' });
    expect([reply.status, await reply.text()]).toEqual([405, '']);
  });

  it('answers unknown paths in plain text', async () => {
    const group = await send('GET', '/apis/unknown.example/v1/things');
    expect([group.status, group.text]).toEqual([404, '404 page not found\n']);
    const reply = await send('GET', '/nowhere');
    expect([reply.status, reply.text]).toEqual([404, '404 page not found\n']);
  });

  it('refuses forms it cannot give', async () => {
    expect((await send('GET', configMaps, { accept: 'text/csv' })).status).toBe(406);
    const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const review = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } };
    expect((await send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body: review, accept: table })).status).toBe(406);
    const streamed = `${configMaps}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1`;
    expect((await send('GET', streamed, { accept: table })).status).toBe(406);
    expect((await send('GET', streamed, { accept: `${table},application/json` })).text).toContain('"kind":"ConfigMap"');
  });
});

describe('field validation', () => {
  const body = '{"metadata":{"name":"fv"},"data":{"a":"1"},"foo":1,"data":{"a":"2"}}';

  it('warns, refuses or ignores', async () => {
    const warned = await send('POST', `${configMaps}?dryRun=All`, { body });
    expect([warned.status, warned.headers.get('warning')]).toEqual([201, '299 - "unknown field \\"foo\\"", 299 - "duplicate field \\"data\\""']);
    const strict = await send('POST', `${configMaps}?fieldValidation=Strict`, { body });
    expect(strict.status).toBe(400);
    expect(strict.json.message).toContain('strict decoding error: unknown field "foo", duplicate field "data"');
    const ignored = await send('POST', `${configMaps}?dryRun=All&fieldValidation=Ignore`, { body });
    expect([ignored.status, ignored.headers.get('warning')]).toEqual([201, null]);
  });
});

describe('forms', () => {
  beforeAll(() => send('POST', configMaps, { body: 'metadata: {name: form}\ndata: {a: "1"}\n', type: 'application/yaml' }));

  it('warns of deprecated kinds whoever reads them', async () => {
    expect((await send('GET', '/api/v1/namespaces/default/endpoints')).headers.get('warning')).toBe('299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"');
    expect((await send('GET', configMaps)).headers.get('warning')).toBeNull();
  });

  it('gives Tables, metadata and YAML', async () => {
    const table = await send('GET', `${configMaps}/form`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    expect(table.json).toMatchObject({ kind: 'Table', rows: [{ cells: ['form', 1, expect.any(String)], object: { kind: 'PartialObjectMetadata', metadata: { name: 'form' } } }] });
    const partial = await send('GET', configMaps, { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' });
    expect(partial.json).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'form' } }] });
    const yaml = await send('GET', `${configMaps}/form`, { accept: 'application/yaml' });
    expect(yaml.text).toContain('data:\n  a: "1"');
  });

  it('names the kind of a list once, as upstream', async () => {
    await send('POST', configMaps, { body: { metadata: { name: 'untyped' } } });
    const { items, ...list } = (await send('GET', configMaps)).json;
    expect(list).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
    expect(items.map((item: object) => Object.keys(item)[0])).toEqual(items.map(() => 'metadata'));
    await send('DELETE', `${configMaps}/untyped`);
  });

  it.each([
    ['gzip', 'gzip', 200_000],
    ['deflate, gzip;q=1.0', 'gzip', 200_000],
    ['gzip', null, 100_000],
    ['identity', null, 200_000],
  ])('Accept-Encoding %s answers %s for %i bytes', async (accepted, encoding, size) => {
    await send('POST', configMaps, { body: { metadata: { name: 'big' }, data: { x: 'y'.repeat(size) } } });
    const response = await fetch(`${t.url}${configMaps}/big`, { headers: { 'accept-encoding': accepted } });
    expect([response.headers.get('content-encoding'), response.headers.get('cache-control')]).toEqual([encoding, 'no-cache, private']);
    expect(((await response.json()) as any).data.x).toHaveLength(size);
    await send('DELETE', `${configMaps}/big`);
  });

  it('watches as lines, with Tables where asked', async () => {
    const plain = await send('GET', `${configMaps}?watch=1&timeoutSeconds=1`);
    const lines = plain.text.trimEnd().split('\n').map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name: 'form' } } }]);
    const gone = await send('GET', `${configMaps}?watch=1&resourceVersion=1&timeoutSeconds=1`);
    expect(gone.status).toBe(200);
  });

  it('serves discovery in all forms, with ETags', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const reply = await send('GET', '/apis', { accept });
    expect(reply.headers.get('content-type')).toBe(accept);
    expect(reply.json.items[0].metadata.name).toBe('apiregistration.k8s.io');
    const again = await fetch(`${t.url}/apis`, { headers: { accept, 'if-none-match': reply.headers.get('etag') as string } });
    expect(again.status).toBe(304);
    const legacy = await send('GET', '/api/v1');
    expect(legacy.json.resources).toContainEqual(expect.objectContaining({ name: 'pods/eviction', kind: 'Eviction', group: 'policy', version: 'v1' }));
    expect((await send('GET', '/apis')).json.kind).toBe('APIGroupList');
  });

  it('serves OpenAPI under hashed addresses', async () => {
    const index = await send('GET', '/openapi/v3');
    const url = index.json.paths['apis/apps/v1'].serverRelativeURL as string;
    const document = await send('GET', url);
    expect(document.headers.get('cache-control')).toBe('public, immutable');
    expect(document.json.components.schemas['io.k8s.api.apps.v1.Deployment']).toBeDefined();
  });

  it('tells its health', async () => {
    await eventually(async () => (await send('GET', '/readyz')).text === 'ok', 'readiness');
    expect((await send('GET', '/livez?verbose')).text).toMatch(/\[\+\]etcd ok\n[^]*livez check passed\n$/);
    expect((await send('GET', '/metrics')).text).toMatch(/apiserver_request_total\{[^}]*resource="configmaps"/);
    expect((await send('GET', '/version')).json).toMatchObject({ gitVersion: 'v1.36.0' });
  });
});

describe('server-side apply', () => {
  const path = '/apis/apps/v1/namespaces/default/deployments/web';
  const type = 'application/apply-patch+yaml';
  const body = (replicas: number): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } },
  });

  it('creates, keeps, conflicts and forces', async () => {
    expect((await send('PATCH', path, { body: body(1), type })).status).toBe(422);
    const created = await send('PATCH', `${path}?fieldManager=one`, { body: body(1), type });
    expect(created.status).toBe(201);
    const again = await send('PATCH', `${path}?fieldManager=one`, { body: body(1), type });
    expect([again.status, again.json.metadata.resourceVersion]).toEqual([200, created.json.metadata.resourceVersion]);
    const conflict = await send('PATCH', `${path}?fieldManager=two`, { body: body(2), type });
    expect([conflict.status, conflict.json.message]).toEqual([409, 'Apply failed with 1 conflict: conflict with "one": .spec.replicas']);
    const forced = await send('PATCH', `${path}?fieldManager=two&force=true`, { body: body(2), type });
    expect(forced.json.spec.replicas).toBe(2);
  });
});

describe('gRPC', () => {
  it('serves the same pipeline', async () => {
    const api = createGrpcApiClient(grpcChannel(`127.0.0.1:${t.server.grpcPort}`), { env: t.env });
    const seen: string[] = [];
    const made = await api.create(ConfigMaps, { metadata: { name: 'g', namespace: 'grpc' }, data: { a: '1' } } as ConfigMap);
    const handle = api.watch(ConfigMaps, { namespace: 'grpc' }, { events: (b) => seen.push(...b.map((e) => e.type)), closed: () => undefined });
    await expect.poll(() => seen).toEqual(['ADDED']);
    await api.patch(ConfigMaps, { namespace: 'grpc', name: 'g' }, { data: { b: '2' } }, { type: 'application/merge-patch+json' });
    expect((await api.get(ConfigMaps, { namespace: 'grpc', name: 'g' })).data).toEqual({ a: '1', b: '2' });
    await expect(api.create(ConfigMaps, made)).rejects.toMatchObject({ status: { code: 500 } });
    await expect(api.get(ConfigMaps, { namespace: 'grpc', name: 'no' })).rejects.toMatchObject({ status: { code: 404, reason: 'NotFound' } });
    expect((await api.list(ConfigMaps, { namespace: 'grpc' })).items).toHaveLength(1);
    expect(await api.delete(ConfigMaps, { namespace: 'grpc', name: 'g' })).toBeUndefined();
    await expect.poll(() => seen).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    handle.stop();
    await api.close();
  });

  it.each([
    ['gRPC', () => createGrpcApiClient(grpcChannel(`127.0.0.1:${t.server.grpcPort}`), { env: t.env, userAgent: userAgentOf('kube-scheduler') })],
    ['memory', () => t.server.client({ username: 'system:kube-scheduler', groups: ['system:masters'] }, 'kube-scheduler')],
  ] satisfies [string, () => ApiClient][])('shows the program as the manager of fields, as over REST: %s', async (name, connect) => {
    const api = connect();
    const made = await api.create(ConfigMaps, { metadata: { name: `by-${name.toLowerCase()}`, namespace: 'default' }, data: { a: '1' } } as ConfigMap);
    expect(made.metadata?.managedFields).toMatchObject([{ manager: 'kube-scheduler', operation: 'Update' }]);
    await api.close();
  });
});
