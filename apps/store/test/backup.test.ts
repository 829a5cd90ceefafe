import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { etcdctl, etcdctlMissing, runEtcdctl } from './etcdctl.ts';
import { type Server, onPath, startEtcd, startStore, temporaryDir } from './servers.ts';

const etcd = onPath('etcd');
const dir = temporaryDir();
afterAll(() => dir.remove());

async function run(server: Pick<Server, 'address'> | undefined, line: string): Promise<string> {
  const { out, err } = await runEtcdctl(server?.address ?? '127.0.0.1:1', line.split(' '));
  return out || err;
}

interface SnapshotStatus {
  readonly revision: number;
  readonly totalKey: number;
}
const hashOf = async (server: Server): Promise<string | undefined> => (await run(server, 'endpoint hashkv')).trim().split(', ')[1];
const statusOf = async (file: string): Promise<SnapshotStatus> => JSON.parse(await run(undefined, `snapshot status ${file} -w json`)) as SnapshotStatus;

/** History, a deletion, a lease, a compaction, users and roles; values small and larger than a page. Returns the lease. */
async function fill(server: Server): Promise<string> {
  for (let i = 0; i < 12; i++) await run(server, `put k/${i % 9} ${String(i).repeat(i * 700 + 1)}`);
  await run(server, 'del k/3');
  const lease = /lease (\w+) granted/.exec(await run(server, 'lease grant 600'))?.[1] as string;
  await run(server, `put --lease=${lease} leased x`);
  await run(server, 'compaction 8');
  for (const line of ['del k/4', 'put last one', 'role add reader', 'role grant-permission reader read k/', 'user add --no-password amy', 'user grant-role amy reader']) await run(server, line);
  return lease;
}

async function expectSame(server: Server, expected: { hash: string | undefined; lease: string }): Promise<void> {
  expect(await hashOf(server)).toBe(expected.hash);
  expect(await run(server, 'get last')).toBe('last\none\n');
  expect(await run(server, 'get k/3')).toBe('');
  expect(await run(server, 'get k/2 --rev=11')).toMatch(/^k\/2\n2{1401}\n$/);
  expect(await run(server, 'get k/2 --rev=7')).toContain('required revision has been compacted');
  expect(await run(server, `lease timetolive --keys ${expected.lease}`)).toMatch(/granted with TTL\(600s\), remaining\(\d+s\), attached keys\(\[leased\]\)/);
  expect(await run(server, 'user get amy')).toBe('User: amy\nRoles: reader\n');
  expect(await run(server, 'role get reader')).toBe('Role reader\nKV Read:\n\tk/\nKV Write:\n');
  expect(await run(server, 'put after it')).toBe('OK\n');
}

describe.skipIf(!etcdctl)(`a backup${etcdctlMissing}`, () => {
  it.skipIf(!etcd)('of ours is an etcd’s database: etcdctl knows its state and restores it, etcd goes on from there, and we from what that saves', async () => {
    const [first, back] = [join(dir.path, 'first.db'), join(dir.path, 'back.db')];
    const ours = await startStore();
    const lease = await fill(ours);
    const hash = await hashOf(ours);
    expect(await run(ours, `snapshot save ${first}`)).toContain(`Snapshot saved at ${first}`);
    await ours.stop();
    // 7 live keys of 9 and one with a lease, older ones that are readable, tombstones; leases, users, and what etcd itself writes down.
    expect(await statusOf(first)).toMatchObject({ revision: 17, totalKey: expect.toSatisfy((count: number) => count > 20) as number });
    const dataDir = join(dir.path, 'etcd');
    expect(await run(undefined, `snapshot restore ${first} --data-dir ${dataDir}`)).not.toContain('Error');
    const original = await startEtcd(etcd as string, dataDir);
    try {
      await expectSame(original, { hash, lease });
      expect(await run(original, `snapshot save ${back}`)).toContain(`Snapshot saved at ${back}`);
      const again = await startStore({ settings: { dataDir: join(dir.path, 'again'), initialSnapshot: back } });
      await expectSame(again, { hash: await hashOf(original), lease });
      await again.stop();
    } finally {
      await original.stop();
    }
  }, 120_000);

  it('of ours begins another of ours, also one that holds nothing', async () => {
    for (const [name, work] of [['empty', async () => undefined], ['full', fill]] as const) {
      const file = join(dir.path, `${name}.db`);
      const ours = await startStore();
      await work(ours);
      await run(ours, `snapshot save ${file}`);
      const hash = await hashOf(ours);
      await ours.stop();
      const copy = await startStore({ settings: { dataDir: join(dir.path, name), initialSnapshot: file } });
      expect(await hashOf(copy)).toBe(hash);
      expect(await run(copy, 'put x y')).toBe('OK\n');
      await copy.stop();
    }
  }, 120_000);
});
