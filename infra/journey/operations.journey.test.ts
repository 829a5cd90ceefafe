import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, type Kubectl, type TestCluster, eventually, kubectlFor, orreryProgram, runCommand, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFailed } from 'vitest';

/** What is asked of here is what is done to a whole cluster: faults as objects, snapshots, recordings. Two layouts, without what these do not need. */
const without = 'scheduler,cloud-controller-manager,cloud,kube-proxy,coredns,ingress,metrics-server';
const boundMs = 120_000;

const home = mkdtempSync(join(tmpdir(), 'orrery-operations-'));
const copy = join(home, 'copy');
let cluster: TestCluster;
let kubectl: Kubectl;
beforeAll(async () => {
  cluster = await startTestCluster({ layout: 'processes', nodes: 0, args: ['--stores', '3', '--without', without, '--timeout', '170', '--chaos'] });
  kubectl = cluster.kubectl();
}, 240_000);
afterAll(async () => {
  await orrery('down', '--data-dir', copy);
  await cluster?.destroy();
  rmSync(home, { recursive: true, force: true });
}, 180_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

function orrery(...args: string[]): Promise<CommandResult> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  return runCommand(process.execPath, [orreryProgram(), ...args], { env, timeoutMs: 300_000 });
}

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await orrery(...args);
  expect(code, `orrery ${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

const jsonpath = (path: string): string[] => ['-o', `jsonpath=${path}`];
const create = (name: string): Promise<string> => eventually(() => kubectl.ok(['create', 'configmap', name]), { what: `${name} is made`, withinMs: boundMs, everyMs: 500 });

it('experiments are objects: applied, listed, told of by events, stopped', { timeout: 400_000 }, async () => {
  const experiment = { apiVersion: 'chaos.orrery.dev/v1', kind: 'Experiment', metadata: { name: 'no-secrets' }, spec: { fault: { verb: 'api-error', code: 429 }, selector: { verbs: ['create'], resources: ['secrets'] }, schedule: '@every 1s' } };
  await kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify(experiment) });
  const phase = (wanted: string): Promise<void> => eventually(async () => expect(await kubectl.ok(['get', 'experiment', 'no-secrets', ...jsonpath('{.status.phase}')])).toBe(wanted), { what: `the experiment is ${wanted}`, withinMs: boundMs });
  await phase('Running');
  // kubectl asks again after a 429, as long as it is told to: the answer itself is looked at.
  const refused = await kubectl.run(['create', '--raw', '/api/v1/namespaces/default/secrets', '-f', '-'], { input: '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}', timeoutMs: 60_000 });
  expect(refused.stderr).toContain('the server has received too many requests');
  expect(await kubectl.ok(['get', 'chaos'])).toMatch(/NAME\s+FAULT\s+PHASE\s+SCHEDULE\s+NEXT\s+AGE\nno-secrets\s+api-error\s+Running\s+@every 1s/);
  await kubectl.ok(['patch', 'experiment', 'no-secrets', '--type=merge', '-p', '{"spec":{"stop":true}}']);
  await phase('Stopped');
  await kubectl.ok(['create', 'secret', 'generic', 'a']);
  await eventually(async () => expect((await kubectl.ok(['get', 'events', '-A', '--field-selector=involvedObject.name=no-secrets', ...jsonpath('{.items[*].reason}')])).split(' ')).toEqual(expect.arrayContaining(['Injected', 'Ended'])), { what: 'events tell of it', withinMs: boundMs });
  expect((await kubectl.run(['apply', '-f', '-'], { input: JSON.stringify({ ...experiment, metadata: { name: 'wrong' }, spec: { fault: { verb: 'explode' } } }) })).stderr).toContain('spec.fault.verb: Unsupported value: "explode"');
});

it('processes with a wrong clock or a disk that fails are replaced or go on, and nothing is lost', { timeout: 400_000 }, async () => {
  await create('before');
  await succeeds('chaos', '--data-dir', cluster.dataDir, 'inject', 'clock-skew', 'store-1', '--by', '1h', '--name', 'skew');
  await create('skewed');
  await succeeds('chaos', '--data-dir', cluster.dataDir, 'stop', 'skew');
  const pid = (): number | undefined => cluster.state().processes?.['store-2'];
  const before = pid();
  await succeeds('chaos', '--data-dir', cluster.dataDir, 'inject', 'fsync-error', 'store-2', '--name', 'fsync');
  // It ends on its first write, as etcd does, and is started again until its disk can be trusted.
  await create('unsynced');
  await eventually(() => expect(pid()).not.toBe(before), { what: 'store-2 is another process', withinMs: boundMs });
  await succeeds('chaos', '--data-dir', cluster.dataDir, 'stop', 'fsync');
  await eventually(async () => expect(await kubectl.ok(['get', 'experiment', 'fsync', ...jsonpath('{.status.injections[0].recoveredAt}')])).toMatch(/Z$/), { what: 'all is well again', withinMs: boundMs });
  expect((await kubectl.ok(['get', 'configmaps', ...jsonpath('{.items[*].metadata.name}')])).split(' ')).toEqual(expect.arrayContaining(['before', 'skewed', 'unsynced']));
  const report = JSON.parse(await succeeds('chaos', '--data-dir', cluster.dataDir, 'report', '-o', 'json')) as { injections: { name: string; targets: string[]; recovered?: string }[] };
  expect(report.injections.find(({ name }) => name === 'fsync')).toMatchObject({ targets: ['store-2'], recovered: expect.stringMatching(/Z$/) as string });
});

it('a snapshot of three stores becomes a cluster in one process, in which a recording is played', { timeout: 400_000 }, async () => {
  const [file, recording] = [join(home, 'snapshot'), join(home, 'recording')];
  await succeeds('snapshot', '--data-dir', cluster.dataDir, 'save', file);
  const recorder = spawn(process.execPath, [orreryProgram(), 'record', recording, '--data-dir', cluster.dataDir, '--resources', 'configmaps'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const holds = (text: string): Promise<void> => eventually(() => expect(existsSync(recording) ? readFileSync(recording, 'utf8') : '').toContain(text), { what: `${text} is recorded`, withinMs: boundMs });
    await holds('"before"');
    await create('after-the-snapshot');
    await kubectl.ok(['delete', 'configmap', 'before']);
    await holds('"after-the-snapshot"');
    await holds('DELETED');
    const ended = Promise.all([once(recorder.stdout, 'data'), once(recorder, 'exit')]);
    recorder.kill('SIGINT');
    const [[said]] = (await ended) as [[Buffer], unknown];
    expect(said.toString()).toMatch(/^\d+ changes in /);
  } finally {
    recorder.kill('SIGKILL');
  }

  expect(await succeeds('snapshot', '--data-dir', copy, 'restore', file)).toContain('--layout processes');
  await succeeds('up', '--detach', '--wait', '--data-dir', copy, '--api-port', '0', '--nodes', '0', '--without', `${without},controller-manager`, '--timeout', '170');
  const there = kubectlFor({ program: 'kubectl', kubeconfig: join(copy, 'kubeconfig'), home });
  const names = async (): Promise<string[]> => (await there.ok(['get', 'configmaps', ...jsonpath('{.items[*].metadata.name}')])).split(' ').sort();
  expect(await names()).toEqual(expect.arrayContaining(['before', 'skewed', 'unsynced']));
  expect(await names()).not.toContain('after-the-snapshot');
  // Secrets were saved as they are on the disk: with the key that was saved, too.
  await there.ok(['get', 'secret', 'a']);
  expect(await succeeds('replay', recording, '--data-dir', copy, '--speed', 'max')).toMatch(/created, \d+ updated, 1 deleted/);
  expect(await names()).toEqual(expect.arrayContaining(['after-the-snapshot', 'skewed', 'unsynced']));
  expect(await names()).not.toContain('before');
});
