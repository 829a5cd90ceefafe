import { CustomResourceDefinitions, Deployments, Events, PodDisruptionBudgets, Pods } from '@orrery/api';
import type { CustomResourceDefinition, Pod, PodDisruptionBudget } from '@orrery/api/types';
import type { KubeObject, OwnerReference } from '@orrery/apimachinery';
import { rfc3339 } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { plan } from './plan.ts';

const nowMs = Date.UTC(2026, 0, 1);
const budget = (spec: PodDisruptionBudget['spec'], status: PodDisruptionBudget['status'] = {}): PodDisruptionBudget => ({ metadata: { name: 'b', namespace: 'a', generation: 1 }, spec: { selector: {}, ...spec }, status });
const pods = (ready: number, total: number): Pod[] =>
  Array.from({ length: total }, (_, i) => ({ metadata: { name: `p${i}` }, status: { phase: 'Running', conditions: [{ type: 'Ready', status: i < ready ? 'True' : 'False' }] } }));

test.each<[string, PodDisruptionBudget['spec'], number, number, [number, number, number]]>([
  ['minAvailable 2 of 3', { minAvailable: 2 }, 3, 3, [3, 2, 1]],
  ['minAvailable 2 of 3, one not ready', { minAvailable: 2 }, 2, 3, [3, 2, 0]],
  ['minAvailable 50 % of 5', { minAvailable: '50%' }, 5, 5, [5, 3, 2]],
  ['maxUnavailable 1 of 5', { maxUnavailable: 1 }, 5, 5, [5, 4, 1]],
  ['maxUnavailable 30 % of 5', { maxUnavailable: '30%' }, 4, 5, [5, 3, 1]],
  ['no pods', { minAvailable: 0 }, 0, 0, [0, 0, 0]],
])('%s', (_name, spec, ready, total, expected) => {
  const { status } = plan({ budget: budget(spec), pods: pods(ready, total), expected: total }, nowMs);
  expect([status.expectedPods, status.desiredHealthy, status.disruptionsAllowed]).toEqual(expected);
});

test('pods being evicted do not count, until their eviction has taken too long', () => {
  const evicting = budget({ minAvailable: 1 }, { disruptedPods: { p0: '2025-12-31T23:59:00Z', gone: '2025-12-31T23:59:00Z' } });
  const first = plan({ budget: evicting, pods: pods(3, 3), expected: 3 }, nowMs);
  expect([first.status.disruptionsAllowed, first.status.disruptedPods, first.requeueAfterMs]).toEqual([1, { p0: '2025-12-31T23:59:00Z' }, 60_000]);
  const later = plan({ budget: evicting, pods: pods(3, 3), expected: 3 }, nowMs + 61_000);
  expect([later.status.disruptionsAllowed, later.status.disruptedPods]).toEqual([2, undefined]);
});

test('pods without a sized controller allow no disruption', () => {
  const expected = new Error('found no controllers for pod "p0"');
  const { status } = plan({ budget: budget({ maxUnavailable: 1 }), pods: pods(3, 3), expected }, nowMs);
  expect([status.disruptionsAllowed, status.conditions?.[0]?.reason, status.conditions?.[0]?.message]).toEqual([0, 'SyncFailed', 'found no controllers for pod "p0"']);
});

test('the size comes from the Deployment', async () => {
  const { api, clock, run } = await startManager();
  await api.create(PodDisruptionBudgets, { ...budget({ maxUnavailable: 1, selector: { matchLabels: { a: 'b' } } }), status: {} });
  await api.create(Deployments, { metadata: { name: 'd', namespace: 'a' }, spec: { replicas: 4, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [] } } } });
  await clock.advance(500);
  run();
  await clock.advance(500);
  expect(api.find(PodDisruptionBudgets, 'b', 'a')?.status).toMatchObject({ expectedPods: 4, desiredHealthy: 3, currentHealthy: 4, disruptionsAllowed: 1 });
});

test('pods without a controller are told of; other controllers are asked for their scale', async () => {
  const { api, clock } = await startManager({ controllers: ['disruption-controller'] });
  const labelled = (name: string, owner?: OwnerReference): Pod => ({ metadata: { name, namespace: 'a', labels: { a: 'b' }, ...(owner ? { ownerReferences: [owner] } : {}) }, spec: { containers: [] }, status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } });
  const definition = { metadata: { name: 'flocks.x.io' }, spec: { group: 'x.io', names: { plural: 'flocks', kind: 'Flock' }, scope: 'Namespaced', versions: [{ name: 'v1', served: true, storage: true, subresources: { scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } } }] }, status: { conditions: [{ type: 'Established', status: 'True' }] } };
  api.seed(CustomResourceDefinitions, definition as CustomResourceDefinition);
  const [flock] = api.seed({ group: 'x.io', version: 'v1', resource: 'flocks', kind: 'Flock', namespaced: true }, { metadata: { name: 'f', namespace: 'a', uid: 'flock' }, spec: { replicas: 6 } } as KubeObject);
  const owner = { apiVersion: 'x.io/v1', kind: 'Flock', name: flock?.metadata?.name ?? '', uid: 'flock', controller: true };
  api.seed(Pods, labelled('one', owner), labelled('two', owner), labelled('free'));
  await api.create(PodDisruptionBudgets, { ...budget({ maxUnavailable: '50%', selector: { matchLabels: { a: 'b' } } }), status: {} });
  await clock.advance(500);
  const status = () => api.find(PodDisruptionBudgets, 'b', 'a')?.status;
  expect(status()).toMatchObject({ expectedPods: 6, desiredHealthy: 3, currentHealthy: 3, disruptionsAllowed: 0 });
  expect(api.objects(Events)[0]).toMatchObject({ reason: 'UnmanagedPods', type: 'Warning', message: expect.stringMatching(/^Pods selected by this PodDisruptionBudget \(selector: &LabelSelector\{MatchLabels:map\[string\]string\{\w+: \w+,\},MatchExpressions:\[\]LabelSelectorRequirement\{\},\}\) were found to be unmanaged/) });
  api.seed(Pods, labelled('three', { apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'job', controller: true }));
  await clock.advance(500);
  expect(status()?.conditions?.[0]).toMatchObject({ reason: 'SyncFailed', message: 'jobs.batch does not implement the scale subresource' });
});

test('a disruption that was announced and did not come is taken back after two minutes', async () => {
  const { api, clock } = await startManager({ controllers: ['disruption-controller'] });
  const announced = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime: rfc3339(clock.now()) };
  api.seed(Pods, { metadata: { name: 'p', namespace: 'a' }, spec: { containers: [] }, status: { phase: 'Running', conditions: [announced] } });
  const shown = () => api.find(Pods, 'p', 'a')?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.status;
  await clock.advance(119_000);
  expect(shown()).toBe('True');
  await clock.advance(2_000);
  expect(shown()).toBe('False');
});
