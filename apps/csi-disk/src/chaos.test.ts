import { PersistentVolumeClaims } from '@orrery/api';
import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { VolumeSnapshotContents, VolumeSnapshots } from './snapshots/kinds.ts';
import { type DiskWorld, diskWorld, namespace, nodes } from './testing/disk-world.ts';

const troubledMs = 60_000;
/** A call that fails is tried again within five minutes. */
const healMs = 400_000;
const claimNames = ['a', 'b', 'c'];
const bytes = (text: string | undefined): number => quantityValue(parseQuantity(text ?? '0'));

/** Who wants what: the node that a pod of a claim is on. */
type Wanted = Map<string, string>;

/** The attach/detach controller, which is in a hurry: it asks for the next node while the last one still has the disk. */
async function followPods(world: DiskWorld, wanted: Wanted): Promise<void> {
  for (const { metadata, spec } of world.volumes()) {
    const volume = metadata?.name ?? '';
    const node = wanted.get(spec?.claimRef?.uid ?? '');
    const mine = world.attachments().filter(({ spec: of }) => of?.source.persistentVolumeName === volume);
    for (const one of mine) if (one.spec?.nodeName !== node && !one.metadata?.deletionTimestamp) await world.detach(one);
    if (node && !mine.some(({ spec: of }) => of?.nodeName === node)) await world.attach(volume, node);
  }
}

/** One thing that somebody does. */
async function act(world: DiskWorld, wanted: Wanted, random: ReturnType<typeof seededRandom>): Promise<void> {
  const name = claimNames[random.int(claimNames.length)] ?? '';
  const claim = world.api.find(PersistentVolumeClaims, name, namespace);
  const uid = claim?.metadata?.uid ?? '';
  const snapshot = world.api.find(VolumeSnapshots, `of-${name}`, namespace);
  const dice = random.int(10);
  const isBound = claim?.spec?.volumeName !== undefined;
  if (!claim) await world.createClaim(name);
  else if ((isBound ? dice === 9 : dice > 4) && !claim.metadata?.finalizers?.length && (!snapshot || snapshot.status?.readyToUse)) {
    wanted.delete(uid);
    await world.api.delete(PersistentVolumeClaims, { namespace, name });
  } else if (!isBound) return;
  else if (dice < 4) wanted.set(uid, nodes[random.int(2)] ?? '');
  else if (dice < 5) wanted.delete(uid);
  else if (dice < 7) await world.grow(name, `${1 + random.int(3) + bytes(claim.spec?.resources?.requests?.['storage']) / 2 ** 30}Gi`);
  else if (dice < 9) await (snapshot ? world.api.delete(VolumeSnapshots, { namespace, name: `of-${name}` }) : world.snapshot(`of-${name}`, name));
}

/** What may never be, whatever befalls whom. */
async function broken(world: DiskWorld, made: Map<string, string>): Promise<string[]> {
  const disks = (await world.cloud.disks.list({})).disks ?? [];
  const found = world.lost.map((id) => `the disk ${id} of a claim was deleted`);
  for (const { id = '', name = '' } of disks) {
    if ((made.get(name) ?? id) !== id) found.push(`a second disk for ${name}`);
    made.set(name, id);
  }
  const holders = new Map<string, string>();
  for (const { metadata, spec, status } of world.attachments()) {
    if (!status?.attached || metadata?.deletionTimestamp) continue;
    const volume = spec?.source.persistentVolumeName ?? '';
    const at = disks.find(({ name }) => name === volume)?.attachedTo;
    if (holders.has(volume)) found.push(`${volume} is attached to ${holders.get(volume)} and ${spec?.nodeName}`);
    if (at !== spec?.nodeName) found.push(`${volume} is attached to ${spec?.nodeName}, its disk to ${at || 'none'}`);
    holders.set(volume, spec?.nodeName ?? '');
  }
  return found;
}

