import {
  type RequestOp,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
  KVDefinition,
  LeaseDefinition,
  MaintenanceDefinition,
  WatchDefinition,
} from '@orrery/proto/etcd';
import { AsyncQueue, type Channel, type Client, createClient } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { b, contractServers, failure } from './contract.ts';
import type { Server } from './servers.ts';

/** What every etcd does, asked from outside. */
const putOp = (key: string, value = ''): RequestOp => ({ request: { $case: 'requestPut', value: { key: b(key), value: b(value) } } });

/** HashKV after the first test's writes, as etcd 3.4.23 answers. */
const expectedHash = 3_227_157_315;
/** HashKV of all servers at the same point of this suite: one. */
const afterCompaction = new Set<number>();

/** One watch stream: requests go in, responses are awaited one by one. */
function watchStream(channel: Channel) {
  const requests = new AsyncQueue<WatchRequest>();
  const responses = createClient(WatchDefinition, channel).watch(requests)[Symbol.asyncIterator]();
  const next = async (): Promise<WatchResponse> => (await responses.next()).value as WatchResponse;
  return {
    next,
    async create(request: WatchCreateRequest): Promise<WatchResponse> {
      requests.push({ requestUnion: { $case: 'createRequest', value: request } });
      return next();
    },
    cancel: (watchId: number) => requests.push({ requestUnion: { $case: 'cancelRequest', value: { watchId } } }),
    progress: () => requests.push({ requestUnion: { $case: 'progressRequest', value: {} } }),
    /** Events until `count` are there, as `+key=value@revision` or `-key@revision`. */
    async events(count: number): Promise<string[]> {
      const out: string[] = [];
      while (out.length < count) {
        for (const { type, kv } of (await next()).events ?? []) {
          out.push(type === 1 ? `-${String(kv?.key)}@${kv?.modRevision}` : `+${String(kv?.key)}=${String(kv?.value)}@${kv?.modRevision}`);
        }
      }
      return out;
    },
    close: async () => {
      requests.end();
      await responses.return?.();
    },
  };
}

