import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

let t: TestServer;
const group = '/apis/numbers.example.com/v1';
const counters = `${group}/namespaces/default/counters`;
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'counters.numbers.example.com' },
  spec: {
    group: 'numbers.example.com',
    scope: 'Namespaced',
    names: { plural: 'counters', singular: 'counter', kind: 'Counter' },
    versions: [{
      name: 'v1',
      served: true,
      storage: true,
      additionalPrinterColumns: [{ name: 'Count', type: 'integer', jsonPath: '.spec.count' }],
      schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: {
        count: { type: 'integer', format: 'int64' },
        ratio: { type: 'number' },
        small: { type: 'integer', maximum: 100 },
        either: { 'x-kubernetes-int-or-string': true },
        rest: { 'x-kubernetes-preserve-unknown-fields': true },
        odd: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self % 2 == 1' }] },
      } } } } },
    }],
  },
};

async function send(method: string, path: string, body: string, type = 'application/json'): Promise<{ status: number; text: string; message: string }> {
  const response = await fetch(`${t.url}${path}`, { method, body, headers: { 'content-type': type } });
  const text = await response.text();
  return { status: response.status, text, message: (JSON.parse(text) as { message?: string }).message ?? '' };
}
const get = async (path: string, accept = 'application/json'): Promise<string> => (await fetch(`${t.url}${path}`, { headers: { accept } })).text();

beforeAll(async () => {
  t = await startTestServer();
  await send('POST', '/api/v1/namespaces', '{"metadata":{"name":"default"}}');
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', JSON.stringify(definition));
  await eventually(async () => (await fetch(`${t.url}${group}`)).ok, 'the kind');
});
afterAll(() => t.stop());

const counter = (name: string, spec: string): string => `{"apiVersion":"numbers.example.com/v1","kind":"Counter","metadata":{"name":"${name}"},"spec":${spec}}`;

