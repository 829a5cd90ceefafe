import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigMaps, Deployments, Pods } from '@orrery/api';
import { type TestWorld, eventually, runCommand, startCluster } from '@orrery/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const repository = join(dirname(fileURLToPath(import.meta.url)), '../..');

describe('a test of a user\'s own', { timeout: 240_000 }, () => {
  let cluster: TestWorld;
  beforeAll(async () => {
    cluster = await startCluster({ world: 'single', nodes: 2 });
  }, 240_000);
  afterAll(() => cluster?.stop());

  const replicas = (name: string, count: number) => ({ metadata: { name, namespace: 'default' }, spec: { replicas: count, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } } } });

  it('sees what happens while the scheduler stands still, and after', async () => {
    const pods = async () => (await cluster.api.list(Pods, { labelSelector: 'app=late' })).items;
    await cluster.chaos.during({ verb: 'pause', selector: { components: ['scheduler'] } }, async () => {
      await cluster.api.create(Deployments, replicas('late', 2));
      await cluster.eventually(async () => (await pods()).length === 2, { what: 'two Pods' });
      expect((await pods()).map(({ spec }) => spec?.nodeName)).toEqual([undefined, undefined]);
    });
    await cluster.eventually(async () => (await cluster.api.get(Deployments, { namespace: 'default', name: 'late' })).status?.readyReplicas === 2, { what: 'both run' });
    const bound = cluster.history(Pods).filter(({ object }) => (object as { spec?: { nodeName?: string } }).spec?.nodeName);
    expect(bound.length).toBeGreaterThan(0);
    expect(cluster.chaos.report().injections).toMatchObject([{ what: 'pause scheduler', targets: ['scheduler'] }]);
  });

  it('meets an API server that did what it says it did not', async () => {
    await cluster.chaos.during({ verb: 'api-error', code: 500, when: 'after', selector: { verbs: ['create'], resources: ['configmaps'] } }, async () => {
      await expect(cluster.api.create(ConfigMaps, { metadata: { name: 'done', namespace: 'default' } })).rejects.toMatchObject({ code: 500 });
    });
    await cluster.api.get(ConfigMaps, { namespace: 'default', name: 'done' });
    await expect(cluster.chaos.inject({ verb: 'kill', selector: { components: ['scheduler'] } })).rejects.toThrow('kill cannot be done in the single world; these can: simulated, processes, compose');
  });

  it('restarts components in place, and says which it cannot', async () => {
    await cluster.api.create(Deployments, replicas('anew', 1));
    for (const component of ['scheduler', 'controller-manager']) await cluster.chaos.inject({ verb: 'restart', selector: { components: [component] } });
    await cluster.eventually(async () => (await cluster.api.get(Deployments, { namespace: 'default', name: 'anew' })).status?.readyReplicas === 1, { what: 'the Pod runs', withinMs: 120_000 });
    await expect(cluster.chaos.inject({ verb: 'restart', selector: { components: ['apiserver'] } })).rejects.toThrow('in one process apiserver cannot be restarted alone; these can: scheduler,');
  });

  it('lets time pass', async () => {
    const before = cluster.now();
    await cluster.advance(10 * 60_000);
    expect(cluster.now() - before).toBeGreaterThanOrEqual(10 * 60_000);
  });
});

it('is written for node:test as well', { timeout: 240_000 }, async () => {
  const { code, stdout } = await runCommand(process.execPath, ['--test', '--test-reporter=tap', 'infra/examples/testkit/operator.test.mjs'], { cwd: repository, timeoutMs: 200_000 });
  expect(code, stdout).toBe(0);
  expect(stdout).toContain('# pass 1');
});

it('leaves nothing behind when it is killed', { timeout: 240_000 }, async () => {
  const script = "const { startCluster } = await import('@orrery/testkit'); const c = await startCluster({ world: 'single', nodes: 1 }); console.log(JSON.stringify({ kubeconfig: c.kubeconfig })); setInterval(() => undefined, 1000);";
  const test = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] });
  const { kubeconfig } = JSON.parse(await new Promise<string>((resolve, reject) => {
    test.stdout.once('data', (text: Buffer) => resolve(text.toString()));
    test.once('exit', (code) => reject(new Error(`ended with ${String(code)}`)));
  })) as { kubeconfig: string };
  const home = dirname(kubeconfig);
  const { pid } = JSON.parse(readFileSync(join(home, 'data/cluster.json'), 'utf8')) as { pid: number };
  test.removeAllListeners('exit');
  test.kill('SIGKILL');
  const isAlive = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  await eventually(() => !isAlive() && !existsSync(home), { withinMs: 90_000, what: 'the cluster and its files are gone' });
});
