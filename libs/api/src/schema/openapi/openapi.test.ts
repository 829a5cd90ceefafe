import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { allDefinitions } from '../table.ts';
import { openApiV2, openApiV3 } from './document.ts';
import { encodeOpenApiV2 } from './gnostic.ts';
import { customDefinitionName, type JsonObject, type OpenApiKind } from './model.ts';

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const common = { verbs, namespaced: true, hasStatus: true, subresources: [] };
const pods: OpenApiKind = { ...common, group: '', version: 'v1', kind: 'Pod', listKind: 'PodList', resource: 'pods', definition: 'io.k8s.api.core.v1.Pod', subresources: [{ name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] }] };
const deployments: OpenApiKind = { ...common, group: 'apps', version: 'v1', kind: 'Deployment', listKind: 'DeploymentList', resource: 'deployments', definition: 'io.k8s.api.apps.v1.Deployment', scale: {} };
const crontab = { group: 'stable.example.com', version: 'v1', kind: 'CronTab' };
const crontabs: OpenApiKind = { ...common, ...crontab, listKind: 'CronTabList', resource: 'crontabs', definition: customDefinitionName(crontab), customSchema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' }, port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }] } } } } } };

const at = (value: unknown, ...path: string[]): unknown => path.reduce<unknown>((v, key) => (v as JsonObject | undefined)?.[key], value);

function references(value: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const item of value) references(item, found);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      if (key === '$ref' && typeof member === 'string') found.add(member);
      else references(member, found);
    }
  }
  return found;
}

describe('OpenAPI v3', () => {
  const document = openApiV3('apps', 'v1', [pods, deployments]);
  const path = '/apis/apps/v1/namespaces/{namespace}/deployments/{name}';

  it('tells kubectl how to validate and patch', () => {
    const patch = at(document, 'paths', path, 'patch');
    expect((at(patch, 'parameters') as JsonObject[]).map((parameter) => parameter['name'])).toEqual(['dryRun', 'fieldManager', 'fieldValidation', 'force']);
    expect(Object.keys(at(patch, 'requestBody', 'content') as object)).toContain('application/strategic-merge-patch+json');
    expect(at(patch, 'x-kubernetes-group-version-kind')).toEqual({ group: 'apps', kind: 'Deployment', version: 'v1' });
    expect(at(patch, 'operationId')).toBe('patchAppsV1NamespacedDeployment');
    expect(at(document, 'paths', `${path}/scale`, 'put', 'requestBody', 'content', '*/*', 'schema', '$ref')).toBe('#/components/schemas/io.k8s.api.autoscaling.v1.Scale');
    expect(at(document, 'paths', '/apis/apps/v1/deployments', 'get', 'operationId')).toBe('listAppsV1DeploymentForAllNamespaces');
    expect(at(document, 'paths', '/api/v1/namespaces/{namespace}/pods')).toBeUndefined();
  });

  it('has no dangling references', () => {
    for (const reference of references(document)) expect(at(document, 'components', 'schemas', reference.slice('#/components/schemas/'.length)), reference).toBeDefined();
  });

  it('carries the extensions', () => {
    const schemas = at(document, 'components', 'schemas');
    expect(at(schemas, 'io.k8s.api.core.v1.PodSpec', 'properties', 'containers')).toMatchObject({ type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], 'x-kubernetes-patch-merge-key': 'name', 'x-kubernetes-patch-strategy': 'merge' });
    expect(at(schemas, 'io.k8s.api.apps.v1.Deployment', 'x-kubernetes-group-version-kind')).toEqual([{ group: 'apps', kind: 'Deployment', version: 'v1' }]);
    expect(at(schemas, 'io.k8s.api.core.v1.PersistentVolumeSpec', 'properties', 'claimRef')).toBeUndefined();
    expect(at(schemas, 'io.k8s.apimachinery.pkg.util.intstr.IntOrString')).toEqual({ format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] });
  });

  it('offers no strategic merge for custom resources', () => {
    const custom = openApiV3('stable.example.com', 'v1', [crontabs]);
    const patch = at(custom, 'paths', '/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}', 'patch');
    expect(Object.keys(at(patch, 'requestBody', 'content') as object)).toEqual(['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json']);
    expect(at(custom, 'components', 'schemas', 'com.example.stable.v1.CronTab', 'properties', 'spec', 'properties', 'size')).toEqual({ type: 'integer' });
    const told = 'x-kubernetes-selectable-fields';
    expect(at(custom, 'components', 'schemas', 'com.example.stable.v1.CronTab')).not.toHaveProperty(told);
    expect(at(openApiV3('stable.example.com', 'v1', [{ ...crontabs, selectableFields: ['spec.size'] }]), 'components', 'schemas', 'com.example.stable.v1.CronTab', told)).toEqual([{ fieldPath: 'spec.size' }]);
    expect(at(custom, 'components', 'schemas', 'com.example.stable.v1.CronTabList', 'properties', 'items')).toMatchObject({ type: 'array', items: { $ref: '#/components/schemas/com.example.stable.v1.CronTab' } });
  });
});

