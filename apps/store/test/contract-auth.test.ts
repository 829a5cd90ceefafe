import { realClock } from '@orrery/node-io';
import {
  type Permission,
  type RequestOp,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
  AuthDefinition,
  ClusterDefinition,
  KVDefinition,
  LeaseDefinition,
  MaintenanceDefinition,
  Permission_Type as May,
  WatchDefinition,
} from '@orrery/proto/etcd';
import { AsyncQueue, type CallOptions, type Channel, type Client, createClient } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { b, contractServers, failure } from './contract.ts';
import type { Server } from './servers.ts';

const invalid = (text: string): [number, string] => [3, `etcdserver: ${text}`];
const refused = (text: string): [number, string] => [9, `etcdserver: ${text}`];
const denied = [7, 'etcdserver: permission denied'];
const noUser = invalid('user name is empty');
const badToken = [16, 'etcdserver: invalid auth token'];
const unmanageable = invalid('invalid auth management');
const wrongPassword = invalid('authentication failed, invalid user ID or password');

const may = (permType: Permission['permType'], key: string, rangeEnd = ''): Permission => ({ permType, key: b(key), rangeEnd: b(rangeEnd) });
const putOp = (key: string, more = {}): RequestOp => ({ request: { $case: 'requestPut', value: { key: b(key), ...more } } });
const rangeOp = (key: string): RequestOp => ({ request: { $case: 'requestRange', value: { key: b(key) } } });

