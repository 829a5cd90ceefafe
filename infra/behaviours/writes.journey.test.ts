import { eventually } from '@orrery/testkit';
import { describe, expect, it } from 'vitest';
import { apply, merge, strategic } from './rest.ts';
import { sleepPod, until, useTarget } from './target.ts';

const t = useTarget();

const template = { metadata: { labels: { app: 'x' } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'registry.k8s.io/pause:3.10' }] } };
const deployment = (name: string): object => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: { replicas: 0, selector: { matchLabels: { app: 'x' } }, template } });
const claimSpec = { accessModes: ['ReadWriteOnce'], storageClassName: 'none', resources: { requests: { storage: '1Gi' } } };

describe('5: a PUT without resourceVersion is unconditional', () => {
  it.each([
    ['configmaps', 'v1', { data: { a: '1' } }, { data: { a: '2' } }],
    ['endpoints', 'v1', {}, { subsets: [{ addresses: [{ ip: '10.9.9.9' }], ports: [{ port: 80 }] }] }],
    ['deployments', 'apps/v1', deployment('one'), { spec: { replicas: 0, paused: true, selector: { matchLabels: { app: 'x' } }, template } }],
    ['secrets', 'v1', {}, { stringData: { a: 'b' } }],
    ['serviceaccounts', 'v1', {}, { automountServiceAccountToken: false }],
  ])('of %s', async (resource, group, before, after) => {
    const path = t.path(resource, group);
    const made = await t.rest.ok('POST', path, { body: { ...before, metadata: { name: 'one' } } });
    await t.rest.ok('PATCH', `${path}/one`, { body: { metadata: { labels: { changed: 'meanwhile' } } }, type: merge });
    const put = await t.rest.ok('PUT', `${path}/one`, { body: { ...after, metadata: { name: 'one' } } });
    expect(Number(put.metadata.resourceVersion)).toBeGreaterThan(Number(made.metadata.resourceVersion));
    expect([put.metadata.uid, put.metadata.labels]).toEqual([made.metadata.uid, undefined]);
  });
});

