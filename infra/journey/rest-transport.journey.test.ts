import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { eventually, kubectlFor, orreryProgram, runCommand } from '@orrery/testkit';
import { afterAll, expect, it, onTestFailed } from 'vitest';

const home = mkdtempSync(join(tmpdir(), 'orrery-rest-'));
const dataDir = join(home, 'data');
const kubeconfig = join(home, 'kubeconfig');
const kubectl = kubectlFor({ program: 'kubectl', kubeconfig, home });
const programs: { name: string; child: ChildProcess; said: string }[] = [];

function run(name: string, path: string, args: readonly string[]): void {
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const record = { name, child, said: '' };
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (record.said = (record.said + chunk.toString()).slice(-5000)));
  programs.push(record);
}

/** Runs a component beside the cluster, which it knows by nothing but a kubeconfig and the REST API. */
function start(name: string, args: readonly string[]): void {
  const program = orreryProgram();
  const own = program.endsWith('.ts') ? join(dirname(program), `../../${name}/src/main.ts`) : join(dirname(program), `../${name}/main.js`);
  run(name, own, ['--api-transport', 'rest', '--kubeconfig', kubeconfig, '--secure-port', '0', ...args]);
}

async function end({ child }: { child: ChildProcess }): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  await gone;
}

afterAll(async () => {
  await Promise.all(programs.map(end));
  await runCommand(process.execPath, [orreryProgram(), 'down', '--data-dir', dataDir, '--purge'], { timeoutMs: 60_000 });
  rmSync(home, { recursive: true, force: true });
}, 120_000);

it('the scheduler and the controllers do all their work over the REST transport, too', { timeout: 300_000 }, async () => {
  onTestFailed(() => void process.stderr.write(programs.map(({ name, said }) => `--- ${name}\n${said}\n`).join('')));
  const within = { withinMs: 90_000, everyMs: 200 };
  // Without controllers nodes get no pod range and are not ready: nobody waits for the cluster as a whole.
  run('orrery', orreryProgram(), ['up', '--data-dir', dataDir, '--kubeconfig', kubeconfig, '--api-port', '0', '--nodes', '2', '--without', 'scheduler,controller-manager,cloud-controller-manager,cloud,ingress,metrics-server']);
  await eventually(() => expect(existsSync(kubeconfig)).toBe(true), { what: 'the kubeconfig', ...within });
  await eventually(() => kubectl.ok(['create', 'namespace', 'rest']), { what: 'an API server that answers', ...within });
  const inside = (...args: string[]): Promise<string> => kubectl.ok(['-n', 'rest', ...args]);
  await inside('create', 'deployment', 'web', '--image=nginx', '--replicas=3');
  expect(await inside('get', 'replicasets', '-o', 'name')).toBe('');
  start('scheduler', []);
  start('controller-manager', ['--use-service-account-credentials', '--root-ca-file', join(dataDir, 'pki', 'ca.crt')]);
  await inside('rollout', 'status', 'deployment/web', '--timeout=90s');
  await inside('expose', 'deployment', 'web', '--port=80');
  await eventually(async () => expect((await inside('get', 'endpointslices', '-l', 'kubernetes.io/service-name=web', '-o', 'jsonpath={.items[*].endpoints[*].addresses[0]}')).split(' ')).toHaveLength(3), { what: 'the endpoints of the service', ...within });
  await inside('set', 'image', 'deployment/web', 'nginx=nginx:1.27');
  await inside('rollout', 'status', 'deployment/web', '--timeout=90s');
  expect((await inside('get', 'replicasets', '-o', 'name')).trim().split('\n')).toHaveLength(2);
  await inside('create', 'job', 'once', '--image=busybox', '--', 'true');
  await inside('wait', '--for=condition=complete', 'job/once', '--timeout=90s');
  // The scheduler is killed and comes back: its watches begin anew, and it takes its lease when that has run out.
  const scheduler = programs.find(({ name }) => name === 'scheduler');
  if (scheduler) await end(scheduler);
  await inside('scale', 'deployment/web', '--replicas=5');
  start('scheduler', []);
  await inside('rollout', 'status', 'deployment/web', '--timeout=90s');
  await kubectl.ok(['delete', 'namespace', 'rest', '--timeout=90s']);
});
