import { APIServices } from '@orrery/api';
import type { Fault } from '@orrery/chaos';
import { parseGoDuration } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { World, moods } from './testing/chaos-world.ts';

const root = '/apis/metrics.k8s.io/v1beta1';
const resolutionMs = 15_000;
const timeoutMs = 10_000;
/** One round may fail, the last that did not ended with the slowest kubelet, and the API server is asked for the nodes. */
const oldestMs = 2 * resolutionMs + 2 * timeoutMs + 5_000;
/** Two rounds, and no more than is waited for the slowest kubelet. */
const healMs = 2 * resolutionMs + timeoutMs;
/** Two rounds with a kubelet that hangs, a second apart, a request of the server's own that hangs, and others that are slow. */
const patienceMs = 3 * timeoutMs + 6_000;

interface Figure {
  readonly metadata: { readonly name: string };
  readonly timestamp: string;
  readonly window: string;
  readonly usage?: { readonly cpu: string };
  readonly containers?: readonly { readonly usage: { readonly cpu: string } }[];
}

const millis = (cpu: string): number => (cpu.endsWith('n') ? Number.parseFloat(cpu) / 1e6 : cpu.endsWith('u') ? Number.parseFloat(cpu) / 1e3 : cpu.endsWith('m') ? Number.parseFloat(cpu) : Number(cpu) * 1000);

/** What is not true of what it says. */
function untrue(world: World, items: readonly Figure[], share: number): string[] {
  const wrong: string[] = [];
  for (const { metadata, timestamp, window, usage, containers } of items) {
    const kubelet = world.kubelets.get(metadata.name.replace('pod-', ''));
    const used = millis(usage?.cpu ?? containers?.[0]?.usage.cpu ?? '');
    const ageMs = world.clock.now() - Date.parse(timestamp);
    if (!kubelet) wrong.push(`${metadata.name} is no node`);
    else if (Math.abs(used - kubelet.cores * 1000 * share) > 1) wrong.push(`${metadata.name} uses ${used}m, not ${kubelet.cores * 1000 * share}m`);
    if (ageMs > oldestMs) wrong.push(`${metadata.name} is ${ageMs} ms old`);
    // What it used an hour ago is not what it uses.
    if (parseGoDuration(window) > oldestMs + resolutionMs) wrong.push(`${metadata.name} is of a window of ${window}`);
  }
  return wrong;
}

/** The nodes that have answered for so long that they must be known. */
function known(world: World, forMs: number): string[] {
  return [...world.kubelets.values()].filter(({ mood, sinceMs }) => mood === 'well' && world.clock.monotonic() - sinceMs >= forMs).map(({ name }) => name);
}

const menu: readonly Fault[] = [
  { verb: 'api-error', code: 500, percent: 50, selector: {} },
  { verb: 'api-error', code: 429, percent: 50, selector: {} },
  { verb: 'api-timeout', percent: 30, selector: {} },
  { verb: 'api-delay', delayMs: 100, jitterMs: 1_000, selector: {} },
  { verb: 'partition', selector: { users: ['metrics-server'] } },
];

