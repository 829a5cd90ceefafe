import { seededRandom } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { TestCluster, type TestMember } from '../testing/test-cluster.ts';

const seeds = 12;
const rounds = 25;

/** Puts a key of its own through some member; remembers it once it is acknowledged. */
function put(cluster: TestCluster, member: TestMember, key: string, acknowledged: string[]): void {
  if (!member.store) return;
  cluster.of(member).kv.put({ key: Buffer.from(key) }).then(
    () => acknowledged.push(key),
    () => undefined,
  );
}

/** A read that began after `expected` were acknowledged must see them, whoever answers it. */
async function read(cluster: TestCluster, member: TestMember, expected: readonly string[]): Promise<string[]> {
  const { kvs = [] } = await cluster.of(member).kv.range({ key: Buffer.from('\0'), rangeEnd: Buffer.from('\0') });
  const found = new Set(kvs.map(({ key }) => String(key)));
  return expected.filter((key) => !found.has(key));
}

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const cluster = new TestCluster();
  const members = await cluster.begin(3, { snapshotCount: 15 });
  const any = (): TestMember => members[random.int(members.length)] as TestMember;
  const acknowledged: string[] = [];
  const stale: Promise<string[]>[] = [];
  let next = 0;
  for (let round = 0; round < rounds; round++) {
    const fault = random.int(10);
    const victim = any();
    if (fault < 3 && victim.store) cluster.crash(victim);
    else if (fault < 5) cluster.isolate(victim);
    else if (fault < 7) cluster.heal();
    for (const member of members) if (!member.store && random.int(2) === 0) await cluster.start(member);
    for (let i = 0; i < 8; i++) {
      put(cluster, any(), `k${next++}`, acknowledged);
      await cluster.clock.advance(random.int(300));
    }
    const reader = any();
    // One that fails has seen nothing wrong.
    if (reader.store) stale.push(read(cluster, reader, [...acknowledged]).catch(() => []));
  }
  cluster.heal();
  for (const member of members) if (!member.store) await cluster.start(member);
  await cluster.leader();
  for (const member of members) expect(await cluster.during(read(cluster, member, [...acknowledged])), `seed ${seed}, lost on ${member.name}`).toEqual([]);
  const late = await cluster.during(Promise.all(stale));
  expect(late.flat(), `seed ${seed}: acknowledged before the read, not in it`).toEqual([]);
  const hashes = await Promise.all(members.map((member) => cluster.of(member).maintenance.hashKV({})));
  expect(new Set(hashes.map(({ hash }) => hash)).size, `seed ${seed}: hashes`).toBe(1);
  expect(acknowledged.length).toBeGreaterThan(20);
}

describe('a cluster whose members lose power and each other', () => {
  it('loses nothing that was acknowledged, answers no stale read, and ends with the same data everywhere', async () => {
    for (let seed = 1; seed <= seeds; seed++) await run(seed);
  });
});
