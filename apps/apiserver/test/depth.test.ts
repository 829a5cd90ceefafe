import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

let t: TestServer;
const group = '/apis/deep.example.com/v1';
const things = `${group}/namespaces/default/things`;
const limit = 1000;
const patches = { json: 'application/json-patch+json', merge: 'application/merge-patch+json', apply: 'application/apply-patch+yaml' };
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const definition = (name: string, spec: object): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${name}s.deep.example.com` },
  spec: {
    group: 'deep.example.com',
    scope: 'Namespaced',
    names: { plural: `${name}s`, singular: name, kind: name },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec } } } }],
  },
});

interface Reply {
  readonly status: number;
  readonly message: string;
}

async function send(method: string, path: string, body: string, type = 'application/json'): Promise<Reply> {
  const response = await fetch(`${t.url}${path}`, { method, body, headers: { 'content-type': type } });
  const { message = '' } = JSON.parse(await response.text()) as { message?: string };
  return { status: response.status, message };
}

/** `depth` objects, or arrays, one in the other. */
const nested = (depth: number, form: 'objects' | 'arrays' = 'objects'): string => (form === 'objects' ? '{"a":'.repeat(depth) + '1' + '}'.repeat(depth) : '['.repeat(depth) + ']'.repeat(depth));
const thing = (name: string, spec: string): string => `{"apiVersion":"deep.example.com/v1","kind":"thing","metadata":{"name":"${name}"},"spec":${spec}}`;

/** `deep` with another spec, as a PUT wants it. */
async function replaced(spec: string): Promise<string> {
  const { metadata } = (await (await fetch(`${t.url}${things}/deep`)).json()) as { metadata: { resourceVersion: string } };
  return thing('deep', spec).replace('"name"', `"resourceVersion":"${metadata.resourceVersion}","name"`);
}

beforeAll(async () => {
  t = await startTestServer();
  await send('POST', '/api/v1/namespaces', '{"metadata":{"name":"default"}}');
  const rule = { rule: "!has(self.b) || self.b == 'b'" };
  await send('POST', crds, JSON.stringify(definition('thing', { type: 'object', properties: { b: { type: 'string' } }, 'x-kubernetes-preserve-unknown-fields': true, 'x-kubernetes-validations': [rule] })));
  await eventually(async () => (await fetch(`${t.url}${group}`)).ok, 'the kind');
});
afterAll(() => t.stop());

describe('objects that nest deeply', () => {
  it('go through the whole pipeline up to the limit', async () => {
    const deep = nested(limit - 3);
    expect(await send('POST', `${things}?fieldManager=one`, thing('deep', deep))).toEqual({ status: 201, message: '' });
    expect(await send('PATCH', `${things}/deep?fieldManager=two`, '{"spec":{"b":"b"}}', patches.merge)).toEqual({ status: 200, message: '' });
    expect((await send('PATCH', `${things}/deep`, '{"spec":{"b":"c"}}', patches.merge)).status).toBe(422);
    expect(await send('PATCH', `${things}/deep?fieldManager=three&force=true`, thing('deep', deep), patches.apply)).toEqual({ status: 200, message: '' });
    expect(await send('PATCH', `${things}/deep?fieldManager=four`, '[{"op":"test","path":"/spec/b","value":"b"},{"op":"copy","from":"/spec/b","path":"/spec/c"}]', patches.json)).toEqual({ status: 200, message: '' });
    expect(await send('PUT', `${things}/deep?fieldManager=five`, await replaced(nested(limit - 4)))).toEqual({ status: 200, message: '' });
    for (const accept of ['application/json', 'application/yaml', 'application/json;as=Table;g=meta.k8s.io;v=v1']) {
      expect((await fetch(`${t.url}${things}/deep?pretty=1`, { headers: { accept } })).status).toBe(200);
    }
    expect((await send('DELETE', `${things}/deep`, '{}')).status).toBe(200);
  });

  it.each([limit + 1, 9_999, 500_000])('are refused beyond it: %d', async (depth) => {
    await send('POST', things, thing('small', '{}'));
    for (const form of ['objects', 'arrays'] as const) {
      const body = thing('too-deep', `{"x":${nested(depth, form)}}`);
      const bracket = form === 'objects' ? '{' : '[';
      expect(await send('POST', things, body)).toEqual({ status: 400, message: expect.stringContaining(`invalid character '${bracket}' exceeded max depth`) as string });
      expect(await send('PATCH', `${things}/small`, `{"spec":${nested(depth, form)}}`, patches.merge)).toEqual({ status: 400, message: expect.stringContaining('exceeded max depth') as string });
      expect(await send('PATCH', `${things}/small`, `[{"op":"add","path":"/spec/x","value":${nested(depth, form)}}]`, patches.json)).toEqual({ status: 400, message: expect.stringContaining('exceeded max depth') as string });
      if (depth > 20_000) continue;
      expect(await send('PATCH', `${things}/small?fieldManager=x`, body, patches.apply)).toEqual({ status: 400, message: expect.stringContaining('exceeded max depth') as string });
      expect(await send('POST', things, body, 'application/yaml')).toEqual({ status: 400, message: expect.stringContaining('exceeded max depth') as string });
    }
  });

  it.each([
    ['a merge patch', patches.merge, (depth: number) => `{"spec":${'{"a":'.repeat(depth)}${nested(limit - depth - 10)}${'}'.repeat(depth)}}`],
    ['a JSON patch', patches.json, (depth: number) => `[{"op":"add","path":"/spec${'/a'.repeat(depth)}","value":${nested(500)}}]`],
    ['copies', patches.json, () => JSON.stringify(Array.from({ length: 100 }, () => ({ op: 'copy', from: '/spec', path: '/spec/a' })))],
  ])('do not grow beyond it by %s', async (what, type, patch) => {
    const name = what.replaceAll(' ', '-').toLowerCase();
    await send('POST', things, thing(name, '{}'));
    let depth = 0;
    let last: Reply = { status: 200, message: '' };
    for (let i = 0; i < 40 && last.status === 200; i++) {
      last = await send('PATCH', `${things}/${name}`, patch(depth), type);
      if (what === 'a merge patch') break;
      depth += 499;
    }
    if (what !== 'a merge patch') expect(last.status).toBeGreaterThanOrEqual(400);
    expect(last.status).toBeLessThan(500);
    const body = await (await fetch(`${t.url}${things}/${name}`)).text();
    let deepest = 0;
    let now = 0;
    for (const char of body) deepest = Math.max(deepest, (now += char === '{' ? 1 : char === '}' ? -1 : 0));
    expect(deepest).toBeLessThanOrEqual(limit + 6);
    expect((await send('PATCH', `${things}/${name}`, '{"metadata":{"labels":{"a":"b"}}}', patches.merge)).status).toBe(200);
  });
});

describe('definitions whose schemas nest deeply', () => {
  const schema = (depth: number): string => '{"type":"object","properties":{"a":'.repeat(depth) + '{"type":"object"}' + '}}'.repeat(depth);
  it.each([200, 490, 5_000])('%d', async (depth) => {
    const body = JSON.stringify(definition(`nest${depth}`, {})).replace('"spec":{}}', `"spec":${schema(depth)}}`);
    const reply = await send('POST', `${crds}?dryRun=All`, body);
    expect([reply.status < 500, reply.message.includes('call stack')]).toEqual([true, false]);
    if (depth < 490) expect(reply).toEqual({ status: 201, message: '' });
  });
});
