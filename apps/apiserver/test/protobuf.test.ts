import { ConfigMaps, CustomResourceDefinitions, decodeProtobuf, encodeProtobuf } from '@orrery/api';
import { KVDefinition } from '@orrery/proto/etcd';
import { createClient } from '@orrery/rpc';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, startTestServer, type TestServer } from './test-server.ts';

const type = 'application/vnd.kubernetes.protobuf';
const path = '/api/v1/namespaces/default/configmaps';
let t: TestServer;
beforeAll(async () => {
  t = await startTestServer({ bookmarkIntervalMs: 20 });
});
afterAll(() => t.stop());

async function send(method: string, url: string, options: { accept?: string; body?: object } = {}) {
  const { accept = type, body } = options;
  const response = await fetch(t.url + url, { method, headers: { accept, 'content-type': type }, ...(body ? { body: Uint8Array.from(encodeProtobuf(body)) } : {}) });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, contentType: response.headers.get('content-type'), bytes };
}

async function decoded(method: string, url: string, options: { accept?: string; body?: object } = {}) {
  const { status, contentType, bytes } = await send(method, url, options);
  expect(contentType).toBe(type);
  return { status, object: decodeProtobuf(bytes).object as any };
}

const configMap = (name: string): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { a: 'b' } }, data: { k: 'ü', empty: '' }, binaryData: { b: 'AAH/' } });

it('creates, gets, lists and deletes as in JSON', async () => {
  const created = await decoded('POST', path, { body: configMap('one') });
  expect(created.status).toBe(201);
  const stored = await t.api.get(ConfigMaps, { namespace: 'default', name: 'one' });
  expect(created.object).toEqual(stored);
  expect((await decoded('GET', `${path}/one`)).object).toEqual(stored);
  const list = (await decoded('GET', path)).object;
  const { kind: _kind, apiVersion: _version, ...item } = stored as any;
  expect(list).toEqual({ kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: expect.stringMatching(/^\d+$/) }, items: [item] });
  const gone = await decoded('DELETE', `${path}/one`, { body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' } });
  expect(gone.object).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Success', details: { name: 'one', kind: 'configmaps', uid: stored.metadata?.uid } });
});

it('says in protobuf what failed', async () => {
  const { status, object } = await decoded('GET', `${path}/none`);
  expect(status).toBe(404);
  expect(object).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, message: 'configmaps "none" not found', details: { name: 'none', kind: 'configmaps' } });
  const pages = await decoded('GET', `${path}?resourceVersionMatch=Exact`);
  expect(pages.object.details.causes).toEqual([{ reason: 'FieldValueForbidden', message: 'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided', field: 'resourceVersionMatch' }]);
});

it('gives metadata alone, and pages', async () => {
  for (const name of ['m1', 'm2']) await decoded('POST', path, { body: configMap(name) });
  const as = (kind: string): string => `${type};as=${kind};v=v1;g=meta.k8s.io,application/json`;
  const one = await decoded('GET', `${path}/m1`, { accept: as('PartialObjectMetadata') });
  expect(one.object).toMatchObject({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'm1', labels: { a: 'b' } } });
  expect(one.object.data).toBeUndefined();
  const list = await decoded('GET', `${path}?limit=1`, { accept: as('PartialObjectMetadataList') });
  expect(list.object).toMatchObject({ kind: 'PartialObjectMetadataList', metadata: { continue: expect.any(String), remainingItemCount: 1 }, items: [{ metadata: { name: 'm1' } }] });
  const wrong = await send('GET', path, { accept: as('PartialObjectMetadata') });
  expect([wrong.status, JSON.parse(wrong.bytes.toString()).message]).toEqual([406, 'you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)']);
});

