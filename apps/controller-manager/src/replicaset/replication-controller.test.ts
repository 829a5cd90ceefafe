import { ReplicationControllers } from '@orrery/api';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';

test('the status of a ReplicationController has the fields of its kind, not those of ReplicaSets', async () => {
  const { api, clock, run } = await startManager({ controllers: ['replicationcontroller-controller'] });
  await api.create(ReplicationControllers, { metadata: { name: 'rc', namespace: 'a' }, spec: { replicas: 2, selector: { app: 'rc' }, template: { metadata: { labels: { app: 'rc' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } });
  await clock.advance(3_000);
  run();
  await clock.advance(3_000);
  const { observedGeneration: _, ...status } = api.find(ReplicationControllers, 'rc', 'a')?.status ?? { replicas: 0 };
  expect(status).toEqual({ replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 2, availableReplicas: 2 });
});
