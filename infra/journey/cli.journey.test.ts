import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type CommandResult, eventually, kubectlFor, orreryProgram, runCommand } from '@orrery/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const home = mkdtempSync(join(tmpdir(), 'orrery-cli-'));
const one = join(home, 'one');
const two = join(home, 'two');

function orrery(...args: string[]): Promise<CommandResult> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  return runCommand(process.execPath, [orreryProgram(), ...args], { env: { ...env, ORRERY_DATA_DIR: join(home, 'default') }, timeoutMs: 60_000 });
}

beforeAll(async () => {
  expect(await orrery('up', '--detach', '--wait', '--data-dir', one, '--api-port', '0', '--nodes', '1', '--kubeconfig', join(home, 'both'))).toMatchObject({ code: 0 });
}, 60_000);
afterAll(async () => {
  for (const dir of [one, two]) await orrery('down', '--data-dir', dir);
  rmSync(home, { recursive: true, force: true });
}, 60_000);

describe('orrery', () => {
  it('explains itself', async () => {
    const help = await orrery('--help');
    expect(help.code).toBe(0);
    for (const word of ['up', 'status', 'logs', 'kubeconfig', 'clock', 'down', 'completion', 'Exit codes']) expect(help.stdout).toContain(word);
    for (const command of ['up', 'status', 'logs', 'kubeconfig', 'clock', 'down', 'completion']) expect((await orrery(command, '--help')).code).toBe(0);
  });

  it.each([
    [['up', '--nodez', '3'], "unknown option '--nodez'"],
    [['up', '--nodes', 'many'], 'a whole number from 0 to 10000 is needed'],
    [['up', '--layout', 'fancy'], '--layout is single or processes'],
    [['up', '--threads', '3'], 'a whole number from 1 to 2 is needed'],
    [['up', '--threads', '2', '--layout', 'processes'], '--threads goes with --layout=single'],
    [['up', '--without', 'store'], 'store cannot be left out'],
    [['up', '--scheduler-config', 'no-such.yaml'], 'no such file or directory'],
    [['up', '--extra-config', 'ingress.default-cert=no-such.crt', '--extra-config', 'ingress.default-key=no-such.key'], 'no such file or directory'],
    [['up', '--layout', 'processes', '--extra-config', 'ingress.default-cert=no-such.crt'], '--default-cert and --default-key go together'],
    [['up', '--extra-config', 'ingress.address=10.240.0.11'], '--address "10.240.0.11" is one of the cluster\'s own'],
    [['up', '--layout', 'processes', '--extra-config', 'ingress.address=here'], '--address "here" is no IP address'],
    [['up', '--extra-config', 'ingress.publish-status-address=192.0.2.300'], '"192.0.2.300" is neither an IP address nor a host name'],
    [['up', '--extra-config', 'ingress.health-address=10254'], '--health-address "10254" is not host:port'],
    [['fly'], "unknown command 'fly'"],
    [['completion', 'tcsh'], 'one of: bash, zsh, fish'],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stderr } = await orrery(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it('says that a Node is too old, and goes on with the one of the packages', async () => {
    const node20 = ['--import', "data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })"];
    const { code, stderr } = await runCommand(process.execPath, [...node20, orreryProgram(), 'status', '--data-dir', one]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Node 20.20.2 is too old: use Node 22 or later')]);
    const command = join(import.meta.dirname, '../../apps/cli/bin/orrery.mjs');
    const found = await runCommand(process.execPath, [...node20, command, 'status', '--data-dir', one]);
    expect([found.code, found.stdout]).toEqual([0, expect.stringMatching(/nodes\s+1 of 1 Ready/)]);
    expect((await runCommand(process.execPath, [...node20, command, 'fly'])).code).toBe(2);
  });

  it('shows status, as text and JSON', async () => {
    const text = await orrery('status', '--data-dir', one);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/nodes\s+1 of 1 Ready/);
    expect(JSON.parse((await orrery('status', '--data-dir', one, '-o', 'json')).stdout)).toMatchObject({ ready: true, api: 'ready', nodeStatus: [{ name: 'node-1', ready: 'Ready' }] });
  });

  it('prints logs and the kubeconfig, whose file is private', async () => {
    expect((await orrery('logs', 'scheduler', '--data-dir', one)).stdout).toContain('"component":"scheduler"');
    const unknown = await orrery('logs', 'nothing', '--data-dir', one);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('one of: ')]);
    expect((await orrery('kubeconfig', '--data-dir', one)).stdout).toBe(readFileSync(join(one, 'kubeconfig'), 'utf8'));
    expect(statSync(join(one, 'kubeconfig')).mode & 0o777).toBe(0o600);
  });

  it('refuses to start twice on one data directory', async () => {
    const again = await orrery('up', '--data-dir', one, '--api-port', '0');
    expect([again.code, again.stderr]).toEqual([4, expect.stringContaining('already runs')]);
  });

  it('says which port is taken and what to do', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const taken = await orrery('up', '--detach', '--wait', '--data-dir', two, '--api-port', String(port), '--nodes', '0');
    server.close();
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining(`port ${port} of 127.0.0.1 is taken; choose another with --api-port`)]);
  });

  it('runs several clusters side by side, in one kubeconfig', async () => {
    const up = await orrery('up', '--detach', '--wait', '--data-dir', two, '--api-port', '0', '--nodes', '1', '--kubeconfig', join(home, 'both'));
    expect([up.code, up.stderr]).toEqual([0, '']);
    const both = readFileSync(join(home, 'both'), 'utf8');
    for (const name of ['orrery-one', 'orrery-two']) expect(both).toContain(`name: ${name}`);
    expect((await orrery('status', '--data-dir', one)).code).toBe(0);
  });

  it('leaves a component out for one that joins from outside', { timeout: 60_000 }, async () => {
    const dir = join(home, 'without');
    const kubectl = kubectlFor({ program: 'kubectl', kubeconfig: join(dir, 'kubeconfig'), home });
    expect((await orrery('up', '--detach', '--wait', '--data-dir', dir, '--api-port', '0', '--nodes', '1', '--without', 'scheduler')).code).toBe(0);
    const { endpoints } = JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { endpoints: Record<string, string> };
    await kubectl.ok(['create', 'deployment', 'web', '--image=nginx']);
    const placed = (): Promise<string> => kubectl.ok(['get', 'pods', '-o', 'jsonpath={.items[*].spec.nodeName}']);
    await eventually(async () => (await kubectl.ok(['get', 'pods', '-o', 'name'])) !== '', { what: 'a pod' });
    expect(await placed()).toBe('');
    const main = join(dirname(orreryProgram()), '../scheduler/main.js');
    const scheduler = spawn(process.execPath, [main, '--api-server', endpoints['api-grpc'] ?? '', '--kubeconfig', join(dir, 'kubeconfig')], { stdio: 'ignore' });
    try {
      await eventually(async () => (await placed()) === 'node-1', { what: 'the pod is placed by the scheduler that joined' });
    } finally {
      scheduler.kill();
      await orrery('down', '--data-dir', dir);
    }
  });

  it('runs in the foreground until Ctrl-C', { timeout: 60_000 }, async () => {
    const dir = join(home, 'foreground');
    const child = spawn(process.execPath, [orreryProgram(), 'up', '--data-dir', dir, '--api-port', '0', '--nodes', '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const text = await new Promise<string>((resolve) => {
      let seen = '';
      child.stdout.on('data', (chunk: Buffer) => {
        const before = seen;
        seen += chunk.toString();
        if (seen.includes('Ctrl-C stops the cluster.') && !before.includes('Ctrl-C stops the cluster.')) child.kill('SIGINT');
      });
      child.on('exit', (code) => resolve(`${seen}exit ${code ?? 'by signal'}`));
    });
    expect(text).toMatch(/Ready in \d+\.\d\d s\.[\s\S]*export KUBECONFIG=[\s\S]*Stopped\. The data stays[\s\S]*exit 0$/);
    expect((await orrery('status', '--data-dir', dir)).code).toBe(3);
  });

  it('stops, and says so when there is nothing to stop', async () => {
    expect((await orrery('down', '--data-dir', two)).code).toBe(0);
    expect((await orrery('status', '--data-dir', two)).code).toBe(3);
    expect((await orrery('down', '--data-dir', two)).code).toBe(3);
    expect((await orrery('kubeconfig', '--data-dir', join(home, 'never'))).code).toBe(3);
  });
});