describe('OpenAPI v2', () => {
  const document = openApiV2([pods, deployments, crontabs], { descriptions: { 'io.k8s.api.core.v1.Pod': 'A pod.', 'io.k8s.api.core.v1.Pod.spec': 'What it does.' } });

  it('describes and refers', () => {
    expect(at(document, 'definitions', 'io.k8s.api.core.v1.Pod', 'properties', 'spec')).toEqual({ description: 'What it does.', $ref: '#/definitions/io.k8s.api.core.v1.PodSpec' });
    for (const reference of references(document)) expect(at(document, 'definitions', reference.slice('#/definitions/'.length)), reference).toBeDefined();
    expect(at(document, 'definitions', 'com.example.stable.v1.CronTab', 'properties', 'spec', 'properties', 'port')).toEqual({ 'x-kubernetes-int-or-string': true });
  });

  it('says what passes requests on, and keeps the old way to watch', () => {
    const subresources = [{ name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] }, { name: 'proxy', kind: 'PodProxyOptions', verbs: ['get'] }];
    const { paths } = openApiV2([{ ...pods, subresources }, deployments, crontabs]) as { paths: Record<string, Record<string, JsonObject>> };
    const ids = (path: string): string[] => Object.entries(paths[path] ?? {}).filter(([name]) => name !== 'parameters').map(([method, operation]) => `${method} ${String(operation['x-kubernetes-action'])} ${String(operation['operationId'])}`);
    const pod = '/api/v1/namespaces/{namespace}/pods/{name}';
    expect(ids(`${pod}/exec`)).toEqual(['get connect connectCoreV1GetNamespacedPodExec', 'post connect connectCoreV1PostNamespacedPodExec']);
    expect(at(paths, `${pod}/exec`, 'get', 'x-kubernetes-group-version-kind')).toEqual({ group: '', kind: 'PodExecOptions', version: 'v1' });
    expect(ids(`${pod}/proxy/{path}`)).toHaveLength(7);
    expect(ids(`${pod}/proxy/{path}`)).toContain('options connect connectCoreV1OptionsNamespacedPodProxyWithPath');
    const watched = ['deployments', 'namespaces/{namespace}/deployments', 'namespaces/{namespace}/deployments/{name}'].flatMap((path) => ids(`/apis/apps/v1/watch/${path}`));
    expect(watched).toEqual(['get watchlist watchAppsV1DeploymentListForAllNamespaces', 'get watchlist watchAppsV1NamespacedDeploymentList', 'get watch watchAppsV1NamespacedDeployment']);
    expect(Object.keys(paths).filter((path) => path.includes('/watch/') && path.includes('crontabs'))).toEqual([]);
    expect(['/api/', '/apis/', '/apis/apps/', '/apis/apps/v1/', '/version/'].map((path) => at(paths, path, 'get', 'operationId'))).toEqual(['getCoreAPIVersions', 'getAPIVersions', 'getAppsAPIGroup', 'getAppsV1APIResources', 'getCodeVersion']);
  });

  it('becomes protobuf', () => {
    const reader = new BinaryReader(encodeOpenApiV2(document));
    const seen: number[] = [];
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      seen.push(number);
      if (number === 1) expect(reader.string()).toBe('2.0');
      else reader.skip(wireType);
      expect(wireType).toBe(WireType.LengthDelimited);
    }
    expect(seen).toEqual([1, 2, 8, 9, 13]);
  });

  it('covers every kind of the table', () => {
    const kinds = [...allDefinitions()].filter((definition) => definition.groupVersion.includes('/') && !definition.kind.endsWith('List') && !definition.isWireOnly);
    const all = openApiV2(kinds.map(({ name, kind, groupVersion }) => ({ ...common, group: groupVersion.split('/')[0] ?? '', version: groupVersion.split('/')[1] ?? '', kind, listKind: `${kind}List`, resource: `${kind.toLowerCase()}s`, definition: name })));
    expect(Object.keys(all['definitions'] as object).length).toBeGreaterThan(600);
  });
});
