import { type WatchRequest, type WatchResponse, AuthDefinition, ElectionDefinition, LockDefinition, WatchDefinition } from '@orrery/proto/etcd';
import { type Channel, AsyncQueue, createClient } from '@orrery/rpc';
import { describe, expect, it } from 'vitest';
import { TestCluster, type TestMember } from '../testing/test-cluster.ts';

const b = (text: string): Buffer => Buffer.from(text);
const all = { key: b('\0'), rangeEnd: b('\0') };

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error as Error).message,
  );
}

/** HashKV of each member, once each has everything. */
async function hashes(cluster: TestCluster, members: readonly TestMember[]): Promise<Set<number>> {
  for (const member of members) await cluster.during(cluster.of(member).kv.range({ key: b('x') }));
  const found = await Promise.all(members.map((member) => cluster.of(member).maintenance.hashKV({})));
  return new Set(found.map(({ hash = 0 }) => hash));
}

async function setup(count: number, settings: Parameters<TestCluster['begin']>[1] = {}) {
  const cluster = new TestCluster();
  const members = await cluster.begin(count, settings);
  const leader = await cluster.leader();
  const followers = members.filter((member) => member !== leader);
  const put = (member: TestMember, key: string, value = key) => cluster.during(cluster.of(member).kv.put({ key: b(key), value: b(value) }));
  const keys = async (member: TestMember, serializable = false): Promise<string[]> => {
    const { kvs = [] } = await cluster.during(cluster.of(member).kv.range({ ...all, serializable }));
    return kvs.map(({ key }) => String(key));
  };
  return { cluster, members, leader, follower: followers[0] as TestMember, other: followers[1] as TestMember, put, keys };
}

