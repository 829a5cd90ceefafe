import { type WatchRequest, type WatchResponse, WatchDefinition } from '@orrery/proto/etcd';
import { AsyncQueue, createClient } from '@orrery/rpc';
import { describe, expect, it } from 'vitest';
import { createStore } from '../component.ts';
import { Proposals, type Waiting } from '../consensus/proposals.ts';
import { testEnv } from '../testing/local-member.ts';
import { TestCluster, type TestMember } from '../testing/test-cluster.ts';
import { type Faults, faultsFrom } from './nemesis.ts';
import { simulate } from './scenario.ts';

const drain = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const b = (text: string): Buffer => Buffer.from(text);

/** Found with these seeds and faults, before they were mended. */
const seeds: readonly [title: string, faults: Faults, seeds: readonly number[]][] = [
  ['an expired lease was revoked after another leader had renewed it', faultsFrom(['pause', 'pause', 'slowDisk', 'isolateLeader', 'heal']), [3, 14, 143]],
  ['the progress of a watch went back', faultsFrom(['pause', 'pause', 'isolateLeader', 'heal', 'heal']), [18, 29]],
  ['a removed member went on after a restart', faultsFrom(['heal', 'heal', 'cutOne', 'changeMembers', 'changeMembers']), [96]],
];

describe('what the simulation found', () => {
  it.each(seeds)('%s', { timeout: 120_000 }, async (_title, faults, list) => {
    for (const seed of list) expect((await simulate({ seed, faults, conditions: { members: 3 }, drain })).findings).toEqual([]);
  });

  it('proposals of a leader as such end with its reign', () => {
    const proposals = new Proposals();
    const rejected: string[] = [];
    const waiting = (sequence: number, reign?: number): Waiting => ({ sequence, since: 0, entry: { type: 'normal', data: b('x') }, resolve: () => undefined, reject: (error) => rejected.push(`${sequence}: ${(error as Error).message}`), ...(reign === undefined ? {} : { reign }) });
    for (const one of [waiting(1), waiting(2, 4), waiting(3, 0), waiting(4, 5)]) proposals.add(one);
    proposals.endReigns(5);
    expect(rejected).toEqual(['2: etcdserver: leader changed', '3: etcdserver: leader changed']);
    const sent: number[] = [];
    proposals.flush(5, (entries) => sent.push(entries.length) > 0);
    expect(sent).toEqual([2]);
    proposals.endReigns(0);
    expect(rejected).toHaveLength(2);
  });

  it('the progress of a stream is never behind events that it has told', async () => {
    const env = testEnv();
    const store = createStore(env, {}, { listenClient: [] });
    await store.start();
    const requests = new AsyncQueue<WatchRequest>();
    const responses = createClient(WatchDefinition, store.channel()).watch(requests)[Symbol.asyncIterator]();
    const next = async (): Promise<WatchResponse> => (await responses.next()).value as WatchResponse;
    requests.push({ requestUnion: { $case: 'createRequest', value: { key: b('a') } } });
    expect((await next()).created).toBe(true);
    const { kv } = (await import('../testing/test-cluster.ts')).clients(store.channel());
    await kv.put({ key: b('a'), value: b('1') });
    requests.push({ requestUnion: { $case: 'progressRequest', value: {} } });
    for (let i = 0; i < 20; i++) await Promise.resolve();
    await kv.put({ key: b('a'), value: b('2') });
    const events = await next();
    expect(events.events).toHaveLength(2);
    const progress = await next();
    expect(progress.events ?? []).toEqual([]);
    expect(progress.header?.revision).toBe(events.header?.revision);
    await store.stop();
  });

  it('a member that was removed stops again when it is started from a snapshot that says so', async () => {
    const cluster = new TestCluster();
    const members = await cluster.begin(3, { snapshotCount: 1_000_000 });
    const leader = await cluster.leader();
    const gone = members.find((member) => member !== leader) as TestMember;
    const { member: { ID } = {} } = await idOf(cluster, gone);
    await cluster.during(cluster.of(leader).cluster.memberRemove({ ID: ID ?? '0' }));
    await cluster.clock.advance(200);
    await cluster.during(cluster.of(gone).maintenance.defragment({}));
    cluster.crash(gone);
    await cluster.start(gone);
    expect(gone.store?.ready()).toBe(true);
    await cluster.clock.advance(3000);
    expect(gone.store?.ready()).toBe(false);
  });

  it('a member that joins asks on when the first it asks does not know of it', async () => {
    const cluster = new TestCluster();
    const members = await cluster.begin(3);
    const leader = await cluster.leader();
    const [behind] = members.filter((member) => member !== leader) as [TestMember];
    cluster.isolate(behind);
    const fresh = cluster.add('m4', { initialCluster: ['m4=m4:2380', `${behind.name}=${behind.name}:2380`, `${leader.name}=${leader.name}:2380`], initialClusterState: 'existing' });
    await cluster.during(cluster.of(leader).cluster.memberAdd({ peerURLs: [fresh.url], isLearner: true }));
    await cluster.start(fresh);
    expect(fresh.store?.ready()).toBe(true);
  });
});

async function idOf(cluster: TestCluster, member: TestMember) {
  const { members = [] } = await cluster.during(cluster.of(member).cluster.memberList({}));
  return { member: members.find(({ name }) => name === member.name) };
}
