import { type HttpServer, ensurePki, serveHttp } from '@orrery/node-io';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCaller } from '../src/admission/webhooks/caller.ts';
import { mutatingWebhooks } from '../src/admission/webhooks/index.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

let pki: ReturnType<typeof ensurePki>;
let hooks: HttpServer;
let t: TestServer;
/** Reviews asked since the test began, as [desired version, number of objects]. */
let asked: [string, number][] = [];
type Spoil = (response: any) => unknown;
let spoil: Spoil | undefined;
/** Until when conversions wait. */
let held: Promise<void> | undefined;

const group = 'conv.example.com';
const path = (version: string, rest = ''): string => `/apis/${group}/${version}/namespaces/default/hosts${rest}`;

/** v1 has `hostPort: "a:1"`, v2 `host` and `port`. */
function convert(object: any, to: string): any {
  const { hostPort, host, port, ...rest } = object;
  const split = String(hostPort ?? ':').split(':');
  const content = to === `${group}/v2` ? { host: host ?? split[0], port: port ?? split[1] } : { hostPort: hostPort ?? `${host}:${port}` };
  return { ...rest, ...content, apiVersion: to, metadata: { ...object.metadata, labels: { ...object.metadata.labels, shown: to.slice(-2) } } };
}

const served = { served: true, storage: false, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } };
const field = (name: string, extra: object = {}): object => ({ type: 'object', properties: { [name]: { type: 'string' }, ...extra } });

function definition(reviewVersions: string[]): any {
  return {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `hosts.${group}` },
    spec: {
      group, scope: 'Namespaced', names: { plural: 'hosts', kind: 'Host' },
      versions: [
        { ...served, name: 'v1', storage: true, schema: { openAPIV3Schema: field('hostPort') } },
        { ...served, name: 'v2', schema: { openAPIV3Schema: field('host', { port: { type: 'string' }, size: { type: 'integer' } }) }, selectableFields: [{ jsonPath: '.host' }], subresources: { scale: { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n' } }, additionalPrinterColumns: [{ name: 'Host', type: 'string', jsonPath: '.host' }] },
      ],
      conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: reviewVersions, clientConfig: { url: `https://127.0.0.1:${hooks.port}/convert`, caBundle: Buffer.from(pki.caCert).toString('base64') } } },
    },
  };
}