describe('6: a merge patch of /status', () => {
  it.each([
    ['services', 'v1', { spec: { ports: [{ port: 80 }] } }],
    ['persistentvolumeclaims', 'v1', { spec: claimSpec }],
    ['jobs', 'batch/v1', { spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: template.spec.containers } } } }],
  ])('of %s keeps annotations and conditions of any type', async (resource, group, object) => {
    const path = t.path(resource, group);
    await t.rest.ok('POST', path, { body: { ...object, metadata: { name: 'one' } } });
    const condition = { type: 'StatusPatched', status: 'True', reason: 'Tested', message: 'by a patch', lastTransitionTime: '2024-01-01T00:00:00Z' };
    const patched = await t.rest.ok('PATCH', `${path}/one/status`, { body: { metadata: { annotations: { patchedstatus: 'true' } }, status: { conditions: [condition] } }, type: merge });
    expect(patched.metadata.annotations).toMatchObject({ patchedstatus: 'true' });
    expect(patched.status.conditions).toEqual([expect.objectContaining({ type: 'StatusPatched', status: 'True', reason: 'Tested' })]);
    const read = await t.rest.ok('GET', `${path}/one/status`);
    expect([read.metadata.name, read.spec]).toEqual(['one', patched.spec]);
  });

  it('of Namespace and PersistentVolume too', async () => {
    const condition = { type: 'StatusPatch', status: 'False', reason: 'E2E', message: 'set by a patch' };
    const namespace = await t.rest.ok('PATCH', `/api/v1/namespaces/${t.namespace}/status`, { body: { metadata: { annotations: { a: 'b' } }, status: { conditions: [condition] } }, type: merge });
    expect([namespace.metadata.annotations.a, namespace.status.conditions]).toEqual(['b', [expect.objectContaining(condition)]]);
    const name = `pv-${t.namespace}`;
    await t.rest.ok('POST', '/api/v1/persistentvolumes', { body: { metadata: { name }, spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/tmp/x' }, storageClassName: 'none' } } });
    const volume = await t.rest.ok('PATCH', `/api/v1/persistentvolumes/${name}/status`, { body: { metadata: { annotations: { a: 'b' } }, status: { message: 'patched', reason: 'E2E' } }, type: merge });
    expect([volume.metadata.annotations.a, volume.status]).toMatchObject(['b', { message: 'patched', reason: 'E2E' }]);
    await t.rest.ok('DELETE', `/api/v1/persistentvolumes/${name}`);
  });

  it('never alters spec, and of a Deployment no labels; PUT of /status neither', async () => {
    const path = t.path('deployments', 'apps/v1');
    const made = await t.rest.ok('POST', path, { body: deployment('one') });
    const patch = { metadata: { labels: { not: 'kept' }, annotations: { kept: 'yes' } }, spec: { replicas: 7 }, status: { observedGeneration: 1, replicas: 0 } };
    const patched = await t.rest.ok('PATCH', `${path}/one/status`, { body: patch, type: merge });
    expect([patched.metadata.labels, patched.spec, patched.metadata.generation]).toEqual([undefined, made.spec, made.metadata.generation]);
    const put = await t.rest.ok('PUT', `${path}/one/status`, { body: { ...patched, metadata: { name: 'one', labels: { no: 'no' } }, spec: { ...patched.spec, replicas: 9 } } });
    expect([put.metadata.labels, put.spec.replicas]).toEqual([undefined, 0]);
    const main = await t.rest.ok('PATCH', `${path}/one`, { body: { status: { replicas: 5 } }, type: merge });
    expect(main.status.replicas ?? 0).toBe(0);
  });
});

describe('8: a strategic merge patch', () => {
  it('merges owner references by uid', async () => {
    const owner = (uid: string, name: string): object => ({ apiVersion: 'v1', kind: 'ConfigMap', name, uid });
    const path = t.path('configmaps');
    await t.rest.ok('POST', path, { body: { metadata: { name: 'one', ownerReferences: [owner('u-1', 'a'), owner('u-2', 'b')] } } });
    const patched = await t.rest.ok('PATCH', `${path}/one`, { body: { metadata: { ownerReferences: [{ uid: 'u-2', name: 'changed' }, owner('u-3', 'c')] } }, type: strategic });
    expect(patched.metadata.ownerReferences).toHaveLength(3);
    expect(patched.metadata.ownerReferences.find(({ uid }: { uid: string }) => uid === 'u-2')).toMatchObject({ name: 'changed', kind: 'ConfigMap' });
    const fewer = await t.rest.ok('PATCH', `${path}/one`, { body: { metadata: { ownerReferences: [{ $patch: 'delete', uid: 'u-1' }] } }, type: strategic });
    expect(fewer.metadata.ownerReferences.map(({ uid }: { uid: string }) => uid).sort()).toEqual(['u-2', 'u-3']);
  });

  it('lets unknown and wrongly cased keys pass', async () => {
    const path = t.path('deployments', 'apps/v1');
    await t.rest.ok('POST', path, { body: deployment('one') });
    const reply = await t.rest.call('PATCH', `${path}/one`, { body: { spec: { unknown: 1, Paused: true, template: { metadata: { annotations: { a: 'b' } } } } }, type: strategic });
    expect([reply.code, reply.body.spec.template.metadata.annotations, reply.body.spec.paused, reply.body.spec.unknown]).toEqual([200, { a: 'b' }, undefined, undefined]);
  });
});

describe('9: strict field validation', () => {
  const text = (name: string, more: string): string => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}","labels":{"a":"1","a":"2"},"unknownMeta":"x"},"data":{"k":"1","k":"2"},"unknown1":"y"${more}}`;

  it('names unknown and doubled fields in the order of the document', async () => {
    const reply = await t.rest.call('POST', `${t.path('configmaps')}?fieldValidation=Strict`, { text: text('one', ',"data":{}') });
    expect([reply.code, reply.body.reason]).toEqual([400, 'BadRequest']);
    expect(reply.body.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "metadata.labels.a", unknown field "metadata.unknownMeta", duplicate field "data.k", unknown field "unknown1", duplicate field "data"',
    );
  });

  it('warns of them by default, and is silent when told to', async () => {
    const warned = await t.rest.call('POST', t.path('configmaps'), { text: text('one', '') });
    expect([warned.code, String(warned.headers['warning'])]).toEqual([201, expect.stringContaining('299 - "unknown field \\"metadata.unknownMeta\\""')]);
    expect(warned.body.data).toEqual({ k: '2' });
    const ignored = await t.rest.call('POST', `${t.path('configmaps')}?fieldValidation=Ignore`, { text: text('two', '') });
    expect([ignored.code, ignored.headers['warning']]).toEqual([201, undefined]);
  });

  it('tells an apply of a custom resource which paths the schema lacks', async () => {
    const group = `${t.namespace}.example.com`;
    const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } } };
    const definition = { metadata: { name: `things.${group}` }, spec: { group, scope: 'Namespaced', names: { plural: 'things', singular: 'thing', kind: 'Thing' }, versions: [{ name: 'v1', served: true, storage: true, schema }] } };
    await t.rest.ok('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: definition });
    const path = `${t.path('things', `${group}/v1`)}/one?fieldManager=me&fieldValidation=Strict`;
    await eventually(async () => (await t.rest.call('GET', t.path('things', `${group}/v1`))).code === 200, { everyMs: 10 });
    const object = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'one' }, spec: { size: 1, color: 'red' } };
    const refused = await t.rest.call('PATCH', path, { body: object, type: apply });
    expect(refused.code).toBe(500);
    expect(refused.body.message).toBe(`failed to create typed patch object (/one; ${group}/v1, Kind=Thing): .spec.color: field not declared in schema`);
    await t.rest.ok('DELETE', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.${group}`);
  });
});

it('10: changes of a definition reach OpenAPI v2 and v3; new defaults show on old objects; fields of each version select', async () => {
  const group = `${t.namespace}.example.com`;
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const version = (name: string, storage: boolean, properties: object): object => ({
    name, served: true, storage, selectableFields: [{ jsonPath: '.spec.color' }],
    schema: { openAPIV3Schema: { type: 'object', description: `things of ${name}`, properties: { spec: { type: 'object', properties } } } },
  });
  const color = { type: 'string' };
  const names = { plural: 'things', singular: 'thing', kind: 'Thing' };
  await t.rest.ok('POST', definitions, { body: { metadata: { name: `things.${group}` }, spec: { group, scope: 'Namespaced', names, versions: [version('v1', true, { color })] } } });
  await eventually(async () => (await t.rest.call('GET', t.path('things', `${group}/v1`))).code === 200, { everyMs: 10 });
  await t.rest.ok('POST', t.path('things', `${group}/v1`), { body: { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'old' }, spec: { color: 'red' } } });
  const published = async (name: string): Promise<[boolean, boolean]> => {
    const v2 = await t.rest.ok('GET', '/openapi/v2');
    const v3 = await t.rest.call('GET', `/openapi/v3/apis/${group}/${name}`);
    return [Object.values(v2.definitions).some((one: any) => one.description === `things of ${name}`), v3.code === 200 && v3.text.includes(`things of ${name}`)];
  };
  await eventually(async () => expect(await published('v1')).toEqual([true, true]), { everyMs: 50, withinMs: 10_000 });
  const stored = await t.rest.ok('GET', `${definitions}/things.${group}`);
  const versions = [version('v1', true, { color, size: { type: 'integer', default: 3 } }), version('v2', false, { color, size: { type: 'integer', default: 4 } })];
  await t.rest.ok('PUT', `${definitions}/things.${group}`, { body: { ...stored, spec: { ...stored.spec, versions } } });
  await eventually(async () => expect(await published('v2')).toEqual([true, true]), { everyMs: 50, withinMs: 10_000 });
  const sizeOf = async (name: string): Promise<number> => (await t.rest.ok('GET', `${t.path('things', `${group}/${name}`)}/old`)).spec.size;
  await eventually(async () => expect([await sizeOf('v1'), await sizeOf('v2')]).toEqual([3, 3]), { everyMs: 50 });
  for (const name of ['v1', 'v2']) {
    const selected = async (value: string): Promise<number> => (await t.rest.ok('GET', `${t.path('things', `${group}/${name}`)}?fieldSelector=spec.color%3D${value}`)).items.length;
    expect([await selected('red'), await selected('blue')]).toEqual([1, 0]);
  }
  const before = await t.rest.ok('GET', `${definitions}/things.${group}`);
  before.spec.versions = before.spec.versions.map((one: any) => (one.name === 'v2' ? { ...one, served: false } : one));
  await t.rest.ok('PUT', `${definitions}/things.${group}`, { body: before });
  await eventually(async () => expect(await published('v2')).toEqual([false, false]), { everyMs: 50, withinMs: 10_000 });
  await t.rest.ok('DELETE', `${definitions}/things.${group}`);
});

describe('20: what the server counts and keeps', () => {
  it('the generation of a Pod begins at one whatever was sent, and grows with its spec and with its graceful end', async () => {
    const path = t.path('pods');
    const made = await t.rest.ok('POST', path, { body: sleepPod('one', { metadata: { generation: 42 }, spec: { terminationGracePeriodSeconds: 30 } }) });
    expect(made.metadata.generation).toBe(1);
    const labelled = await t.rest.ok('PATCH', `${path}/one`, { body: { metadata: { labels: { a: 'b' } } }, type: strategic });
    expect(labelled.metadata.generation).toBe(1);
    const changed = await t.rest.ok('PATCH', `${path}/one`, { body: { spec: { activeDeadlineSeconds: 5000 } }, type: strategic });
    expect(changed.metadata.generation).toBe(2);
    // One that is on no node yet goes at once.
    await until(async () => (await t.rest.ok('GET', `${path}/one`)).spec.nodeName);
    const ending = await t.rest.ok('DELETE', `${path}/one`);
    expect([ending.metadata.generation, ending.metadata.deletionGracePeriodSeconds]).toEqual([3, 30]);
    // Its node may have been done with it before.
    expect([200, 404]).toContain((await t.rest.call('DELETE', `${path}/one?gracePeriodSeconds=0`)).code);
  });

  it('a Lease keeps its microseconds', async () => {
    const path = t.path('leases', 'coordination.k8s.io/v1');
    const made = await t.rest.ok('POST', path, { body: { metadata: { name: 'one' }, spec: { holderIdentity: 'me', leaseDurationSeconds: 15, acquireTime: '2024-05-06T07:08:09.123456Z', renewTime: '2024-05-06T07:08:09.000000Z' } } });
    expect(made.spec).toMatchObject({ acquireTime: '2024-05-06T07:08:09.123456Z', renewTime: '2024-05-06T07:08:09.000000Z' });
    expect((await t.rest.ok('GET', `${path}/one`)).spec).toEqual(made.spec);
  });
});
