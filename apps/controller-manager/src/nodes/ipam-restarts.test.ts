import { Nodes } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createControllerManager } from '../component.ts';

/** An API some of whose writes are refused, or take effect and are not answered. */
function unreliable(api: ApiClient, chance: () => number): ApiClient {
  return {
    ...api,
    async patch(resource, key, patch, options) {
      const fate = chance();
      if (fate < 0.2) throw new Error('cut before');
      const written = await api.patch(resource, key, patch, options);
      if (fate < 0.4) throw new Error('cut after');
      return written;
    },
  };
}

test.each(Array.from({ length: 12 }, (_, i) => i + 1))('pod ranges of nodes never overlap, whatever is restarted when, seed %i', async (seed) => {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi(env);
  const start = async () => {
    const manager = createControllerManager(env, { api: unreliable(api, () => random.next()) }, { leaderElect: false, controllers: ['node-ipam-controller'], clusterCidr: '10.244.0.0/20' });
    const started = manager.start();
    await clock.advance(5);
    await started;
    return manager;
  };
  const ranges = (): string[] => api.objects(Nodes).flatMap(({ spec }) => spec?.podCIDR ?? []);
  let manager = await start();
  for (let step = 0; step < 60; step++) {
    const names = api.objects(Nodes).map(({ metadata }) => metadata?.name ?? '');
    const what = random.int(10);
    if (what < 5 && names.length < 14) await api.create(Nodes, { metadata: { name: `n${step}` } });
    else if (what < 8 && names.length) await api.delete(Nodes, { name: names[random.int(names.length)] ?? '' });
    else if (what === 8) {
      const stopped = manager.stop();
      await clock.advance(5);
      await stopped;
      manager = await start();
    }
    await clock.advance(random.int(30));
    expect(new Set(ranges()).size, `overlap after step ${step}: ${ranges().join(' ')}`).toBe(ranges().length);
  }
  await clock.advance(120_000);
  expect(ranges()).toHaveLength(api.objects(Nodes).length);
  const stopped = manager.stop();
  await clock.advance(5);
  await stopped;
});
