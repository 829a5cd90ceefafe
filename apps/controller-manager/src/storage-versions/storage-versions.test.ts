import { Leases, Namespaces, ServiceAccounts, StorageVersions } from '@orrery/api';
import type { ApiserverinternalV1alpha1StorageVersion as StorageVersion } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { notFound } from '@orrery/errors';
import { VirtualClock, createLogger, createMetrics, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createControllerManager } from '../component.ts';
import { startManager } from '../testing/manager-harness.ts';
import { plan } from './controller.ts';

const server = (apiServerID: string, encodingVersion: string) => ({ apiServerID, encodingVersion, decodableVersions: [encodingVersion] });
const record = (...storageVersions: ReturnType<typeof server>[]): StorageVersion => ({ metadata: { name: 'apps.deployments', generation: 1 }, spec: {}, status: { storageVersions } });

test('servers that are gone are taken out; with the last the record goes', () => {
  const two = record(server('a', 'v1'), server('b', 'v2'));
  expect(plan(two, () => true, 0)).toBe('keep');
  expect(plan(two, () => false, 0)).toBe('delete');
  const condition = { type: 'AllEncodingVersionsEqual', observedGeneration: 1, lastTransitionTime: '1970-01-01T00:00:00Z' };
  expect(plan(two, (name) => name === 'b', 0)).toEqual({ storageVersions: [server('b', 'v2')], commonEncodingVersion: 'v2', conditions: [{ ...condition, status: 'True', reason: 'CommonEncodingVersionSet', message: 'Common encoding version set' }] });
  const three = record(server('a', 'v1'), server('b', 'v2'), server('c', 'v3'));
  expect(plan(three, (name) => name !== 'a', 0)).toMatchObject({ conditions: [{ ...condition, status: 'False', reason: 'CommonEncodingVersionUnset', message: 'Common encoding version unset' }] });
});

test('records follow the leases of API servers', async () => {
  const { api, clock } = await startManager({ controllers: ['storageversion-garbage-collector-controller'] });
  const lease = (name: string) => ({ metadata: { name, namespace: 'kube-system', labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' } } });
  for (const name of ['a', 'b']) await api.create(Leases, lease(name));
  api.seed(StorageVersions, record(server('a', 'v1'), server('b', 'v1'), server('ghost', 'v0')));
  const servers = () => api.objects(StorageVersions).map(({ status }) => status?.storageVersions?.map(({ apiServerID }) => apiServerID));
  await clock.advance(1000);
  expect(servers()).toEqual([['a', 'b']]);
  await api.delete(Leases, { namespace: 'kube-system', name: 'a' });
  await clock.advance(1000);
  expect(servers()).toEqual([['b']]);
  await api.delete(Leases, { namespace: 'kube-system', name: 'b' });
  await clock.advance(1000);
  expect(servers()).toEqual([]);
});

test('named for a server without the API it says so, and the others run', async () => {
  const clock = new VirtualClock();
  const said: string[] = [];
  const log = createLogger({ now: () => clock.now(), level: 'warn', write: ({ fields, message }) => void said.push(`${message} ${JSON.stringify(fields)}`) });
  const api = createFakeApi({ clock, random: seededRandom(1) });
  api.setFault(({ resource }) => (resource.resource === 'storageversions' ? notFound({ ...resource, name: '' }) : undefined));
  const manager = createControllerManager({ clock, random: seededRandom(2), log, metrics: createMetrics() }, { api }, { leaderElect: false, controllers: ['serviceaccount-controller', 'storageversion-garbage-collector-controller'] });
  const started = manager.start();
  await clock.advance(100);
  await started;
  await api.create(Namespaces, { metadata: { name: 'a' } });
  await clock.advance(100);
  expect(api.find(ServiceAccounts, 'default', 'a')).toBeDefined();
  expect(said).toEqual(['controller does not run: the API server does not have its API {"controller":"storageversion-garbage-collector-controller","resource":"storageversions.internal.apiserver.k8s.io/v1alpha1"}']);
});
