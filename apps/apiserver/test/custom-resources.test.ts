import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiServer } from '../src/component.ts';
import { eventually, startTestServer, type TestServer } from './test-server.ts';

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1beta1
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string}
              image: {type: string, default: busybox}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              mode: {type: string, enum: [fast, slow]}
          status:
            type: object
            properties: {replicas: {type: integer}, selector: {type: string}}
    selectableFields: [{jsonPath: .spec.mode}]
    additionalPrinterColumns: [{name: Spec, type: string, jsonPath: .spec.cronSpec}]
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
`;

const crd = parse(definition) as any;
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const crontabs = '/apis/stable.example.com/v1/namespaces/default/crontabs';

let t: TestServer;
let other: ApiServer;

interface Reply {
  readonly code: number;
  readonly body: any;
  readonly headers: Headers;
}

async function call(method: string, path: string, options: { body?: unknown; type?: string; accept?: string; port?: number } = {}): Promise<Reply> {
  const { body, type = 'application/json', accept = 'application/json', port = t.server.port } = options;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { 'content-type': type, accept },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { code: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, headers: response.headers };
}

const condition = (object: any, type: string): any => (object.status?.conditions ?? []).find((one: any) => one.type === type);

async function define(object: any): Promise<void> {
  expect((await call('POST', crds, { body: object })).code).toBe(201);
  await eventually(async () => condition((await call('GET', `${crds}/${object.metadata.name}`)).body, 'Established')?.status === 'True', 'Established');
}

async function undefine(name: string): Promise<void> {
  await call('DELETE', `${crds}/${name}`);
  await eventually(async () => (await call('GET', `${crds}/${name}`)).code === 404, `deletion of ${name}`);
}

const crontab = (name: string, spec: object = {}): object => ({ apiVersion: 'stable.example.com/v1', kind: 'CronTab', metadata: { name }, spec: { cronSpec: '* * * * *', ...spec } });

beforeAll(async () => {
  t = await startTestServer();
  other = await t.replica();
  expect((await call('GET', crontabs)).code).toBe(404);
  await define(crd);
});
afterAll(() => t?.stop());

describe('a definition', () => {
  it('says what was accepted', async () => {
    const { body } = await call('GET', `${crds}/crontabs.stable.example.com`);
    expect(body.status.acceptedNames).toEqual({ plural: 'crontabs', singular: 'crontab', shortNames: ['ct'], kind: 'CronTab', listKind: 'CronTabList', categories: ['all'] });
    expect(body.status.conditions.map(({ type, status, reason }: any) => [type, status, reason])).toEqual([['NamesAccepted', 'True', 'NoConflicts'], ['Established', 'True', 'InitialNamesAccepted']]);
    expect(body.status.storedVersions).toEqual(['v1']);
  });

  it('is served by every replica, and discovered', async () => {
    await eventually(async () => (await call('GET', crontabs, { port: other.port })).code === 200);
    const group = await call('GET', '/apis/stable.example.com');
    expect(group.body.versions.map(({ version }: any) => version)).toEqual(['v1', 'v1beta1']);
    const { body } = await call('GET', '/apis/stable.example.com/v1');
    expect(body.resources.map(({ name, shortNames }: any) => [name, shortNames])).toEqual([['crontabs', ['ct']], ['crontabs/scale', undefined], ['crontabs/status', undefined]]);
    const openApi = await call('GET', '/openapi/v3/apis/stable.example.com/v1');
    expect(openApi.body.components.schemas['com.example.stable.v1.CronTab'].properties.spec.properties.cronSpec).toEqual({ type: 'string' });
  });

  it('is served by who starts later, from its first answer on', async () => {
    const late = await t.replica();
    expect((await call('GET', crontabs, { port: late.port })).code).toBe(200);
  });

  it.each<[string, (version: any) => void, string]>([
    ['a path', (v) => (v.additionalPrinterColumns = [{ name: 'X', type: 'string', jsonPath: 'a[' }]), 'spec.versions[1].additionalPrinterColumns[0].JSONPath: Invalid value: "a[": must be a simple json path starting with .'],
    ['a pattern', (v) => (v.schema.openAPIV3Schema.properties.spec.properties.cronSpec.pattern = '('), 'properties[cronSpec].pattern: Invalid value: "(": must be a valid regular expression'],
    ['a default', (v) => (v.schema.openAPIV3Schema.properties.spec.properties.mode.default = 'odd'), 'properties[mode].default: Unsupported value: "odd": supported values: "fast", "slow"'],
    ['a rule', (v) => (v.schema.openAPIV3Schema.properties.spec['x-kubernetes-validations'] = [{ rule: 'self.image.encode() == "x"' }]), "compilation failed: ERROR: <input>:1:18: undeclared reference to 'encode' (in container '')\n | self.image.encode() == \"x\"\n | .................^"],
  ])('is refused for %s that makes no sense', async (_what, spoil, why) => {
    const bad = structuredClone(crd);
    spoil(bad.spec.versions[1]);
    bad.spec.names.plural = 'bads';
    bad.metadata.name = 'bads.stable.example.com';
    const { code, body } = await call('POST', crds, { body: bad });
    expect([code, body.message]).toEqual([422, expect.stringContaining(why)]);
  });

  it.each([200, 3_000, 20_000])('of %i levels ends in an answer, and the server goes on', async (depth) => {
    const { spec } = crd;
    const schema = `${'{"type":"object","properties":{"a":'.repeat(depth)}{"type":"string"}${'}}'.repeat(depth)}`;
    const names = { plural: `deeps${depth}`, kind: `Deep${depth}` };
    const deep = { ...crd, metadata: { name: `${names.plural}.stable.example.com` }, spec: { ...spec, names, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: 'SCHEMA' } }] } };
    const { code } = await call('POST', crds, { body: JSON.stringify(deep).replace('"SCHEMA"', schema) });
    expect([201, 400, 422, 500]).toContain(code);
    expect((await call('GET', `${crds}/crontabs.stable.example.com`)).code).toBe(200);
    if (code === 201) await undefine(deep.metadata.name);
  });

  it('conflicts over names', async () => {
    const rival = structuredClone(crd);
    rival.metadata.name = 'ctabs.stable.example.com';
    rival.spec.names = { plural: 'ctabs', singular: 'crontab', kind: 'CronTab', shortNames: ['ct'] };
    expect((await call('POST', crds, { body: rival })).code).toBe(201);
    await eventually(async () => condition((await call('GET', `${crds}/ctabs.stable.example.com`)).body, 'NamesAccepted') !== undefined);
    const { body } = await call('GET', `${crds}/ctabs.stable.example.com`);
    expect(condition(body, 'NamesAccepted')).toMatchObject({ status: 'False', reason: 'ListKindConflict', message: '"CronTabList" is already in use' });
    expect(condition(body, 'Established')).toMatchObject({ status: 'False', reason: 'NotAccepted' });
    expect(body.status.acceptedNames).toEqual({ plural: 'ctabs', kind: '' });
    await undefine('ctabs.stable.example.com');
  });
});

describe('instances', () => {
  it('are defaulted, pruned and counted', async () => {
    const made = await call('POST', `${crontabs}?fieldValidation=Warn`, { body: crontab('a', { extra: 1 }) });
    expect([made.code, made.body.spec, made.body.metadata.generation]).toEqual([201, { cronSpec: '* * * * *', image: 'busybox', replicas: 1 }, 1]);
    expect(made.headers.get('warning')).toContain('unknown field \\"spec.extra\\"');
    expect((await call('POST', `${crontabs}?fieldValidation=Strict`, { body: crontab('b', { extra: 1 }) })).body.message).toContain('strict decoding error: unknown field "spec.extra"');
    const patched = await call('PATCH', `${crontabs}/a`, { type: 'application/merge-patch+json', body: { spec: { replicas: 3 }, status: { replicas: 9 } } });
    expect([patched.body.metadata.generation, patched.body.spec.replicas, patched.body.status]).toEqual([2, 3, undefined]);
    const status = await call('PATCH', `${crontabs}/a/status`, { type: 'application/merge-patch+json', body: { spec: { replicas: 9 }, status: { replicas: 2, selector: 'app=a' }, metadata: { labels: { x: 'y' } } } });
    expect([status.body.metadata.generation, status.body.metadata.labels, status.body.spec.replicas, status.body.status]).toEqual([2, undefined, 3, { replicas: 2, selector: 'app=a' }]);
    const owned = status.body.metadata.managedFields.filter(({ subresource }: any) => subresource === 'status').map(({ fieldsV1 }: any) => fieldsV1);
    expect(owned).toEqual([{ 'f:status': { '.': {}, 'f:replicas': {}, 'f:selector': {} } }]);
    expect((await call('PATCH', `${crontabs}/a`, { type: 'application/strategic-merge-patch+json', body: {} })).code).toBe(415);
  });

  it('scale where the version does, and when there is something to scale', async () => {
    expect((await call('GET', '/apis/stable.example.com/v1beta1/namespaces/default/crontabs/a/scale')).code).toBe(404);
    const { body } = await call('GET', `${crontabs}/a/scale`);
    expect([body.spec, body.status]).toEqual([{ replicas: 3 }, { replicas: 2, selector: 'app=a' }]);
    expect((await call('PATCH', `${crontabs}/a/scale`, { type: 'application/merge-patch+json', body: { spec: { replicas: 5 } } })).body.spec.replicas).toBe(5);
    expect((await call('GET', `${crontabs}/a`)).body).toMatchObject({ spec: { replicas: 5 }, metadata: { generation: 3 } });
  });

  it('are judged in the words of the original', async () => {
    const { code, body } = await call('POST', crontabs, { body: { ...crontab('bad'), spec: { replicas: '3', mode: 'odd' } } });
    expect(code).toBe(422);
    expect(body.message).toBe('CronTab.stable.example.com "bad" is invalid: [spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string", spec.mode: Unsupported value: "odd": supported values: "fast", "slow", spec.cronSpec: Required value, .spec.replicas: Invalid value: 0: .spec.replicas accessor error: 3 is of the type string, expected int64]');
  });

  it('are seen in every version, selected by fields, and printed', async () => {
    await call('POST', crontabs, { body: crontab('fast', { mode: 'fast' }) });
    const old = await call('GET', '/apis/stable.example.com/v1beta1/namespaces/default/crontabs/fast');
    expect([old.body.apiVersion, old.body.spec.mode]).toEqual(['stable.example.com/v1beta1', 'fast']);
    const selected = await call('GET', `${crontabs}?fieldSelector=spec.mode%3Dfast`);
    expect(selected.body.items.map((item: any) => item.metadata.name)).toEqual(['fast']);
    const table = await call('GET', `${crontabs}/fast`, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' });
    expect([table.body.columnDefinitions.map(({ name }: any) => name), table.body.rows[0].cells]).toEqual([['Name', 'Spec'], ['fast', '* * * * *']]);
  });

  it.each<[string, unknown, number, string]>([
    ['a list', [1], 400, `the object provided is unrecognized (must be of type CronTab): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b315d)`],
    ['no kind', { apiVersion: 'stable.example.com/v1' }, 400, `CronTab in version "v1" cannot be handled as a CronTab: Object 'Kind' is missing in '{"apiVersion":"stable.example.com/v1"}'`],
    ['another kind', { ...crontab('bad'), kind: 'Other' }, 422, 'Other.stable.example.com "bad" is invalid: kind: Invalid value: "Other": must be CronTab'],
    ['another version', { ...crontab('bad'), apiVersion: 'stable.example.com/v9' }, 400, 'the API version in the data (stable.example.com/v9) does not match the expected API version (stable.example.com/v1)'],
    ['no metadata', { apiVersion: 'stable.example.com/v1', kind: 'CronTab', metadata: [] }, 400, 'CronTab in version "v1" cannot be handled as a CronTab: json: cannot unmarshal array into Go value of type v1.ObjectMeta'],
    ['labels that are none', { ...crontab('bad'), metadata: { labels: { a: 1 } } }, 400, 'CronTab in version "v1" cannot be handled as a CronTab: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string'],
  ])('are refused for %s', async (_what, body, code, message) => {
    const reply = await call('POST', crontabs, { body });
    expect([reply.code, reply.body.message]).toEqual([code, message]);
  });

  it('stay what they are under patches, at every version', async () => {
    const patch = (path: string, body: object): Promise<Reply> => call('PATCH', path, { type: 'application/merge-patch+json', body });
    const other = await patch(`${crontabs}/fast`, { kind: 'Other' });
    expect([other.code, other.body.message]).toEqual([422, 'Other.stable.example.com "fast" is invalid: kind: Invalid value: "Other": must be CronTab']);
    const old = await patch('/apis/stable.example.com/v1beta1/namespaces/default/crontabs/fast', { metadata: { labels: { a: 'b' } } });
    expect([old.code, old.body.apiVersion]).toEqual([200, 'stable.example.com/v1beta1']);
  });

  it('are applied by field', async () => {
    const apply = (manager: string, replicas: number): Promise<Reply> =>
      call('PATCH', `${crontabs}/ssa?fieldManager=${manager}`, { type: 'application/apply-patch+yaml', body: JSON.stringify(crontab('ssa', { replicas })) });
    expect([(await apply('me', 2)).code, (await apply('me', 2)).code, (await apply('you', 3)).code]).toEqual([201, 200, 409]);
  });
});

describe('a change of the definition', () => {
  it('ends watches and is served at once', async () => {
    const current = (await call('GET', `${crds}/crontabs.stable.example.com`)).body;
    current.spec.versions[1].schema.openAPIV3Schema.properties.spec.properties.zone = { type: 'string', default: 'z1' };
    const response = await fetch(`${t.url}${crontabs}?watch=1&resourceVersion=${current.metadata.resourceVersion}`);
    expect((await call('PUT', `${crds}/crontabs.stable.example.com`, { body: current })).code).toBe(200);
    await response.text();
    await eventually(async () => (await call('GET', `${crontabs}/a`)).body.spec?.zone === 'z1', 'the new default');
  });
});

describe('another storage version', () => {
  it('takes objects over as they are written', async () => {
    const current = (await call('GET', `${crds}/crontabs.stable.example.com`)).body;
    current.spec.versions[0].storage = true;
    current.spec.versions[1].storage = false;
    expect((await call('PUT', `${crds}/crontabs.stable.example.com`, { body: current })).body.status.storedVersions).toEqual(['v1', 'v1beta1']);
    const stored = async (): Promise<string> => {
      const { value } = await t.server.core.registry.store.get(`${t.store.prefix}/stable.example.com/crontabs/default/fast`);
      return (JSON.parse(value?.value.toString('utf8') ?? '{}') as { apiVersion: string }).apiVersion;
    };
    expect(await stored()).toBe('stable.example.com/v1');
    const shown = (await call('GET', `${crontabs}/fast`)).body;
    await eventually(async () => {
      const { metadata } = (await call('GET', `${crontabs}/fast`)).body;
      await call('PUT', `${crontabs}/fast`, { body: { ...shown, metadata } });
      return (await stored()) === 'stable.example.com/v1beta1';
    }, 'migration');
    expect((await call('GET', `${crontabs}/fast`)).body).toMatchObject({ apiVersion: 'stable.example.com/v1', spec: shown.spec });
  });
});

describe('deletion', () => {
  it('takes the instances with it, and waits for their finalizers', async () => {
    await call('PATCH', `${crontabs}/a`, { type: 'application/merge-patch+json', body: { metadata: { finalizers: ['example.com/hold'] } } });
    await call('DELETE', `${crds}/crontabs.stable.example.com`);
    await eventually(async () => (await call('GET', crontabs)).body.items?.length === 1, 'instances gone but one');
    const { body } = await call('GET', `${crds}/crontabs.stable.example.com`);
    expect(condition(body, 'Terminating')).toMatchObject({ status: 'True', reason: 'InstanceDeletionInProgress' });
    expect(await call('POST', crontabs, { body: crontab('late') })).toMatchObject({ code: 405, body: { message: 'create not allowed while custom resource definition is terminating' } });
    await call('PATCH', `${crontabs}/a`, { type: 'application/merge-patch+json', body: { metadata: { finalizers: null } } });
    await eventually(async () => (await call('GET', `${crds}/crontabs.stable.example.com`)).code === 404, 'definition gone');
    await eventually(async () => (await call('GET', crontabs)).code === 404 && (await call('GET', crontabs, { port: other.port })).code === 404, 'no more served');
    expect((await call('GET', '/apis/stable.example.com')).code).toBe(404);
  });

  it('leaves nothing to a definition of the same name', async () => {
    await define(crd);
    expect((await call('GET', crontabs)).body.items).toEqual([]);
    await undefine('crontabs.stable.example.com');
  });
});