describe.each(contractServers)('%s', (_name, start) => {
  if (!start) {
    it.skip('etcd is not installed', () => undefined);
    return;
  }
  let server: Server;
  let channel: Channel;
  let kv: Client<typeof KVDefinition>;
  let lease: Client<typeof LeaseDefinition>;
  let maintenance: Client<typeof MaintenanceDefinition>;
  const put = async (key: string, value = ''): Promise<number> => (await kv.put({ key: b(key), value: b(value) })).header?.revision ?? 0;

  /** Each of up to three members, asked in turn, has everything: hashes and watches are a member's own. */
  const caughtUp = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) await kv.range({ key: b('a') });
  };

  beforeAll(async () => {
    server = await start();
    channel = server.open();
    kv = createClient(KVDefinition, channel);
    lease = createClient(LeaseDefinition, channel);
    maintenance = createClient(MaintenanceDefinition, channel);
  });
  afterAll(async () => {
    channel.close();
    await server.stop();
  });

  it('starts at revision 1, and hashes a history as every etcd does', async () => {
    expect((await kv.range({ key: b('a') })).header?.revision).toBe(1);
    await put('hash/a', '1');
    await kv.txn({ success: [putOp('hash/b', 'two'), putOp('hash/c')] });
    await put('hash/a', '3');
    await kv.deleteRange({ key: b('hash/b'), rangeEnd: b('hash/d') });
    await caughtUp();
    const { hash, compactRevision } = await maintenance.hashKV({});
    expect([hash, Math.max(compactRevision ?? 0, 0)]).toEqual([expectedHash, 0]);
  });

  it('answers the revision, and the value before on demand', async () => {
    const revision = await put('kv/a', 'one');
    const again = await kv.put({ key: b('kv/a'), value: b('two'), prevKv: true });
    expect(again.header).toMatchObject({ revision: revision + 1 });
    expect(again.prevKv).toMatchObject({ value: b('one'), modRevision: revision, createRevision: revision, version: 1 });
    const deleted = await kv.deleteRange({ key: b('kv/a'), prevKv: true });
    expect([deleted.deleted, deleted.prevKvs?.[0]?.version]).toEqual([1, 2]);
    const nothing = await kv.deleteRange({ key: b('kv/a') });
    expect([nothing.deleted, nothing.header?.revision]).toEqual([0, deleted.header?.revision]);
  });

  it('pages through a range at a revision', async () => {
    for (const key of ['page/a', 'page/b', 'page/c']) await put(key, 'old');
    const first = await kv.range({ key: b('page/'), rangeEnd: b('page0'), limit: 2 });
    expect([first.kvs?.length, first.more, first.count]).toEqual([2, true, 3]);
    await put('page/c', 'new');
    const second = await kv.range({ key: b('page/b\0'), rangeEnd: b('page0'), limit: 2, revision: first.header?.revision ?? 0 });
    expect(second.kvs?.map((found) => String(found.value))).toEqual(['old']);
    expect([second.more, second.count, second.header?.revision]).toEqual([false, 1, (first.header?.revision ?? 0) + 1]);
  });

  it('refuses in etcd’s words', async () => {
    const key = b('refuse/a');
    await put('refuse/a');
    const many = Array.from({ length: 129 }, (_, i) => putOp(`refuse/${i}`));
    const cases: [() => Promise<unknown>, number, string][] = [
      [() => kv.range({}), 3, 'etcdserver: key is not provided'],
      [() => kv.put({ value: b('x') }), 3, 'etcdserver: key is not provided'],
      [() => kv.put({ key, value: b('x'), ignoreValue: true }), 3, 'etcdserver: value is provided'],
      [() => kv.put({ key: b('refuse/none'), ignoreValue: true }), 3, 'etcdserver: key not found'],
      [() => kv.put({ key, lease: '4711' }), 5, 'etcdserver: requested lease not found'],
      [() => kv.put({ key, lease: '4711', ignoreLease: true }), 3, 'etcdserver: lease is provided'],
      [() => kv.txn({ success: [putOp('a'), putOp('a')] }), 3, 'etcdserver: duplicate key given in txn request'],
      [() => kv.txn({ success: many }), 3, 'etcdserver: too many operations in txn request'],
      [() => kv.range({ key, revision: 1_000_000 }), 11, 'etcdserver: mvcc: required revision is a future revision'],
      [() => kv.compact({ revision: 1_000_000 }), 11, 'etcdserver: mvcc: required revision is a future revision'],
      [() => kv.put({ key, value: Buffer.alloc(1.6 * 1024 * 1024) }), 3, 'etcdserver: request is too large'],
      [() => lease.leaseRevoke({ ID: '4711' }), 5, 'etcdserver: requested lease not found'],
      [() => lease.leaseGrant({ TTL: 9_000_000_001 }), 11, 'etcdserver: too large lease TTL'],
    ];
    for (const [call, code, message] of cases) expect(await failure(call())).toEqual([code, message]);
  });

  it('swaps on comparison, as API servers do', async () => {
    const key = b('cas/a');
    const write = (modRevision: number, value: string) =>
      kv.txn({
        compare: [{ key, target: 2, result: 0, targetUnion: { $case: 'modRevision', value: modRevision } }],
        success: [{ request: { $case: 'requestPut', value: { key, value: b(value) } } }],
        failure: [{ request: { $case: 'requestRange', value: { key } } }],
      });
    const created = await write(0, 'one');
    expect(created.succeeded).toBe(true);
    const conflict = await write(0, 'two');
    const found = conflict.responses?.[0]?.response;
    expect([conflict.succeeded, found?.$case === 'responseRange' && found.value.kvs?.[0]?.modRevision]).toEqual([false, created.header?.revision]);
    expect(conflict.header?.revision).toBe(created.header?.revision);
  });

  it('watches a prefix from a revision, through a transaction, without losing or doubling anything', async () => {
    const from = await put('w/a', '1');
    await put('other', 'x');
    await kv.txn({ success: [putOp('w/b', '2'), putOp('w/c', '3')] });
    await caughtUp();
    const stream = watchStream(channel);
    const created = await stream.create({ key: b('w/'), rangeEnd: b('w0'), startRevision: from });
    expect([created.created, created.watchId ?? 0, created.header?.revision]).toEqual([true, 0, from + 2]);
    expect(await stream.events(3)).toEqual([`+w/a=1@${from}`, `+w/b=2@${from + 2}`, `+w/c=3@${from + 2}`]);
    await put('w/a', '4');
    await kv.deleteRange({ key: b('w/'), rangeEnd: b('w0') });
    expect(await stream.events(4)).toEqual([`+w/a=4@${from + 3}`, `-w/a@${from + 4}`, `-w/b@${from + 4}`, `-w/c@${from + 4}`]);
    await stream.close();
  });

  it('keeps watchers of one stream apart: ids, filters, previous values, cancel', async () => {
    const stream = watchStream(channel);
    expect((await stream.create({ key: b('m/a') })).watchId ?? 0).toBe(0);
    expect((await stream.create({ key: b('m/a'), watchId: 7, filters: [0], prevKv: true })).watchId).toBe(7);
    const twice = await stream.create({ key: b('m/b'), watchId: 7 });
    expect([twice.created, twice.canceled]).toEqual([true, true]);
    stream.cancel(0);
    expect(await stream.next()).toMatchObject({ canceled: true });
    await put('m/a', 'gone');
    const revision = (await kv.deleteRange({ key: b('m/a') })).header?.revision;
    expect(await stream.next()).toMatchObject({ watchId: 7, events: [{ type: 1, kv: { modRevision: revision }, prevKv: { value: b('gone') } }] });
    await stream.close();
  });

  it('tells the progress when asked, after all events before', async () => {
    const stream = watchStream(channel);
    await stream.create({ key: b('progress/a') });
    const revision = await put('progress/a', '1');
    expect(await stream.events(1)).toHaveLength(1);
    const later = await put('elsewhere');
    let told = 0;
    // etcd 3.4 answers when its watchers are in step, which may take an attempt or two.
    while (told < later) {
      stream.progress();
      const response = await stream.next();
      expect([response.watchId, response.events?.length ?? 0]).toEqual([-1, 0]);
      told = response.header?.revision ?? 0;
    }
    expect(told).toBe(revision + 1);
    await stream.close();
  });

  it('compacts: old revisions and watches on them are refused, current values stay', async () => {
    const first = await put('c/a', '1');
    await put('c/a', '2');
    const last = await put('c/b', '3');
    await kv.compact({ revision: last, physical: true });
    const compacted = [11, 'etcdserver: mvcc: required revision has been compacted'];
    expect(await failure(kv.range({ key: b('c/a'), revision: first }))).toEqual(compacted);
    expect(await failure(kv.compact({ revision: last }))).toEqual(compacted);
    expect(await failure(kv.txn({ success: [putOp('c/x'), { request: { $case: 'requestRange', value: { key: b('c/a'), revision: first } } }] }))).toEqual(compacted);
    expect((await kv.range({ key: b('c/'), rangeEnd: b('c0'), revision: last })).kvs?.map((found) => String(found.value))).toEqual(['2', '3']);
    const stream = watchStream(channel);
    expect((await stream.create({ key: b('c/a'), startRevision: first })).created).toBe(true);
    expect(await stream.next()).toMatchObject({ canceled: true, compactRevision: last });
    await stream.close();
  });

  it('hashes without regard to what compaction dropped', async () => {
    for (let i = 0; i < 5; i++) await put('h2/a', String(i));
    const revision = await put('h2/a', 'last');
    await caughtUp();
    const before = await maintenance.hashKV({ revision });
    await kv.compact({ revision: revision - 1, physical: true });
    await caughtUp();
    expect(await failure(maintenance.hashKV({ revision: revision - 1 }))).toEqual([11, 'etcdserver: mvcc: required revision has been compacted']);
    const after = await maintenance.hashKV({ revision });
    expect([after.compactRevision, after.hash === before.hash]).toEqual([revision - 1, false]);
    afterCompaction.add(after.hash ?? 0);
    expect(afterCompaction.size).toBe(1);
  });

  it('leases: keys die with them, keep-alive and time to live', async () => {
    const { ID, TTL } = await lease.leaseGrant({ TTL: 60 });
    expect(TTL).toBe(60);
    expect(await failure(lease.leaseGrant({ ID, TTL: 60 }))).toEqual([9, 'etcdserver: lease already exists']);
    await kv.put({ key: b('l/b'), lease: ID });
    await kv.put({ key: b('l/a'), lease: ID });
    const alive = await lease.leaseTimeToLive({ ID, keys: true });
    expect([alive.grantedTTL, alive.keys?.map(String).sort()]).toEqual([60, ['l/a', 'l/b']]);
    const beats = lease.leaseKeepAlive((async function* () { yield { ID }; yield { ID: '4711' }; })())[Symbol.asyncIterator]();
    expect((await beats.next()).value).toMatchObject({ ID, TTL: 60 });
    expect(((await beats.next()).value as { TTL?: number }).TTL ?? 0).toBe(0);
    await beats.return?.();
    expect((await lease.leaseLeases({})).leases).toContainEqual({ ID });
    const stream = watchStream(channel);
    await stream.create({ key: b('l/'), rangeEnd: b('l0') });
    const { header } = await lease.leaseRevoke({ ID });
    expect(await stream.events(2)).toEqual([`-l/a@${header?.revision}`, `-l/b@${header?.revision}`]);
    expect(await lease.leaseTimeToLive({ ID })).toMatchObject({ TTL: -1 });
    await stream.close();
  });

  it('leases run out by themselves', async () => {
    const { ID } = await lease.leaseGrant({ TTL: 2 });
    await kv.put({ key: b('out/a'), lease: ID });
    const stream = watchStream(channel);
    await stream.create({ key: b('out/a') });
    expect(await stream.events(1)).toHaveLength(1);
    await stream.close();
  });

  it('gives every watcher the same history under load', async () => {
    const stream = watchStream(channel);
    const from = await put('load/start');
    await stream.create({ key: b('load/'), rangeEnd: b('load0'), startRevision: from + 1 });
    const late = watchStream(channel);
    await Promise.all(Array.from({ length: 200 }, (_, i) => put(`load/${i % 10}`, String(i))));
    await late.create({ key: b('load/'), rangeEnd: b('load0'), startRevision: from + 1 });
    const [live, replayed] = [await stream.events(200), await late.events(200)];
    expect(replayed).toEqual(live);
    expect(new Set(live.map((event) => event.split('@')[1])).size).toBe(200);
    await stream.close();
    await late.close();
  });
});

