import { Deployments, Pods, StatefulSets } from '@orrery/api';
import { seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import type { FaultInput } from '../test-world.ts';
import { startSimulated } from './start.ts';

const seeds = Number(process.env['ORRERY_SIMULATED_SEEDS'] ?? 8);
const minute = 60_000;

const faults: readonly FaultInput[] = [
  { verb: 'api-error', code: 500, percent: 30, when: 'after', selector: { verbs: ['write'] } },
  { verb: 'api-error', code: 409, percent: 30, selector: { verbs: ['update', 'patch'] } },
  { verb: 'api-error', code: 429, percent: 20 },
  { verb: 'api-timeout', percent: 10, delayMs: 3_000, when: 'after', selector: { verbs: ['write'] } },
  { verb: 'stale-reads', percent: 50 },
  { verb: 'watch-drop', delayMs: 2_000, percent: 50 },
  { verb: 'watch-delay', delayMs: 1_500 },
  { verb: 'pause', selector: { components: ['scheduler'] } },
  { verb: 'partition', oneWay: true, selector: { from: ['apiserver'], to: ['controller-manager'] } },
  { verb: 'disk-slow', delayMs: 40, selector: { components: ['store'] } },
  { verb: 'kill', selector: { components: ['controller-manager'] } },
  { verb: 'kill', selector: { components: ['apiserver'] } },
  { verb: 'node-outage', selector: { nodes: ['node-1'] } },
  { verb: 'clock-skew', byMs: 30_000, selector: { components: ['kubelet-node-1'] } },
];

const template = (app: string, image: string) => ({ metadata: { labels: { app } }, spec: { containers: [{ name: 'c', image }] } });

/** A rollout and a StatefulSet while faults drawn from the seed strike; afterwards all must be as was asked for. */
async function live(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const cluster = await startSimulated({ seed, nodes: 2, without: ['coredns', 'kube-proxy'] });
  try {
    const key = { namespace: 'default', name: 'web' };
    await cluster.api.create(Deployments, { metadata: key, spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template('web', 'nginx:1') } });
    await cluster.api.create(StatefulSets, { metadata: { namespace: 'default', name: 'db' }, spec: { replicas: 2, serviceName: 'db', selector: { matchLabels: { app: 'db' } }, template: template('db', 'nginx:1') } });
    for (let i = 0; i < 3; i++) {
      await cluster.chaos.inject(faults[random.int(faults.length)] as FaultInput);
      await cluster.advance(random.int(20_000));
    }
    const patch = { spec: { replicas: 4, template: { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } } } };
    // A user asks again until it is done.
    await cluster.eventually(() => cluster.api.patch(Deployments, key, patch, { type: 'application/strategic-merge-patch+json' }).then(() => true), { withinMs: 5 * minute });
    await cluster.advance(minute);
    await cluster.chaos.stopAll();
    const isAsAsked = async (): Promise<boolean> => {
      const { status } = await cluster.api.get(Deployments, key);
      const pods = (await cluster.api.list(Pods)).items.filter(({ metadata }) => !metadata?.deletionTimestamp);
      const web = pods.filter(({ metadata }) => metadata?.labels?.['app'] === 'web');
      const db = pods.filter(({ metadata }) => metadata?.labels?.['app'] === 'db');
      return status?.readyReplicas === 4 && web.length === 4 && web.every(({ spec }) => spec?.containers[0]?.image === 'nginx:2') && db.length === 2 && pods.every((pod) => pod.status?.phase === 'Running');
    };
    await cluster.eventually(isAsAsked, { withinMs: 15 * minute, what: `all is as asked after ${cluster.chaos.report().injections.map(({ what }) => what).join(', ')}` });
  } finally {
    await cluster.stop();
  }
}

it(`comes to rest after whatever befell it, in ${seeds} seeds`, { timeout: 60_000 + seeds * 20_000 }, async () => {
  const failures: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) await live(seed).catch((error: unknown) => void failures.push(`seed ${seed}: ${(error as Error).message}`));
  expect(failures).toEqual([]);
});
