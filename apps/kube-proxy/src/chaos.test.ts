import { EndpointSlices, Services } from '@orrery/api';
import type { EndpointSlice, Service } from '@orrery/api/types';
import { createFakeApi, createFaultedApi } from '@orrery/client/testing';
import { type Random, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import type { HealthPort, ServiceRule, SwitchControl } from '@orrery/vnet';
import { expect, it } from 'vitest';
import { type KubeProxy, createKubeProxy } from './component.ts';

/** After a fault, an informer that waits (at most 20 s) comes back, and a sync that failed is tried again after 1 s. */
const healedMs = 30_000;
const nodes = ['a', 'b'] as const;
const names = ['web', 'shop', 'local'] as const;
type Name = (typeof names)[number];
type Trouble = 'none' | 'before' | 'after' | 'slow';

/** A switch that keeps what it is told, and may be out of reach. */
class Switch implements SwitchControl {
  trouble: Trouble = 'none';
  readonly layers = new Map<string, Map<string, readonly ServiceRule[]>>([['shared', new Map()], ['own', new Map()]]);
  health: readonly HealthPort[] = [];
  private readonly clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  setServiceRules = (): Promise<void> => Promise.reject(new Error('not used'));
  setPolicies = (): Promise<void> => Promise.resolve();
  setHealthPorts = (ports: readonly HealthPort[]): Promise<void> => this.meet(() => (this.health = ports));
  updateServices: SwitchControl['updateServices'] = (updates) =>
    this.meet(() => {
      for (const { layer, full, services } of updates) {
        const rules = this.layers.get(layer);
        if (full) rules?.clear();
        for (const [key, list] of services) rules?.set(key, list);
      }
    });

  /** Its process began anew and knows nothing. */
  restart(): void {
    for (const rules of this.layers.values()) rules.clear();
    this.health = [];
  }

  /** Where connections to the cluster address go, sorted. */
  backends(name: Name): string[] {
    const rules = [...this.layers.values()].flatMap((layer) => layer.get(`d/${name}`) ?? []);
    return rules.filter(({ match }) => 'ip' in match).slice(0, 1).flatMap(({ backends }) => backends.map(({ ip }) => ip)).sort();
  }

  private async meet(apply: () => void): Promise<void> {
    if (this.trouble === 'slow') await this.clock.sleep(3_000);
    if (this.trouble !== 'before') apply();
    if (this.trouble === 'before' || this.trouble === 'after') throw new Error('the switch is out of reach');
  }
}

const service = (name: Name): Service => ({
  apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'd' },
  spec: {
    clusterIP: `10.96.0.${names.indexOf(name) + 1}`, clusterIPs: [`10.96.0.${names.indexOf(name) + 1}`], ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
    ...(name === 'local' ? { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 } : {}),
  },
});

/** One endpoint is always ready, on node a; the others come and go. */
function slice(name: Name, others: readonly number[]): EndpointSlice {
  const endpoint = (i: number) => ({ addresses: [`10.244.${names.indexOf(name)}.${i}`], nodeName: nodes[i % 2] as string, conditions: { ready: true } });
  return {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    metadata: { name: `${name}-1`, namespace: 'd', labels: { 'kubernetes.io/service-name': name } }, endpoints: [0, ...others].map(endpoint),
  };
}

async function cluster(random: Random) {
  const clock = new VirtualClock();
  const truth = createFakeApi({ clock, random });
  for (const name of names) {
    truth.seed(Services, service(name));
    truth.seed(EndpointSlices, slice(name, []));
  }
  const link = createFaultedApi({ truth, clock, random, user: 'system:kube-proxy' });
  const switches = { a: new Switch(clock), b: new Switch(clock) };
  const ready = new Map<Name, readonly number[]>();
  const begin = (): KubeProxy => {
    const env = { clock, random, log: silentLogger, metrics: createMetrics() };
    const proxy = createKubeProxy(env, { api: link.api }, { minSyncPeriodMs: 5 });
    for (const node of nodes) proxy.addNode({ nodeName: node, control: switches[node] });
    return proxy;
  };
  const wanted = (name: Name): string[] => [0, ...(ready.get(name) ?? [])].map((i) => `10.244.${names.indexOf(name)}.${i}`).sort();
  return {
    clock, truth, link, switches, begin,
    /** Other pods are ready behind a service. */
    async move(name: Name): Promise<void> {
      const others = [1, 2, 3, 4, 5].filter(() => random.int(2));
      ready.set(name, others);
      await truth.update(EndpointSlices, slice(name, others));
    },
    /** What each switch should do, and what it does. */
    wanted: () => nodes.flatMap((node) => [...names.map((name) => `${node} ${name} ${wanted(name).join()}`), `${node} health ${[0, ...(ready.get('local') ?? [])].filter((i) => nodes[i % 2] === node).length}`]),
    done: () => nodes.flatMap((node) => [...names.map((name) => `${node} ${name} ${switches[node].backends(name).join()}`), `${node} health ${switches[node].health[0]?.localEndpoints ?? '?'}`]),
    /** Services that a switch sends nowhere, or not to the pod that was always ready. */
    lost: () => nodes.flatMap((node) => names.filter((name) => !switches[node].backends(name).includes(`10.244.${names.indexOf(name)}.0`)).map((name) => `${node} ${name}`)),
  };
}

