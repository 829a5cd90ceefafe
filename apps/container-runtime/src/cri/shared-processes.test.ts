import { NamespaceMode } from '@orrery/proto/cri';
import { VirtualClock } from '@orrery/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestNode, testNode } from '../testing/test-node.ts';

let clock: VirtualClock;
let node: TestNode;

beforeEach(async () => {
  // A script runs a few hundred commands without waiting.
  clock = new VirtualClock({ drain: () => new Promise((resolve) => setImmediate(resolve)) });
  node = await testNode({ clock });
});

afterEach(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

async function pair(pid: NamespaceMode) {
  const sandbox = { linux: { securityContext: { namespaceOptions: { pid } } } };
  const first = await node.runPod({ name: 'p', image: 'busybox', command: ['sh', '-c', 'trap "echo hup" HUP; while true; do sleep 1; done'], sandbox });
  const { containerId = '' } = await node.runtime.createContainer({ podSandboxId: first.sandbox, config: { metadata: { name: 'second', attempt: 0 }, image: { image: 'busybox' }, command: ['sleep', '1000'], logPath: 'second/0.log' }, sandboxConfig: {} });
  await node.runtime.startContainer({ containerId });
  return { first, second: containerId };
}

const lines = (text: string): string[] => text.trimEnd().split('\n').slice(1).map((line) => line.replace(/\s+/g, ' ').trim());

test('containers that share processes see and signal each other, and end one by one', async () => {
  const { first, second } = await pair(NamespaceMode.POD);
  const seen = lines((await first.exec('ps')).stdout);
  expect(seen[0]).toMatch(/^1 65535 0:00 \/pause$/);
  expect(seen.some((line) => / sleep 1000$/.test(line))).toBe(true);
  const ownPid = seen.find((line) => line.includes('trap'))?.split(' ')[0];
  expect(ownPid).not.toBe('1');
  await node.runtime.execSync({ containerId: second, cmd: ['kill', '-HUP', ownPid ?? ''] });
  await clock.advance(1_500);
  expect(await node.log(first.container)).toBe('hup\n');
  await first.exec('killall', 'sleep');
  await clock.advance(10);
  expect((await node.runtime.containerStatus({ containerId: second })).status).toMatchObject({ exitCode: 143 });
  expect((await node.runtime.containerStatus({ containerId: first.container })).status?.finishedAt).toBe(0n);
  expect(lines((await first.exec('ps')).stdout).some((line) => / sleep 1000$/.test(line))).toBe(false);
  await node.runtime.stopContainer({ containerId: first.container, timeout: 0n });
  expect((await node.runtime.containerStatus({ containerId: first.container })).status).toMatchObject({ exitCode: 137 });
});

test('others see themselves alone, from 1 on', async () => {
  const { first } = await pair(NamespaceMode.CONTAINER);
  const seen = lines((await first.exec('ps')).stdout);
  expect(seen[0]).toMatch(/^1 root .*trap/);
  expect(seen.some((line) => / sleep 1000$/.test(line))).toBe(false);
});

test('a pod with the process numbers of the node sees all that runs on it, and can end it', async () => {
  const { first } = await pair(NamespaceMode.CONTAINER);
  const sandbox = { linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.NODE } } } };
  const above = await node.runPod({ name: 'h', image: 'busybox', command: ['sleep', '5000'], sandbox });
  const seen = lines((await above.exec('ps')).stdout);
  expect(seen[0]).toBe('1 root 0:00 /sbin/init');
  expect([/kubelet$/, / sleep 1000$/, / sleep 5000$/, / ps$/].map((shape) => seen.filter((line) => shape.test(line)).length)).toEqual([1, 1, 1, 1]);
  const { stdout } = await above.sh('pidof -s kubelet; cat /proc/self/comm; pgrep -f "^sleep 1000$"');
  const [kubelet, self, other] = stdout.trim().split('\n');
  expect([kubelet, self]).toEqual(['102', 'cat']);
  expect(lines((await above.exec('ps')).stdout).find((line) => / sleep 1000$/.test(line))).toMatch(new RegExp(`^${other} `));
  expect((await above.exec('kill', other ?? '')).code).toBe(0);
  await clock.advance(10);
  expect(lines((await above.exec('ps')).stdout).some((line) => / sleep 1000$/.test(line))).toBe(false);
  expect((await first.exec('pidof', 'kubelet')).code).toBe(1);
});

test('a container for debugging shares the numbers of its target', async () => {
  const { first } = await pair(NamespaceMode.CONTAINER);
  const create = (targetId: string) => node.runtime.createContainer({ podSandboxId: first.sandbox, config: { metadata: { name: 'debug', attempt: 0 }, image: { image: 'busybox' }, command: ['sleep', '777'], logPath: 'debug/0.log', linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.TARGET, targetId } } } }, sandboxConfig: {} });
  await expect(create('none')).rejects.toThrow('is not running');
  const { containerId = '' } = await create(first.container);
  await node.runtime.startContainer({ containerId });
  const ps = await node.runtime.execSync({ containerId, cmd: ['ps'] });
  const seen = lines(Buffer.from(ps.stdout ?? []).toString());
  expect(seen[0]).toMatch(/^1 root .*trap/);
  expect(seen.some((line) => / sleep 777$/.test(line))).toBe(true);
  await node.runtime.execSync({ containerId, cmd: ['kill', '-HUP', '1'] });
  await clock.advance(1_500);
  expect(await node.log(first.container)).toBe('hup\n');
});

