import { ConfigMaps, Deployments, Events, EventsV1Events, Namespaces, Pods } from '@orrery/api';
import type { ConfigMap, Deployment, Pod } from '@orrery/api/types';
import type { StatusError } from '@orrery/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.stop());

const cm = (name: string, data: Record<string, string> = {}): ConfigMap => ({ metadata: { name, namespace: 'default' }, data }) as ConfigMap;
const pod = (name: string, more: object = {}): Pod =>
  ({ metadata: { name, namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'i' }], ...more } }) as unknown as Pod;

const failure = (promise: Promise<unknown>): Promise<StatusError> => promise.then(() => expect.unreachable('should fail'), (error: StatusError) => error);

describe('create', () => {
  it('sets system fields and answers with what a watch shows', async () => {
    const seen: unknown[] = [];
    const before = await t.api.list(ConfigMaps, { namespace: 'default' });
    const handle = t.api.watch(ConfigMaps, { namespace: 'default', resourceVersion: before.resourceVersion }, { events: (b) => seen.push(...b), closed: () => undefined });
    const made = await t.api.create(ConfigMaps, cm('a', { x: '1' }));
    expect(made.metadata).toMatchObject({ name: 'a', namespace: 'default', uid: expect.stringMatching(/^[0-9a-f-]{36}$/), creationTimestamp: expect.stringMatching(/Z$/) });
    await expect.poll(() => seen).toEqual([{ type: 'ADDED', object: made }]);
    expect(await t.api.get(ConfigMaps, { namespace: 'default', name: 'a' })).toEqual(made);
    handle.stop();
  });

  it('generates names and refuses doubles', async () => {
    const made = await t.api.create(ConfigMaps, { metadata: { generateName: 'gen-', namespace: 'default' } } as ConfigMap);
    expect(made.metadata?.name).toMatch(/^gen-[a-z0-9]{5}$/);
    await t.api.create(ConfigMaps, cm('double'));
    expect((await failure(t.api.create(ConfigMaps, cm('double')))).message).toBe('configmaps "double" already exists');
  });

  it('validates in upstream words', async () => {
    const error = await failure(t.api.create(ConfigMaps, cm('Not_A_Name')));
    expect(error.code).toBe(422);
    expect(error.message).toMatch(/^ConfigMap "Not_A_Name" is invalid: metadata\.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain/);
    const noName = await failure(t.api.create(ConfigMaps, { metadata: { namespace: 'default' } } as ConfigMap));
    expect(noName.message).toContain('metadata.name: Required value: name or generateName is required');
  });

  it('dry run stores nothing', async () => {
    const shown = await t.api.create(ConfigMaps, cm('dry'), { dryRun: true });
    expect(shown.metadata?.uid).toBeTruthy();
    expect(shown.metadata?.resourceVersion).toBeUndefined();
    expect((await failure(t.api.get(ConfigMaps, { namespace: 'default', name: 'dry' }))).code).toBe(404);
  });
});

