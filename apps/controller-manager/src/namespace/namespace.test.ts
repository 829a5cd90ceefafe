import { APIServices, ConfigMaps, Jobs, Namespaces, Pods, ReplicaSets, ServiceAccounts } from '@orrery/api';
import { expect, test, vi } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';

test('a namespace gets its service account and root certificate, again when they are taken away', async () => {
  const { api, clock } = await startManager({}, { rootCaPem: 'PEM' });
  await api.create(Namespaces, { metadata: { name: 'a' } });
  await clock.advance(100);
  expect(api.objects(ServiceAccounts).map((account) => account.metadata?.name)).toEqual(['default']);
  expect(api.find(ConfigMaps, 'kube-root-ca.crt', 'a')?.data).toEqual({ 'ca.crt': 'PEM' });
  await api.delete(ServiceAccounts, { namespace: 'a', name: 'default' });
  await api.patch(ConfigMaps, { namespace: 'a', name: 'kube-root-ca.crt' }, { data: { 'ca.crt': 'forged' } }, { type: 'application/merge-patch+json' });
  await clock.advance(100);
  expect(api.find(ServiceAccounts, 'default', 'a')).toBeDefined();
  expect(api.find(ConfigMaps, 'kube-root-ca.crt', 'a')?.data).toEqual({ 'ca.crt': 'PEM' });
});

test('deleting a namespace deletes pods first, says what remains, then lets go', async () => {
  const { api, clock } = await startManager({}, { rootCaPem: 'PEM' });
  await api.create(Namespaces, { metadata: { name: 'a' } });
  api.seed(Pods, { metadata: { name: 'p', namespace: 'a' }, spec: { containers: [], nodeName: 'n' } });
  api.seed(ConfigMaps, { metadata: { name: 'held', namespace: 'a', finalizers: ['x/y'] } });
  await clock.advance(100);
  await api.delete(Namespaces, { name: 'a' });
  await clock.advance(1000);
  const conditions = () => Object.fromEntries((api.find(Namespaces, 'a')?.status?.conditions ?? []).map((c) => [c.type, c.message]));
  expect(conditions()['NamespaceContentRemaining']).toBe('Some resources are remaining: pods. has 1 resource instances');
  expect(api.find(ServiceAccounts, 'default', 'a')).toBeDefined();
  await api.delete(Pods, { namespace: 'a', name: 'p' }, { gracePeriodSeconds: 0 });
  await clock.advance(10_000);
  expect(api.find(ServiceAccounts, 'default', 'a')).toBeUndefined();
  expect(conditions()['NamespaceFinalizersRemaining']).toBe('Some content in the namespace has finalizers remaining: x/y in 1 resource instances');
  await api.patch(ConfigMaps, { namespace: 'a', name: 'held' }, { metadata: { finalizers: null } }, { type: 'application/merge-patch+json' });
  await clock.advance(10_000);
  expect(api.find(Namespaces, 'a')).toBeUndefined();
});

test('pods that go with their namespace are not made again, nor tried for each that goes', async () => {
  const h = await startManager();
  await h.api.create(Namespaces, { metadata: { name: 'a' } });
  const template = { metadata: { labels: { app: 'x' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  await h.api.create(ReplicaSets, { metadata: { name: 'rs', namespace: 'a' }, spec: { replicas: 8, selector: { matchLabels: { app: 'x' } }, template } });
  await h.api.create(Jobs, { metadata: { name: 'j', namespace: 'a' }, spec: { parallelism: 8, completions: 8, backoffLimit: 100, selector: { matchLabels: { job: 'j' } }, template: { ...template, metadata: { labels: { job: 'j' } } } } });
  await h.clock.advance(1_000);
  const pods = h.api.objects(Pods).map(({ metadata }) => ({ namespace: 'a', name: metadata?.name ?? '' }));
  expect(pods).toHaveLength(16);
  for (const pod of pods) await h.api.patch(Pods, pod, { spec: { nodeName: 'n' } }, { type: 'application/merge-patch+json' });
  h.run();
  const create = vi.spyOn(h.api, 'create');
  await h.api.delete(Namespaces, { name: 'a' });
  for (const pod of pods) {
    await h.api.delete(Pods, pod, { gracePeriodSeconds: 0 });
    await h.clock.advance(1_000);
  }
  await h.clock.advance(60_000);
  expect(h.api.find(Namespaces, 'a')).toBeUndefined();
  expect(create.mock.calls.filter(([resource]) => resource.resource === 'pods').length).toBeLessThanOrEqual(2);
});

test('a namespace stays while a server behind an API does not answer: it may hold content', async () => {
  const { api, clock } = await startManager({ controllers: ['namespace-controller'] });
  const available = (status: string) => ({ conditions: [{ type: 'Available', status }] });
  api.seed(APIServices, { metadata: { name: 'v1beta1.metrics.k8s.io' }, spec: { group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, service: { name: 'm', namespace: 'kube-system' } }, status: available('False') });
  await api.create(Namespaces, { metadata: { name: 'a' } });
  await clock.advance(100);
  await api.delete(Namespaces, { name: 'a' });
  await clock.advance(5_000);
  expect(api.find(Namespaces, 'a')?.status?.conditions?.find(({ type }) => type === 'NamespaceDeletionDiscoveryFailure')).toMatchObject({
    status: 'True',
    reason: 'DiscoveryFailed',
    message: 'Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1',
  });
  api.setStatus(APIServices, { name: 'v1beta1.metrics.k8s.io' }, available('True'));
  await clock.advance(10_000);
  expect(api.find(Namespaces, 'a')).toBeUndefined();
});
