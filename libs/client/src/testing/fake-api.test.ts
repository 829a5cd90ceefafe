import { Deployments, Namespaces, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { serviceUnavailable } from '@orrery/errors';
import { VirtualClock, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import type { WatchEvent } from '../api-client.ts';
import { createFakeApi } from './fake-api.ts';

const fake = () => createFakeApi({ clock: new VirtualClock(), random: seededRandom(1) });
const pod = (name: string, labels: Record<string, string> = {}): Pod => ({ metadata: { name, namespace: 'a', labels }, spec: { containers: [] } });
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

test('objects get a name, uid, revision and generation; specs raise the generation, no-ops change nothing', async () => {
  const api = fake();
  const made = await api.create(Pods, { metadata: { generateName: 'p-', namespace: 'a' }, spec: { containers: [] } });
  expect(made.metadata).toMatchObject({ name: expect.stringMatching(/^p-.{5}$/), generation: 1, resourceVersion: '1' });
  expect(Object.isFrozen(made.metadata)).toBe(true);
  const same = await api.update(Pods, made);
  expect(same.metadata?.resourceVersion).toBe('1');
  const changed = await api.update(Pods, { ...made, spec: { containers: [], nodeName: 'n' }, status: { phase: 'Running' } });
  expect(changed.metadata?.generation).toBe(2);
  expect(changed.status?.phase).toBe('Pending');
  await expect(api.update(Pods, { ...made, metadata: { ...made.metadata, labels: { a: 'b' } } })).rejects.toMatchObject({ code: 409 });
  const status = await api.update(Pods, { ...changed, spec: { containers: [] }, status: { phase: 'Running' } }, { subresource: 'status' });
  expect([status.spec?.nodeName, status.status?.phase, status.metadata?.generation]).toEqual(['n', 'Running', 2]);
});

test('watches see what enters and leaves their selection, in order, and 410 after compaction', async () => {
  const api = fake();
  await api.create(Pods, pod('one', { app: 'x' }));
  const { resourceVersion } = await api.list(Pods);
  const seen: string[] = [];
  const sink = { events: (batch: readonly WatchEvent<Pod>[]) => batch.forEach((e) => seen.push(`${e.type} ${e.object.metadata?.name}`)), closed: () => seen.push('closed') };
  api.watch(Pods, { resourceVersion, labelSelector: 'app=x' }, sink);
  await api.create(Pods, pod('two'));
  await api.patch(Pods, { namespace: 'a', name: 'two' }, { metadata: { labels: { app: 'x' } } }, { type: 'application/merge-patch+json' });
  await api.patch(Pods, { namespace: 'a', name: 'one' }, { metadata: { labels: { app: null } } }, { type: 'application/merge-patch+json' });
  await api.delete(Pods, { namespace: 'a', name: 'two' });
  await settle();
  expect(seen).toEqual(['ADDED two', 'DELETED one', 'DELETED two']);
  api.compact();
  api.watch(Pods, { resourceVersion }, { ...sink, closed: (error) => seen.push(`closed ${error?.code}`) });
  await settle();
  expect(seen.at(-1)).toBe('closed 410');
});

test('deletion honours grace, finalizers, preconditions and namespaces', async () => {
  const api = fake();
  api.seed(Pods, { ...pod('p'), spec: { containers: [], nodeName: 'n' } });
  const key = { namespace: 'a', name: 'p' };
  await expect(api.delete(Pods, key, { preconditions: { uid: 'other' } })).rejects.toMatchObject({ code: 409 });
  expect((await api.delete(Pods, key))?.metadata?.deletionGracePeriodSeconds).toBe(30);
  expect(await api.delete(Pods, key, { gracePeriodSeconds: 0 })).toBeUndefined();
  api.seed(Deployments, { metadata: { name: 'd', namespace: 'a' } });
  const kept = await api.delete(Deployments, { namespace: 'a', name: 'd' }, { propagationPolicy: 'Foreground' });
  expect(kept?.metadata?.finalizers).toEqual(['foregroundDeletion']);
  await api.update(Deployments, { ...kept, metadata: { ...kept?.metadata, finalizers: [] } });
  expect(api.find(Deployments, 'd', 'a')).toBeUndefined();
  await api.create(Namespaces, { metadata: { name: 'ns' } });
  expect((await api.delete(Namespaces, { name: 'ns' }))?.status?.phase).toBe('Terminating');
  await expect(api.create(Pods, { metadata: { name: 'x', namespace: 'ns' } })).rejects.toMatchObject({ code: 403, status: { details: { causes: [{ reason: 'NamespaceTerminating' }] } } });
  await api.update(Namespaces, { metadata: { name: 'ns' }, spec: { finalizers: [] } }, { subresource: 'finalize' });
  expect(api.find(Namespaces, 'ns')).toBeUndefined();
});

test('faults answer in place of the server', async () => {
  const api = fake();
  api.setFault((request) => (request.verb === 'create' ? serviceUnavailable('down') : undefined));
  await expect(api.create(Pods, pod('p'))).rejects.toMatchObject({ code: 503 });
  expect(api.objects(Pods)).toEqual([]);
});
