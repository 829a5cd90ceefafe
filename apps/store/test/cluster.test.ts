import { realClock } from '@orrery/node-io';
import { AlarmRequest_AlarmAction as AlarmAction, KVDefinition, MaintenanceDefinition } from '@orrery/proto/etcd';
import { createClient } from '@orrery/rpc';
import { afterEach, describe, expect, it } from 'vitest';
import { Load, within } from './load.ts';
import { type MemberProcess, type MemberProcesses, type MembersOptions, runsSources, startMembers } from './members.ts';
import { temporaryDir } from './servers.ts';
import { smallDisk, whyNoSmallDisk } from './small-disk.ts';

const full = 'etcdserver: mvcc: database space exceeded';
const noSmallDisk = whyNoSmallDisk();
let cluster: MemberProcesses | undefined;
let loads: Load[] = [];

async function end(): Promise<void> {
  await Promise.all(loads.map((load) => load.close()));
  await cluster?.stop();
  loads = [];
  cluster = undefined;
}
afterEach(end);

function load(members: readonly MemberProcess[], options?: ConstructorParameters<typeof Load>[1]): Load {
  const made = new Load(members, options);
  loads.push(made);
  return made;
}

async function begin(options: MembersOptions = {}): Promise<MemberProcesses> {
  cluster = await startMembers(options);
  await cluster.leader();
  return cluster;
}

const others = (members: readonly MemberProcess[], one: MemberProcess): MemberProcess[] => members.filter((member) => member !== one);

describe.skipIf(!runsSources)('three processes under load', () => {
  it('lose nothing over TLS when the leader is killed again and again, nor when all are', async () => {
    const all = await begin({ tls: true, args: ['--snapshot-count', '500'] });
    const { members } = all;
    const clients = load(members);
    for (let round = 0; round < 2; round++) {
      await clients.more(100);
      const leader = await all.leader();
      await leader.kill();
      await all.leader(others(members, leader));
      await clients.more(60);
      leader.start();
      await all.leader();
    }
    await clients.more(50);
    await Promise.all(members.map((member) => member.kill()));
    for (const member of members) member.start();
    await all.leader();
    await clients.more(50);
    await clients.verify();
  }, 120_000);

  it('lose nothing when members are halted longer than an election takes, and restarted in turn', async () => {
    const started = await begin({ args: ['--election-timeout', '500', '--heartbeat-interval', '50', '--snapshot-count', '300'] });
    const { members } = started;
    const clients = load(members);
    await clients.more(100);
    for (const which of ['leader', 'follower'] as const) {
      const leader = await started.leader();
      const halted = which === 'leader' ? leader : (others(members, leader)[0] as MemberProcess);
      halted.signal('SIGSTOP');
      const rest = others(members, halted);
      await started.leader(rest);
      await clients.more(30);
      await realClock.sleep(1000);
      halted.signal('SIGCONT');
      // A leader that was halted finds itself replaced.
      await started.leader();
      await clients.more(30);
    }
    for (const member of members) {
      await member.kill('SIGTERM');
      expect(member.exitCode).toBe(0);
      await clients.more(20);
      member.start();
      await started.leader();
    }
    await clients.verify();
  }, 120_000);

  it.skipIf(noSmallDisk)(`stop writing when one of them has a full disk, and go on when there is room${noSmallDisk ? ` (not run: ${noSmallDisk})` : ''}`, async () => {
    const dir = temporaryDir();
    const disk = await smallDisk(dir.path, 3);
    try {
      const started = await begin({ elsewhere: { m0: { dataDir: `${dir.path}/data`, inside: disk.inside } } });
      const { members } = started;
      const [small, ...rest] = members as [MemberProcess, ...MemberProcess[]];
      const clients = load(members, { valueBytes: 4000 });
      const maintenance = createClient(MaintenanceDefinition, (rest[0] as MemberProcess).channel);
      const alarms = async (): Promise<string[]> => ((await maintenance.alarm({ action: AlarmAction.GET })).alarms ?? []).map(({ memberID = '' }) => memberID);
      await within(async () => (await alarms()).length > 0 && clients.refusals.has(full), 'the alarm');
      await clients.stop();
      const id = (await started.leader(rest)) && (await small.status()).header?.memberId;
      expect(await alarms()).toEqual([id]);
      for (const { channel } of members) {
        await expect(createClient(KVDefinition, channel).put({ key: Buffer.from('more') }, { timeoutMs: 5000 })).rejects.toThrow(full);
      }
      disk.resize(64);
      await started.leader();
      await within(async () => (await small.status()).errors?.length === 1, 'the alarm on the member that was full');
      await maintenance.alarm({ action: AlarmAction.DEACTIVATE });
      await clients.verify();
      const again = load(members, { valueBytes: 1000 });
      await again.more(200);
      await again.stop();
    } finally {
      await end();
      disk.remove();
      dir.remove();
    }
  }, 120_000);
});