describe('update', () => {
  it('checks the resourceVersion, or not when none is given', async () => {
    const first = await t.api.create(ConfigMaps, cm('u'));
    await t.api.update(ConfigMaps, { ...first, data: { a: '1' } });
    const error = await failure(t.api.update(ConfigMaps, { ...first, data: { a: '2' } }));
    expect(error.message).toBe(
      'Operation cannot be fulfilled on configmaps "u": the object has been modified; please apply your changes to the latest version and try again',
    );
    const forced = await t.api.update(ConfigMaps, cm('u', { a: '3' }));
    expect(forced.data).toEqual({ a: '3' });
    expect(forced.metadata?.uid).toBe(first.metadata?.uid);
  });

  it('that changes nothing writes nothing', async () => {
    const first = await t.api.create(ConfigMaps, cm('same', { k: 'v' }));
    const again = await t.api.update(ConfigMaps, first);
    expect(again.metadata?.resourceVersion).toBe(first.metadata?.resourceVersion);
  });

  it('keeps status and generation apart from spec', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const made = await t.api.create(Deployments, {
      metadata: { name: 'd', namespace: 'default', generation: 7 },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
      status: { replicas: 9 },
    } as unknown as Deployment);
    expect(made.metadata?.generation).toBe(1);
    expect(made.status?.replicas).toBeUndefined();
    const withStatus = await t.api.update(Deployments, { ...made, spec: { ...made.spec, replicas: 5 }, status: { replicas: 2 } } as Deployment, { subresource: 'status' });
    expect(withStatus.status?.replicas).toBe(2);
    expect(withStatus.spec?.replicas).toBe(1);
    expect(withStatus.metadata?.generation).toBe(1);
    const scaled = await t.api.patch(Deployments, { namespace: 'default', name: 'd' }, { spec: { replicas: 4 } }, { type: 'application/merge-patch+json', subresource: 'scale' });
    expect(scaled).toMatchObject({ kind: 'Scale', spec: { replicas: 4 }, status: { replicas: 2, selector: 'a=b' } });
    const now = await t.api.get(Deployments, { namespace: 'default', name: 'd' });
    expect(now.metadata?.generation).toBe(2);
  });

  it('of racing writers all succeed, one after the other', async () => {
    await t.api.create(ConfigMaps, cm('race'));
    const key = { namespace: 'default', name: 'race' };
    await Promise.all(Array.from({ length: 20 }, (_, i) => t.api.patch(ConfigMaps, key, { data: { [`k${i}`]: 'v' } }, { type: 'application/merge-patch+json' })));
    expect(Object.keys((await t.api.get(ConfigMaps, key)).data ?? {})).toHaveLength(20);
  });
});

describe('delete', () => {
  const key = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });
  const finish = { type: 'application/merge-patch+json' as const };

  it('of pods: at once when unscheduled, gracefully when bound', async () => {
    await t.api.create(Pods, pod('free'));
    expect(await t.api.delete(Pods, key('free'))).toBeUndefined();
    await t.api.create(Pods, pod('bound'));
    await t.api.createSubresource(Pods, key('bound'), 'binding', { target: { kind: 'Node', name: 'n1' } });
    const lingering = await t.api.delete(Pods, key('bound'));
    expect(lingering?.metadata).toMatchObject({ deletionGracePeriodSeconds: 30, generation: 2 });
    expect(await t.api.delete(Pods, key('bound'))).toMatchObject({ metadata: { deletionGracePeriodSeconds: 30 } });
    expect(await t.api.delete(Pods, key('bound'), { gracePeriodSeconds: 5 })).toMatchObject({ metadata: { deletionGracePeriodSeconds: 5 } });
    const wrong = await failure(t.api.delete(Pods, key('bound'), { gracePeriodSeconds: 0, preconditions: { uid: 'other' } }));
    expect(wrong.code).toBe(409);
    expect(await t.api.delete(Pods, key('bound'), { gracePeriodSeconds: 0 })).toBeUndefined();
  });

  it('waits for finalizers and ends with the last', async () => {
    await t.api.create(ConfigMaps, { ...cm('fin'), metadata: { name: 'fin', namespace: 'default', finalizers: ['example.com/x'] } } as ConfigMap);
    expect((await t.api.delete(ConfigMaps, key('fin')))?.metadata).toMatchObject({ finalizers: ['example.com/x'], deletionGracePeriodSeconds: 0 });
    const added = await failure(t.api.patch(ConfigMaps, key('fin'), { metadata: { finalizers: ['example.com/x', 'example.com/y'] } }, finish));
    expect(added.message).toContain('no new finalizers can be added if the object is being deleted');
    await t.api.patch(ConfigMaps, key('fin'), { metadata: { finalizers: null } }, finish);
    expect((await failure(t.api.get(ConfigMaps, key('fin')))).code).toBe(404);
  });

  it.each([
    ['Foreground', 'foregroundDeletion'],
    ['Orphan', 'orphan'],
  ] as const)('%s leaves the finalizer %s', async (propagationPolicy, finalizer) => {
    await t.api.create(ConfigMaps, cm(finalizer.toLowerCase()));
    const object = await t.api.delete(ConfigMaps, key(finalizer.toLowerCase()), { propagationPolicy });
    expect(object?.metadata?.finalizers).toEqual([finalizer]);
  });

  it('of namespaces starts their termination; finalize ends it', async () => {
    await t.api.create(Namespaces, { metadata: { name: 'gone' } });
    const going = await t.api.delete(Namespaces, { name: 'gone' });
    expect(going).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Terminating' } });
    await t.api.update(Namespaces, { ...going, spec: { finalizers: [] } } as never, { subresource: 'finalize' });
    expect((await failure(t.api.get(Namespaces, { name: 'gone' }))).code).toBe(404);
  });

  it('of a collection takes what the selector names', async () => {
    for (const [name, app] of [['c1', 'x'], ['c2', 'x'], ['c3', 'y']]) await t.api.create(ConfigMaps, { metadata: { name, namespace: 'many', labels: { app } } } as unknown as ConfigMap);
    await t.api.deleteCollection(ConfigMaps, { namespace: 'many', labelSelector: 'app=x' });
    expect((await t.api.list(ConfigMaps, { namespace: 'many' })).items.map((c) => c.metadata?.name)).toEqual(['c3']);
  });
});

