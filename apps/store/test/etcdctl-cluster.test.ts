import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdctl, etcdctlMissing, etcdctlRunning, runEtcdctl } from './etcdctl.ts';
import { within } from './load.ts';
import { MemberProcess, type MemberProcesses, runsSources, startMembers } from './members.ts';
import { freePort, temporaryDir } from './servers.ts';

const full = 'Error: etcdserver: mvcc: database space exceeded';

/** Each test leaves three members that agree. */
describe.skipIf(!etcdctl || !runsSources)(`etcdctl on three members${etcdctlMissing}`, () => {
  let cluster: MemberProcesses;
  const dir = temporaryDir();
  const hex = (id: string | undefined): string => BigInt(id ?? '0').toString(16);
  const ctl = async (line: string, input = '', at = cluster.addresses.join()): Promise<string> => {
    const { out, err } = await runEtcdctl(at, line.split(' '), input);
    return out + (/^(?:Error: .*|.* is (?:un)?healthy.*)$/gm.exec(err) ? err : '');
  };
  const refused = async (line: string): Promise<string> => /Error: .*/.exec(await ctl(line))?.[0] ?? 'no error';
  const idOf = async (member: MemberProcess): Promise<string> => hex((await member.status()).header?.memberId);

  beforeAll(async () => {
    cluster = await startMembers({ args: ['--quota-backend-bytes', '100000'] });
    await cluster.leader();
    // They say where clients find them.
    await within(async () => (await ctl('member list')).match(/started, m\d, http:\S+, http:\S+, false/g)?.length === 3, 'three started members');
  }, 120_000);
  afterAll(async () => {
    await cluster.stop();
    dir.remove();
  });

  it('asks after all endpoints, those that were named and those of the cluster', async () => {
    const urls = cluster.addresses.map((address) => `http://${address}`);
    const first = cluster.addresses[0] as string;
    await ctl('put a 1');
    expect((await ctl('endpoint health')).match(/ is healthy: successfully committed proposal/g)).toHaveLength(3);
    const health = await ctl('endpoint health --cluster', '', first);
    for (const url of urls) expect(health).toContain(`${url} is healthy: successfully committed proposal`);
    const status = JSON.parse(await ctl('endpoint status --cluster -w json', '', first)) as { Endpoint: string; Status: { header: { member_id: number }; leader: number; raftIndex: number } }[];
    expect(status.map(({ Endpoint }) => Endpoint).sort()).toEqual([...urls].sort());
    expect(new Set(status.map(({ Status }) => Status.leader)).size).toBe(1);
    const hashes = (await ctl('endpoint hashkv --cluster', '', first)).trim().split('\n');
    expect(hashes.map((line) => line.split(', ')[0]).sort()).toEqual([...urls].sort());
    expect(new Set(hashes.map((line) => line.split(', ')[1])).size).toBe(1);
    const defragmented = await ctl('defrag --cluster', '', first);
    for (const url of urls) expect(defragmented).toContain(`Finished defragmenting etcd member[${url}]\n`);
  });

  it('transactions, leases, watches, locks and elections go through any member', async () => {
    const [one, two, three] = cluster.addresses as [string, string, string];
    await ctl('put t 1', '', one);
    expect(await ctl('txn -i', 'value("t") = "1"\n\nput t 2\n\nget t\n\n', two)).toMatch(/SUCCESS\n\nOK\n$/);
    const id = /^lease (\w+) granted with TTL\(60s\)/.exec(await ctl('lease grant 60', '', one))?.[1] as string;
    await ctl(`put --lease=${id} leased x`, '', two);
    expect(await ctl(`lease keep-alive --once ${id}`, '', three)).toBe(`lease ${id} keepalived with TTL(60)\n`);
    expect(await ctl(`lease timetolive --keys ${id}`, '', two)).toMatch(/granted with TTL\(60s\), remaining\(5\ds\), attached keys\(\[leased\]\)/);
    expect(await ctl('lease list', '', three)).toBe(`found 1 leases\n${id}\n`);
    const watch = etcdctlRunning(two, ['watch', 'leased', '--rev=1']);
    const gone = new Promise<void>((resolve) => watch.stdout.on('data', (text: Buffer) => String(text).includes('DELETE') && resolve()));
    expect(await ctl(`lease revoke ${id}`, '', three)).toBe(`lease ${id} revoked\n`);
    await gone;
    watch.kill();
    expect(await ctl('lock l echo held', '', one)).toContain('held\n');
    const candidate = etcdctlRunning(two, ['elect', 'seat', 'me']);
    let elected = '';
    await new Promise<void>((resolve) =>
      candidate.stdout.on('data', (text: Buffer) => {
        elected += String(text);
        if (elected.endsWith('me\n')) resolve();
      }),
    );
    expect(elected).toMatch(/^seat\/[0-9a-f]+\nme\n$/);
    candidate.kill();
  });

  it('users and roles hold on every member', async () => {
    for (const line of ['user add root:r', 'user grant-role root root', 'user add amy:a', 'role add w', 'role grant-permission w --prefix=true readwrite w/', 'user grant-role amy w']) await ctl(line);
    expect(await ctl('auth enable')).toBe('Authentication Enabled\n');
    for (const address of cluster.addresses) {
      expect(await ctl('--user amy:a put w/a 1', '', address)).toBe('OK\n');
      expect(await ctl('--user amy:a get w/a', '', address)).toBe('w/a\n1\n');
      expect((await runEtcdctl(address, ['--user', 'amy:a', 'put', 'x', '1'])).err).toContain('etcdserver: permission denied');
      expect((await runEtcdctl(address, ['put', 'w/a', '1'])).err).toContain('etcdserver: user name is empty');
    }
    expect(await ctl('--user root:r auth disable')).toBe('Authentication Disabled\n');
  });

  it('leadership is handed on', async () => {
    const leader = await cluster.leader();
    const heir = cluster.members.find((member) => member !== leader) as MemberProcess;
    expect(await ctl(`move-leader ${await idOf(heir)}`, '', leader.address)).toBe(`Leadership transferred from ${await idOf(leader)} to ${await idOf(heir)}\n`);
    expect(await cluster.leader()).toBe(heir);
    expect(await refused('move-leader 1234')).toMatch(/^Error: etcdserver: bad leader transferee|^Error: no leader endpoint given/);
  });

  it('the quota counts on all members, until the alarm is disarmed', async () => {
    for (let i = 0; i < 12; i++) await ctl(`put q${i} ${'x'.repeat(10_000)}`);
    for (const address of cluster.addresses) expect(/Error: .*/.exec(await ctl('put q x', '', address))?.[0]).toBe(full);
    expect(await ctl('alarm list')).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    const status = JSON.parse(await ctl('endpoint status -w json')) as { Status: { errors: string[] } }[];
    expect(status.map(({ Status }) => Status.errors)).toEqual([1, 2, 3].map(() => [expect.stringMatching(/^memberID:\d+ alarm:NOSPACE $/) as string]));
    expect(await ctl('del --prefix q')).toMatch(/^\d+\n$/);
    const { header } = JSON.parse(await ctl('get a -w json')) as { header: { revision: number } };
    await ctl(`compaction --physical ${header.revision}`);
    expect((await ctl('defrag --cluster')).match(/Finished/g)).toHaveLength(3);
    expect(await refused('put q x')).toBe(full);
    expect(await ctl('alarm disarm')).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    expect(await ctl('alarm list')).toBe('');
    for (const address of cluster.addresses) expect(await ctl('put q x', '', address)).toBe('OK\n');
  }, 120_000);

  it('a snapshot begins a new cluster with all that there was', async () => {
    const backup = join(dir.path, 'backup.db');
    await ctl('put restored yes');
    expect(await ctl(`snapshot save ${backup}`, '', cluster.addresses[1])).toBe(`Snapshot saved at ${backup}\n`);
    const hash = (await ctl('endpoint hashkv', '', cluster.addresses[0])).split(', ')[1];
    const other = await startMembers({ args: ['--initial-snapshot', backup, '--initial-cluster-token', 'another'] });
    try {
      await other.leader();
      for (const address of other.addresses) {
        expect(await ctl('get restored', '', address)).toBe('restored\nyes\n');
        expect((await ctl('endpoint hashkv', '', address)).split(', ')[1]).toBe(hash);
      }
      expect(await ctl('put after 1', '', other.addresses[0])).toBe('OK\n');
      // What there is counts more than the backup from now on.
      await (other.members[0] as MemberProcess).kill();
      other.members[0]?.start();
      await other.leader();
      expect(await ctl('get after', '', other.addresses[0])).toBe('after\n1\n');
      const clusterOf = async (at: string) => (JSON.parse(await ctl('member list -w json', '', at)) as { header: { cluster_id: number } }).header.cluster_id;
      expect(await clusterOf(other.addresses[0] as string)).not.toBe(await clusterOf(cluster.addresses[0] as string));
    } finally {
      await other.stop();
    }
    spawnSync('truncate', ['-s', '-1', backup]);
    const broken = new MemberProcess({ name: 'x', address: `localhost:${await freePort()}`, peerAddress: '', dataDir: join(dir.path, 'x'), log: join(dir.path, 'x.log'), tls: undefined, inside: [], args: ['--data-dir', join(dir.path, 'x'), '--initial-snapshot', backup] });
    broken.start();
    await broken.ended();
    expect([broken.exitCode === 0, broken.said()]).toEqual([false, expect.stringContaining('corrupt snapshot')]);
  }, 120_000);

  it('a member joins as a learner, is promoted, and its process ends when it is removed', async () => {
    const [peer, client] = [`localhost:${await freePort()}`, `localhost:${await freePort()}`];
    expect(await ctl(`member add m3 --learner --peer-urls=http://${peer}`)).toMatch(/^Member +[0-9a-f]+ added to cluster/);
    const initial = [...cluster.members.map(({ name, peerAddress }) => `${name}=${peerAddress}`), `m3=${peer}`].join();
    const dataDir = join(dir.path, 'm3');
    const args = ['--name', 'm3', '--data-dir', dataDir, '--listen-client', client, '--listen-peer', peer, '--initial-cluster', initial, '--initial-cluster-state', 'existing'];
    const joining = new MemberProcess({ name: 'm3', address: client, peerAddress: peer, dataDir, args, log: join(dir.path, 'm3.log'), tls: undefined, inside: [] });
    joining.start();
    try {
      await within(async () => (await joining.status().catch(() => undefined))?.isLearner === true, 'a learner');
      const id = await idOf(joining);
      const answers: string[] = [];
      const promoted = async (): Promise<boolean> => {
        answers.push(await ctl(`member promote ${id}`));
        // Numbers are padded with blanks.
        if (/^Member +[0-9a-f]+ promoted in cluster +[0-9a-f]+\n$/.test(answers.at(-1) ?? '')) return true;
        // An etcdctl that waited its five seconds in vain does not know that it was heard.
        return /deadline exceeded|timed out/.test(answers.join()) && (await joining.status()).isLearner === false;
      };
      await within(promoted, 'a promotion').catch((error: unknown) => Promise.reject(new Error(`${String(error)}: ${[...new Set(answers)].join('')}${joining.said()}`)));
      expect(await ctl('get restored', '', client)).toBe('restored\nyes\n');
      expect(await ctl(`member update ${id} --peer-urls=http://${peer},http://127.0.0.1:1`)).toMatch(new RegExp(`^Member +${id} updated in cluster`));
      expect(await ctl(`member remove ${id}`)).toMatch(new RegExp(`^Member +${id} removed from cluster`));
      await joining.ended();
      expect(joining.exitCode).toBe(0);
      expect(joining.said()).toContain('this member was removed from the cluster');
      expect((await ctl('member list')).trim().split('\n')).toHaveLength(3);
      // Started again, it is told so.
      joining.start();
      await joining.ended();
      expect(joining.exitCode).toBe(0);
    } finally {
      joining.channel.close();
      await joining.kill();
    }
  }, 120_000);
});