describe('three members', () => {
  it('elect a leader, and hold what any of them was told', async () => {
    const { cluster, members, leader, follower, put, keys } = await setup(3);
    await put(follower, 'a');
    await put(leader, 'b');
    for (const member of members) expect(await keys(member), member.name).toEqual(['a', 'b']);
    expect((await hashes(cluster, members)).size).toBe(1);
    const status = await Promise.all(members.map((member) => cluster.of(member).maintenance.status({})));
    expect(new Set(status.map(({ raftTerm }) => raftTerm)).size).toBe(1);
    expect(status.map(({ isLearner, errors }) => [isLearner, errors])).toEqual([1, 2, 3].map(() => [false, []]));
    const { members: listed = [] } = await cluster.during(cluster.of(follower).cluster.memberList({ linearizable: true }));
    expect(listed.map(({ name, peerURLs }) => `${name} ${peerURLs?.join()}`).sort()).toEqual(['m1 http://m1:2380', 'm2 http://m2:2380', 'm3 http://m3:2380']);
  });

  it('go on without the leader, which learns on its return what it missed', async () => {
    const { cluster, members, leader, follower, other, put, keys } = await setup(3);
    await put(leader, 'a');
    cluster.crash(leader);
    const second = await cluster.leader([follower, other]);
    expect(second).not.toBe(leader);
    await put(follower, 'b');
    await put(other, 'c');
    await cluster.start(leader);
    expect(await keys(leader)).toEqual(['a', 'b', 'c']);
    expect((await hashes(cluster, members)).size).toBe(1);
  });

  it('answer neither writes nor linearizable reads without a majority; serializable reads they do', async () => {
    const { cluster, leader, follower, other, put, keys } = await setup(3);
    await put(leader, 'a');
    cluster.crash(follower);
    cluster.crash(other);
    expect(await failure(put(leader, 'b'))).toMatch(/^etcdserver: request timed out/);
    expect(await failure(keys(leader))).toBe('etcdserver: request timed out');
    expect(await keys(leader, true)).toEqual(['a']);
    expect((await cluster.of(leader).maintenance.status({})).errors).toEqual(['etcdserver: no leader']);
    const impatient = cluster.of(leader).kv.put({ key: b('c') }, { metadata: { hasleader: 'true' } });
    expect(await failure(impatient)).toBe('etcdserver: no leader');
    await cluster.start(follower);
    await put(follower, 'd');
    expect(await keys(leader)).toContain('d');
  });

  it('a leader that was cut off answers no stale reads, and gives way', async () => {
    const { cluster, members, leader, follower, put, keys } = await setup(3);
    await put(leader, 'a');
    cluster.isolate(leader);
    const stale = cluster.of(leader).kv.range(all);
    stale.catch(() => undefined);
    await cluster.leader(members.filter((member) => member !== leader));
    await put(follower, 'b');
    expect(await failure(cluster.during(stale))).toBe('etcdserver: request timed out');
    cluster.heal();
    expect(await keys(leader)).toEqual(['a', 'b']);
    expect((await hashes(cluster, members)).size).toBe(1);
  });

  it('all lose their power and come back with everything that was acknowledged', async () => {
    const { cluster, members, follower, put, keys } = await setup(3, { snapshotCount: 20 });
    for (let i = 0; i < 70; i++) await put(members[i % 3] as TestMember, `k${String(i).padStart(2, '0')}`);
    for (const member of members) cluster.crash(member);
    for (const member of members) await cluster.start(member);
    expect(await keys(follower)).toHaveLength(70);
    expect((await hashes(cluster, members)).size).toBe(1);
  });

  it('a member that was away for long gets a snapshot; its watchers miss nothing', async () => {
    const { cluster, members, leader, follower, put, keys } = await setup(3, { snapshotCount: 1000 });
    await put(leader, 'before');
    const requests = new AsyncQueue<WatchRequest>();
    requests.push({ requestUnion: { $case: 'createRequest', value: { key: b('\0'), rangeEnd: b('\0') } } });
    const seen: WatchResponse[] = [];
    const read = async (): Promise<void> => {
      if (!follower.store) throw new Error('down');
      for await (const response of createClient(WatchDefinition, follower.store.channel()).watch(requests)) seen.push(response);
    };
    read().catch(() => undefined);
    await cluster.clock.advance(100);
    cluster.isolate(follower);
    // More than a leader keeps for those that lag.
    const kv = cluster.of(leader).kv;
    await cluster.during(Promise.all(Array.from({ length: 12_000 }, (_, i) => kv.put({ key: b(`k${i % 100}`), value: b(String(i)) }))));
    cluster.heal();
    expect(await keys(follower)).toHaveLength(101);
    await cluster.clock.advance(1000);
    expect(seen.flatMap(({ events = [] }) => events)).toHaveLength(12_000);
    expect((await hashes(cluster, members)).size).toBe(1);
    cluster.crash(follower);
    await cluster.start(follower);
    await put(follower, 'after');
    expect((await hashes(cluster, members)).size).toBe(1);
  });
});

const channelOf = ({ store }: TestMember): Channel => {
  if (!store) throw new Error('down');
  return store.channel();
};