describe('binding and eviction', () => {
  it('binds once', async () => {
    await t.api.create(Pods, pod('b'));
    const key = { namespace: 'default', name: 'b' };
    expect(await t.api.createSubresource(Pods, key, 'binding', { target: { name: 'n1' } })).toMatchObject({ status: 'Success', code: 201 });
    const bound = await t.api.get(Pods, key);
    expect(bound.spec?.nodeName).toBe('n1');
    expect(bound.status?.conditions).toContainEqual(expect.objectContaining({ type: 'PodScheduled', status: 'True' }));
    const again = await failure(t.api.createSubresource(Pods, key, 'binding', { target: { name: 'n2' } }));
    expect(again.message).toBe('Operation cannot be fulfilled on pods/binding "b": pod b is already assigned to node "n1"');
  });

  it('evicts within the budget only', async () => {
    const { PodDisruptionBudgets } = await import('@orrery/api');
    await t.api.create(Pods, { ...pod('e'), metadata: { name: 'e', namespace: 'default', labels: { app: 'e' } } } as Pod);
    const key = { namespace: 'default', name: 'e' };
    await t.api.patch(Pods, key, { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }, { type: 'application/merge-patch+json', subresource: 'status' });
    const budget = await t.api.create(PodDisruptionBudgets, { metadata: { name: 'b', namespace: 'default' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'e' } } } } as never);
    const status = { observedGeneration: budget.metadata?.generation, disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
    await t.api.update(PodDisruptionBudgets, { ...budget, status } as never, { subresource: 'status' });
    const refused = await failure(t.api.createSubresource(Pods, key, 'eviction', { metadata: { name: 'e' } }));
    expect(refused.status).toMatchObject({
      code: 429,
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: { causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' }] },
    });
    const current = await t.api.get(PodDisruptionBudgets, { namespace: 'default', name: 'b' });
    await t.api.update(PodDisruptionBudgets, { ...current, status: { ...status, disruptionsAllowed: 1 } } as never, { subresource: 'status' });
    await t.api.createSubresource(Pods, key, 'eviction', { metadata: { name: 'e' } });
    expect((await t.api.get(PodDisruptionBudgets, { namespace: 'default', name: 'b' })).status?.disruptionsAllowed).toBe(0);
    expect((await failure(t.api.get(Pods, key))).code).toBe(404);
  });
});

describe('one storage, two kinds', () => {
  it('shows core events as events.k8s.io events', async () => {
    const involvedObject = { kind: 'Pod', namespace: 'default', name: 'p' };
    await t.api.create(Events, { metadata: { name: 'ev', namespace: 'default' }, involvedObject, reason: 'R', message: 'm', type: 'Normal', count: 1 } as never);
    const other = await t.api.get(EventsV1Events, { namespace: 'default', name: 'ev' });
    expect(other).toMatchObject({ apiVersion: 'events.k8s.io/v1', regarding: involvedObject, note: 'm' });
  });
});
