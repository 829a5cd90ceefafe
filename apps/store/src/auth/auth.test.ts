import { type RequestOp, type TxnRequest, AuthDefinition, KVDefinition, LeaseDefinition, MaintenanceDefinition, Permission_Type } from '@orrery/proto/etcd';
import { createClient } from '@orrery/rpc';
import { VirtualClock } from '@orrery/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type StoreConfig, createStore } from '../component.ts';
import { decodeEntry, encodeEntry } from '../entry.ts';
import { StateMachine } from '../state-machine.ts';
import { testEnv } from '../testing/local-member.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { KeyCoverage } from './key-coverage.ts';
import { Tokens } from './tokens.ts';

const b = (text: string): Buffer => Buffer.from(text);

async function open(settings: Partial<StoreConfig> = {}, disk?: MemoryDisk) {
  const clock = new VirtualClock();
  const store = createStore(testEnv(clock), { disk }, { listenClient: [], ...settings });
  await store.start();
  const client = <D extends Parameters<typeof createClient>[0]>(definition: D) => createClient(definition, store.channel());
  const auth = client(AuthDefinition);
  const login = async (name: string, password: string) => ({ metadata: { token: (await auth.authenticate({ name, password })).token ?? '' } });
  return { clock, store, auth, login, kv: client(KVDefinition), lease: client(LeaseDefinition), maintenance: client(MaintenanceDefinition) };
}

type Opened = Awaited<ReturnType<typeof open>>;

/** Users `root` and `amy`, who may write [w/, w0); on. */
async function populate({ auth }: Opened): Promise<void> {
  await auth.userAdd({ name: 'root', password: 'r' });
  await auth.userGrantRole({ user: 'root', role: 'root' });
  await auth.userAdd({ name: 'amy', password: 'a' });
  await auth.roleAdd({ name: 'writers' });
  await auth.roleGrantPermission({ name: 'writers', perm: { permType: Permission_Type.WRITE, key: b('w/'), rangeEnd: b('w0') } });
  await auth.userGrantRole({ user: 'amy', role: 'writers' });
  await auth.authEnable({});
}

const denied = { code: 7, message: 'etcdserver: permission denied' };

describe('users and roles', () => {
  it.each(['the log', 'a snapshot'])('come back from %s; tokens do not', async (from) => {
    const disk = new MemoryDisk();
    const first = await open({ dataDir: '/d' }, disk);
    await populate(first);
    const amy = await first.login('amy', 'a');
    const root = await first.login('root', 'r');
    const before = await first.auth.authStatus({}, root);
    if (from === 'a snapshot') await first.maintenance.defragment({}, root);
    await first.store.stop();
    const second = await open({ dataDir: '/d' }, disk);
    await expect(second.kv.put({ key: b('w/a') })).rejects.toMatchObject({ code: 3, message: 'etcdserver: user name is empty' });
    await expect(second.kv.put({ key: b('w/a') }, amy)).rejects.toMatchObject({ code: 16, message: 'etcdserver: invalid auth token' });
    const again = await second.login('amy', 'a');
    await second.kv.put({ key: b('w/a') }, again);
    await expect(second.kv.put({ key: b('x') }, again)).rejects.toMatchObject(denied);
    const after = await second.auth.authStatus({}, await second.login('root', 'r'));
    expect([after.enabled, after.authRevision]).toEqual([true, before.authRevision]);
    await second.store.stop();
  });

  it('keeps no password in the log', async () => {
    const disk = new MemoryDisk();
    const { auth, store } = await open({ dataDir: '/d' }, disk);
    await auth.userAdd({ name: 'amy', password: 'extraordinary' });
    await auth.userChangePassword({ name: 'amy', password: 'extraordinary' });
    await store.stop();
    const files = await Promise.all((await disk.list('/d')).map((name) => disk.read(`/d/${name}`)));
    const everything = Buffer.concat(files).toString('latin1');
    expect([everything.includes('amy'), everything.includes('extraordinary')]).toEqual([true, false]);
  });

  it('tokens live 300 seconds after their last use', async () => {
    const opened = await open();
    await populate(opened);
    const amy = await opened.login('amy', 'a');
    await opened.clock.advance(299_000);
    await opened.kv.put({ key: b('w/a') }, amy);
    await opened.clock.advance(299_000);
    await opened.kv.put({ key: b('w/a') }, amy);
    await opened.clock.advance(301_000);
    await expect(opened.kv.put({ key: b('w/a') }, amy)).rejects.toMatchObject({ code: 16 });
  });

  it('looks into nested transactions, at values before, and at leases', async () => {
    const opened = await open();
    await populate(opened);
    const [amy, root] = [await opened.login('amy', 'a'), await opened.login('root', 'r')];
    const { ID } = await opened.lease.leaseGrant({ TTL: 60 }, root);
    await opened.kv.put({ key: b('secret'), lease: ID }, root);
    const nested = (value: TxnRequest): RequestOp => ({ request: { $case: 'requestTxn', value } });
    const put = (key: string, more = {}): RequestOp => ({ request: { $case: 'requestPut', value: { key: b(key), ...more } } });
    const bad: RequestOp[] = [
      nested({ failure: [{ request: { $case: 'requestRange', value: { key: b('secret') } } }] }),
      nested({ success: [nested({ success: [put('secret')] })] }),
      put('w/a', { prevKv: true }),
      put('w/a', { lease: ID }),
    ];
    for (const op of bad) await expect(opened.kv.txn({ success: [op] }, amy)).rejects.toMatchObject(denied);
    await opened.kv.txn({ success: [nested({ success: [put('w/a')] })] }, amy);
    await expect(opened.lease.leaseTimeToLive({ ID, keys: true }, amy)).rejects.toMatchObject(denied);
    expect((await opened.lease.leaseTimeToLive({ ID }, amy)).grantedTTL).toBe(60);
    await expect(opened.lease.leaseGrant({ TTL: 60 })).rejects.toMatchObject({ code: 3 });
    await expect(opened.kv.compact({ revision: 2 }, amy)).rejects.toMatchObject(denied);
    await expect(opened.maintenance.alarm({ action: 1 }, amy)).rejects.toMatchObject(denied);
    expect((await opened.maintenance.status({}, amy)).version).toBeTruthy();
    await opened.clock.advance(62_000);
    expect((await opened.kv.range({ key: b('secret') }, await opened.login('root', 'r'))).count).toBe(0);
  });
});

