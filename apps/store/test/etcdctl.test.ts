import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdctl, etcdctlMissing, etcdctlRunning, runEtcdctl } from './etcdctl.ts';
import { type Server, startStore, temporaryDir } from './servers.ts';

describe.skipIf(!etcdctl)(`etcdctl${etcdctlMissing}`, () => {
  let server: Server;
  const dir = temporaryDir();

  const ctl = (words: string[], input = '', to = server) => runEtcdctl(to.address, words, input);

  beforeAll(async () => {
    server = await startStore({ settings: { dataDir: join(dir.path, 'data') } });
  });
  afterAll(async () => {
    await server.stop();
    dir.remove();
  });

  it('puts, gets by prefix, deletes', async () => {
    expect((await ctl(['put', 'k/a', 'one'])).out).toBe('OK\n');
    await ctl(['put', 'k/b', 'two']);
    expect((await ctl(['get', '--prefix', 'k/', '--keys-only=false'])).out).toBe('k/a\none\nk/b\ntwo\n');
    expect((await ctl(['del', '--prev-kv', 'k/b'])).out).toBe('1\nk/b\ntwo\n');
  });

  it('watches', async () => {
    const watch = etcdctlRunning(server.address, ['watch', '--prefix', '--prev-kv', 'w/', '--rev=1']);
    let seen = '';
    const both = new Promise<void>((resolve) => watch.stdout.on('data', (text) => (seen += text).includes('DELETE') && resolve()));
    await ctl(['put', 'w/a', '1']);
    await ctl(['del', 'w/a']);
    await both;
    watch.kill();
    expect(seen).toBe('PUT\nw/a\n1\nDELETE\nw/a\n1\nw/a\n\n');
  });

  it('runs a transaction', async () => {
    await ctl(['put', 't', '1']);
    const { out } = await ctl(['txn', '-i'], 'value("t") = "1"\n\nput t 2\nget t\n\nget t\n\n');
    expect(out).toMatch(/SUCCESS\n\nOK\n\nt\n2\n$/);
  });

  it('grants, keeps alive, looks at and revokes a lease', async () => {
    const id = /^lease (\w+) granted with TTL\(60s\)/.exec((await ctl(['lease', 'grant', '60'])).out)?.[1] as string;
    await ctl(['put', `--lease=${id}`, 'leased', 'x']);
    expect((await ctl(['lease', 'keep-alive', '--once', id])).out).toBe(`lease ${id} keepalived with TTL(60)\n`);
    expect((await ctl(['lease', 'timetolive', '--keys', id])).out).toMatch(/granted with TTL\(60s\), remaining\(5\ds\), attached keys\(\[leased\]\)/);
    expect((await ctl(['lease', 'list'])).out).toBe(`found 1 leases\n${id}\n`);
    expect((await ctl(['lease', 'revoke', id])).out).toBe(`lease ${id} revoked\n`);
    expect((await ctl(['get', 'leased'])).out).toBe('');
  });

  it('compacts', async () => {
    const { out } = await ctl(['get', 'k/a', '-w', 'json']);
    const { revision } = (JSON.parse(out) as { header: { revision: number } }).header;
    expect((await ctl(['compaction', '--physical', String(revision)])).out).toBe(`compacted revision ${revision}\n`);
    expect((await ctl(['get', 'k/a', '--rev=2'])).err).toContain('Error: etcdserver: mvcc: required revision has been compacted');
  });

  it('asks after the endpoint and the members', async () => {
    expect((await ctl(['endpoint', 'health'])).out + (await ctl(['endpoint', 'health'])).err).toContain('is healthy');
    const [status] = JSON.parse((await ctl(['endpoint', 'status', '-w', 'json'])).out) as [{ Status: { version: string; dbSize: number; leader: number; raftTerm: number } }];
    expect(status.Status).toMatchObject({ version: '3.6.0', raftTerm: 2 });
    expect(status.Status.dbSize).toBeGreaterThan(0);
    expect((await ctl(['endpoint', 'hashkv'])).out).toMatch(new RegExp(`^${server.address}, \\d+\n$`));
    expect((await ctl(['member', 'list'])).out).toMatch(new RegExp(`^\\w+, started, default, , http://${server.address}, false\n$`));
    expect((await ctl(['alarm', 'list'])).out).toBe('');
    expect((await ctl(['user', 'list'])).out).toBe('');
    expect((await ctl(['role', 'get', 'x'])).err).toContain('etcdserver: role name not found');
  });

  it('locks, which is built on leases and watches', async () => {
    expect((await ctl(['lock', 'mutex', 'echo', 'held'])).out).toBe('held\n');
  });

  it('elects, and tells who leads', async () => {
    const candidate = etcdctlRunning(server.address, ['elect', 'seat', 'me']);
    const won = new Promise((resolve) => candidate.stdout.once('data', resolve));
    const listener = etcdctlRunning(server.address, ['elect', '-l', 'seat']);
    const heard = new Promise((resolve) => listener.stdout.once('data', (text) => resolve(String(text))));
    await won;
    expect(await heard).toMatch(/^seat\/[0-9a-f]+\nme\n$/);
    for (const child of [listener, candidate]) child.kill();
  });

  it('administers users and roles, and is asked for one', async () => {
    const guarded = await startStore();
    const run = async (line: string): Promise<string> => {
      const { out, err } = await ctl(line.split(' '), '', guarded);
      return out || (/Error: .*/.exec(err)?.[0] ?? '');
    };
    expect(await run('user add root:secret')).toBe('User root created\n');
    expect(await run('user add amy:pw')).toBe('User amy created\n');
    expect(await run('role add w')).toBe('Role w created\n');
    expect(await run('role grant-permission w --prefix=true readwrite w/')).toBe('Role w updated\n');
    expect(await run('role get w')).toBe('Role w\nKV Read:\n\t[w/, w0) (prefix w/)\nKV Write:\n\t[w/, w0) (prefix w/)\n');
    expect(await run('user grant-role amy w')).toBe('Role w is granted to user amy\n');
    // It adds the root role and grants it by itself, when the server says that it is missing.
    expect(await run('auth enable')).toBe('Authentication Enabled\n');
    expect(await run('put w/a 1')).toBe('Error: etcdserver: user name is empty');
    expect(await run('--user amy:pw put w/a 1')).toBe('OK\n');
    expect(await run('--user amy:pw get w/a')).toBe('w/a\n1\n');
    expect(await run('--user amy:pw put x 1')).toBe('Error: etcdserver: permission denied');
    expect(await run('--user amy:no put w/a 1')).toBe('Error: etcdserver: authentication failed, invalid user ID or password');
    expect(await run('--user root:secret user list')).toBe('amy\nroot\n');
    expect(await run('--user root:secret auth disable')).toBe('Authentication Disabled\n');
    expect(await run('get w/a')).toBe('w/a\n1\n');
    await guarded.stop();
  });

  it('defragments, saves a snapshot, and a new store begins with it', async () => {
    expect((await ctl(['defrag'])).out).toBe(`Finished defragmenting etcd member[${server.address}]\n`);
    const backup = join(dir.path, 'backup.db');
    expect((await ctl(['snapshot', 'save', backup])).out).toBe(`Snapshot saved at ${backup}\n`);
    const hash = (await ctl(['endpoint', 'hashkv'])).out.split(', ')[1];
    for (let start = 0; start < 2; start++) {
      const copy = await startStore({ settings: { dataDir: join(dir.path, 'restored'), initialSnapshot: backup } });
      expect((await ctl(['endpoint', 'hashkv'], '', copy)).out.split(', ')[1]).toBe(hash);
      expect((await ctl(['get', 'k/a'], '', copy)).out).toBe('k/a\none\n');
      await copy.stop();
    }
    spawnSync('truncate', ['-s', '-1', backup]);
    await expect(startStore({ settings: { dataDir: join(dir.path, 'other'), initialSnapshot: backup } })).rejects.toThrow('corrupt snapshot');
  });

  it('disarms alarms', async () => {
    const small = await startStore({ settings: { quotaBackendBytes: 500 } });
    const full = 'etcdserver: mvcc: database space exceeded';
    for (let i = 0; i < 4; i++) await ctl(['put', `q${i}`, 'x'.repeat(50)], '', small);
    expect((await ctl(['put', 'q9', 'x'.repeat(50)], '', small)).err).toContain(full);
    expect((await ctl(['alarm', 'list'], '', small)).out).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    await ctl(['del', '--prefix', 'q'], '', small);
    expect((await ctl(['compaction', '5'], '', small)).out).toBe('compacted revision 5\n');
    expect((await ctl(['alarm', 'disarm'], '', small)).out).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    expect((await ctl(['put', 'q9', 'small'], '', small)).out).toBe('OK\n');
    await small.stop();
  });
});
