import { Events, Nodes, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { Fault } from '@orrery/chaos';
import { describe, expect, it } from 'vitest';
import { World, capacity, nodeCount } from './testing/chaos-world.ts';

/** What may be wrong with the connection; only a server's own failures leave open whether a write took effect. */
const menu: readonly Fault[] = [
  ...[409, 429, 500, 503].map((code): Fault => ({ verb: 'api-error', code, percent: 50, selector: { verbs: ['write'] } })),
  ...[500, 503].map((code): Fault => ({ verb: 'api-error', code, when: 'after', percent: 50, selector: { verbs: ['write'] } })),
  { verb: 'api-error', code: 500, percent: 30, selector: {} },
  { verb: 'api-timeout', when: 'before', percent: 30, selector: {} },
  { verb: 'api-timeout', when: 'after', percent: 50, selector: { resources: ['pods/binding'] } },
  { verb: 'api-delay', delayMs: 20, jitterMs: 3_000, selector: {} },
  { verb: 'watch-drop', delayMs: 700, selector: {} },
  { verb: 'watch-delay', delayMs: 4_000, selector: { resources: ['pods'] } },
  { verb: 'partition', when: 'before', selector: { users: ['scheduler'] } },
  { verb: 'partition', when: 'after', selector: { users: ['scheduler'] } },
];

async function troubled(seed: number): Promise<string[]> {
  const world = new World(seed);
  const { api, clock, random } = world;
  world.start();
  for (let second = 0; second < 60; second++) {
    const id = `f${random.int(2)}`;
    if (random.int(4) === 0) world.link.faults.add(id, menu[random.int(menu.length)] as Fault);
    else if (random.int(6) === 0) world.link.faults.remove(id);
    const dice = random.int(40);
    if (dice === 0) world.kill();
    else if (dice === 1) await world.restart();
    else if (dice === 2) api.compact();
    else if (dice === 3) clock.jump(random.int(20_000));
    else if (dice < 8) await api.patch(Nodes, { name: `n${random.int(nodeCount)}` }, { spec: { unschedulable: dice < 6 } }, { type: 'application/merge-patch+json' });
    if (random.int(2)) await world.create();
    const pods = api.objects(Pods);
    const victim = pods[random.int(pods.length)];
    if (victim && random.int(4) === 0) {
      await world.remove(victim);
      // As a StatefulSet does: another pod of the same name.
      if (random.int(2)) await world.create(victim.metadata?.name);
    }
    await clock.advance(random.int(2_000));
  }
  return world.healed();
}

describe('a scheduler in trouble', () => {
  it.each(Array.from({ length: 16 }, (_, i) => i + 1))('binds each pod once, fills no node over its room, and places all that fit (seed %i)', async (seed) => {
    expect(await troubled(seed)).toEqual([]);
  });

  it('finds out that a binding took effect whose answer was lost, and keeps its room until then', async () => {
    const world = new World(1);
    world.start();
    await world.clock.advance(1_000);
    // Watches say late what the answers do not say at all: only asking tells.
    world.link.faults.add('late', { verb: 'watch-delay', delayMs: 15_000, selector: { resources: ['pods'] } });
    await world.clock.advance(1_000);
    world.link.faults.add('away', { verb: 'partition', when: 'after', selector: { verbs: ['create', 'get'], resources: ['pods'] } });
    for (let i = 0; i < capacity; i++) await world.create();
    await world.clock.advance(40_000);
    expect(world.gauge('scheduler_cache_size{type="pods"}')).toBe(capacity);
    await world.create();
    expect(await world.healed()).toEqual([]);
    expect(world.api.objects(Events).filter(({ reason }) => reason === 'Scheduled')).toHaveLength(capacity);
  });

  it('places a pod that takes the name of one whose binding hangs', async () => {
    const world = new World(2);
    world.start();
    await world.clock.advance(1_000);
    world.link.faults.add('hang', { verb: 'api-timeout', when: 'before', delayMs: 10_000, selector: { resources: ['pods/binding'] } });
    await world.create('web-0');
    await world.clock.advance(2_000);
    await world.remove(world.api.objects(Pods)[0] as Pod);
    await world.create('web-0');
    await world.clock.advance(2_000);
    world.link.faults.clear();
    await world.clock.until(() => world.nodeOf('web-0') !== undefined, 12_000);
    expect(await world.healed()).toEqual([]);
  });
});