async function troubled(seed: number): Promise<string[]> {
  const world = new World(seed, 6);
  const { clock, random, link } = world;
  const wrong: string[] = [];
  const judge = async (strict: boolean): Promise<void> => {
    for (const [path, share] of [['nodes', 1], [`namespaces/ns/pods`, 0.5]] as const) {
      const must = known(world, healMs);
      const { code, body, tookMs } = await world.ask(`${root}/${path}`);
      const at = `${path} at ${clock.monotonic()}`;
      if (tookMs > patienceMs) wrong.push(`${at} took ${tookMs} ms`);
      if (code !== 200) {
        if (strict || body.kind !== 'Status' || code < 429) wrong.push(`${at}: ${code} ${JSON.stringify(body)}`);
        continue;
      }
      wrong.push(...untrue(world, body.items, share).map((text) => `${at}: ${text}`));
      const there = new Set((body.items as Figure[]).map(({ metadata }) => metadata.name.replace('pod-', '')));
      if (strict) wrong.push(...must.filter((name) => !there.has(name)).map((name) => `${at}: nothing of ${name}`));
    }
  };
  world.start();
  await clock.until(() => world.server.ready());
  for (let i = 0; i < 25; i++) {
    const kubelet = world.kubelets.get(`n${random.int(6)}`);
    const dice = random.int(8);
    if (dice < 4) kubelet?.become(moods[random.int(moods.length)] ?? 'well');
    else if (dice === 4) kubelet?.reboot();
    if (random.int(4) === 0) link.faults.add('api', menu[random.int(menu.length)] as Fault);
    else if (random.int(3) === 0) link.faults.clear();
    if (random.int(25) === 0) await world.restart();
    await clock.advance(random.int(random.int(10) ? 12_000 : 400_000));
    if (world.server.ready()) await judge(false);
  }
  link.faults.clear();
  for (const kubelet of world.kubelets.values()) kubelet.become('well');
  await clock.until(() => world.server.ready(), timeoutMs);
  // Whoever asks keeps it awake.
  await world.ask(`${root}/nodes`);
  await clock.advance(healMs);
  await judge(true);
  await world.server.stop();
  return wrong;
}

describe('a metrics server in trouble', () => {
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))('says what is true, nothing that is old, and answers in time (seed %i)', async (seed) => {
    expect(await troubled(seed)).toEqual([]);
  });

  it('tells of the few that are well among many that hang', async () => {
    const world = new World(1, 120);
    world.start();
    await world.clock.until(() => world.server.ready());
    const well = ['n0', 'n20', 'n39'];
    for (const kubelet of world.kubelets.values()) if (!well.includes(kubelet.name)) kubelet.become('hangs');
    for (let i = 0; i < 8; i++) {
      const { body, tookMs } = await world.ask(`${root}/nodes`);
      expect(tookMs).toBeLessThan(patienceMs);
      expect((body.items as Figure[]).map(({ metadata }) => metadata.name).sort()).toEqual(well);
      expect(untrue(world, body.items, 1)).toEqual([]);
      await world.clock.advance(7_000);
    }
    await world.server.stop();
  });

  it('tells nothing from before a long silence of the API server, or a night that the machine slept', async () => {
    const world = new World(2, 2);
    world.start();
    await world.clock.until(() => world.server.ready());
    await world.ask(`${root}/nodes`);
    const end = world.link.strike({ verb: 'partition' });
    await world.clock.advance(120_000);
    expect(await world.ask(`${root}/nodes`)).toMatchObject({ code: 503, body: { kind: 'Status' } });
    expect((await world.ask('/readyz')).code).toBe(200);
    end();
    for (const asleepMs of [0, 8 * 3_600_000]) {
      world.clock.jump(asleepMs);
      const { body } = await world.ask(`${root}/nodes`);
      expect(untrue(world, body.items, 1)).toEqual([]);
      expect((body.items as Figure[]).map(({ window }) => window)).toEqual(['1s', '1s']);
    }
    // Nobody asks meanwhile, and the next round is before the next question.
    const endAgain = world.link.strike({ verb: 'partition' });
    await world.clock.advance(200_000);
    endAgain();
    await world.clock.advance(20_000);
    expect(untrue(world, (await world.ask(`${root}/nodes`)).body.items, 1)).toEqual([]);
    await world.server.stop();
  });

  it('waits at its start for an API server that is away, and is not ready before it is registered', async () => {
    const world = new World(3, 1);
    const end = world.link.strike({ verb: 'partition', delayMs: 1_000 });
    world.start();
    await world.clock.advance(60_000);
    expect(world.server.ready()).toBe(false);
    end();
    const lost = world.link.strike({ verb: 'api-error', code: 500, when: 'after', selector: { verbs: ['write'] } });
    await world.clock.advance(10_000);
    expect((await world.ask('/livez')).code).toBe(200);
    lost();
    await world.clock.until(() => world.server.ready(), 6_000);
    expect(world.truth.objects(APIServices)).toHaveLength(1);
    expect((await world.ask('/readyz')).code).toBe(200);
    await world.server.stop();
  });
});
