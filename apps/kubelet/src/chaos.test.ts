import { Pods } from '@orrery/api';
import type { Pod, PodSpec } from '@orrery/api/types';
import { ContainerState, PodSandboxState } from '@orrery/proto/cri';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { type Random, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { type Link, createLink } from '../../controller-manager/src/testing/simulation/link.ts';
import type { KubeletDeps } from './component.ts';
import { type Fixture, container, fixture } from './testing.ts';

const troubledMs = 60_000;
/** The longest wait between two tries of a pod is 122 s. */
const healMs = 300_000;
const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

/** What the runtime holds of a pod. */
function held({ cri }: Fixture, uid: string) {
  const sandboxes = [...cri.sandboxes.values()].filter(({ config }) => config.metadata?.uid === uid);
  const containers = [...cri.containers.values()].filter(({ sandboxId }) => sandboxes.some(({ id }) => id === sandboxId));
  return { sandboxes, containers, running: containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING) };
}

/** One process's way to the runtime. */
interface Way {
  dead: boolean;
  channel: Channel;
}

interface World extends Fixture {
  readonly problems: string[];
  /** Share of calls and requests that something befalls. */
  rate: number;
  /** The runtime answers nobody. */
  away: boolean;
  /** The kubelet is killed of this moment, whatever is under way, and another begins. */
  restart(): void;
  link(): Link;
}

/** A runtime that refuses, does what it is asked and does not say so, is away; and does not make a sandbox of the same name twice, as real ones. */
function flaky(world: World, random: Random): Way {
  const real = world.cri.channel();
  const unavailable = (): never => {
    throw new RpcError(Code.UNAVAILABLE, 'the connection to the runtime was lost');
  };
  const way: Way = {
    dead: false,
    channel: {
      ...real,
      call(definition, method, input, options) {
        if (method.name === 'GetContainerEvents') return world.away ? unavailable() : real.call(definition, method, input, options);
        return (async () => {
          if (way.dead) return new Promise(() => undefined);
          if (world.away) return unavailable();
          if (method.name === 'RunPodSandbox') {
            const { uid, attempt } = (input as { config?: { metadata?: { uid?: string; attempt?: number } } }).config?.metadata ?? {};
            const holder = held(world, uid ?? '').sandboxes.find(({ config }) => config.metadata?.attempt === attempt);
            if (holder) throw new RpcError(Code.UNKNOWN, `failed to reserve sandbox name: name is reserved for "${holder.id}"`);
          }
          const fate = random.next() < world.rate ? random.int(2) : 2;
          if (fate === 0) return unavailable();
          const answer: unknown = await real.call(definition, method, input, options);
          if (way.dead) return new Promise(() => undefined);
          return fate === 1 ? unavailable() : answer;
        })();
      },
    },
  };
  return way;
}

async function start(seed: number): Promise<World> {
  const deps: { -readonly [K in keyof KubeletDeps]?: KubeletDeps[K] } = {};
  const f = fixture({ deps, script: ({ name }) => (name.startsWith('job') ? { exitAfterMs: 7_000 } : name.startsWith('slow') ? { stopMs: 4_000 } : {}) });
  let life: { link: Link; way: Way } | undefined;
  let born = 0;
  const world: World = Object.assign(f, {
    problems: [],
    rate: 0.2,
    away: false,
    link: () => (life as { link: Link }).link,
    restart() {
      if (life) {
        life.link.cut();
        life.way.dead = true;
        // It never hears that its last words were not heard.
        void f.kubelet.stop();
      }
      const own = seed * 1_000 + born++;
      const onWrite: Parameters<typeof createLink>[0]['onWrite'] = ({ verb, resource, before, after }) => {
        if (resource.resource !== 'pods' || verb !== 'delete' || after || !before) return;
        const { running } = held(world, uidOf(before));
        if (running.length) world.problems.push(`${before.metadata?.name} was deleted while ${running.map(({ config }) => config.metadata?.name).join()} ran`);
      };
      life = { link: createLink({ clock: f.clock, random: seededRandom(own), truth: f.api, trouble: () => world.rate, onWrite }), way: flaky(world, seededRandom(own + 500)) };
      Object.assign(deps, { api: life.link, cri: life.way.channel });
      f.kubelet = f.again();
      void f.kubelet.start().catch(() => undefined);
    },
  });
  world.restart();
  return world;
}

