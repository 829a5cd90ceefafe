import { PeerDefinition } from '@orrery/proto/raft';
import type { Message } from '@orrery/raft';
import { Code, createClient, inMemoryChannel, service } from '@orrery/rpc';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { TestCluster } from '../testing/test-cluster.ts';
import { Links, metadataKeys } from './links.ts';

const snapshot = (to: string, from: string, term: number): Message => ({ type: 'snapshot', from, to, term, snapshot: { index: 1000, term, configuration: { voters: [from, to], learners: [] } } });

describe('a snapshot on its way', () => {
  it('that came damaged is refused, and nothing changes', async () => {
    const cluster = new TestCluster();
    const members = await cluster.begin(3);
    const leader = await cluster.leader();
    const follower = members.find((member) => member !== leader) as (typeof members)[number];
    await cluster.during(cluster.of(leader).kv.put({ key: Buffer.from('k'), value: Buffer.from('v') }));
    const { header, leader: leaderId = '0' } = await cluster.of(follower).maintenance.status({});
    const peer = createClient(PeerDefinition, follower.store?.peerChannel() as never);
    const sent = snapshot(header?.memberId ?? '0', leaderId, header?.raftTerm ?? 0);
    const chunks = async function* () {
      const { from, to, term } = sent;
      yield { message: { from, to, term, body: { $case: 'snapshot' as const, value: { snapshot: (sent as Extract<Message, { type: 'snapshot' }>).snapshot } } } };
      yield { data: Buffer.from('no snapshot at all') } as never;
    };
    const metadata = { [metadataKeys.cluster]: header?.clusterId ?? '', [metadataKeys.member]: leaderId };
    await expect(cluster.during(peer.installSnapshot(chunks() as never, { metadata }))).rejects.toThrow(/badSnapshot/);
    await cluster.during(cluster.of(follower).kv.put({ key: Buffer.from('k2') }));
    await cluster.during(cluster.of(follower).kv.range({ key: Buffer.from('k') }));
    cluster.crash(follower);
    await cluster.start(follower);
    const { kvs = [] } = await cluster.during(cluster.of(follower).kv.range({ key: Buffer.from('k') }));
    expect(String(kvs[0]?.value)).toBe('v');
  });

  it('that is not taken is given up, however long it is while it is', async () => {
    const clock = new VirtualClock();
    const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
    let stands = Infinity;
    let taken = 0;
    const slow = service(PeerDefinition, {
      installSnapshot: async (chunks, { signal }) => {
        for await (const _ of chunks) {
          await clock.sleep(taken++ < stands ? 40_000 : 1e9, signal);
        }
        return {};
      },
    });
    const never = (): void => undefined;
    const links = new Links({ env, self: { clusterId: '1', memberId: '1' }, dial: () => inMemoryChannel([slow]), urlsOf: () => ['http://two:1'], receive: never, unreachable: never, removed: never });
    const send = (): Promise<void> =>
      links.sendSnapshot(
        snapshot('2', '1', 1),
        (async function* () {
          for (let i = 0; i < 5; i++) yield Buffer.alloc(10);
        })(),
      );
    const whole = send();
    await clock.advance(300_000);
    await whole;
    [stands, taken] = [2, 0];
    const given = expect(send()).rejects.toMatchObject({ code: expect.toBeOneOf([Code.DEADLINE_EXCEEDED, Code.CANCELLED]) as number });
    await clock.advance(300_000);
    await given;
    links.close();
  });
});
