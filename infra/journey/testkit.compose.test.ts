import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually, kubectlFor, runCommand } from '@orrery/testkit';
import { type ContainerToStart, OrreryContainer, type RunningContainer } from '@orrery/testkit/testcontainers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DockerEngine, startEngine } from './docker-engine.ts';

const here = dirname(fileURLToPath(import.meta.url));
const boundMs = 120_000;

let engine: DockerEngine;
let home: string;
/** What somebody else's tests have left, or use at the moment. */
let others: readonly string[];
beforeAll(async () => {
  engine = await startEngine();
  home = mkdtempSync(join(tmpdir(), 'orrery-testkit-'));
  others = [];
  others = await left();
}, 120_000);
afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
  await engine?.stop();
}, 120_000);

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand('docker', args, { env: engine.env, timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

/** What there is of the clusters of these tests. */
async function left(): Promise<string[]> {
  const listed = [['ps', '-aq', '--filter', 'name=orrery-test'], ['network', 'ls', '-q', '--filter', 'name=orrery-test'], ['volume', 'ls', '-q', '--filter', 'name=orrery-test']];
  const found = await Promise.all(listed.map((args) => docker(...args)));
  const all = [...found.flatMap((text) => text.split('\n').filter(Boolean)), ...readdirSync(home).filter((file) => file.startsWith('orrery-compose-'))];
  return all.filter((name) => !others.includes(name));
}

/** A process of a test that drives a cluster of containers. */
interface Driver {
  readonly child: ChildProcess;
  answer(): Promise<{ readonly kubeconfig?: string; readonly error?: string }>;
  ask(line: string): Promise<string>;
}

function drive(): Driver {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(here, 'testkit-child.ts')], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...env, ...engine.env, TMPDIR: home } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer: Driver['answer'] = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the test ended');
    return JSON.parse(value) as Awaited<ReturnType<Driver['answer']>>;
  };
  return {
    child,
    answer,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      return (await answer()).error ?? 'done';
    },
  };
}

it('a cluster of containers does what a test asks of it, and goes with the test that is killed', { timeout: 900_000 }, async () => {
  const test = drive();
  try {
    const { kubeconfig = '' } = await test.answer();
    const { run, ok } = kubectlFor({ program: 'kubectl', kubeconfig, home });
    const during = async (fault: object, act: () => Promise<void>): Promise<void> => {
      expect(await test.ask(JSON.stringify(fault)), JSON.stringify(fault)).toBe('done');
      try {
        await act();
      } finally {
        expect(await test.ask('end'), JSON.stringify(fault)).toBe('done');
      }
    };
    const creates = (name: string): Promise<string> => eventually(() => ok(['create', 'configmap', name]), { what: `${name} is made`, withinMs: boundMs, everyMs: 500 });
    await during({ verb: 'api-error', code: 500, when: 'after', selector: { verbs: ['create'], resources: ['configmaps'] } }, async () => {
      expect((await run(['create', 'configmap', 'told-not'])).stderr).toContain('injected by chaos');
    });
    await ok(['get', 'configmap', 'told-not']);
    await during({ verb: 'disk-slow', delayMs: 100, selector: { components: ['store'] } }, async () => void (await creates('slow')));
    await during({ verb: 'pause', selector: { components: ['scheduler'] } }, async () => {
      await ok(['run', 'late', '--image=nginx']);
      expect(await ok(['get', 'pod', 'late', '-o', 'jsonpath={.spec.nodeName}'])).toBe('');
    });
    await ok(['wait', '--for=condition=Ready', 'pod/late', `--timeout=${boundMs / 1000}s`], { timeoutMs: boundMs });
    for (const verb of ['nats-outage', 'cloud-outage']) await during({ verb }, async () => void (await creates(verb)));
    await during({ verb: 'clock-skew', byMs: 3_600_000, selector: { components: ['scheduler'] } }, async () => void (await creates('skewed')));
    expect(await test.ask(JSON.stringify({ verb: 'kill', selector: { components: ['store'] } }))).toBe('done');
    await creates('after-kill');
    await ok(['get', 'configmap', 'told-not']);
    expect(await test.ask(JSON.stringify({ verb: 'kill', selector: { components: ['etcd'] } }))).toContain('there is no component "etcd"; there are: apiserver, balancer');
    expect(await left()).not.toEqual([]);
  } finally {
    test.child.kill('SIGKILL');
  }
  await eventually(async () => expect(await left()).toEqual([]), { what: 'nothing is left', withinMs: boundMs, everyMs: 500 });
});

/** What testcontainers does, of which only what is used: a container with ports of this machine. */
class PlainContainer implements ContainerToStart {
  private port = 0;
  private command: string[] = [];

  withExposedPorts(port: number): this {
    this.port = port;
    return this;
  }

  withCommand(command: string[]): this {
    this.command = command;
    return this;
  }

  async start(): Promise<RunningContainer> {
    const network = await docker('network', 'create', 'orrery-test-one');
    const id = await docker('run', '-d', '--name', 'orrery-test-one', '--network', network, '-p', `127.0.0.1::${this.port}`, 'orrery:local', ...this.command);
    const published = await docker('port', id, String(this.port));
    return {
      getHost: () => '127.0.0.1',
      getMappedPort: () => Number(published.split('\n')[0]?.split(':').at(-1)),
      async exec(command) {
        const { code, stdout, stderr } = await runCommand('docker', ['exec', id, ...command], { env: engine.env, timeoutMs: boundMs });
        return { exitCode: code, output: stdout + stderr };
      },
      async stop() {
        await docker('rm', '-f', id);
        await docker('network', 'rm', network);
      },
    };
  }
}

it('a cluster in one container, as testcontainers starts it', { timeout: 300_000 }, async () => {
  const cluster = await new OrreryContainer(new PlainContainer()).withNodes(2).withStartupTimeout(boundMs).start();
  try {
    const kubeconfig = join(home, 'one.kubeconfig');
    writeFileSync(kubeconfig, cluster.kubeconfig, { mode: 0o600 });
    const { ok } = kubectlFor({ program: 'kubectl', kubeconfig, home });
    expect((await ok(['get', 'nodes', '-o', 'name'])).trim().split('\n')).toEqual(['node/node-1', 'node/node-2']);
    expect(await cluster.orrery('clock', 'advance', '1m')).toContain('ahead of this machine');
    await expect(cluster.orrery('chaos', 'inject', 'explode')).rejects.toThrow('there is no fault "explode"');
  } finally {
    await cluster.stop();
  }
  expect(await left()).toEqual([]);
});