async function call(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
  const response = await fetch(`${t.url}${url}`, { method, headers: { 'content-type': 'application/json', ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const answer = (await response.json()) as any;
  return { code: response.status, ...answer, codeOf: response.status };
}

/** Seen by the admission webhook, as [version, hostPort]. */
const seen: unknown[] = [];

/** Knows v1 only, and gives what it sees another port. */
function admitted({ apiVersion, request }: any): object {
  seen.push([request.object.apiVersion, request.requestKind.version, request.object.hostPort]);
  const patch = Buffer.from(JSON.stringify([{ op: 'replace', path: '/hostPort', value: 'given:9' }])).toString('base64');
  return { apiVersion, kind: 'AdmissionReview', response: { uid: request.uid, allowed: true, patchType: 'JSONPatch', patch } };
}

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

beforeAll(async () => {
  pki = ensurePki(undefined);
  const { cert, key } = pki.servingCert('hook', { subject: { commonName: 'hook' }, altNames: { dnsNames: ['hook'], ipAddresses: ['127.0.0.1'] } });
  hooks = await serveHttp({
    host: '127.0.0.1', port: 0, tls: { cert, key },
    handler: {
      async request(request, response) {
        const review = JSON.parse((await request.body(1e7)).toString()) as any;
        if (review.kind === 'AdmissionReview') return response.send(200, { 'content-type': 'application/json' }, JSON.stringify(admitted(review)));
        const { request: { uid, desiredAPIVersion, objects }, apiVersion } = review;
        asked.push([desiredAPIVersion, objects.length]);
        await held;
        const answer = { apiVersion, kind: 'ConversionReview', response: { uid, convertedObjects: objects.map((one: any) => convert(one, desiredAPIVersion)), result: { status: 'Success' } } };
        response.send(200, { 'content-type': 'application/json' }, JSON.stringify(spoil?.(answer) ?? answer));
      },
    },
  });
  t = await startTestServer({}, { plugins: [(context) => ({ admission: [mutatingWebhooks(context, createCaller(context))] })] });
  expect((await call('POST', crds, definition(['v1', 'v1beta1']))).codeOf).toBe(201);
  await eventually(async () => (await fetch(`${t.url}${path('v2')}`)).status === 200, 'v2 is served');
});
afterAll(async () => {
  await t?.stop();
  await hooks?.close();
});
beforeEach(() => {
  asked = [];
  spoil = undefined;
});

const v2 = (name: string, host: string, more: object = {}): object => ({ apiVersion: `${group}/v2`, kind: 'Host', metadata: { name }, host, port: '80', ...more });

describe('a conversion webhook', () => {
  it('stands between what is stored and what is shown', async () => {
    expect(await call('POST', path('v2'), v2('one', 'left', { size: 3, odd: 1 }))).toMatchObject({ codeOf: 201, host: 'left', port: '80', metadata: { labels: { shown: 'v2' }, generation: 1 } });
    expect(asked).toEqual([[`${group}/v1`, 1], [`${group}/v2`, 1]]);
    const stored = JSON.parse((await t.server.core.registry.store.get(`${t.store.prefix}/${group}/hosts/default/one`)).value?.value.toString() ?? '{}');
    expect(stored).toMatchObject({ apiVersion: `${group}/v1`, hostPort: 'left:80', metadata: { name: 'one', labels: { shown: 'v1' } } });
    expect(stored).not.toHaveProperty('host');
    expect(await call('GET', path('v1', '/one'))).toMatchObject({ hostPort: 'left:80', metadata: { labels: { shown: 'v1' } } });
    expect(await call('GET', path('v2', '/one'))).toMatchObject({ host: 'left', port: '80' });
    expect(await call('PATCH', path('v2', '/one'), { port: '90' }, { 'content-type': 'application/merge-patch+json' })).toMatchObject({ codeOf: 200, host: 'left', port: '90', metadata: { generation: 2 } });
    expect(await call('PATCH', path('v2', '/one?fieldManager=me&force=true'), v2('one', 'right'), { 'content-type': 'application/apply-patch+yaml' })).toMatchObject({ codeOf: 200, host: 'right', port: '80' });
    expect(await call('GET', path('v1', '/one'))).toMatchObject({ hostPort: 'right:80', metadata: { generation: 3 } });
    expect(await call('GET', path('v2', '/one'), undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })).toMatchObject({ rows: [{ cells: ['one', 'right'] }] });
    expect(await call('DELETE', path('v2', '/one'))).toMatchObject({ codeOf: 200 });
  });

  it('is asked once for many objects, and not again for what it has converted', async () => {
    const client = t.server.client({ username: 'admin', groups: ['system:masters'] });
    const ref = { group, version: 'v1', resource: 'hosts', kind: 'Host', namespaced: true } as any;
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => client.create(ref, { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: `h${i}`, namespace: 'default', labels: { n: String(i % 10) } }, hostPort: `host${i % 4}:${i}` } as any)));
    expect(asked).toEqual([]);
    const { items } = await call('GET', path('v2'));
    expect(items).toHaveLength(1_000);
    expect(items[7]).toMatchObject({ apiVersion: `${group}/v2`, kind: 'Host' });
    expect(asked.map(([, n]) => n)).toEqual([500, 500]);
    await Promise.all(Array.from({ length: 20 }, () => call('GET', path('v2'))));
    expect((await call('GET', path('v2', '?fieldSelector=host%3Dhost1'))).items).toHaveLength(250);
    expect((await call('GET', path('v2', '?labelSelector=shown%3Dv2,n%3D3'))).items).toHaveLength(100);
    const page = await call('GET', path('v2', '?fieldSelector=host%3Dhost1&limit=100'));
    expect(page.items).toHaveLength(100);
    expect((await call('GET', path('v2', `?fieldSelector=host%3Dhost1&limit=200&continue=${page.metadata.continue}`))).items).toHaveLength(150);
    expect(asked).toHaveLength(2);
    expect(await call('GET', path('v1', '?fieldSelector=host%3Dx'))).toMatchObject({ codeOf: 400, message: 'field label not supported: host' });
    await call('DELETE', path('v2', '?fieldSelector=host%3Dhost1'));
    expect((await call('GET', path('v1'))).items).toHaveLength(750);
    await call('DELETE', path('v1'));
  });

  it('is heard by watches, with selectors on what it makes', async () => {
    const client = t.server.client({ username: 'admin', groups: ['system:masters'] });
    const seen: unknown[] = [];
    const stop = new AbortController();
    const stream = await fetch(`${t.url}${path('v2', '?watch=1&resourceVersion=0&fieldSelector=host%3Dmine')}`, { signal: stop.signal });
    void (async () => {
      let text = '';
      for await (const part of stream.body as any) {
        text += Buffer.from(part).toString();
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const { type, object } = JSON.parse(text.slice(0, end));
          seen.push([type, object.metadata.name, object.host, object.apiVersion]);
          text = text.slice(end + 1);
        }
      }
    })().catch(() => undefined);
    const ref = { group, version: 'v1', resource: 'hosts', kind: 'Host', namespaced: true } as any;
    const make = (name: string, hostPort: string): Promise<any> => client.create(ref, { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name, namespace: 'default' }, hostPort } as any);
    const a = await make('a', 'mine:1');
    await make('b', 'other:1');
    const moved = await client.update(ref, { ...a, hostPort: 'gone:1' });
    await client.update(ref, { ...moved, hostPort: 'mine:2' });
    await client.delete(ref, { namespace: 'default', name: 'a' });
    await client.delete(ref, { namespace: 'default', name: 'b' });
    await eventually(() => seen.length === 4, 'four events');
    stop.abort();
    expect(seen).toEqual(['ADDED', 'DELETED', 'ADDED', 'DELETED'].map((type) => [type, 'a', 'mine', `${group}/v2`]));
  });

  it('tells who owns what to managers of every version', async () => {
    const apply = (version: string, manager: string, fields: object, more = ''): Promise<any> =>
      call('PATCH', path(version, `/owned?fieldManager=${manager}${more}`), { apiVersion: `${group}/${version}`, kind: 'Host', metadata: { name: 'owned' }, ...fields }, { 'content-type': 'application/apply-patch+yaml' });
    const owners = (object: any): unknown[] => object.metadata.managedFields.map(({ manager, apiVersion, fieldsV1 }: any) => [manager, apiVersion.slice(-2), Object.keys(fieldsV1).filter((name) => name !== 'f:metadata')]);
    expect(owners(await apply('v1', 'one', { hostPort: 'a:1' }))).toEqual([['one', 'v1', ['f:hostPort']]]);
    expect(owners(await apply('v2', 'two', { host: 'a', port: '1' }))).toEqual([['one', 'v1', ['f:hostPort']], ['two', 'v2', ['f:host', 'f:port']]]);
    const refused = await apply('v2', 'two', { host: 'b', port: '1' });
    expect(refused).toMatchObject({ codeOf: 409, message: 'Apply failed with 1 conflict: conflict with "one": .hostPort' });
    const taken = await apply('v2', 'two', { host: 'b', port: '1' }, '&force=true');
    expect(owners(taken)).toEqual([['two', 'v2', ['f:host', 'f:port']]]);
    const put = await call('PUT', path('v1', '/owned?fieldManager=three'), { ...(await call('GET', path('v1', '/owned'))), hostPort: 'b:2', code: undefined, codeOf: undefined });
    expect([put.codeOf, put.hostPort]).toEqual([200, 'b:2']);
    // Its port has changed, its host has not.
    expect(owners(put)).toEqual([['two', 'v2', ['f:host']], ['three', 'v1', ['f:hostPort']]]);
    await call('DELETE', path('v1', '/owned'));
  });

  it('is not needed for a write at the version that is stored: without it, versions are taken to be alike', async () => {
    await call('PATCH', path('v1', '/owned?fieldManager=one'), { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: 'owned' }, hostPort: 'a:1' }, { 'content-type': 'application/apply-patch+yaml' });
    await call('PATCH', path('v2', '/owned?fieldManager=two'), { apiVersion: `${group}/v2`, kind: 'Host', metadata: { name: 'owned' }, host: 'a' }, { 'content-type': 'application/apply-patch+yaml' });
    spoil = () => ({});
    const object = await call('GET', path('v1', '/owned'));
    expect(await call('PUT', path('v1', '/owned?fieldManager=three'), { ...object, hostPort: 'c:3' })).toMatchObject({ codeOf: 200, hostPort: 'c:3' });
    expect(await call('PATCH', path('v1', '/owned?fieldManager=four'), { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: 'owned', labels: { a: 'b' } } }, { 'content-type': 'application/apply-patch+yaml' })).toMatchObject({ codeOf: 500, message: expect.stringContaining('conversion webhook for') });
    spoil = undefined;
    await call('DELETE', path('v1', '/owned'));
  });

  const about = `conversion webhook for ${group}/v1, Kind=Host`;
  it.each<[string, Spoil, string]>([
    ['fails', () => ({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview' }), `${about} failed: no response provided`],
    ['answers another', (r) => ({ ...r, response: { ...r.response, uid: 'x' } }), `${about} failed: expected response.uid=`],
    ['answers something else', (r) => ({ ...r, kind: 'Other' }), `${about} failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=Other`],
    ['says no', (r) => ({ ...r, response: { ...r.response, result: { status: 'Failure', message: 'I do not like it' } } }), `${about} failed: I do not like it`],
    ['loses objects', (r) => ({ ...r, response: { ...r.response, convertedObjects: [] } }), `${about} returned 0 objects, expected 1`],
    ['changes the name', (r) => (r.response.convertedObjects[0].metadata.name = 'x', r), `${about} returned invalid object: must have the same name: bad != x`],
    ['changes the uid', (r) => (r.response.convertedObjects[0].metadata.uid = 'x', r), `${about} returned invalid object: must have the same UID: `],
    ['changes the version', (r) => (r.response.convertedObjects[0].apiVersion = 'v9', r), `${about} returned invalid object at index 0: invalid groupVersion (expected ${group}/v2, received v9)`],
    ['makes bad labels', (r) => (r.response.convertedObjects[0].metadata.labels = { a: 1 }, r), `${about} returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object`],
  ])('that %s is told of, and nothing else suffers', async (_what, spoiled, message) => {
    await call('POST', path('v1'), { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: 'bad' }, hostPort: 'a:1' });
    spoil = spoiled;
    for (const what of [path('v2', '/bad'), path('v2'), path('v2', '?watch=1')]) {
      const { codeOf, message: told } = await call('GET', what);
      expect([codeOf, told]).toEqual([500, expect.stringContaining(message)]);
    }
    expect(await call('GET', path('v1', '/bad'))).toMatchObject({ codeOf: 200, hostPort: 'a:1' });
    expect((await call('GET', '/api/v1/namespaces')).codeOf).toBe(200);
    await call('DELETE', path('v1', '/bad'));
  });

  it('cannot change metadata but labels and annotations', async () => {
    await call('POST', path('v1'), { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: 'meta', annotations: { a: 'b' } }, hostPort: 'a:1' });
    spoil = (r) => (Object.assign(r.response.convertedObjects[0].metadata, { finalizers: ['x/y'], generation: 99, annotations: { c: 'd' } }), r);
    const { metadata } = await call('GET', path('v2', '/meta'));
    expect(metadata).toMatchObject({ generation: 1, annotations: { c: 'd' } });
    expect(metadata.finalizers).toBeUndefined();
    await call('DELETE', path('v1', '/meta'));
  });

  it('serves admission webhooks that know another version', async () => {
    const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
    const { clientConfig } = definition(['v1']).spec.conversion.webhook;
    const rules = [{ operations: ['CREATE'], apiGroups: [group], apiVersions: ['v1'], resources: ['hosts'] }];
    expect((await call('POST', configurations, { metadata: { name: 'm' }, webhooks: [{ name: 'm.example.com', clientConfig, rules, sideEffects: 'None', admissionReviewVersions: ['v1'] }] })).codeOf).toBe(201);
    await eventually(async () => (await call('POST', path('v2', '?dryRun=All'), v2('admitted', 'asked'))).host === 'given', 'the webhook is asked');
    expect(seen.at(-1)).toEqual([`${group}/v1`, 'v2', 'asked:80']);
    expect(await call('POST', path('v2'), v2('admitted', 'asked'))).toMatchObject({ codeOf: 201, apiVersion: `${group}/v2`, host: 'given', port: '9' });
    await call('DELETE', `${configurations}/m`);
    await eventually(async () => (await call('POST', path('v2', '?dryRun=All'), v2('free', 'asked'))).host === 'asked', 'the webhook is forgotten');
    await call('DELETE', path('v1', '/admitted'));
  });

  it('holds the end of the definition while what is stored at another version cannot be read', async () => {
    await call('POST', path('v1'), { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: 'last' }, hostPort: 'a:1' });
    const name = `${crds}/hosts.${group}`;
    const definitionNow = await call('GET', name);
    for (const version of definitionNow.spec.versions) version.storage = version.name === 'v2';
    expect(await call('PUT', name, definitionNow)).toMatchObject({ codeOf: 200, status: { storedVersions: ['v1', 'v2'] } });
    spoil = () => ({});
    await call('DELETE', name);
    const terminating = async (): Promise<any> => ((await call('GET', name)).status?.conditions ?? []).find(({ type }: any) => type === 'Terminating');
    await eventually(async () => (await terminating())?.reason === 'InstanceDeletionFailed', 'the failure is told');
    expect(await terminating()).toMatchObject({ status: 'True', message: expect.stringContaining('could not list instances: conversion webhook for conv.example.com/v1, Kind=Host failed: ') });
    let release: () => void = () => undefined;
    held = new Promise((resolve) => (release = resolve));
    const others = structuredClone(definition(['v1']));
    others.metadata.name = `others.${group}`;
    others.spec.names = { plural: 'others', kind: 'Other' };
    expect((await call('POST', crds, others)).codeOf).toBe(201);
    await eventually(async () => (await fetch(`${t.url}${path('v1').replace('hosts', 'others')}`)).status === 200, 'others are served while the webhook is silent');
    spoil = undefined;
    held = undefined;
    release();
    await eventually(async () => (await call('GET', name)).codeOf === 404, 'the definition goes');
  });
});