describe('a member that lags behind', () => {
  it('lets those in who are users, with a token of another member, too', async () => {
    const { cluster, leader, follower, other, put } = await setup(3);
    const auth = (member: TestMember) => createClient(AuthDefinition, channelOf(member));
    await put(leader, 'a');
    cluster.isolate(follower);
    await cluster.during(auth(leader).userAdd({ name: 'root', password: 'secret' }));
    await cluster.during(auth(leader).userGrantRole({ user: 'root', role: 'root' }));
    await cluster.during(auth(leader).authEnable({}));
    const { token = '' } = await cluster.during(auth(other).authenticate({ name: 'root', password: 'secret' }));
    const behind = [
      auth(follower).authenticate({ name: 'root', password: 'secret' }).then(({ token: own }) => own !== '' && own !== token),
      cluster.of(follower).kv.put({ key: b('b') }, { metadata: { token } }).then(() => true),
      cluster.of(follower).kv.range({ key: b('a'), serializable: true }, { metadata: { token } }).then(({ count }) => count === 1),
      cluster.of(follower).maintenance.hashKV({}, { metadata: { token } }).then(() => true),
    ];
    cluster.heal();
    expect(await cluster.during(Promise.all(behind))).toEqual([true, true, true, true]);
    const forged = { metadata: { token: 'abcdefghijklmnop.1000000' } };
    expect(await failure(cluster.during(cluster.of(follower).kv.range({ key: b('a') }, forged)))).toBe('etcdserver: invalid auth token');
  });

  it.each(['lock', 'election'] as const)('leaves the queue (%s) for a caller that gave up while it was entered, whether it is the first there or not', async (which) => {
    const { cluster, follower } = await setup(3);
    const enter = async (): Promise<(signal: AbortSignal) => Promise<unknown>> => {
      const { ID: lease = '0' } = await cluster.during(cluster.of(follower).lease.leaseGrant({ TTL: 60 }));
      const request = { name: b('q'), lease };
      const channel = channelOf(follower);
      return (signal) => (which === 'lock' ? createClient(LockDefinition, channel).lock(request, { signal }) : createClient(ElectionDefinition, channel).campaign(request, { signal }));
    };
    const queue = async (): Promise<number> => (await cluster.during(cluster.of(follower).kv.range({ key: b('q/'), rangeEnd: b('q0') }))).count ?? 0;
    const giveUp = async (turns: number): Promise<number> => {
      const gone = new AbortController();
      const next = await enter();
      const waiting = failure(next(gone.signal));
      for (let i = 0; i < turns; i++) await Promise.resolve();
      gone.abort();
      expect(await cluster.during(waiting)).toBe('call cancelled');
      await cluster.clock.advance(1000);
      return queue();
    };
    for (let turns = 0; turns < 12; turns++) expect([turns, await giveUp(turns)]).toEqual([turns, 0]);
    const holder = await enter();
    await cluster.during(holder(new AbortController().signal));
    for (let turns = 0; turns < 12; turns++) expect([turns, await giveUp(turns)]).toEqual([turns, 1]);
    // The holder asks again, and thinks better of it.
    const again = new AbortController();
    const asked = failure(holder(again.signal));
    again.abort();
    expect(await cluster.during(asked)).toBe('call cancelled');
    await cluster.clock.advance(1000);
    expect(await queue()).toBe(which === 'lock' ? 1 : 0);
  });
});

describe('leases', () => {
  it('are kept alive through any member, and live their full time again under a new leader', async () => {
    const { cluster, leader, follower, other, keys } = await setup(3);
    const { ID } = await cluster.during(cluster.of(follower).lease.leaseGrant({ TTL: 10 }));
    await cluster.during(cluster.of(follower).kv.put({ key: b('leased'), lease: ID }));
    await cluster.clock.advance(6000);
    const renewed = cluster.of(other).lease.leaseKeepAlive((async function* () { yield { ID }; })())[Symbol.asyncIterator]();
    expect((await cluster.during(renewed.next())).value).toMatchObject({ TTL: 10 });
    await cluster.clock.advance(6000);
    const left = await cluster.during(cluster.of(follower).lease.leaseTimeToLive({ ID, keys: true }));
    expect(left).toMatchObject({ grantedTTL: 10, keys: [b('leased')] });
    expect(left.TTL).toBeLessThanOrEqual(4);
    cluster.crash(leader);
    await cluster.leader([follower, other]);
    await cluster.clock.advance(7000);
    expect(await keys(follower)).toEqual(['leased']);
    await cluster.clock.advance(5000);
    expect(await keys(follower)).toEqual([]);
    expect(await cluster.during(cluster.of(other).lease.leaseTimeToLive({ ID }))).toMatchObject({ TTL: -1 });
  });
});

