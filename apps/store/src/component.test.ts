import { type WatchRequest, type WatchResponse, KVDefinition, LeaseDefinition, WatchDefinition } from '@orrery/proto/etcd';
import { AsyncQueue, createClient } from '@orrery/rpc';
import { VirtualClock } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { type Store, type StoreConfig, createStore } from './component.ts';
import { fragments } from './services/watch.ts';
import { testEnv } from './testing/local-member.ts';
import { MemoryDisk } from './testing/memory-disk.ts';

const b = (text: string): Buffer => Buffer.from(text);

async function setup(settings: Partial<StoreConfig> = {}, disk?: MemoryDisk) {
  const clock = new VirtualClock();
  const store = createStore(testEnv(clock), { disk }, { listenClient: [], ...settings });
  await store.start();
  const channel = store.channel();
  return { clock, store, kv: createClient(KVDefinition, channel), lease: createClient(LeaseDefinition, channel) };
}

/** Collects the responses of one stream. */
function watch(store: Store, request: NonNullable<WatchRequest['requestUnion']>) {
  const requests = new AsyncQueue<WatchRequest>();
  requests.push({ requestUnion: request });
  const seen: WatchResponse[] = [];
  const ended = (async () => {
    for await (const response of createClient(WatchDefinition, store.channel()).watch(requests)) seen.push(response);
  })();
  return { seen, ended, requests };
}

describe('leases', () => {
  it('run out on the leader’s clock, through the log; renewing puts it off', async () => {
    const { clock, kv, lease } = await setup();
    const { ID } = await lease.leaseGrant({ TTL: 10 });
    await kv.put({ key: b('a'), lease: ID });
    await clock.advance(9000);
    const beat = lease.leaseKeepAlive((async function* () { yield { ID }; })())[Symbol.asyncIterator]();
    expect((await beat.next()).value).toMatchObject({ TTL: 10 });
    await clock.advance(9000);
    expect(await lease.leaseTimeToLive({ ID })).toMatchObject({ TTL: 1, grantedTTL: 10 });
    await clock.advance(2000);
    expect((await kv.range({ key: b('a') })).count).toBe(0);
    expect((await lease.leaseLeases({})).leases).toEqual([]);
  });

  it('get their full time again after a restart', async () => {
    const disk = new MemoryDisk();
    const first = await setup({ dataDir: '/d' }, disk);
    await first.lease.leaseGrant({ ID: '5', TTL: 10 });
    await first.clock.advance(8000);
    await first.store.stop();
    const second = await setup({ dataDir: '/d' }, disk);
    await second.clock.advance(9000);
    expect(await second.lease.leaseTimeToLive({ ID: '5' })).toMatchObject({ TTL: 1 });
    await second.clock.advance(2000);
    expect(await second.lease.leaseTimeToLive({ ID: '5' })).toMatchObject({ TTL: -1 });
    await second.store.stop();
  });
});

describe('watch', () => {
  it('tells idle watchers that asked for it the revision, periodically', async () => {
    const { clock, store, kv } = await setup({ watchProgressNotifySeconds: 60 });
    const { seen } = watch(store, { $case: 'createRequest', value: { key: b('a'), progressNotify: true } });
    await clock.advance(0);
    await kv.put({ key: b('other') });
    await clock.advance(61_000);
    expect(seen.slice(1)).toEqual([{ header: expect.objectContaining({ revision: 2 }), watchId: 0 }]);
    await kv.put({ key: b('a') });
    await clock.advance(60_000);
    expect(seen.slice(2).map((response) => response.events?.length)).toEqual([1]);
  });

  it('ends with UNAVAILABLE when the store stops, and nothing is served after', async () => {
    const { store, kv } = await setup();
    const { ended } = watch(store, { $case: 'createRequest', value: { key: b('a') } });
    await kv.put({ key: b('a') });
    await Promise.all([expect(ended).rejects.toMatchObject({ code: 14 }), store.stop()]);
    await expect(kv.put({ key: b('a') })).rejects.toMatchObject({ code: 14 });
    expect(store.ready()).toBe(false);
  });

  it('splits a response only between events, and marks what is followed', () => {
    const events = Array.from({ length: 5 }, (_, i) => ({ kv: { key: b(`k${i}`), value: Buffer.alloc(100) } }));
    const parts = fragments({ watchId: 3, events }, 260);
    expect(parts.map((part) => [part.events?.length, part.fragment])).toEqual([[2, true], [2, true], [1, false]]);
    expect(fragments({ watchId: 3, events }, 10_000)).toHaveLength(1);
    expect(fragments({ watchId: 3, events: events.slice(0, 1) }, 10)).toHaveLength(1);
  });
});

describe('automatic compaction', () => {
  it('keeps the retention period', async () => {
    const { clock, kv } = await setup({ autoCompactionRetentionSeconds: 100 });
    await kv.put({ key: b('a'), value: b('1') });
    await clock.advance(50_000);
    await kv.put({ key: b('a'), value: b('2') });
    await clock.advance(65_000);
    await expect(kv.range({ key: b('a'), revision: 1 })).rejects.toThrow('has been compacted');
    expect((await kv.range({ key: b('a'), revision: 2 })).kvs?.[0]?.value).toEqual(b('1'));
    await clock.advance(60_000);
    await expect(kv.range({ key: b('a'), revision: 2 })).rejects.toThrow('has been compacted');
  });
});

describe('settings', () => {
  it.each([
    [{ dataDir: '/d' }, '--data-dir is set, but this store was given no disk'],
    [{ clientCertAuth: true }, '--client-cert-auth needs --cert-file'],
    [{ certFile: 'a' }, '--cert-file needs --key-file'],
    [{ listenMetrics: '127.0.0.1:0' }, 'no HTTP server'],
  ])('%o is refused', async (settings, message) => {
    await expect(setup(settings)).rejects.toThrow(message);
  });
});
