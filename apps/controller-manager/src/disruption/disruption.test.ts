import type { Pod, PodDisruptionBudget } from '@orrery/api/types';
import { Deployments, PodDisruptionBudgets } from '@orrery/api';
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
  const { status } = plan({ budget: budget(spec), pods: pods(ready, total), expected: () => total }, nowMs);
  expect([status.expectedPods, status.desiredHealthy, status.disruptionsAllowed]).toEqual(expected);
});

test('pods being evicted do not count, until their eviction has taken too long', () => {
  const evicting = budget({ minAvailable: 1 }, { disruptedPods: { p0: '2025-12-31T23:59:00Z', gone: '2025-12-31T23:59:00Z' } });
  const first = plan({ budget: evicting, pods: pods(3, 3), expected: () => 3 }, nowMs);
  expect([first.status.disruptionsAllowed, first.status.disruptedPods, first.requeueAfterMs]).toEqual([1, { p0: '2025-12-31T23:59:00Z' }, 60_000]);
  const later = plan({ budget: evicting, pods: pods(3, 3), expected: () => 3 }, nowMs + 61_000);
  expect([later.status.disruptionsAllowed, later.status.disruptedPods]).toEqual([2, undefined]);
});

test('pods without a sized controller allow no disruption', () => {
  const expected = () => {
    throw new Error('found no controller ref for pod "p0"');
  };
  const { status } = plan({ budget: budget({ maxUnavailable: 1 }), pods: pods(3, 3), expected }, nowMs);
  expect([status.disruptionsAllowed, status.conditions?.[0]?.reason, status.conditions?.[0]?.message]).toEqual([0, 'SyncFailed', 'found no controller ref for pod "p0"']);
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