describe('Tokens', () => {
  it('end with their user, a change of its password, and a state from elsewhere', () => {
    const tokens = new Tokens(new VirtualClock());
    const assign = (token: string): void => tokens.applied({ kind: 'authenticate', request: { name: 'amy', password: token } });
    const endings = [
      () => tokens.applied({ kind: 'userDelete', request: { name: 'amy' } }),
      () => tokens.applied({ kind: 'userChangePassword', request: { name: 'amy' } }),
      () => tokens.applied({ kind: 'authDisable', request: {} }),
      () => tokens.clear(),
    ];
    for (const end of endings) {
      assign('t.1');
      tokens.applied({ kind: 'userDelete', request: { name: 'bob' } });
      expect(tokens.use('t.1')).toBe('amy');
      end();
      expect(tokens.use('t.1')).toBeUndefined();
    }
  });
});

describe('entries', () => {
  it('are refused when users have changed since their caller was known', () => {
    const machine = new StateMachine();
    machine.auth.putUser({ name: 'root', password: '', noPassword: false, roles: ['root'] });
    machine.auth.enable();
    const { revision } = machine.auth;
    const put = { kind: 'put', request: { key: b('a') }, as: { user: 'root', revision } } as const;
    machine.apply(put);
    machine.apply({ kind: 'roleAdd', request: { name: 'x' }, as: put.as });
    expect(() => machine.apply(put)).toThrow(expect.objectContaining({ code: 'oldAuthRevision' }));
    expect(() => machine.apply({ ...put, as: { user: 'gone', revision: machine.auth.revision } })).toThrow(expect.objectContaining({ code: 'permissionDenied' }));
    expect(machine.state.revision).toBe(2);
  });

  it('carry their caller through the log', () => {
    const entry = { kind: 'deleteRange', request: { key: b('a'), rangeEnd: b('b'), prevKv: true }, as: { user: 'ämy', revision: 7 } } as const;
    const { kind, bytes } = encodeEntry(entry);
    expect(decodeEntry(kind, bytes)).toMatchObject(entry);
  });
});

describe('KeyCoverage', () => {
  it('covers what every one of its keys covers', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 0, maxLength: 2 });
    const range = fc.tuple(key, key).map(([start, end]) => ({ start, end, single: false }));
    // All keys over the alphabet that can tell two unions of such ranges apart.
    const letters = ['', 'a', 'b', 'c'];
    const keys = letters.flatMap((x) => letters.flatMap((y) => letters.map((z) => x + y + z)));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 5 }), range, (held, asked) => {
        fc.pre(asked.start < asked.end);
        const inside = (k: string): boolean => held.some(({ start, end }) => start <= k && k < end);
        const expected = keys.filter((k) => asked.start <= k && k < asked.end).every(inside);
        expect(new KeyCoverage(held).covers(asked)).toBe(expected);
      }),
    );
  });
});
