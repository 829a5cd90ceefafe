import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type CommandResult, type Kubectl, type TestWorld, eventually, kubectlFor, orreryProgram, runCommand, startCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFailed } from 'vitest';

/** What is asked of here is what is done to a whole cluster: faults as objects, snapshots, recordings. Two layouts, without what these do not need. */
const without = 'scheduler,cloud-controller-manager,cloud,kube-proxy,coredns,ingress,metrics-server';
const boundMs = 120_000;

const home = mkdtempSync(join(tmpdir(), 'orrery-operations-'));
const copy = join(home, 'copy');
let cluster: TestWorld;
let dataDir: string;
let kubectl: Kubectl;
beforeAll(async () => {
  cluster = await startCluster({ world: 'processes', nodes: 0, without: without.split(','), args: ['--stores', '3', '--chaos'] });
  const { kubeconfig = '' } = cluster;
  dataDir = join(dirname(kubeconfig), 'data');
  kubectl = kubectlFor({ program: 'kubectl', kubeconfig, home });
}, 400_000);
afterAll(async () => {
  await orrery('down', '--data-dir', copy);
  await cluster?.stop();
  rmSync(home, { recursive: true, force: true });
}, 240_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs().slice(-20_000)}\n`)));

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
  await cluster.chaos.during({ verb: 'clock-skew', byMs: 3_600_000, selector: { components: ['store-1'] } }, async () => void (await create('skewed')));
  const pid = (): number | undefined => (JSON.parse(readFileSync(join(dataDir, 'cluster.json'), 'utf8')) as { processes: Record<string, number> }).processes['store-2'];
  const before = pid();
  // It ends on its first write, as etcd does, and is started again until its disk can be trusted.
  await cluster.chaos.during({ verb: 'fsync-error', selector: { components: ['store-2'] } }, async () => {
    await create('unsynced');
    await cluster.eventually(() => expect(pid()).not.toBe(before), { what: 'store-2 is another process', withinMs: boundMs });
  });
  await cluster.chaos.inject({ verb: 'kill', selector: { components: ['store'], count: 1 } });
  await create('killed');
  expect((await kubectl.ok(['get', 'configmaps', ...jsonpath('{.items[*].metadata.name}')])).split(' ')).toEqual(expect.arrayContaining(['before', 'skewed', 'unsynced', 'killed']));
  expect(cluster.chaos.report().injections.map(({ what, targets }) => [what, targets.length])).toEqual([['clock-skew by 3600000 ms store-1', 1], ['fsync-error store-2', 1], ['kill store', 1]]);
  const recovered = async (): Promise<unknown[]> => (JSON.parse(await succeeds('chaos', '--data-dir', dataDir, 'report', '-o', 'json')) as { injections: { recovered?: string }[] }).injections.map((one) => one.recovered);
  await eventually(async () => expect(await recovered()).not.toContain(undefined), { what: 'all is well again after every fault', withinMs: boundMs });
  await expect(cluster.chaos.inject({ verb: 'disk-full', selector: { components: ['controller-manager'] } })).rejects.toThrow('disk-full is for the store');
});

it('a snapshot of three stores becomes a cluster in one process, in which a recording is played', { timeout: 400_000 }, async () => {
  const [file, recording] = [join(home, 'snapshot'), join(home, 'recording')];
  await succeeds('snapshot', '--data-dir', dataDir, 'save', file);
  const recorder = spawn(process.execPath, [orreryProgram(), 'record', recording, '--data-dir', dataDir, '--resources', 'configmaps'], { stdio: ['ignore', 'pipe', 'ignore'] });
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

  // As one that was cut off leaves it.
  mkdirSync(join(copy, 'store'), { recursive: true });
  writeFileSync(join(copy, 'restoring'), '');
  expect(await orrery('up', '--detach', '--data-dir', copy)).toMatchObject({ code: 1, stderr: expect.stringContaining('whose restore was cut off') as string });
  expect(await succeeds('snapshot', '--data-dir', copy, 'restore', file)).toContain('--layout processes');
  expect(await orrery('snapshot', '--data-dir', copy, 'restore', file)).toMatchObject({ stderr: expect.stringContaining('is not empty; --force replaces what is there') as string });
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