/** Cuts a stream into its frames; each is a bare WatchEvent that holds a body. */
function* frames(bytes: Buffer): Iterable<{ type: string; object: any }> {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const event = bytes.subarray(at + 4, at + 4 + length);
    if (event.length < length) return;
    at += 4 + length;
    const typeLength = event[1] as number;
    expect([event[0], event[2 + typeLength]]).toEqual([0x0a, 0x12]);
    const body = event.subarray(event.indexOf('k8s\0'));
    yield { type: event.toString('latin1', 2, 2 + typeLength), object: decodeProtobuf(body).object };
  }
}

it('watches in frames, with bookmarks and errors', async () => {
  await decoded('POST', path, { body: configMap('w') });
  const abort = new AbortController();
  const response = await fetch(`${t.url}${path}?watch=1&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dw`, { headers: { accept: `${type};stream=watch` }, signal: abort.signal });
  expect(response.headers.get('content-type')).toBe(`${type};stream=watch`);
  let bytes = Buffer.alloc(0);
  const reading = (async () => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) bytes = Buffer.concat([bytes, chunk]);
  })().catch(() => undefined);
  const seen = (): string[] => [...frames(bytes)].map((event) => event.type);
  await eventually(() => seen().includes('BOOKMARK'));
  await decoded('DELETE', `${path}/w`);
  await eventually(() => seen().includes('DELETED'));
  abort.abort();
  await reading;
  const all = [...frames(bytes)];
  expect(all[0]).toMatchObject({ type: 'ADDED', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'w' }, data: { k: 'ü', empty: '' } } });
  expect(all.find((event) => event.type === 'BOOKMARK')?.object).toEqual({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: expect.any(String), annotations: { 'k8s.io/initial-events-end': 'true' } } });
});

it('ends the watches that cannot say what is stored, and no others', async () => {
  const watch = (accept: string): Promise<Response> => fetch(`${t.url}/api/v1/namespaces/other/configmaps?watch=1&timeoutSeconds=20`, { headers: { accept } });
  const lines: string[] = [];
  const abort = new AbortController();
  void (async () => {
    const response = await fetch(`${t.url}/api/v1/namespaces/other/configmaps?watch=1`, { signal: abort.signal });
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) lines.push(...Buffer.from(chunk).toString().trimEnd().split('\n'));
  })().catch(() => undefined);
  const broken = await watch(`${type};stream=watch`);
  const value = JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'odd', namespace: 'other', creationTimestamp: 'at noon' } });
  await createClient(KVDefinition, t.store.channel()).put({ key: Buffer.from(`${t.store.prefix}/configmaps/other/odd`), value: Buffer.from(value) });
  const events = [...frames(Buffer.from(await broken.arrayBuffer()))];
  expect(events.map((event) => [event.type, event.object.code])).toEqual([['ERROR', 500]]);
  await t.api.create(ConfigMaps, { metadata: { name: 'fine', namespace: 'other' } });
  await eventually(() => lines.length === 2);
  expect(lines.map((line) => JSON.parse(line).object.metadata.name)).toEqual(['odd', 'fine']);
  expect((await decoded('GET', '/api/v1/namespaces/other/configmaps')).status).toBe(500);
  abort.abort();
});

it('is not for custom resources, but for their metadata', async () => {
  const crd = {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
    },
  };
  await t.api.create(CustomResourceDefinitions, crd);
  const widgets = '/apis/example.com/v1/namespaces/default/widgets';
  await eventually(async () => (await fetch(t.url + widgets)).status === 200);
  await fetch(t.url + widgets, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' }, size: 3 }) });
  const refused = await send('GET', widgets);
  expect([refused.status, decodeProtobuf(refused.bytes).object['message']]).toEqual([406, 'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf']);
  const next = await send('GET', widgets, { accept: `${type},application/json` });
  expect([next.contentType, JSON.parse(next.bytes.toString()).items]).toEqual(['application/json', [expect.objectContaining({ kind: 'Widget', apiVersion: 'example.com/v1', size: 3 })]]);
  const metadata = await decoded('GET', `${widgets}/w`, { accept: `${type};as=PartialObjectMetadata;v=v1;g=meta.k8s.io` });
  expect(metadata.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'w' } });
});
