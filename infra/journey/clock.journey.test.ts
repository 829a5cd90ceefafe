import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, eventually, kubectlFor, orreryProgram, runCommand } from '@orrery/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const home = mkdtempSync(join(tmpdir(), 'orrery-clock-'));
const dir = join(home, 'cluster');
const kubectl = kubectlFor({ program: 'kubectl', kubeconfig: join(dir, 'kubeconfig'), home });

function orrery(...args: string[]): Promise<CommandResult> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  return runCommand(process.execPath, [orreryProgram(), ...args, '--data-dir', dir], { env, timeoutMs: 300_000 });
}

const up = (threads = '1'): Promise<CommandResult> => orrery('up', '--detach', '--wait', '--api-port', '0', '--nodes', '1', '--threads', threads);

interface Reading {
  readonly nowMs: number;
  readonly aheadMs: number;
  readonly speed: number;
}

/** `-o` and `--data-dir` belong to `clock`, so they come before its commands. */
async function clock(...args: string[]): Promise<Reading> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  const { code, stdout, stderr } = await runCommand(process.execPath, [orreryProgram(), 'clock', '--data-dir', dir, '-o', 'json', ...args], { env, timeoutMs: 300_000 });
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Reading;
}

async function lines(...args: string[]): Promise<string[]> {
  return (await kubectl.ok(args)).trim().split('\n').filter(Boolean);
}

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe.each(['1', '2'])('the clock of a cluster of threads: %s', (threads) => {
  beforeAll(async () => expect(await up(threads)).toMatchObject({ code: 0 }), 120_000);
  afterAll(() => orrery('down', '--purge'), 60_000);

  it('moves ahead by hours, in which all happens that is due', { timeout: 300_000 }, async () => {
    await kubectl.ok(['create', 'cronjob', 'hourly', '--image=busybox', '--schedule=0 * * * *', '--', 'sh', '-c', 'sleep 90; date']);
    // Not where the second Job would still be at work at the end.
    if ((await clock()).nowMs % 3_600_000 < 180_000) await clock('advance', '4m');
    const before = await clock();
    const after = await clock('advance', '2h');
    expect(after.nowMs - before.nowMs).toBeGreaterThanOrEqual(2 * 3_600_000);
    const jobs = await lines('get', 'jobs', '-o', 'jsonpath={range .items[*]}{.metadata.creationTimestamp} {.status.completionTime} {.status.succeeded}{"\\n"}{end}');
    expect(jobs).toHaveLength(2);
    for (const job of jobs) expect(job).toMatch(/T\d\d:00:0\dZ .*T\d\d:01:3\dZ 1$/);
    // Leases were renewed on the way: nobody took the node for dead.
    expect(await lines('get', 'nodes', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].lastTransitionTime}')).toEqual([expect.not.stringContaining(' ')]);
    expect(await lines('get', 'events', '-A', '--field-selector', 'reason=NodeNotReady', '-o', 'name')).toEqual([]);
    const ages = await lines('get', 'nodes', '--no-headers');
    expect(ages[0]).toMatch(/ Ready .* (2h|12\dm)/);
  });

  it('stands still, and goes on', { timeout: 60_000 }, async () => {
    const paused = await clock('pause');
    expect(paused.speed).toBe(0);
    await kubectl.ok(['create', 'configmap', 'first', '--from-literal=a=b']);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await kubectl.ok(['create', 'configmap', 'second', '--from-literal=a=b']);
    expect((await clock()).nowMs - paused.nowMs).toBeLessThan(50);
    const [first, second] = await lines('get', 'configmaps', 'first', 'second', '-o', 'jsonpath={range .items[*]}{.metadata.creationTimestamp}{"\\n"}{end}');
    expect(first).toBe(second);
    expect((await clock('resume')).speed).toBe(1);
  });

  it('runs faster', { timeout: 60_000 }, async () => {
    const before = await clock('speed', '120');
    await eventually(async () => expect((await clock()).nowMs - before.nowMs).toBeGreaterThan(60_000), { withinMs: 30_000 });
    await clock('speed', '1');
    expect(await lines('get', 'nodes', '--no-headers')).toEqual([expect.stringContaining(' Ready ')]);
  });

  it('does not go back when the cluster is started again', { timeout: 120_000 }, async () => {
    const before = await clock();
    expect((await orrery('down')).code).toBe(0);
    expect((await up(threads)).code).toBe(0);
    expect((await clock()).aheadMs).toBeGreaterThan(before.aheadMs - 2000);
  });

  it.each([
    [['advance', 'soon'], 2, 'no span of time such as 90s, 6h or 7d'],
    [['speed', 'fast'], 2, '60 lets a minute pass in a second'],
    [['speed', '-1'], 2, ''],
    [['rewind'], 2, ''],
  ])('refuses %j', async (args, code, text) => {
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
    const result = await runCommand(process.execPath, [orreryProgram(), 'clock', '--data-dir', dir, ...args], { env, timeoutMs: 60_000 });
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(text);
  }, 60_000);

  it('says where there is none', async () => {
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
    const result = await runCommand(process.execPath, [orreryProgram(), 'clock', '--data-dir', join(home, 'none')], { env, timeoutMs: 60_000 });
    expect(result).toMatchObject({ code: 3, stderr: expect.stringContaining('no cluster runs on') as string });
  }, 60_000);
});
