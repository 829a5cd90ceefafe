import { Pods } from '@orrery/api';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';

test('of a pod that has vanished the API server is told nothing, and nothing stays on the node', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(1_000);
  expect(f.cri.containers.size).toBe(1);
  const before = f.api.requests.length;
  await f.api.delete(Pods, { namespace: 'default', name: 'p' }, { gracePeriodSeconds: 0 });
  await f.clock.advance(60_000);
  const told = f.api.requests.slice(before + 1).filter(({ resource, verb }) => resource.resource === 'pods' && verb !== 'watch' && verb !== 'list');
  expect([told, f.cri.containers.size, [...f.kubelet.pods.list()].length]).toEqual([[], 0, 0]);
  await f.kubelet.stop();
});