const specs: readonly Partial<PodSpec>[] = [
  { containers: [container('app'), container('slow')], terminationGracePeriodSeconds: 10 },
  { containers: [container('app')], initContainers: [container('job-first')] },
  { containers: [container('job')], restartPolicy: 'Never' },
];

/** What may never be. `started`: the instances of each container that have run. */
function broken(world: World, started: Map<string, Set<string>>): string[] {
  const found = [...world.problems];
  for (const pod of world.api.objects<Pod>(Pods)) {
    const { sandboxes, containers, running } = held(world, uidOf(pod));
    const name = pod.metadata?.name ?? '';
    const names = running.map(({ config }) => config.metadata?.name);
    if (new Set(names).size < names.length) found.push(`${name} runs ${names.join()} at once`);
    if (sandboxes.filter(({ state }) => state === PodSandboxState.SANDBOX_READY).length > 1) found.push(`${name} has two sandboxes`);
    for (const { id, config, startedAt } of containers) {
      const key = `${uidOf(pod)}/${config.metadata?.name}`;
      const ids = started.get(key) ?? new Set();
      if (startedAt) started.set(key, ids.add(id));
      if (ids.size > 1) found.push(`${key} of ${name} ran ${ids.size} times`);
    }
  }
  return found;
}

/** What is not yet as it should be. */
function unfinished(world: World): string[] {
  const pods = world.api.objects<Pod>(Pods);
  const found: string[] = [];
  for (const pod of pods) {
    const { name } = pod.metadata ?? {};
    const { running } = held(world, uidOf(pod));
    const { phase, containerStatuses = [] } = pod.status ?? {};
    if (pod.metadata?.deletionTimestamp) found.push(`${name} is not deleted`);
    if (phase !== (pod.spec?.restartPolicy === 'Never' ? 'Succeeded' : 'Running')) found.push(`${name} is ${phase}`);
    const told = containerStatuses.filter(({ state, ready }) => state?.running && ready).map(({ containerID }) => containerID).sort();
    if (told.join() !== running.map(({ id }) => `fake://${id}`).sort().join()) found.push(`${name} tells of ${told.length} containers, has ${running.length}`);
    if (phase === 'Running' && running.length !== pod.spec?.containers?.length) found.push(`${name} lacks containers`);
  }
  for (const { config } of world.cri.sandboxes.values()) if (!pods.some((pod) => uidOf(pod) === config.metadata?.uid)) found.push(`a sandbox of ${config.metadata?.name} is left`);
  return found;
}

async function live(seed: number, kills: boolean): Promise<string[]> {
  const random = seededRandom(seed);
  const world = await start(seed);
  const { clock, api } = world;
  const started = new Map<string, Set<string>>();
  const act = async (): Promise<void> => {
    const i = random.int(6);
    const pod = world.pod(`p${i}`);
    if (!pod) await world.create(`p${i}`, specs[i % specs.length] ?? {});
    else if (!pod.metadata?.deletionTimestamp) await api.delete(Pods, { namespace: 'default', name: `p${i}` }, random.int(4) ? {} : { gracePeriodSeconds: 0 });
  };
  while (clock.monotonic() < troubledMs) {
    if (random.next() < 0.3) await act();
    if (kills && random.next() < 0.05) world.restart();
    if (random.next() < 0.04) world.link().part(random.int(8_000));
    if (random.next() < 0.04) api.disconnect();
    if (random.next() < 0.1 || world.away) world.away = !world.away && (world.cri.breakStreams(), true);
    await clock.advance(500);
    const found = broken(world, started);
    if (found.length) return found;
  }
  world.rate = 0;
  world.away = false;
  const until = clock.monotonic() + healMs;
  let left = ['not looked at'];
  while (left.length && clock.monotonic() < until) {
    await clock.advance(2_000);
    const found = broken(world, started);
    if (found.length) return found;
    left = unfinished(world);
  }
  await world.kubelet.stop();
  return left;
}

const first = Number(process.env['ORRERY_SEED']) || 1;
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 6);

test.each([['that is left alone', false], ['that is killed', true]])('a kubelet %s, between a runtime and an API server that fail it, runs every pod once and ends with all told', { timeout: 600_000 }, async (_name, kills) => {
  for (let seed = first; seed < first + seeds; seed++) expect(await live(seed, kills), `seed ${seed}`).toEqual([]);
});
