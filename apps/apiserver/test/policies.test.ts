import { ConfigMaps, CustomResourceDefinitions, MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings, Namespaces, ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admissionPlugin } from '../src/admission/index.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

const Tabs: ResourceRef<KubeObject & { spec?: any }> = { group: 'x.io', version: 'v1', resource: 'tabs', kind: 'Tab', namespaced: true };
const Limits: ResourceRef<KubeObject & { most?: number }> = { group: 'x.io', version: 'v1', resource: 'limits', kind: 'Limit', namespaced: false };

let test: TestServer;

const definition = (plural: string, kind: string, properties: object): any => ({
  metadata: { name: `${plural}.x.io` },
  spec: { group: 'x.io', names: { plural, kind }, scope: kind === 'Limit' ? 'Cluster' : 'Namespaced', versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties } } }] },
});

const parts = {
  type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'],
  items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, size: { type: 'integer', default: 7 } } },
};

const rule = (resources: string[], operations = ['CREATE', 'UPDATE'], apiGroups = ['x.io']): any => ({ resourceRules: [{ operations, apiGroups, apiVersions: ['v1'], resources }] });
const tab = (name: string, spec: object): any => ({ apiVersion: 'x.io/v1', kind: 'Tab', metadata: { name, namespace: 'ruled' }, spec });

/** A list is of the present: once answered, the server's cache, which the policies are taken from, has heard of them. */
async function heard(resource: ResourceRef<KubeObject>): Promise<void> {
  for (let i = 0; i < 2; i++) await test.api.list(resource);
}

async function inForce(name: string, spec: object, binding: object = {}): Promise<void> {
  await test.api.create(ValidatingAdmissionPolicies, { metadata: { name }, spec } as never);
  await test.api.create(ValidatingAdmissionPolicyBindings, { metadata: { name }, spec: { policyName: name, validationActions: ['Deny'], ...binding } });
  await heard(ValidatingAdmissionPolicyBindings as ResourceRef<KubeObject>);
}

beforeAll(async () => {
  test = await startTestServer({ disableAdmissionPlugins: ['ServiceAccount'] }, { plugins: [admissionPlugin] });
  await test.api.create(Namespaces, { metadata: { name: 'ruled' } });
  await test.api.create(CustomResourceDefinitions, definition('tabs', 'Tab', { spec: { type: 'object', properties: { n: { type: 'integer' }, parts } } }));
  await test.api.create(CustomResourceDefinitions, definition('limits', 'Limit', { most: { type: 'integer' } }));
  await eventually(() => test.api.list(Limits).then(() => true, () => false), 'custom resources');
  await eventually(() => test.api.list(Tabs).then(() => true, () => false), 'custom resources');
});
afterAll(() => test.stop());