describe('custom resources', () => {
  it.each([
    ['9007199254740993', '9007199254740993'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['9223372036854775807', '9223372036854775807'],
    ['9223372036854775808', '9223372036854776000'],
    ['1e2', '100'],
    ['1.0', '1'],
    ['-0', '0'],
  ])('keep an integer of 64 bits: %s', async (written, read) => {
    const name = `c${written.replace(/[^0-9a-z]/g, '')}${written.length}`;
    const spec = `{"count":${written},"either":${written},"ratio":${written},"rest":{"deep":[${written}]}}`;
    const created = await send('POST', counters, counter(name, spec));
    expect([created.status, created.message]).toEqual([201, '']);
    for (const text of [created.text, await get(`${counters}/${name}`), await get(counters)]) expect(text.replaceAll(' ', '')).toContain(`"spec":{"count":${read},"either":${read},"ratio":${read},"rest":{"deep":[${read}]}}`);
    expect(await get(`${counters}/${name}`, 'application/yaml')).toContain(`count: ${read}\n`);
    expect(await get(`${counters}/${name}?pretty=true`)).toContain(`"count": ${read},`);
    expect(await get(`${counters}/${name}`, 'application/json;as=Table;g=meta.k8s.io;v=v1')).toContain(`"cells":["${name}",${read}]`);
  });

  it.each([
    ['application/merge-patch+json', '{"spec":{"rest":{"more":9007199254740995}}}'],
    ['application/json-patch+json', '[{"op":"test","path":"/spec/count","value":9007199254740993},{"op":"add","path":"/spec/rest","value":{"more":9007199254740995}}]'],
    ['application/apply-patch+yaml', 'apiVersion: numbers.example.com/v1\nkind: Counter\nspec: {rest: {more: 9007199254740995}}\n'],
  ])('keep it through %s', async (type, patch) => {
    const name = `p${type.length}`;
    await send('POST', counters, counter(name, '{"count":9007199254740993}'));
    const patched = await send('PATCH', `${counters}/${name}?fieldManager=me`, patch, type);
    expect([patched.status, patched.message]).toEqual([200, '']);
    expect(await get(`${counters}/${name}`)).toContain('"spec":{"count":9007199254740993,"rest":{"more":9007199254740995}}');
  });

  it('keep it for a server that reads it from the store', async () => {
    await send('POST', counters, counter('replica', '{"count":9007199254740993}'));
    const other = await t.replica();
    const path = `http://127.0.0.1:${other.port}${counters}/replica`;
    await eventually(async () => (await fetch(path)).ok, 'the other server');
    const patched = await fetch(path, { method: 'PATCH', headers: { 'content-type': 'application/merge-patch+json' }, body: '{"spec":{"small":1}}' });
    expect(await patched.text()).toContain('"spec":{"count":9007199254740993,"small":1}');
  });

  it.each([
    ['{"count":1.5}', 'spec.count: Invalid value: "number": spec.count in body must be of type integer: "number"'],
    ['{"count":1e30}', undefined],
    ['{"either":1.5}', 'spec.either: Invalid value: "number": spec.either in body must be of type integer,string: "number"'],
    ['{"small":9007199254740993}', 'spec.small: Invalid value: 9007199254740993: spec.small in body should be less than or equal to 100'],
    ['{"odd":9007199254740992}', 'spec.odd: Invalid value: "integer": failed rule: self % 2 == 1'],
    ['{"odd":9007199254740993}', undefined],
    ['{"count":1e400}', 'json: cannot unmarshal number 1e400 into Go value of type float64'],
  ])('%s', async (spec, message) => {
    const reply = await send('POST', `${counters}?dryRun=All`, counter('x', spec));
    if (message === undefined) expect([reply.status, reply.message]).toEqual([201, '']);
    else expect(reply.message).toContain(message);
  });
});

describe('built-in kinds', () => {
  const pod = (fields: string, container = ''): string => `{"metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i"${container}}]${fields}}}`;
  const pods = '/api/v1/namespaces/default/pods?dryRun=All';
  const deployment = (replicas: string): string => `{"metadata":{"name":"x"},"spec":{"replicas":${replicas},"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`;

  it.each([
    ['1.0', 'json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    ['1e2', 'json: cannot unmarshal number 1e2 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    ['1.5', 'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    ['2147483648', 'json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    ['9007199254740993', 'json: cannot unmarshal number 9007199254740993 into Go struct field DeploymentSpec.spec.replicas of type int32'],
  ])('replicas: %s', async (written, message) => {
    const reply = await send('POST', '/apis/apps/v1/namespaces/default/deployments?dryRun=All', deployment(written));
    expect([reply.status, reply.message]).toEqual([400, `Deployment in version "v1" cannot be handled as a Deployment: ${message}`]);
  });

  it('int32 or text', async () => {
    const port = (value: string): string => pod('', `,"livenessProbe":{"httpGet":{"port":${value}}}`);
    for (const bad of ['80.0', '8e1', '3000000000']) {
      expect((await send('POST', pods, port(bad))).message).toBe(`Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number ${bad} into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32`);
    }
    expect((await send('POST', pods, port('80'))).status).toBe(201);
  });

  it('64 bits', async () => {
    expect((await send('POST', pods, pod(',"terminationGracePeriodSeconds":9223372036854775807'))).status).toBe(201);
    expect((await send('POST', pods, pod(',"terminationGracePeriodSeconds":9223372036854775808'))).message).toContain('json: cannot unmarshal number 9223372036854775808 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64');
  });

  it.each([
    ['1e3', '1e3'],
    ['1.0', '1'],
    ['0.50', '500m'],
    ['1000', '1k'],
    ['9007199254740993', '9007199254740993'],
  ])('quantities keep how they are written: %s', async (written, read) => {
    const reply = await send('POST', pods, pod('', `,"resources":{"requests":{"memory":${written}}}`));
    expect([reply.message, /"memory":"([^"]*)"/.exec(reply.text)?.[1]]).toEqual(['', read]);
  });

  it('as YAML, whose numbers have lost how they were written', async () => {
    const reply = await send('POST', '/apis/apps/v1/namespaces/default/deployments?dryRun=All', 'metadata: {name: x}\nspec:\n  replicas: 2.0\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}\n', 'application/yaml');
    expect([reply.status, reply.message]).toEqual([201, '']);
    expect(reply.text).toContain('"replicas":2');
  });
});
