import { APIServices, ClusterTrustBundles, ConfigMaps, CustomResourceDefinitions, Deployments, Events, Pods, ReplicaSets } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import type { OwnerReference } from '@orrery/apimachinery';
import { serviceUnavailable } from '@orrery/errors';
import { expect, test } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';
import { plan } from './plan.ts';

const only = { controllers: ['garbage-collector-controller'] };
const map = (name: string, ...owners: ConfigMap[]): ConfigMap => ({ metadata: { name, namespace: 'a', uid: `uid-${name}`, ownerReferences: owners.map(refTo) } });
const refTo = (owner: ConfigMap): OwnerReference => ({ apiVersion: 'v1', kind: 'ConfigMap', name: owner.metadata?.name ?? '', uid: owner.metadata?.uid ?? '', blockOwnerDeletion: true });
const names = (h: Harness) => h.api.objects(ConfigMaps).map((object) => object.metadata?.name);
const key = (name: string) => ({ namespace: 'a', name });
const [owner, other] = [map('owner'), map('other')];

test('in the background dependents go after their owner, and theirs after them', async () => {
  const h = await startManager(only);
  const child = map('child', owner);
  h.api.seed(ConfigMaps, owner, child, map('grandchild', child), map('free'));
  await h.clock.advance(3_000);
  await h.api.delete(ConfigMaps, key('owner'));
  await h.clock.advance(100);
  expect(names(h)).toEqual(['free']);
});

test('a dependent of two owners stays with the survivor and keeps exactly one reference', async () => {
  const h = await startManager(only);
  h.api.seed(ConfigMaps, owner, other, map('child', owner, other));
  await h.clock.advance(3_000);
  await h.api.delete(ConfigMaps, key('owner'));
  await h.clock.advance(100);
  expect(h.api.find(ConfigMaps, 'child', 'a')?.metadata?.ownerReferences?.map(({ name }) => name)).toEqual(['other']);
});

test('in the foreground the owner waits for dependents that block it', async () => {
  const h = await startManager(only);
  const held = { ...map('held', owner), metadata: { ...map('held', owner).metadata, finalizers: ['x/y'] } };
  const loose = { ...map('loose', owner), metadata: { ...map('loose', owner).metadata, ownerReferences: [{ ...refTo(owner), blockOwnerDeletion: false }] } };
  h.api.seed(ConfigMaps, owner, held, map('child', owner), loose);
  await h.clock.advance(3_000);
  await h.api.delete(ConfigMaps, key('owner'), { propagationPolicy: 'Foreground' });
  await h.clock.advance(100);
  expect(names(h)).toEqual(['owner', 'held', 'loose']);
  await h.api.patch(ConfigMaps, key('held'), { metadata: { finalizers: null } }, { type: 'application/merge-patch+json' });
  await h.clock.advance(100);
  expect(names(h)).toEqual([]);
});

test('orphaning takes the owner off its dependents', async () => {
  const h = await startManager(only);
  h.api.seed(ConfigMaps, owner, map('child', owner));
  await h.clock.advance(3_000);
  await h.api.delete(ConfigMaps, key('owner'), { propagationPolicy: 'Orphan' });
  await h.clock.advance(100);
  expect(names(h)).toEqual(['child']);
  expect(h.api.find(ConfigMaps, 'child', 'a')?.metadata?.ownerReferences).toEqual([]);
});

test('circles are collected, and what refers to nothing at all', async () => {
  const h = await startManager(only);
  const a = map('a');
  const b = map('b', a);
  h.api.seed(ConfigMaps, { ...a, metadata: { ...a.metadata, ownerReferences: [refTo(b)] } }, b, map('lost', map('never-was')));
  await h.clock.advance(3_000);
  expect(names(h)).toEqual(['a', 'b']);
  await h.api.delete(ConfigMaps, key('a'), { propagationPolicy: 'Foreground' });
  await h.clock.advance(1_000);
  expect(names(h)).toEqual([]);
});

test('a Deployment takes its ReplicaSet and pods with it', async () => {
  const h = await startManager();
  await h.api.create(Deployments, { metadata: { name: 'd', namespace: 'a' }, spec: { replicas: 20, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [] } } } });
  await h.clock.advance(2_000);
  expect(h.api.objects(Pods)).toHaveLength(20);
  await h.api.delete(Deployments, { namespace: 'a', name: 'd' }, { propagationPolicy: 'Foreground' });
  await h.clock.advance(2_000);
  expect([h.api.objects(Pods).length, h.api.objects(ReplicaSets).length, h.api.objects(Deployments).length]).toEqual([0, 0, 0]);
});