describe('members', () => {
  it('a learner joins, catches up, is promoted; the old leader is removed and stops', async () => {
    const { cluster, leader, follower, other, put, keys } = await setup(3);
    await put(leader, 'a');
    const { member } = await cluster.during(cluster.of(follower).cluster.memberAdd({ peerURLs: ['http://m4:2380'], isLearner: true }));
    // Ids are made of addresses and the time.
    await cluster.clock.advance(1);
    const again = cluster.of(follower).cluster.memberAdd({ peerURLs: ['http://m4:2380'], isLearner: true });
    expect(await failure(cluster.during(again))).toBe('etcdserver: Peer URLs already exists');
    const early = cluster.of(follower).cluster.memberPromote({ ID: member?.ID });
    expect(await failure(cluster.during(early))).toMatch(/in sync with leader|not enough started members/);
    const fourth = cluster.add('m4', { initialClusterState: 'existing', initialCluster: ['m1=m1:2380', 'm2=m2:2380', 'm3=m3:2380', 'm4=m4:2380'] });
    await cluster.start(fourth);
    await cluster.clock.advance(2000);
    expect(await keys(fourth, true)).toEqual(['a']);
    expect(await failure(put(fourth, 'b'))).toBe('etcdserver: rpc not supported for learner');
    await cluster.during(cluster.of(follower).cluster.memberPromote({ ID: member?.ID }));
    await put(fourth, 'b');
    const leaderId = (await cluster.of(leader).maintenance.status({})).header?.memberId;
    await cluster.during(cluster.of(follower).cluster.memberRemove({ ID: leaderId }));
    await cluster.clock.advance(5000);
    expect(leader.store?.ready()).toBe(false);
    expect(await failure(put(leader, 'c'))).toBe('etcdserver: server stopped');
    await put(other, 'c');
    expect(await keys(fourth)).toEqual(['a', 'b', 'c']);
    const { members = [] } = await cluster.of(other).cluster.memberList({});
    expect(members.map(({ name }) => name).sort()).toEqual([follower, other, fourth].map(({ name }) => name).sort());
  });

  it('a member that was down when it was removed learns of it', async () => {
    const { cluster, leader, follower, put } = await setup(3);
    const id = (await cluster.of(follower).maintenance.status({})).header?.memberId;
    cluster.crash(follower);
    await cluster.during(cluster.of(leader).cluster.memberRemove({ ID: id }));
    await put(leader, 'a');
    await cluster.start(follower);
    await cluster.clock.advance(10_000);
    expect(follower.store?.ready()).toBe(false);
  });

  it('leadership moves on request, to voters only, asked of the leader', async () => {
    const { cluster, leader, follower, other } = await setup(3);
    const idOf = async (member: TestMember) => (await cluster.of(member).maintenance.status({})).header?.memberId;
    expect(await failure(cluster.of(follower).maintenance.moveLeader({ targetID: await idOf(other) }))).toBe('etcdserver: not leader');
    expect(await failure(cluster.of(leader).maintenance.moveLeader({ targetID: '7' }))).toBe('etcdserver: bad leader transferee');
    await cluster.during(cluster.of(leader).maintenance.moveLeader({ targetID: await idOf(other) }));
    expect(await cluster.leader()).toBe(other);
  });

  it('a store that was alone becomes the first of several, with all it had', async () => {
    const cluster = new TestCluster();
    const first = cluster.add('m1', { listenPeer: [] });
    await cluster.start(first);
    await cluster.during(cluster.of(first).kv.put({ key: b('old') }));
    await cluster.during((first.store as NonNullable<typeof first.store>).stop());
    const again = cluster.add('m1', {}, first.disk);
    await cluster.start(again);
    await cluster.during(cluster.of(again).cluster.memberAdd({ peerURLs: ['http://m2:2380'] }));
    const second = cluster.add('m2', { initialClusterState: 'existing', initialCluster: ['m1=m1:2380', 'm2=m2:2380'] });
    await cluster.start(second);
    await cluster.during(cluster.of(second).kv.put({ key: b('new') }));
    cluster.crash(again);
    cluster.crash(second);
    await cluster.start(again);
    await cluster.start(second);
    const { kvs = [] } = await cluster.during(cluster.of(second).kv.range(all));
    expect(kvs.map(({ key }) => String(key))).toEqual(['new', 'old']);
    expect((await hashes(cluster, [again, second])).size).toBe(1);
    const alone = cluster.add('m1', { listenPeer: [] }, again.disk.reboot('all kept'));
    expect(await failure(cluster.start(alone))).toContain('start it with --listen-peer');
  });
});