/** What is not yet as everybody wants it. */
async function unfinished(world: DiskWorld, wanted: Wanted, orphans: ReadonlySet<string>): Promise<string[]> {
  const disks = (await world.cloud.disks.list({})).disks ?? [];
  const kept = ((await world.cloud.disks.listSnapshots({})).snapshots ?? []).map(({ name }) => name).sort();
  const volumes = world.volumes();
  return [
    ...world.claims().flatMap(({ metadata, spec }) => {
      const { name, sizeBytes = 0, attachedTo = '' } = disks.find((one) => one.name === spec?.volumeName) ?? {};
      if (!name) return [`claim ${metadata?.name} has no disk`];
      const where = wanted.get(metadata?.uid ?? '') ?? '';
      return [...(sizeBytes < bytes(spec?.resources?.requests?.['storage']) ? [`claim ${metadata?.name} has not grown`] : []), ...(attachedTo === where ? [] : [`${name} is at ${attachedTo || 'none'}, not at ${where || 'none'}`])];
    }),
    ...volumes.filter(({ status }) => status?.phase !== 'Bound').map(({ metadata }) => `volume ${metadata?.name} outlives its claim`),
    ...disks.filter(({ name = '' }) => !orphans.has(name) && !volumes.some(({ metadata }) => metadata?.name === name)).map(({ name }) => `disk ${name} is nobody's`),
    ...world.attachments().filter(({ metadata, status }) => metadata?.deletionTimestamp || !status?.attached).map(({ metadata }) => `attachment ${metadata?.name} is not done`),
    ...world.snapshots().filter(({ metadata, status }) => metadata?.deletionTimestamp || !status?.readyToUse).map(({ metadata }) => `snapshot ${metadata?.name} is not done`),
    ...(kept.join() === world.snapshots().map(({ metadata }) => `snapshot-${metadata?.uid}`).sort().join() ? [] : [`${kept.length} snapshots are kept for ${world.snapshots().length}`]),
    ...(world.api.objects(VolumeSnapshotContents).length === world.snapshots().length ? [] : ['contents without snapshots']),
  ];
}

/** A minute of trouble, then time to heal; what is wrong in the end, or was at any moment. */
async function live(seed: number, { kills, sabotage }: { kills: boolean; sabotage?: (channel: Channel) => Channel }): Promise<string[]> {
  const random = seededRandom(seed);
  let rate = 0.25;
  const world = await diskWorld({ seed, trouble: () => rate, ...(sabotage ? { sabotage } : {}) });
  const { clock } = world;
  const wanted: Wanted = new Map();
  const made = new Map<string, string>();
  /** Claims that went before they were bound: whoever dies then takes what it knows of their disks with it, as upstream's provisioner does. */
  const orphans = new Set<string>();
  for (let i = 0; i < (kills ? 2 : 1); i++) world.spawn();
  const step = async (ms: number): Promise<string[]> => {
    await followPods(world, wanted);
    await clock.advance(ms);
    await world.bind();
    return broken(world, made);
  };
  while (clock.monotonic() < troubledMs) {
    const before = world.claims();
    if (random.next() < 0.35) await act(world, wanted, random);
    if (kills) for (const { metadata, spec } of before) if (!spec?.volumeName && !world.claims().some((now) => now.metadata?.uid === metadata?.uid)) orphans.add(`pvc-${metadata?.uid}`);
    if (kills && random.next() < 0.05) world.kill(random.int(2));
    if (random.next() < 0.03) world.replicas[0]?.link.part(random.int(8_000));
    if (random.next() < 0.03) world.api.disconnect();
    const found = await step(1_000);
    if (found.length) return found;
  }
  rate = 0;
  const until = clock.monotonic() + healMs;
  let left = ['not looked at'];
  while (left.length && clock.monotonic() < until) {
    const found = await step(5_000);
    if (found.length) return found;
    left = await unfinished(world, wanted, orphans);
  }
  return left;
}

const first = Number(process.env['ORRERY_SEED']) || 1;
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 8);

