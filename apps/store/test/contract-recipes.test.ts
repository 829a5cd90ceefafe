import { ElectionDefinition, KVDefinition, LeaseDefinition, LockDefinition } from '@orrery/proto/etcd';
import { realClock } from '@orrery/node-io';
import { type Channel, type Client, createClient } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { b, contractServers, failure } from './contract.ts';
import type { Server } from './servers.ts';

describe.each(contractServers)('locks and elections: %s', (name, start) => {
  if (!start) {
    it.skip('etcd is not installed', () => undefined);
    return;
  }
  let server: Server;
  let channel: Channel;
  let kv: Client<typeof KVDefinition>;
  let lease: Client<typeof LeaseDefinition>;
  let lock: Client<typeof LockDefinition>;
  let election: Client<typeof ElectionDefinition>;
  const granted = async (): Promise<string> => (await lease.leaseGrant({ TTL: 60 })).ID ?? '0';
  /** Resolves when `count` contenders are in the queue. */
  async function queued(prefix: string, count: number): Promise<void> {
    const end = `${prefix.slice(0, -1)}0`;
    while ((await kv.range({ key: b(prefix), rangeEnd: b(end) })).count !== count) await realClock.sleep(5);
  }

  beforeAll(async () => {
    server = await start();
    channel = server.open();
    kv = createClient(KVDefinition, channel);
    lease = createClient(LeaseDefinition, channel);
    lock = createClient(LockDefinition, channel);
    election = createClient(ElectionDefinition, channel);
  });
  afterAll(async () => {
    channel.close();
    await server.stop();
  });

  it('locks in the order of arrival; the key tells the lease', async () => {
    const leases = [await granted(), await granted(), await granted()];
    const first = await lock.lock({ name: b('m'), lease: leases[0] });
    expect(String(first.key)).toBe(`m/${BigInt(leases[0] ?? '').toString(16)}`);
    expect((await lock.lock({ name: b('m'), lease: leases[0] })).key).toEqual(first.key);
    const order: number[] = [];
    const waiting: Promise<unknown>[] = [];
    for (const i of [1, 2]) {
      waiting.push(lock.lock({ name: b('m'), lease: leases[i] }).then(() => order.push(i)));
      await queued('m/', i + 1);
    }
    expect(order).toEqual([]);
    await lock.unlock({ key: first.key });
    await waiting[0];
    await lease.leaseRevoke({ ID: leases[1] });
    await waiting[1];
    expect(order).toEqual([1, 2]);
  });

  it('grants a lease to those without one', async () => {
    const { key } = await lock.lock({ name: b('own') });
    const { lease: ID } = (await kv.range({ key })).kvs?.[0] ?? {};
    expect(String(key)).toBe(`own/${BigInt(ID ?? '0').toString(16)}`);
    expect((await lease.leaseTimeToLive({ ID })).grantedTTL).toBe(60);
  });

  it('refuses unknown leases, and tells who lost the lease while waiting', async () => {
    expect(await failure(lock.lock({ name: b('x'), lease: '4711' }))).toEqual([2, 'etcdserver: requested lease not found']);
    const [holder, waiter] = [await granted(), await granted()];
    const { key } = await lock.lock({ name: b('lost'), lease: holder });
    const lost = failure(lock.lock({ name: b('lost'), lease: waiter }));
    await queued('lost/', 2);
    await lease.leaseRevoke({ ID: waiter });
    await lock.unlock({ key });
    // etcd 3.4 does not look whether the key is still there.
    expect(await lost).toEqual(name.startsWith('the original') ? [0, 'no error'] : [2, 'mutex: session is expired']);
  });

  it('leaves the queue when the caller gives up', async () => {
    await lock.lock({ name: b('quit'), lease: await granted() });
    const gone = new AbortController();
    const waiting = failure(lock.lock({ name: b('quit'), lease: await granted() }, { signal: gone.signal }));
    await queued('quit/', 2);
    gone.abort();
    expect((await waiting)[0]).toBe(1);
    await queued('quit/', 1);
  });

  it('elects, proclaims, resigns', async () => {
    const [one, two] = [await granted(), await granted()];
    expect(await failure(election.leader({ name: b('e') }))).toEqual([2, 'election: no leader']);
    const { leader } = await election.campaign({ name: b('e'), lease: one, value: b('first') });
    expect(leader).toMatchObject({ name: b('e'), key: b(`e/${BigInt(one).toString(16)}`), lease: one });
    const next = election.campaign({ name: b('e'), lease: two, value: b('second') });
    await queued('e/', 2);
    const seen = election.observe({ name: b('e') })[Symbol.asyncIterator]();
    const value = async (): Promise<string> => String((await seen.next()).value?.kv?.value);
    expect(await value()).toBe('first');
    await election.proclaim({ leader, value: b('still') });
    expect(await value()).toBe('still');
    await election.campaign({ name: b('e'), lease: one, value: b('again') });
    expect(await value()).toBe('again');
    expect(String((await election.leader({ name: b('e') })).kv?.value)).toBe('again');
    await election.resign({ leader });
    expect((await next).leader?.lease).toBe(two);
    expect(await value()).toBe('second');
    expect(await failure(election.proclaim({ leader, value: b('late') }))).toEqual([2, 'election: not leader']);
    expect(await failure(election.resign({ leader }))).toEqual([0, 'no error']);
    expect(await failure(election.proclaim({ value: b('x') }))).toEqual([2, '"leader" field must be provided']);
    expect(await failure(election.resign({}))).toEqual([2, '"leader" field must be provided']);
    await seen.return?.();
  });

  it('observes an election that has no leader yet', async () => {
    const seen = election.observe({ name: b('later') })[Symbol.asyncIterator]();
    const first = seen.next();
    const { leader } = await election.campaign({ name: b('later'), lease: await granted(), value: b('here') });
    expect((await first).value?.kv).toMatchObject({ key: leader?.key, value: b('here') });
    await seen.return?.();
  });
});
