import { ConfigMaps, Deployments, Pods, StatefulSets } from '@orrery/api';
import { seededRandom } from '@orrery/runtime';
import type { FaultInput } from '../test-world.ts';
import { askOfCloud, cloudFaults, cloudProblems, giveBack, onDisks } from './cloud-story.ts';
import { followedProblems, historyProblems } from './invariants.ts';
import { startSimulated } from './start.ts';

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

/** Every so many-th seed has a cloud, which goes away: such a cluster costs three times as much. */
const cloudEvery = 9;

/**
 * A rollout, a StatefulSet and a user's writes while faults drawn from the seed strike; afterwards all must be as was asked for, what was acknowledged must be there, and nobody who
 * followed may have been told what cannot be. Where there is a cloud, what was asked of it must be there, no node may have been deleted for its absence, and nothing may be left in it
 * of what was given back. Rejects with what is not so.
 */
async function live(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const cloud = seed % cloudEvery === 0;
  const pool = cloud ? [...faults, ...cloudFaults] : faults;
  const cluster = await startSimulated({ seed, nodes: 2, cloud, without: ['coredns', 'kube-proxy'] });
  try {
    const key = { namespace: 'default', name: 'web' };
    await cluster.api.create(Deployments, { metadata: key, spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template('web', 'nginx:1') } });
    await cluster.api.create(StatefulSets, { metadata: { namespace: 'default', name: 'db' }, spec: { replicas: 2, serviceName: 'db', selector: { matchLabels: { app: 'db' } }, template: template('db', 'nginx:1'), ...(cloud ? onDisks : {}) } });
    if (cloud) {
      await askOfCloud(cluster);
      await cluster.advance(random.int(5_000));
      await cluster.chaos.inject({ verb: 'cloud-outage' });
    }
    const acknowledged: string[] = [];
    for (let i = 0; i < 3; i++) {
      await cluster.chaos.inject(pool[random.int(pool.length)] as FaultInput);
      await cluster.api.create(ConfigMaps, { metadata: { namespace: 'default', name: `written-${i}` } }).then(
        () => acknowledged.push(`written-${i}`),
        // It may or may not have come to be.
        () => undefined,
      );
      await cluster.advance(random.int(20_000));
    }
    const patch = { spec: { replicas: 4, template: { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } } } };
    // A user asks again until it is done.
    await cluster.eventually(() => cluster.api.patch(Deployments, key, patch, { type: 'application/strategic-merge-patch+json' }).then(() => true), { withinMs: 5 * minute });
    await cluster.advance(minute);
    await cluster.chaos.stopAll();
    const isAsAsked = async (): Promise<boolean> => {
      if (cloud) {
        const missing = await cloudProblems(cluster);
        if (missing.length) throw new Error(missing.join('; '));
      }
      const { status } = await cluster.api.get(Deployments, key);
      const pods = (await cluster.api.list(Pods)).items.filter(({ metadata }) => !metadata?.deletionTimestamp);
      const web = pods.filter(({ metadata }) => metadata?.labels?.['app'] === 'web');
      const db = pods.filter(({ metadata }) => metadata?.labels?.['app'] === 'db');
      return status?.readyReplicas === 4 && web.length === 4 && web.every(({ spec }) => spec?.containers[0]?.image === 'nginx:2') && db.length === 2 && pods.every((pod) => pod.status?.phase === 'Running');
    };
    await cluster.eventually(isAsAsked, { withinMs: 15 * minute, what: `all is as asked after ${cluster.chaos.report().injections.map(({ what }) => what).join(', ')}` });
    const kept = new Set((await cluster.api.list(ConfigMaps, { namespace: 'default' })).items.map(({ metadata }) => metadata?.name));
    const lost = acknowledged.filter((name) => !kept.has(name)).map((name) => `${name} was acknowledged, and is not there`);
    // What is on its way arrives.
    await cluster.advance(1_000);
    const { items } = await cluster.api.list(Pods);
    const problems = [...lost, ...historyProblems(cluster.history()), ...followedProblems(cluster.history(), 'pods', items)];
    if (cloud) problems.push(...(await giveBack(cluster)));
    if (problems.length) throw new Error(problems.join('; '));
  } finally {
    await cluster.stop();
  }
}

/** Lives through every `step`-th seed from `first` to `last`; gives a line for each that failed, with how to see it again. */
export async function liveThrough({ first, last, step = 1 }: { readonly first: number; readonly last: number; readonly step?: number }): Promise<string[]> {
  const failures: string[] = [];
  for (let seed = first; seed <= last; seed += step) {
    await live(seed).catch((error: unknown) => void failures.push(`ORRERY_SIMULATED_SEED=${seed} npx vitest run libs/testkit/src/simulated/seeds.test.ts: ${(error as Error).message}`));
  }
  return failures;
}

const one = Number(process.env['ORRERY_SIMULATED_SEED'] ?? 0);

/** The seeds that are tried: all up to ORRERY_SIMULATED_SEEDS, or ORRERY_SIMULATED_SEED alone. */
export const seeds = one ? { first: one, last: one, count: 1 } : { first: 1, last: Number(process.env['ORRERY_SIMULATED_SEEDS'] ?? 200), count: Number(process.env['ORRERY_SIMULATED_SEEDS'] ?? 200) };
