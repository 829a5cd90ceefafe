import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ensurePki } from '@orrery/node-io/pki';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTarget } from './target.ts';

const t = useTarget();
const pki = ensurePki(undefined);
const caBundle = Buffer.from(pki.caCert).toString('base64');
const configurations = '/apis/admissionregistration.k8s.io/v1';
const asked: { path: string; request: any }[] = [];
let hooks: ReturnType<typeof createServer>;

type Verdict = (request: any) => object | undefined;

const patchOf = (operations: object[]): object => ({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') });
const verdicts: Record<string, Verdict> = {
  '/deny': ({ name }) => ({ allowed: false, status: { message: `${name} is not welcome`, code: 418 } }),
  '/label': ({ operation }) => operation === 'DELETE' ? { allowed: true } : patchOf([{ op: 'add', path: '/metadata/labels', value: { hooked: 'yes' } }]),
  // A field that the schema has a default for, and one that it does not know.
  '/spec': () => patchOf([{ op: 'add', path: '/spec', value: { color: 'red', unknown: 1 } }]),
  '/never': () => undefined,
};

beforeAll(async () => {
  const { cert, key } = pki.servingCert('hook', { subject: { commonName: 'hook' }, altNames: { ipAddresses: ['127.0.0.1'] } });
  hooks = createServer({ cert, key }, (message, response) => {
    let text = '';
    message.on('data', (chunk) => (text += String(chunk)));
    message.on('end', () => {
      const { request } = JSON.parse(text);
      const path = message.url?.split('?')[0] ?? '';
      asked.push({ path, request });
      const verdict = verdicts[path]?.(request);
      if (!verdict) return;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: request.uid, ...verdict } }));
    });
  });
  await new Promise<void>((resolve) => hooks.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  hooks.closeAllConnections();
  hooks.close();
});

const url = (path: string): string => `https://127.0.0.1:${(hooks.address() as AddressInfo).port}${path}`;

async function hooked(kind: 'mutating' | 'validating', path: string, more: { webhook?: object; rules?: object[]; resource?: string } = {}): Promise<() => Promise<unknown>> {
  const name = `${t.namespace}${path.slice(1)}`;
  const resource = more.resource ?? 'configmaps';
  const webhook = {
    name: `${path.slice(1)}.example.com`, clientConfig: { url: url(path), caBundle }, sideEffects: 'None', admissionReviewVersions: ['v1'],
    rules: more.rules ?? [{ operations: ['CREATE'], apiGroups: ['*'], apiVersions: ['*'], resources: [resource] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': t.namespace } },
    ...more.webhook,
  };
  const collection = `${configurations}/${kind}webhookconfigurations`;
  await t.rest.ok('POST', collection, { body: { metadata: { name }, webhooks: [webhook] } });
  return () => t.rest.ok('DELETE', `${collection}/${name}`);
}

const make = (name: string) => t.rest.call('POST', t.path('configmaps'), { body: { metadata: { name } } });

describe('19: webhooks', () => {
  it('are asked from the moment their configuration is there', async () => {
    const remove = await hooked('validating', '/deny');
    const refused = await make('stranger');
    expect([refused.code, refused.body.message]).toEqual([418, 'admission webhook "deny.example.com" denied the request: stranger is not welcome']);
    await remove();
    expect((await make('stranger')).code).toBe(201);
  });

  it('close the door with an internal error when they cannot be asked', async () => {
    const remove = await hooked('validating', '/gone', { webhook: { clientConfig: { url: 'https://127.0.0.1:1/gone', caBundle }, failurePolicy: 'Fail' } });
    const refused = await make('one');
    expect([refused.code, refused.body.reason]).toEqual([500, 'InternalError']);
    expect(refused.body.message).toBe(
      'Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: Post "https://127.0.0.1:1/gone?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused',
    );
    await remove();
    const removeOpen = await hooked('validating', '/gone', { webhook: { clientConfig: { url: 'https://127.0.0.1:1/gone', caBundle }, failurePolicy: 'Ignore' } });
    expect((await make('one')).code).toBe(201);
    await removeOpen();
  });

  it('that are too slow are told by their URL with its timeout', async () => {
    const remove = await hooked('validating', '/never', { webhook: { timeoutSeconds: 1 } });
    const refused = await make('one');
    expect(refused.body.message).toBe(`Internal error occurred: failed calling webhook "never.example.com": failed to call webhook: Post "${url('/never')}?timeout=1s": context deadline exceeded`);
    await remove();
  });

  it('are never asked about webhook configurations', async () => {
    asked.length = 0;
    const rules = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }];
    const remove = await hooked('validating', '/deny', { rules, webhook: { namespaceSelector: {} , objectSelector: { matchLabels: { run: t.namespace } } } });
    const path = `${configurations}/mutatingwebhookconfigurations`;
    const name = `${t.namespace}-plain`;
    await t.rest.ok('POST', path, { body: { metadata: { name, labels: { run: t.namespace } } } });
    await t.rest.ok('DELETE', `${path}/${name}`);
    expect(asked).toEqual([]);
    const refused = await t.rest.call('POST', t.path('configmaps'), { body: { metadata: { name: 'asked', labels: { run: t.namespace } } } });
    expect(refused.code).toBe(418);
    await remove();
  });

  it('change custom resources, whose defaults and pruning come after', async () => {
    const group = `${t.namespace}.example.com`;
    const spec = { type: 'object', properties: { color: { type: 'string' }, size: { type: 'integer', default: 3 } } };
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec } } } }];
    const definition = { metadata: { name: `things.${group}` }, spec: { group, scope: 'Namespaced', names: { plural: 'things', singular: 'thing', kind: 'Thing' }, versions } };
    await t.rest.ok('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: definition });
    const remove = await hooked('mutating', '/spec', { resource: 'things' });
    const body = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'one' } };
    let made = await t.rest.call('POST', t.path('things', `${group}/v1`), { body });
    while (made.code === 404) made = await t.rest.call('POST', t.path('things', `${group}/v1`), { body });
    expect([made.code, made.body.spec]).toEqual([201, { color: 'red', size: 3 }]);
    await remove();
    await t.rest.ok('DELETE', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.${group}`);
  });

  it('see what comes and goes: operation, user, old object; and change what they may', async () => {
    asked.length = 0;
    const rules = [{ operations: ['CREATE', 'UPDATE', 'DELETE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }];
    const remove = await hooked('mutating', '/label', { rules });
    const made = await make('one');
    expect(made.body.metadata.labels).toEqual({ hooked: 'yes' });
    await t.rest.ok('PATCH', t.path('configmaps/one'), { body: { data: { a: 'b' } }, type: 'application/merge-patch+json' });
    await t.rest.ok('DELETE', t.path('configmaps/one'));
    expect(asked.map(({ request }) => [request.operation, request.name, request.object?.data, request.oldObject?.metadata.name])).toEqual([
      ['CREATE', 'one', undefined, undefined],
      ['UPDATE', 'one', { a: 'b' }, 'one'],
      ['DELETE', 'one', undefined, 'one'],
    ]);
    expect(asked[0]?.request).toMatchObject({ namespace: t.namespace, resource: { group: '', version: 'v1', resource: 'configmaps' }, userInfo: { groups: expect.arrayContaining(['system:authenticated']) }, dryRun: false });
    await remove();
  });
});
