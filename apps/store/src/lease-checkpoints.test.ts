import { describe, expect, it } from 'vitest';
import { TestCluster, type TestMember } from './testing/test-cluster.ts';

const settings = { leaseCheckpointIntervalSeconds: 5 };

async function setup(more: Parameters<TestCluster['begin']>[1] = {}) {
  const cluster = new TestCluster();
  const members = await cluster.begin(3, { ...settings, ...more });
  const leader = await cluster.leader();
  const granted = async (TTL: number): Promise<string> => (await cluster.during(cluster.of(leader).lease.leaseGrant({ TTL }))).ID ?? '';
  const left = async (member: TestMember, ID: string): Promise<number> => (await cluster.during(cluster.of(member).lease.leaseTimeToLive({ ID }))).TTL ?? NaN;
  const renew = async (member: TestMember, ID: string): Promise<void> => {
    const answers = cluster.of(member).lease.leaseKeepAlive((async function* () { yield { ID }; })())[Symbol.asyncIterator]();
    expect((await cluster.during(answers.next())).value).toMatchObject({ ID });
  };
  const nextLeader = async (): Promise<TestMember> => {
    const old = await cluster.leader();
    cluster.crash(old);
    const next = await cluster.leader(members.filter((member) => member !== old));
    await cluster.start(old);
    return next;
  };
  return { cluster, members, leader, granted, left, renew, nextLeader };
}

describe('what leases have left', () => {
  it('outlives the leader, but for what passed since the last checkpoint', async () => {
    const { cluster, granted, left, nextLeader } = await setup();
    const id = await granted(60);
    await cluster.clock.advance(21_000);
    const next = await nextLeader();
    const seconds = await left(next, id);
    expect(seconds).toBeLessThanOrEqual(45);
    // Never less than it really has.
    expect(seconds).toBeGreaterThanOrEqual(30);
    await cluster.clock.advance(46_000);
    expect(await left(next, id)).toBe(-1);
  });

  it('is all of it again once the lease is renewed, for the leader after the next, too', async () => {
    const { cluster, members, granted, left, renew, nextLeader } = await setup();
    const id = await granted(60);
    await cluster.clock.advance(21_000);
    await renew(members[0] as TestMember, id);
    expect(await left(await nextLeader(), id)).toBeGreaterThanOrEqual(55);
    await cluster.clock.advance(11_000);
    await renew(members[1] as TestMember, id);
    const next = await nextLeader();
    expect(await left(next, id)).toBeGreaterThanOrEqual(55);
  });

  it('is not written down for leases that live no longer than from one checkpoint to the next', async () => {
    const { cluster, leader, granted } = await setup();
    await granted(5);
    const before = (await cluster.of(leader).maintenance.status({})).raftIndex;
    await cluster.clock.advance(4900);
    expect((await cluster.of(leader).maintenance.status({})).raftIndex).toBe(before);
  });

  it('is in snapshots', async () => {
    const { cluster, members, granted, left } = await setup({ snapshotCount: 10 });
    const id = await granted(600);
    await cluster.clock.advance(100_000);
    for (let i = 0; i < 30; i++) await cluster.during(cluster.of(members[0] as TestMember).kv.put({ key: Buffer.from(`k${i}`) }));
    for (const member of members) cluster.crash(member);
    for (const member of members) await cluster.start(member);
    const seconds = await left(await cluster.leader(), id);
    expect([seconds <= 505, seconds > 480]).toEqual([true, true]);
  });

  it('outlives a restart of a store alone', async () => {
    const cluster = new TestCluster();
    const alone = cluster.add('alone', { ...settings, listenPeer: [] });
    await cluster.start(alone);
    const { ID } = await cluster.during(cluster.of(alone).lease.leaseGrant({ TTL: 100 }));
    await cluster.clock.advance(51_000);
    cluster.crash(alone);
    await cluster.start(alone);
    expect((await cluster.of(alone).lease.leaseTimeToLive({ ID })).TTL).toBe(50);
  });
});
