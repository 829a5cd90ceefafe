import type { ChaosWorld } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { Runs } from './run.ts';

/** A world in which all takes its time; notes what is done. */
function setup({ strikeMs = 0, endMs = 0, failures = 0 }: { strikeMs?: number; endMs?: number; failures?: number }) {
  const clock = new VirtualClock();
  const done: string[] = [];
  let deployments: object[] = [];
  const api = { list: async (ref: { resource: string }) => ({ items: ref.resource === 'deployments' ? deployments : [] }) } as unknown as ApiClient;
  const world: ChaosWorld = {
    name: 'compose',
    async inject(id) {
      if (strikeMs) await clock.sleep(strikeMs);
      done.push(`${id} strikes`);
      const end = async (): Promise<void> => {
        if (endMs) await clock.sleep(endMs);
        if (failures-- > 0) throw new Error('it stands still');
        done.push(`${id} ends`);
      };
      return { targets: ['it'], end };
    },
  };
  const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const runs = new Runs({ env, api, world, cluster: 'test', changed: () => undefined });
  return { clock, done, runs, deploy: (...list: object[]) => void (deployments = list) };
}

const outage = { verb: 'nats-outage', selector: {} } as const;

it('looks on while a fault takes its time to end, until all is well', async () => {
  const { clock, runs } = setup({ endMs: 5_000 });
  await runs.inject('slow', outage, 4_000);
  await clock.advance(4_500);
  expect(runs.open).toEqual(['slow']);
  await clock.advance(10_000);
  expect(runs.open).toEqual([]);
  const [record] = runs.report().injections;
  expect((record?.endedMs ?? 0) - (record?.startedMs ?? 0)).toBe(9_000);
  expect(record?.recoveredMs).toBeGreaterThanOrEqual(record?.endedMs ?? Infinity);
});

it('ends what is still being injected, once', async () => {
  const { clock, done, runs } = setup({ strikeMs: 3_000, endMs: 1_000 });
  const injecting = runs.inject('early', outage, 60_000);
  await clock.advance(1_000);
  const ends = Promise.all([runs.end('early'), runs.end('early')]);
  await clock.advance(3_500);
  await Promise.all([injecting, ends]);
  expect(done).toEqual(['early-1 strikes', 'early-1 ends']);
  await clock.advance(60_000);
  expect(done).toHaveLength(2);
});

it('tries again to end what cannot be ended at once', async () => {
  const { clock, done, runs } = setup({ failures: 3 });
  await runs.inject('stuck', outage, 1_000);
  await clock.advance(6_500);
  expect(done).toEqual(['stuck-1 strikes']);
  expect(runs.open).toEqual(['stuck']);
  await clock.advance(1_000);
  expect(done).toEqual(['stuck-1 strikes', 'stuck-1 ends']);
  expect(runs.report().injections[0]?.error).toBeUndefined();
});

it('gives up when it stops, after one more try, and says so', async () => {
  const { clock, runs } = setup({ failures: 1_000 });
  await runs.inject('stuck', outage, 1_000);
  await clock.advance(5_000);
  await runs.stop();
  expect(runs.open).toEqual([]);
  expect(runs.report().injections[0]?.error).toBe('could not be ended: it stands still');
});

it('takes what is deleted for no trouble', async () => {
  const { clock, runs, deploy } = setup({});
  const short = { metadata: { namespace: 'n', name: 'd' }, spec: { replicas: 2 }, status: { availableReplicas: 1 } };
  await runs.inject('fault', outage, 2_000);
  deploy(short);
  await clock.advance(10_000);
  expect(runs.report().injections[0]?.recoveredMs).toBeUndefined();
  deploy();
  await clock.advance(3_000);
  const { injections, disturbances } = runs.report();
  expect(injections[0]?.recoveredMs).toBeDefined();
  expect(disturbances).toMatchObject([{ what: 'deployment n/d is available', detail: '1 of 2 replicas' }]);
  expect(disturbances[0]?.untilMs).toBeDefined();
});
