import { RpcError } from '@orrery/rpc';
import { type Random, VirtualClock, seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import type { DiskContents } from './disks.ts';
import type { CloudState } from './ledger.ts';
import { startCloud } from './testing/cloud-harness.ts';

type Cloud = Awaited<ReturnType<typeof startCloud>>;
const unavailable = 14;
const clusterName = 'k';

/** The file of a cloud on a disk that is slow, now and then full, and loses what was being written when its process is killed. */
class Journal {
  text: string | undefined;
  /** Share of writes that fail. */
  trouble = 0;
  private readonly clock: VirtualClock;
  private readonly random: Random;

  constructor(clock: VirtualClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** As one process sees it; nothing it does has an effect after `kill`. */
  open(): { state: CloudState; kill: () => void } {
    let writing: { before: string; text: string } | undefined;
    let dead = false;
    const write = async (before: string, text: string, partly: boolean): Promise<void> => {
      if (partly) writing = { before, text };
      await this.clock.sleep(1 + this.random.int(40));
      if (dead) return new Promise(() => undefined);
      writing = undefined;
      if (this.random.next() >= this.trouble) return void (this.text = before + text);
      if (partly) this.text = before + text.slice(0, this.random.int(text.length));
      throw new Error('ENOSPC: no space left on device');
    };
    return {
      state: { load: async () => this.text, append: (text) => write(this.text ?? '', text, true), replace: (text) => write('', text, false) },
      kill: () => {
        dead = true;
        if (writing) this.text = writing.before + writing.text.slice(0, this.random.int(writing.text.length + 1));
      },
    };
  }
}

/** A cloud whose process is killed and begun anew, and clients that ask again until they are answered. */
async function lives(clock: VirtualClock, random: Random) {
  const journal = new Journal(clock, random);
  const config = { quotas: ['disks=5', 'routes=4'], disksPerNode: 2 };
  let process = journal.open();
  let cloud = await startCloud({ state: process.state, clock, random, config });
  let gone = Promise.withResolvers<never>();
  gone.promise.catch(() => undefined);
  return {
    journal,
    cloud: () => cloud,
    async restart(): Promise<void> {
      process.kill();
      const before = gone;
      gone = Promise.withResolvers<never>();
      gone.promise.catch(() => undefined);
      process = journal.open();
      cloud = await startCloud({ state: process.state, clock, random, config });
      before.reject(new RpcError(unavailable, 'connection lost'));
    },
    /** Undefined: refused for good. */
    async insist<T>(call: (cloud: Cloud) => Promise<T>): Promise<T | undefined> {
      for (;;) {
        try {
          return await Promise.race([call(cloud), gone.promise]);
        } catch (error) {
          if ((error as RpcError).code !== unavailable) return undefined;
          await clock.sleep(20 + random.int(100));
        }
      }
    },
  };
}

/** Owns one disk, one route and one instance; `said` is what it was last told of them, `busy` while it waits for an answer. */
async function client(name: string, { insist, clock, random, over }: Pick<Awaited<ReturnType<typeof lives>>, 'insist'> & { clock: VirtualClock; random: Random; over: () => boolean }, told: Map<string, string>, busy: Set<string>) {
  const destinationCidr = `10.244.${name.slice(1)}.0/24`;
  const ask = async (what: string, call: (cloud: Cloud) => Promise<unknown>): Promise<void> => {
    busy.add(`${what} ${name}`);
    const answer = await insist(call);
    if (answer !== undefined) told.set(`${what} ${name}`, JSON.stringify(answer));
    busy.delete(`${what} ${name}`);
  };
  const disk = async ({ disks }: Cloud): Promise<string> => (await disks.get({ name })).id ?? '';
  const acts: (() => Promise<void>)[] = [
    () => ask('disk', ({ disks }) => disks.create({ name })),
    () => {
      const node = `n${random.int(2)}`;
      return ask('disk', async (cloud) => cloud.disks.attach({ diskId: await disk(cloud), node }));
    },
    () => ask('disk', async (cloud) => cloud.disks.detach({ diskId: await disk(cloud) })),
    () => ask('disk', ({ disks }) => disks.delete({ name })),
    () => ask('route', ({ routes }) => routes.create({ clusterName, name, destinationCidr, targetNode: name, nextHops: ['10.0.0.1'] })),
    () => ask('route', ({ routes }) => routes.delete({ name })),
    () => ask('instance', ({ instances }) => instances.create({ name, clientToken: name })),
  ];
  while (!over()) {
    await acts[random.int(acts.length)]?.();
    await clock.sleep(random.int(60));
  }
}

/** What a cloud has, in the words of `told`. */
async function has({ disks, routes, instances }: Cloud): Promise<Map<string, string>> {
  const all = [
    ...((await disks.list({})).disks ?? []).map((one) => ['disk', one] as const),
    ...((await routes.list({ clusterName })).routes ?? []).map((one) => ['route', one] as const),
    ...((await instances.list({})).instances ?? []).map((one) => ['instance', one] as const),
  ];
  return new Map(all.map(([what, one]) => [`${what} ${one.name ?? ''}`, JSON.stringify(one)]));
}

async function checkLimits({ disks, routes, instances }: Cloud): Promise<void> {
  const all = (await disks.list({})).disks ?? [];
  const attached = all.filter(({ attachedTo }) => attachedTo).map(({ attachedTo = '', device = '' }) => `${attachedTo} ${device}`);
  expect(new Set(attached).size).toBe(attached.length);
  for (const node of ['n0', 'n1']) expect(attached.filter((one) => one.startsWith(node)).length).toBeLessThanOrEqual(2);
  expect([all.length <= 5, ((await routes.list({})).routes ?? []).length <= 4]).toEqual([true, true]);
  const addresses = ((await instances.list({})).instances ?? []).map(({ privateIp }) => privateIp);
  expect(new Set(addresses).size).toBe(addresses.length);
}

const settled = (text: string): string => text.replace('"state":"PENDING"', '"state":"RUNNING"');

it.each([1, 2, 3, 4, 5, 6])('seed %i: killed at any moment, on a disk that is full now and then, it has what it answered, within its quotas', async (seed) => {
  const [clock, random] = [new VirtualClock(), seededRandom(seed)];
  const world = await lives(clock, random);
  const [told, busy] = [new Map<string, string>(), new Set<string>()];
  let over = false;
  const clients = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'].map((name) => client(name, { insist: world.insist, clock, random, over: () => over }, told, busy));
  const check = async (): Promise<void> => {
    const now = await has(world.cloud());
    for (const [what, answer] of told) if (!busy.has(what)) expect(settled(now.get(what) ?? '{}'), what).toBe(settled(answer));
    await checkLimits(world.cloud());
  };
  for (let round = 0; round < 15; round++) {
    world.journal.trouble = [0, 0.5, 1][random.int(3)] ?? 0;
    await clock.advance(random.int(600));
    await world.restart();
    await check();
  }
  over = true;
  world.journal.trouble = 0;
  await clock.advance(1_000);
  expect([...busy], 'healed within a second').toEqual([]);
  await Promise.all(clients);
  await world.restart();
  await check();
});

it('an instance that was starting when its cloud was killed is running in its time, and a planted failure fails until it is taken away', async () => {
  const [clock, random] = [new VirtualClock(), seededRandom(9)];
  const world = await lives(clock, random);
  const told = async <T>(call: (cloud: Cloud) => Promise<T>): Promise<T | undefined> => {
    const answer = world.insist(call);
    await clock.advance(100);
    return answer;
  };
  const made = await told(({ instances }) => instances.create({ name: 'vm', clientToken: 't' }));
  await told(({ operations }) => operations.setFault({ method: 'Instances/Get', code: 13 }));
  await world.restart();
  await expect(world.cloud().instances.get({ name: 'vm' })).rejects.toMatchObject({ code: 13 });
  await told(({ operations }) => operations.clearFaults({}));
  await world.restart();
  expect(await world.cloud().instances.get({ name: 'vm' })).toEqual({ ...made, state: 'PENDING' });
  await clock.advance(2_000);
  expect(await world.cloud().instances.get({ name: 'vm' })).toEqual({ ...made, state: 'RUNNING' });
});

it('what is made at the same time, slowly, stays within the quotas all the same', async () => {
  const clock = new VirtualClock();
  const contents: DiskContents = { path: (id) => `/disks/${id}`, create: () => clock.sleep(1_000), remove: async () => undefined };
  const { disks } = await startCloud({ clock, contents, config: { quotas: ['disks=3', 'snapshots=1'] } });
  const many = async (make: (i: number) => Promise<unknown>): Promise<string[]> => {
    const results = Promise.allSettled([0, 1, 2, 3, 4].map(make));
    await clock.advance(2_000);
    return (await results).map(({ status }) => status);
  };
  expect(await many((i) => disks.create({ name: `d${i}` }))).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
  const { id: diskId = '' } = await disks.get({ name: 'd0' });
  expect(await many((i) => disks.createSnapshot({ name: `s${i}`, diskId }))).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'rejected']);
});