/** Time passes until the work is done. */
async function ended(clock: VirtualClock, work: Promise<void>): Promise<void> {
  let done = false;
  void work.then(() => (done = true));
  await clock.until(() => done, healedMs);
  await work;
}

it.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i: with all about it failing no service loses the pod that is always ready, and rules are right soon after', async (seed) => {
  const random = seededRandom(seed);
  const { clock, link, switches, begin, move, wanted, done, lost } = await cluster(random);
  let proxy = begin();
  await proxy.start();
  await clock.until(() => !lost().length, healedMs);
  for (let round = 0; round < 4; round++) {
    const ends = [
      () => link.strike({ verb: 'api-error', code: [429, 500, 503][random.int(3)] as number, percent: 60 }),
      () => link.strike({ verb: 'watch-drop', delayMs: 700 }),
      () => link.strike({ verb: 'watch-delay', delayMs: 1 + random.int(8_000) }),
      () => link.strike({ verb: 'stale-reads' }),
      () => link.strike({ verb: 'partition', delayMs: 2_000 }),
    ].filter(() => random.int(2)).map((strike) => strike());
    link.doubled = random.int(2) / 2;
    for (let step = 0; step < 12; step++) {
      await move(names[random.int(3)] as Name);
      const struck = switches[nodes[random.int(2)] as 'a' | 'b'];
      struck.trouble = (['none', 'before', 'after', 'slow'] as const)[random.int(4)] as Trouble;
      if (random.int(6) === 0) {
        await ended(clock, proxy.stop());
        proxy = begin();
        void proxy.start();
      }
      if (random.int(10) === 0) clock.jump(random.int(3_600_000));
      await clock.advance(random.int(3_000));
      expect(lost(), `round ${round}, step ${step}`).toEqual([]);
    }
    for (const end of ends) end();
    link.doubled = 0;
    for (const node of nodes) switches[node].trouble = 'none';
    await clock.advance(healedMs);
    expect(done()).toEqual(wanted());
    expect([proxy.ready(), proxy.health.healthy]).toEqual([true, true]);
  }
  await ended(clock, proxy.stop());
});

it('a switch that is out of reach when kube-proxy starts, or begins anew, is told everything once it is there; the other is not held up', async () => {
  const { clock, switches, begin, move, wanted, done } = await cluster(seededRandom(3));
  const proxy = begin();
  switches.a.trouble = 'before';
  await proxy.start();
  await move('web');
  await clock.advance(2_000);
  expect(done().filter((line) => line.startsWith('b '))).toEqual(wanted().filter((line) => line.startsWith('b ')));
  await clock.advance(61_000);
  expect([proxy.health.pages('/healthz').status, proxy.health.pages('/livez').status]).toEqual([503, 503]);
  switches.a.trouble = 'none';
  await clock.advance(1_100);
  expect(done()).toEqual(wanted());
  expect(proxy.health.pages('/healthz').status).toBe(200);
  switches.b.restart();
  proxy.resync();
  await clock.advance(100);
  expect(done()).toEqual(wanted());
  await ended(clock, proxy.stop());
});

it('without the API server what was programmed stays, and a service that was deleted meanwhile goes afterwards', async () => {
  const { clock, truth, link, switches, begin, lost } = await cluster(seededRandom(4));
  const proxy = begin();
  await proxy.start();
  const end = link.strike({ verb: 'partition', delayMs: 1_000 });
  await truth.delete(Services, { namespace: 'd', name: 'shop' });
  truth.compact();
  await clock.advance(600_000);
  expect(lost()).toEqual([]);
  end();
  await clock.advance(healedMs);
  expect([switches.a.backends('shop'), switches.a.backends('web')]).toEqual([[], ['10.244.0.0']]);
  await ended(clock, proxy.stop());
});