test('custom resources own and are owned as soon as their definition is there', async () => {
  const h = await startManager(only);
  const Widgets = { group: 'x.io', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true };
  h.api.seed(CustomResourceDefinitions, {
    metadata: { name: 'widgets.x.io' },
    spec: { group: 'x.io', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions: [{ name: 'v1', served: true, storage: true }] },
    status: { conditions: [{ type: 'Established', status: 'True' }] },
  });
  h.api.seed(Widgets, { metadata: { name: 'w', namespace: 'a', uid: 'wu' } });
  h.api.seed(ConfigMaps, { metadata: { name: 'child', namespace: 'a', ownerReferences: [{ apiVersion: 'x.io/v1', kind: 'Widget', name: 'w', uid: 'wu' }] } });
  await h.clock.advance(3_000);
  expect(names(h)).toEqual(['child']);
  await h.api.delete(Widgets, { namespace: 'a', name: 'w' });
  await h.clock.advance(100);
  expect(names(h)).toEqual([]);
});

test('a resource that cannot be listed is counted every half minute until it can', async () => {
  const h = await startManager(only);
  const told = () => /^garbagecollector_controller_resources_sync_error_total (\d+)$/m.exec(h.metrics())?.[1];
  h.api.setFault(({ resource }) => (resource.resource === 'widgets' ? serviceUnavailable('conversion webhook failed') : undefined));
  h.api.seed(CustomResourceDefinitions, {
    metadata: { name: 'widgets.x.io' },
    spec: { group: 'x.io', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions: [{ name: 'v1', served: true, storage: true }] },
    status: { conditions: [{ type: 'Established', status: 'True' }] },
  });
  await h.clock.advance(29_000);
  expect(told()).toBe('0');
  await h.clock.advance(35_000);
  expect(told()).toBe('2');
  h.api.setFault(undefined);
  await h.clock.advance(120_000);
  expect(told()).toBe('2');
});

test('built-in resources are asked for once the API server registers their group version, and nothing is taken for gone before', async () => {
  const h = await startManager(only);
  await h.manager.stop();
  const register = (group: string, version: string) => h.api.seed(APIServices, { metadata: { name: `${version}.${group}` }, spec: { ...(group ? { group } : {}), version, groupPriorityMinimum: 1, versionPriority: 1 } });
  const asked = () => [...new Set(h.api.requests.filter(({ verb }) => verb === 'list').map(({ resource }) => resource.resource))];
  register('', 'v1');
  register('certificates.k8s.io', 'v1');
  const bundle: OwnerReference = { apiVersion: 'certificates.k8s.io/v1beta1', kind: 'ClusterTrustBundle', name: 'b', uid: 'bu' };
  h.api.seed(ConfigMaps, { metadata: { name: 'child', namespace: 'a', ownerReferences: [bundle] } });
  h.api.requests.length = 0;
  await h.manager.start();
  await h.clock.advance(10_000);
  expect(asked()).toEqual(expect.arrayContaining(['apiservices', 'configmaps', 'certificatesigningrequests']));
  for (const resource of ['deployments', 'clustertrustbundles', 'storageversions']) expect(asked()).not.toContain(resource);
  expect(names(h)).toEqual(['child']);
  register('certificates.k8s.io', 'v1beta1');
  await h.clock.advance(60_000);
  expect(asked()).toContain(ClusterTrustBundles.resource);
  expect(names(h)).toEqual([]);
});

test('the decision for one object', () => {
  const base = { resource: ConfigMaps, uid: 'u', namespace: 'a', name: 'n', resourceVersion: '1', finalizers: [], deleting: false, owners: [refTo(owner), refTo(other)] };
  expect(plan({ node: base, dependents: [], owners: ['solid', 'solid'] })).toEqual({ type: 'nothing' });
  expect(plan({ node: base, dependents: [], owners: ['solid', 'waiting'] })).toEqual({ type: 'removeOwners', uids: ['uid-other'] });
  expect(plan({ node: base, dependents: [], owners: ['dangling', 'dangling'] })).toMatchObject({ type: 'delete', policy: 'Background' });
  expect(plan({ node: { ...base, finalizers: ['orphan'] }, dependents: [], owners: ['dangling', 'dangling'] })).toMatchObject({ policy: 'Orphan' });
});

test('an owner in another namespace is none: its would-be dependent goes, with a word about why', async () => {
  const h = await startManager(only);
  const elsewhere: ConfigMap = { metadata: { name: 'owner', namespace: 'b', uid: 'uid-elsewhere' } };
  h.api.seed(ConfigMaps, elsewhere, { metadata: { name: 'child', namespace: 'a', ownerReferences: [refTo(elsewhere)] } }, { metadata: { name: 'own', namespace: 'b', ownerReferences: [refTo(elsewhere)] } });
  await h.clock.advance(3_000);
  expect(names(h)).toEqual(['owner', 'own']);
  expect(h.api.objects(Events).find((event) => event.reason === 'OwnerRefInvalidNamespace')?.message).toBe('ownerRef [v1/ConfigMap, namespace: a, name: owner, uid: uid-elsewhere] does not exist in namespace "a"');
});