test('users, groups and what else /proc tells of a process', async () => {
  const mapping = { hostId: 65_536, containerId: 0, length: 65_536 };
  const userns = { namespaceOptions: { pid: NamespaceMode.CONTAINER, usernsOptions: { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] } }, runAsUser: { value: 1000n }, runAsGroup: { value: 2000n }, supplementalGroups: [3000n] };
  const own = await node.runPod({ name: 'u', image: 'busybox', command: ['sleep', '1000'], linux: { resources: { oomScoreAdj: 1000n }, securityContext: userns } });
  expect((await own.sh('cat /proc/self/uid_map /proc/self/gid_map /proc/self/oom_score_adj; grep -E "^(Gid|Groups)" /proc/self/status; grep -c " / / " /proc/self/mountinfo')).stdout).toBe('         0      65536      65536\n         0      65536      65536\n1000\nGid:\t2000\t2000\t2000\t2000\nGroups:\t2000 3000 \n1\n');
  const shared = await node.runPod({ name: 's', image: 'busybox', command: ['sleep', '1000'] });
  expect((await shared.sh('cat /proc/self/uid_map')).stdout).toBe('         0          0 4294967295\n');
});

test('a busy script takes as long as its share of the CPU makes it, and shows in the figures', async () => {
  const busy = (name: string, cpuQuota: bigint) => node.runPod({ name, image: 'busybox', command: ['sh', '-c', 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done'], linux: { resources: { cpuQuota, cpuPeriod: 100_000n } } });
  const [whole, tenth] = [await busy('whole', 100_000n), await busy('tenth', 10_000n)];
  const took = async (container: string): Promise<number> => {
    for (let i = 0; i < 600; i++) {
      const { status } = await node.runtime.containerStatus({ containerId: container });
      if (status?.finishedAt) return Number((status.finishedAt - (status.startedAt ?? 0n)) / 1_000_000n);
      await clock.advance(100);
    }
    throw new Error('it never ended');
  };
  const endless = await node.runPod({ name: 'endless', image: 'busybox', command: ['sh', '-c', 'while true; do true; done'], linux: { resources: { cpuQuota: 20_000n, cpuPeriod: 100_000n } } });
  const wholeMs = await took(whole.container);
  expect(wholeMs).toBeGreaterThan(0);
  expect((await took(tenth.container)) / wholeMs).toBeGreaterThan(8);
  await clock.advance(30_000);
  const { stats } = await node.runtime.containerStats({ containerId: endless.container });
  const cores = Number(stats?.cpu?.usageNanoCores?.value) / 1e9;
  expect(cores).toBeGreaterThan(0.15);
  expect(cores).toBeLessThanOrEqual(0.21);
});

test('stress holds memory until the limit ends it', async () => {
  const image = 'registry.k8s.io/e2e-test-images/agnhost:2.59';
  const args = ['stress', '--mem-alloc-size', '12Mi', '--mem-alloc-sleep', '1s', '--mem-total', '48Mi', '--cpus', '1'];
  const run = (name: string, mebibytes: number) => node.runPod({ name, image, args, linux: { resources: { memoryLimitInBytes: BigInt(mebibytes) << 20n } } });
  const [fits, bursts] = [await run('fits', 200), await run('bursts', 40)];
  await clock.advance(10_000);
  expect((await node.runtime.containerStatus({ containerId: bursts.container })).status).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  const { stats } = await node.runtime.containerStats({ containerId: fits.container });
  expect(Number(stats?.memory?.workingSetBytes?.value)).toBeGreaterThan(48 << 20);
  expect(Number(stats?.cpu?.usageNanoCores?.value) / 1e9).toBeGreaterThan(0.9);
});

test('namespaces: two pods of the node have its network, and nothing else in common', async () => {
  const spaces = async (name: string, network: NamespaceMode) => {
    const pod = await node.runPod({ name, image: 'busybox', command: ['sleep', '9'], sandbox: { linux: { securityContext: { namespaceOptions: { network, pid: NamespaceMode.CONTAINER } } } } });
    return (await pod.sh('for n in net uts ipc pid mnt user; do readlink /proc/self/ns/$n; done')).stdout.trim().split('\n');
  };
  const [a, b, c] = [await spaces('a', NamespaceMode.NODE), await spaces('b', NamespaceMode.NODE), await spaces('c', NamespaceMode.POD)];
  expect([a[0], a.at(-1)]).toEqual(['net:[4026531840]', 'user:[4026531837]']);
  expect(a.filter((space) => b.includes(space)).map((space) => space.split(':')[0])).toEqual(['net', 'uts', 'user']);
  expect(a.filter((space) => c.includes(space)).map((space) => space.split(':')[0])).toEqual(['user']);
});