test.each([['that is left alone', false], ['whose replicas are killed', true]])('a driver %s, between a cloud and an API server that fail it, ends with every disk where it belongs', { timeout: 600_000 }, async (_name, kills) => {
  for (let seed = first; seed < first + seeds; seed++) expect(await live(seed, { kills }), `seed ${seed}`).toEqual([]);
});

/** A cloud some of whose calls go another way. */
const instead = (name: RegExp, way: (really: () => unknown) => unknown) => (channel: Channel): Channel => ({ ...channel, call: (definition, method, input, options) => (name.test(`${definition.name}/${method.name}`) ? way(() => channel.call(definition, method, input, options)) : channel.call(definition, method, input, options)) });

test.each([
  ['leaves disks behind', /Disks\/Delete$/, /is nobody's/],
  ['leaves snapshots behind', /Disks\/DeleteSnapshot$/, /are kept for/],
  ['takes a disk for detached that is not', /Disks\/Detach$/, /is at n/],
])('is caught: a driver that %s', async (_name, calls, expected) => {
  const found: string[] = [];
  for (let seed = 1; seed <= 12 && !found.some((text) => expected.test(text)); seed++) found.push(...(await live(seed, { kills: false, sabotage: instead(calls, () => Promise.resolve({})) })));
  expect(found.filter((text) => expected.test(text))).not.toEqual([]);
});

test('a claim that goes while the cloud has made its disk, and has not said so, leaves no disk', async () => {
  let silent = true;
  const sabotage = instead(/Disks\/Create$/, async (really) => {
    const made = await really();
    if (silent) throw new RpcError(Code.UNAVAILABLE, 'the connection was lost');
    return made;
  });
  const world = await diskWorld({ seed: 1, trouble: () => 0, sabotage });
  const disks = async (): Promise<number> => ((await world.cloud.disks.list({})).disks ?? []).length;
  world.spawn();
  await world.createClaim('a');
  await world.clock.advance(10_000);
  expect([await disks(), world.volumes().length]).toEqual([1, 0]);
  await world.api.delete(PersistentVolumeClaims, { namespace, name: 'a' });
  // Another of the name comes meanwhile, and is none of it.
  const { metadata } = await world.createClaim('a');
  await world.clock.advance(1_000);
  silent = false;
  for (let i = 0; i < 60; i++) {
    await world.bind();
    await world.clock.advance(1_000);
  }
  expect(world.volumes().map(({ spec }) => spec?.claimRef?.uid)).toEqual([metadata?.uid]);
  expect([await disks(), world.lost]).toEqual([1, []]);
});

test.each([
  ['has not said so', true],
  ['could not make it', false],
])('a snapshot that is deleted while the cloud %s leaves nothing', async (_name, isMade) => {
  let asked = 0;
  let silent = true;
  const sabotage = instead(/Disks\/CreateSnapshot$/, async (really) => {
    asked++;
    if (!isMade) throw new RpcError(Code.INTERNAL, 'no room');
    const made = await really();
    if (silent) throw new RpcError(Code.UNAVAILABLE, 'the connection was lost');
    return made;
  });
  const world = await diskWorld({ seed: 1, trouble: () => 0, sabotage });
  const kept = async (): Promise<number> => ((await world.cloud.disks.listSnapshots({})).snapshots ?? []).length;
  world.spawn();
  await world.createClaim('a');
  for (let i = 0; i < 5; i++) {
    await world.clock.advance(1_000);
    await world.bind();
  }
  await world.snapshot('s', 'a');
  await world.clock.advance(10_000);
  expect([await kept(), asked > 0, world.snapshots()[0]?.status?.readyToUse]).toEqual([isMade ? 1 : 0, true, false]);
  await world.api.delete(VolumeSnapshots, { namespace, name: 's' });
  await world.clock.advance(5_000);
  silent = false;
  await world.clock.advance(60_000);
  expect([await kept(), world.snapshots(), world.api.objects(VolumeSnapshotContents)]).toEqual([0, [], []]);
});