describe.each(contractServers)('users and roles: %s', (_name, start) => {
  if (!start) {
    it.skip('etcd is not installed', () => undefined);
    return;
  }
  let server: Server;
  let channel: Channel;
  let auth: Client<typeof AuthDefinition>;
  let kv: Client<typeof KVDefinition>;
  let lease: Client<typeof LeaseDefinition>;
  let maintenance: Client<typeof MaintenanceDefinition>;
  let cluster: Client<typeof ClusterDefinition>;
  /** Call options of root and of `amy`, whose role lets her write [w/, w0), read [r/, r5) and [r5, r9), and read `single`. */
  let root: CallOptions;
  let amy: CallOptions;
  const login = async (name: string, password: string): Promise<CallOptions> => ({ metadata: { token: (await auth.authenticate({ name, password })).token ?? '' } });

  beforeAll(async () => {
    server = await start();
    channel = server.open();
    auth = createClient(AuthDefinition, channel);
    kv = createClient(KVDefinition, channel);
    lease = createClient(LeaseDefinition, channel);
    maintenance = createClient(MaintenanceDefinition, channel);
    cluster = createClient(ClusterDefinition, channel);
  });
  afterAll(async () => {
    channel.close();
    await server.stop();
  });

  async function watch(request: WatchCreateRequest, options: CallOptions): Promise<WatchResponse> {
    const requests = new AsyncQueue<WatchRequest>();
    requests.push({ requestUnion: { $case: 'createRequest', value: request } });
    const responses = createClient(WatchDefinition, channel).watch(requests, options)[Symbol.asyncIterator]();
    const first = (await responses.next()).value as WatchResponse;
    requests.end();
    await responses.return?.();
    return first;
  }

  it('is off at first, and goes on only when root can turn it off', async () => {
    expect(await failure(auth.authenticate({ name: 'root', password: 'x' }))).toEqual(refused('authentication is not enabled'));
    expect(await failure(auth.authEnable({}))).toEqual(refused('root user does not exist'));
    await auth.userAdd({ name: 'root', password: 'secret' });
    expect(await failure(auth.authEnable({}))).toEqual(refused('root user does not have root role'));
    expect(await failure(auth.authDisable({}))).toEqual([0, 'no error']);
  });

  it('administers users and roles, which is no change of keys', async () => {
    const revision = (await kv.range({ key: b('a') })).header?.revision;
    await auth.userAdd({ name: 'amy', password: 'pw' });
    await auth.userAdd({ name: 'cert', options: { noPassword: true } });
    for (const name of ['readers', 'empty']) await auth.roleAdd({ name });
    await auth.userGrantRole({ user: 'amy', role: 'readers' });
    await auth.userGrantRole({ user: 'amy', role: 'empty' });
    await auth.userGrantRole({ user: 'amy', role: 'empty' });
    for (const perm of [may(May.WRITE, 'w/', 'w0'), may(May.READ, 'r/', 'r5'), may(May.WRITE, 'r5', 'r9'), may(May.READ, 'single')]) {
      await auth.roleGrantPermission({ name: 'readers', perm });
    }
    await auth.roleGrantPermission({ name: 'readers', perm: may(May.READ, 'r5', 'r9') });
    const { perm, header } = await auth.roleGet({ role: 'readers' });
    expect(perm?.map((held) => [String(held.key), String(held.rangeEnd), held.permType ?? 0])).toEqual([
      ['r/', 'r5', May.READ],
      ['r5', 'r9', May.READ],
      ['single', '', May.READ],
      ['w/', 'w0', May.WRITE],
    ]);
    expect(header?.revision).toBe(revision);
    expect((await auth.userGet({ name: 'amy' })).roles).toEqual(['empty', 'readers']);
    expect((await auth.userList({})).users).toEqual(['amy', 'cert', 'root']);
    expect((await auth.roleList({})).roles).toEqual(['empty', 'readers']);
    await auth.roleDelete({ role: 'empty' });
    expect((await auth.userGet({ name: 'amy' })).roles).toEqual(['readers']);
  });

  it('refuses in etcd’s words', async () => {
    const cases: [() => Promise<unknown>, [number, string]][] = [
      [() => auth.userAdd({ password: 'x' }), noUser],
      [() => auth.userAdd({ name: 'amy', password: 'x' }), refused('user name already exists')],
      [() => auth.userGet({ name: 'none' }), refused('user name not found')],
      [() => auth.userDelete({ name: 'none' }), refused('user name not found')],
      [() => auth.userChangePassword({ name: 'none', password: 'x' }), refused('user name not found')],
      [() => auth.userGrantRole({ user: 'none', role: 'readers' }), refused('user name not found')],
      [() => auth.userGrantRole({ user: 'amy', role: 'none' }), refused('role name not found')],
      [() => auth.userRevokeRole({ name: 'none', role: 'readers' }), refused('user name not found')],
      [() => auth.userRevokeRole({ name: 'amy', role: 'none' }), refused('role is not granted to the user')],
      [() => auth.roleAdd({}), invalid('role name is empty')],
      [() => auth.roleAdd({ name: 'readers' }), refused('role name already exists')],
      [() => auth.roleGet({ role: 'none' }), refused('role name not found')],
      [() => auth.roleDelete({ role: 'none' }), refused('role name not found')],
      [() => auth.roleGrantPermission({ name: 'none', perm: may(May.READ, 'a') }), refused('role name not found')],
      [() => auth.roleRevokePermission({ role: 'none', key: b('a') }), refused('role name not found')],
      [() => auth.roleRevokePermission({ role: 'readers', key: b('r/') }), refused('permission is not granted to the role')],
    ];
    for (const [call, error] of cases) expect(await failure(call())).toEqual(error);
  });

  it('when on, asks everyone for a user', async () => {
    await auth.userGrantRole({ user: 'root', role: 'root' });
    await auth.authEnable({});
    root = await login('root', 'secret');
    amy = await login('amy', 'pw');
    const nobody = { metadata: { token: 'abcdefghijklmnop.1' } };
    expect(root.metadata?.['token']).toMatch(/^[a-zA-Z]{16}\.\d+$/);
    expect(await failure(auth.authenticate({ name: 'amy', password: 'wrong' }))).toEqual(wrongPassword);
    expect(await failure(auth.authenticate({ name: 'none', password: 'pw' }))).toEqual(wrongPassword);
    expect(await failure(auth.authenticate({ name: 'cert', password: '' }))).toEqual([2, 'auth: authentication failed, password was given for no password user']);
    expect(await failure(kv.put({ key: b('w/a') }))).toEqual(noUser);
    expect(await failure(kv.range({ key: b('w/a') }))).toEqual(noUser);
    expect(await failure(kv.txn({ success: [putOp('w/a')] }))).toEqual(noUser);
    expect(await failure(kv.txn({ success: [rangeOp('w/a')] }))).toEqual(noUser);
    expect(await failure(auth.userList({}))).toEqual(noUser);
    // etcd 3.4 does not translate the errors of this service.
    expect((await failure(maintenance.defragment({})))[1]).toMatch(/^(etcdserver|auth): user name is empty$/);
    expect(await failure(kv.put({ key: b('w/a') }, nobody))).toEqual(badToken);
    expect(await failure(kv.range({ key: b('w/a') }, nobody))).toEqual(badToken);
    expect(await failure(auth.userList({}, nobody))).toEqual(badToken);
  });

  it('lets users do what their roles say, and root everything', async () => {
    await kv.put({ key: b('elsewhere'), value: b('1') }, root);
    await kv.put({ key: b('w/a'), value: b('1') }, amy);
    const range = (key: string, rangeEnd = '') => kv.range({ key: b(key), rangeEnd: b(rangeEnd) }, amy);
    const cases: [() => Promise<unknown>, unknown[]][] = [
      [() => range('r/a'), [0, 'no error']],
      [() => range('r/', 'r9'), [0, 'no error']],
      [() => range('r4', 'r6'), [0, 'no error']],
      [() => range('single'), [0, 'no error']],
      [() => range('single', 'single2'), denied],
      [() => range('r/', 'r:'), denied],
      [() => range('r/', '\0'), denied],
      [() => range('elsewhere'), denied],
      [() => range('w/a'), denied],
      [() => kv.put({ key: b('r/a') }, amy), denied],
      [() => kv.put({ key: b('w/a'), prevKv: true }, amy), denied],
      [() => kv.deleteRange({ key: b('w/'), rangeEnd: b('w0') }, amy), [0, 'no error']],
      [() => kv.deleteRange({ key: b('w/'), rangeEnd: b('w0'), prevKv: true }, amy), denied],
      [() => kv.deleteRange({ key: b('w/'), rangeEnd: b('w1') }, amy), denied],
      [() => kv.txn({ success: [putOp('w/b')], failure: [rangeOp('r/a')] }, amy), [0, 'no error']],
      [() => kv.txn({ success: [putOp('w/b')], failure: [rangeOp('w/a')] }, amy), denied],
      [() => kv.txn({ success: [rangeOp('w/b')] }, amy), denied],
      [() => kv.txn({ compare: [{ key: b('w/b') }], success: [putOp('w/b')] }, amy), denied],
    ];
    for (const [i, [call, error]] of cases.entries()) expect([i, ...(await failure(call()))]).toEqual([i, ...error]);
    expect((await kv.range({ key: b('\0'), rangeEnd: b('\0') }, root)).kvs?.map(({ key }) => String(key))).toEqual(['elsewhere', 'w/b']);
  });

  it('watches only what may be read', async () => {
    expect(await watch({ key: b('r/'), rangeEnd: b('r9') }, amy)).toMatchObject({ created: true });
    const foreign = await watch({ key: b('w/'), rangeEnd: b('w0') }, amy);
    expect(foreign).toMatchObject({ created: true, canceled: true, cancelReason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied' });
  });

  it('protects leases by the keys that hang on them', async () => {
    const { ID } = await lease.leaseGrant({ TTL: 60 }, root);
    await kv.put({ key: b('elsewhere'), lease: ID }, root);
    expect(await failure(kv.put({ key: b('w/c'), lease: ID }, amy))).toEqual(denied);
    expect(await failure(lease.leaseRevoke({ ID }, amy))).toEqual(denied);
    const own = await lease.leaseGrant({ TTL: 60 }, amy);
    await kv.put({ key: b('w/c'), lease: own.ID }, amy);
    await lease.leaseRevoke({ ID: own.ID }, amy);
    await lease.leaseRevoke({ ID }, root);
    const short = await lease.leaseGrant({ TTL: 2 }, amy);
    await kv.put({ key: b('w/d'), lease: short.ID }, amy);
    while ((await kv.range({ key: b('w/d') }, root)).count) await realClock.sleep(50);
  });

  it('leaves administration to root, but for looking at oneself', async () => {
    const cases: [() => Promise<unknown>, unknown[]][] = [
      [() => auth.userList({}, amy), denied],
      [() => auth.userAdd({ name: 'x', password: 'x' }, amy), denied],
      [() => auth.userChangePassword({ name: 'amy', password: 'x' }, amy), denied],
      [() => auth.authDisable({}, amy), denied],
      [() => auth.userGet({ name: 'root' }, amy), denied],
      [() => auth.roleGet({ role: 'root' }, amy), denied],
      [() => auth.userGet({ name: 'amy' }, amy), [0, 'no error']],
      [() => auth.roleGet({ role: 'readers' }, amy), [0, 'no error']],
      [() => cluster.memberAdd({ peerURLs: ['http://127.0.0.1:1'] }, amy), denied],
      [() => cluster.memberList({}, amy), [0, 'no error']],
      [() => maintenance.hashKV({}, root), [0, 'no error']],
      [() => auth.userDelete({ name: 'root' }, root), unmanageable],
      [() => auth.roleDelete({ role: 'root' }, root), unmanageable],
      [() => auth.userRevokeRole({ name: 'root', role: 'root' }, root), unmanageable],
    ];
    for (const [i, [call, error]] of cases.entries()) expect([i, ...(await failure(call()))]).toEqual([i, ...error]);
  });

  it('leaves maintenance to root', async () => {
    const calls = [() => maintenance.defragment({}, amy), () => maintenance.hashKV({}, amy), () => maintenance.snapshot({}, amy)[Symbol.asyncIterator]().next()];
    for (const call of calls) expect((await failure(call()))[1]).toMatch(/^(etcdserver|auth): permission denied$/);
  });

  it('follows changes at once: permissions, passwords, users', async () => {
    await auth.roleRevokePermission({ role: 'readers', key: b('r5'), rangeEnd: b('r9') }, root);
    expect(await failure(kv.range({ key: b('r6') }, amy))).toEqual(denied);
    await kv.range({ key: b('r4') }, amy);
    await auth.userChangePassword({ name: 'amy', password: 'new' }, root);
    expect(await failure(kv.range({ key: b('r4') }, amy))).toEqual(badToken);
    expect(await failure(auth.authenticate({ name: 'amy', password: 'pw' }))).toEqual(wrongPassword);
    amy = await login('amy', 'new');
    await kv.range({ key: b('r4') }, amy);
    await auth.userDelete({ name: 'amy' }, root);
    expect(await failure(kv.range({ key: b('r4') }, amy))).toEqual(badToken);
  });

  it('lets everyone in again when turned off', async () => {
    await auth.authDisable({}, root);
    await kv.put({ key: b('r/a') });
    await auth.userDelete({ name: 'root' });
    expect((await auth.userList({})).users).toEqual(['cert']);
  });
});