describe('policies in a server', () => {
  it('rule custom resources by custom params, from the next write on', async () => {
    await test.api.create(Limits, { apiVersion: 'x.io/v1', kind: 'Limit', metadata: { name: 'ours' }, most: 3 });
    await inForce('few', { paramKind: { apiVersion: 'x.io/v1', kind: 'Limit' }, matchConstraints: rule(['tabs']), validations: [{ expression: 'object.spec.n <= params.most' }] }, { paramRef: { name: 'ours', parameterNotFoundAction: 'Deny' } });
    await test.api.create(Tabs, tab('three', { n: 3 }));
    await expect(test.api.create(Tabs, tab('four', { n: 4 }))).rejects.toMatchObject({ code: 422, message: `tabs.x.io "four" is forbidden: ValidatingAdmissionPolicy 'few' with binding 'few' denied request: failed expression: object.spec.n <= params.most` });
    await expect(test.api.patch(Tabs, { namespace: 'ruled', name: 'three' }, { spec: { n: 5 } }, { type: 'application/merge-patch+json' })).rejects.toMatchObject({ code: 422 });
    await expect(test.api.create(Tabs, { ...tab('', { n: 4 }), metadata: { generateName: 'made-', namespace: 'ruled' } })).rejects.toThrow(/^tabs\.x\.io "made-/);
    await test.api.delete(ValidatingAdmissionPolicyBindings, { name: 'few' });
    await heard(ValidatingAdmissionPolicyBindings as ResourceRef<KubeObject>);
    await test.api.create(Tabs, tab('four', { n: 4 }));
  });

  it('hold a collection together: each deletion shows what it would delete', async () => {
    for (const name of ['a', 'b']) await test.api.create(ConfigMaps, { metadata: { name, namespace: 'ruled', labels: { keep: name === 'b' ? 'yes' : 'no', set: 'kept' } } });
    await inForce('keep', { matchConstraints: rule(['configmaps'], ['DELETE'], ['']), validations: [{ expression: "object == null && oldObject.metadata.labels.keep != 'yes'", message: 'kept', reason: 'Forbidden' }] });
    await expect(test.api.deleteCollection(ConfigMaps, { namespace: 'ruled', labelSelector: 'set=kept' })).rejects.toMatchObject({ code: 403, message: `configmaps "b" is forbidden: ValidatingAdmissionPolicy 'keep' with binding 'keep' denied request: kept` });
    expect((await test.api.list(ConfigMaps, { namespace: 'ruled', labelSelector: 'set=kept' })).items.map(({ metadata }) => metadata?.name)).toContain('b');
  });

  it('change custom resources: items are merged by key, defaulted and pruned', async () => {
    const expression = "Object{metadata: Object.metadata{labels: Object.metadata.labels{changed: 'yes'}}, spec: Object.spec{parts: [Object.spec.parts{name: 'new'}, Object.spec.parts{name: 'old', size: 2}]}}";
    await test.api.create(MutatingAdmissionPolicies, { metadata: { name: 'parts' }, spec: { matchConstraints: rule(['tabs']), reinvocationPolicy: 'Never', mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }] } } as never);
    await test.api.create(MutatingAdmissionPolicyBindings, { metadata: { name: 'parts' }, spec: { policyName: 'parts' } });
    await heard(MutatingAdmissionPolicyBindings as ResourceRef<KubeObject>);
    const made = await test.api.create(Tabs, tab('parted', { parts: [{ name: 'old', size: 1 }, { name: 'other', size: 3 }] }));
    expect([made.metadata?.labels, Object.fromEntries(made.spec.parts.map(({ name, size }: any) => [name, size]))]).toEqual([{ changed: 'yes' }, { old: 2, other: 3, new: 7 }]);
    await test.api.delete(MutatingAdmissionPolicyBindings, { name: 'parts' });
    await heard(MutatingAdmissionPolicyBindings as ResourceRef<KubeObject>);
  });

  it('see the Scale of what is scaled', async () => {
    const Deployments = { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true } as ResourceRef<KubeObject & { spec?: any }>;
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    await test.api.create(Deployments, { metadata: { name: 'd', namespace: 'ruled' }, spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template } });
    await inForce('scale', { matchConstraints: rule(['deployments/scale'], ['UPDATE'], ['apps']), validations: [{ expression: "object.kind == 'Scale' && request.kind.group == 'autoscaling' && oldObject.spec.replicas == 1 && object.spec.replicas < 4", message: 'too many' }] });
    const scale = (replicas: number): Promise<unknown> => test.api.patch(Deployments, { namespace: 'ruled', name: 'd' }, { spec: { replicas } }, { type: 'application/merge-patch+json', subresource: 'scale' });
    await expect(scale(5)).rejects.toThrow('too many');
    await test.api.create(MutatingAdmissionPolicies, { metadata: { name: 'scale' }, spec: { matchConstraints: rule(['deployments/scale'], ['UPDATE'], ['apps']), reinvocationPolicy: 'Never', mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: "[JSONPatch{op: 'replace', path: '/spec/replicas', value: 3}]" } }] } } as never);
    await test.api.create(MutatingAdmissionPolicyBindings, { metadata: { name: 'scale' }, spec: { policyName: 'scale' } });
    await heard(MutatingAdmissionPolicyBindings as ResourceRef<KubeObject>);
    await scale(5);
    expect((await test.api.get(Deployments, { namespace: 'ruled', name: 'd' })).spec.replicas).toBe(3);
  });

  it('refuse with the field of the expression that does not compile', async () => {
    await expect(test.api.create(ValidatingAdmissionPolicies, { metadata: { name: 'bad' }, spec: { matchConstraints: rule(['tabs']), validations: [{ expression: 'object.' }] } } as never)).rejects.toMatchObject({
      code: 422, message: expect.stringMatching(/^ValidatingAdmissionPolicy\.admissionregistration\.k8s\.io "bad" is invalid: spec\.validations\[0\]\.expression: Invalid value: "object\.": compilation failed: ERROR: <input>:1:/),
    });
  });
});
