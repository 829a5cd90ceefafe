import { AlarmRequest_AlarmAction as AlarmAction, AlarmType } from '@orrery/proto/etcd';
import { describe, expect, it } from 'vitest';
import { TestCluster, type TestMember } from '../testing/test-cluster.ts';

const b = (text: string): Buffer => Buffer.from(text);
const full = 'etcdserver: mvcc: database space exceeded';

async function setup(settings: Parameters<TestCluster['begin']>[1] = {}) {
  const cluster = new TestCluster();
  const members = await cluster.begin(3, settings);
  const leader = await cluster.leader();
  const follower = members.find((member) => member !== leader) as TestMember;
  const put = (member: TestMember, key: string, value = key) => cluster.during(cluster.of(member).kv.put({ key: b(key), value: b(value) }));
  const refusal = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'no error', (error: unknown) => (error as Error).message);
  const idOf = async (member: TestMember): Promise<string> => (await cluster.of(member).maintenance.status({})).header?.memberId ?? '';
  const alarms = async (member: TestMember) => ((await cluster.of(member).maintenance.alarm({ action: AlarmAction.GET })).alarms ?? []).map(({ memberID, alarm }) => [memberID, alarm]);
  const disarm = (member: TestMember) => cluster.during(cluster.of(member).maintenance.alarm({ action: AlarmAction.DEACTIVATE }));
  return { cluster, members, leader, follower, put, refusal, idOf, alarms, disarm };
}

type Setup = Awaited<ReturnType<typeof setup>>;

/** What an alarm means everywhere: nothing that needs space, everything that makes some. */
async function expectNoSpace({ cluster, members, refusal, put }: Setup, at: readonly TestMember[] = members): Promise<void> {
  for (const member of at) {
    const { kv, lease } = cluster.of(member);
    expect(await refusal(put(member, 'more'))).toBe(full);
    expect(await refusal(cluster.during(lease.leaseGrant({ TTL: 60 })))).toBe(full);
    const insert = { success: [{ request: { $case: 'requestPut' as const, value: { key: b('more'), value: b('x') } } }] };
    expect(await refusal(cluster.during(kv.txn(insert)))).toBe(full);
  }
}

describe('three members without space', () => {
  it.each(['follower', 'leader'] as const)('the disk of a %s is full: all raise the alarm and refuse writes until it is disarmed', async (role) => {
    const s = await setup();
    const { cluster, members, put, idOf, alarms, disarm, refusal } = s;
    const ill = s[role];
    const well = members.filter((member) => member !== ill);
    await put(ill, 'before');
    await put(ill, 'old');
    ill.disk.capacity = 0;
    // By another member where the ill one follows: its own is refused before it is proposed.
    await refusal(put(role === 'leader' ? ill : (well[0] as TestMember), 'during'));
    await cluster.leader(well);
    await cluster.clock.advance(3000);
    for (const member of well) expect(await alarms(member)).toEqual([[await idOf(ill), AlarmType.NOSPACE]]);
    await expectNoSpace(s, well);
    expect(await refusal(put(ill, 'here'))).toBe(full);
    expect((await cluster.of(well[0] as TestMember).maintenance.status({})).errors).toEqual([`memberID:${await idOf(ill)} alarm:NOSPACE `]);
    expect((await cluster.during(cluster.of(well[1] as TestMember).kv.deleteRange({ key: b('old') }))).deleted).toBe(1);

    ill.disk.capacity = Infinity;
    await cluster.clock.advance(3000);
    // It has caught up, and the alarm with that.
    expect(await alarms(ill)).toEqual([[await idOf(ill), AlarmType.NOSPACE]]);
    await expectNoSpace(s, [ill]);
    expect((await disarm(ill)).alarms).toHaveLength(1);
    for (const member of members) {
      await put(member, `after-${member.name}`);
      expect(await alarms(member)).toEqual([]);
    }
    const hashes = await Promise.all(members.map(async (member) => {
      await cluster.during(cluster.of(member).kv.range({ key: b('x') }));
      return (await cluster.of(member).maintenance.hashKV({})).hash;
    }));
    expect(new Set(hashes).size).toBe(1);
  });

  it('an alarm that is disarmed while the disk is still full comes back', async () => {
    const { cluster, members, follower, leader, put, alarms, disarm } = await setup();
    follower.disk.capacity = 0;
    await put(leader, 'one');
    await cluster.clock.advance(2000);
    expect(await alarms(leader)).toHaveLength(1);
    await disarm(leader);
    await put(leader, 'two');
    await cluster.clock.advance(12_000);
    for (const member of members.filter((one) => one !== follower)) expect(await alarms(member)).toHaveLength(1);
  });

  it('the quota is used up: the same, until there is less', async () => {
    const s = await setup({ quotaBackendBytes: 2000 });
    const { cluster, members, leader, follower, put, refusal, idOf, alarms, disarm } = s;
    for (let i = 0; i < 10; i++) await refusal(put(follower, `k${i}`, 'x'.repeat(200)));
    await cluster.clock.advance(500);
    for (const member of members) expect(await alarms(member)).toEqual([[await idOf(follower), AlarmType.NOSPACE]]);
    await expectNoSpace(s);
    const { header } = await cluster.during(cluster.of(leader).kv.deleteRange({ key: b('k'), rangeEnd: b('l') }));
    await cluster.during(cluster.of(leader).kv.compact({ revision: header?.revision ?? 0, physical: true }));
    for (const member of members) await cluster.during(cluster.of(member).maintenance.defragment({}));
    expect(await refusal(put(leader, 'small'))).toBe(full);
    await disarm(leader);
    for (const member of members) await put(member, 'small');
  });
});
