import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChaosWorld, type Fault, type Injected, describeVerb, faultText } from '@orrery/chaos';
import { orreryProgram } from '../cluster.ts';
import { type CommandResult, runCommand } from '../command.ts';
import type { TestWorld } from '../test-world.ts';
import { guard } from './guard.ts';
import { restWorld, warningsIn } from './rest-world.ts';

export interface OrreryOptions {
  readonly world: 'single' | 'processes';
  /** Default 3. */
  readonly nodes?: number;
  /** Further flags of `orrery up`. */
  readonly args?: readonly string[];
}

const commandTimeoutMs = 300_000;
const stopPatienceMs = 60_000;

/** Faults of a cluster that runs, by `orrery chaos`. */
function chaosOf(world: OrreryOptions['world'], orrery: (...args: readonly string[]) => Promise<CommandResult>): ChaosWorld {
  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await orrery(...args);
    if (code !== 0) throw new Error((stderr || stdout).replace(/^orrery: /, '').trim());
    return stdout;
  };
  return {
    name: world,
    async inject(id: string, fault: Fault): Promise<Injected> {
      const told = await run('chaos', 'inject', fault.verb, ...targetWords(fault), '--name', id, ...flagWords(fault));
      const struck = /struck (.*)/.exec(told)?.[1]?.split(', ') ?? [];
      const end = async (): Promise<void> => {
        if (!describeVerb(fault.verb).momentary) await run('chaos', 'stop', id);
      };
      return { targets: struck, end };
    },
  };
}

function targetWords({ verb, selector }: Fault): string[] {
  const { aim } = describeVerb(verb);
  if (aim === 'pairs') {
    if (selector.from?.length !== 1) throw new Error(`${faultText({ verb, selector })}: name one end in from, one or more in to`);
    return [...selector.from, ...(selector.to ?? [])];
  }
  return [...(selector.components ?? []), ...(selector.nodes ?? []), ...(selector.zones ?? [])];
}

function flagWords({ selector, ...fault }: Fault): string[] {
  const list = (flag: string, values: readonly string[] | undefined): string[] => (values?.length ? [flag, values.join(',')] : []);
  const value = (flag: string, given: unknown, unit = ''): string[] => (given === undefined ? [] : [flag, `${String(given)}${unit}`]);
  return [
    ...value('--code', fault.code), ...value('--when', fault.when), ...value('--percent', fault.percent), ...value('--count', selector.count),
    ...value('--delay', fault.delayMs, 'ms'), ...value('--jitter', fault.jitterMs, 'ms'), ...value('--by', fault.byMs, 'ms'), ...value('--bandwidth', fault.bytesPerSecond), ...(fault.oneWay ? ['--one-way'] : []),
    ...list('--verbs', selector.verbs), ...list('--resources', selector.resources), ...list('--namespaces', selector.namespaces), ...list('--users', selector.users),
    ...list('--node-labels', selector.nodeLabels && Object.entries(selector.nodeLabels).map(([key, label]) => `${key}=${label}`)),
  ];
}

function logTexts(dir: string, component: string | undefined): string {
  if (!existsSync(dir)) return '';
  return readdirSync(dir).filter((file) => component === undefined || file === `${component}.log`).map((file) => `--- ${file}\n${readFileSync(join(dir, file), 'utf8')}`).join('\n');
}

/** Everything of a cluster that a test started, and how all of it goes away. */
interface Home {
  readonly root: string;
  readonly dataDir: string;
  readonly kubeconfig: string;
  orrery(...args: readonly string[]): Promise<CommandResult>;
  stop(): Promise<void>;
}

async function startHome({ world, nodes = 3, args = [] }: OrreryOptions): Promise<Home> {
  const root = mkdtempSync(join(tmpdir(), 'orrery-test-'));
  const dataDir = join(root, 'data');
  const kubeconfig = join(root, 'kubeconfig');
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  const orrery = (...words: readonly string[]): Promise<CommandResult> => runCommand(process.execPath, [orreryProgram(), ...words, '--data-dir', dataDir], { env, timeoutMs: commandTimeoutMs });
  // In the foreground of a process that the guard knows: with it the cluster ends.
  const child = spawn(process.execPath, [orreryProgram(), 'up', '--data-dir', dataDir, '--api-port', '0', '--kubeconfig', kubeconfig, '--nodes', String(nodes), '--layout', world, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const watcher = guard('kill "$1"; i=0; while kill -0 "$1" 2>/dev/null && [ $i -lt 150 ]; do sleep 0.1; i=$((i+1)); done; kill -9 "$1" 2>/dev/null; rm -rf "$2"', String(child.pid), root);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-10_000)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), stopPatienceMs);
    await exited;
    clearTimeout(late);
    rmSync(root, { recursive: true, force: true });
    watcher.release();
  };
  const isReady = (): boolean => {
    const file = join(dataDir, 'cluster.json');
    return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { ready: boolean }).ready;
  };
  const end = performance.now() + commandTimeoutMs;
  while (!isReady()) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > end) {
      const logs = warningsIn(logTexts(join(dataDir, 'logs'), undefined));
      await stop();
      throw new Error(`the cluster did not start:\n${said}\n${logs}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { root, dataDir, kubeconfig, orrery, stop };
}

/** A cluster of one process, or of a process a component, on files of its own. It ends with this process, however that ends. */
export async function startOrrery(options: OrreryOptions): Promise<TestWorld> {
  const home = await startHome(options);
  const { world, nodes = 3 } = options;
  return restWorld({
    world,
    kubeconfig: home.kubeconfig,
    nodes,
    chaos: () => chaosOf(world, home.orrery),
    logs: (component) => logTexts(join(home.dataDir, 'logs'), component),
    async advance(ms) {
      if (world === 'processes') {
        await new Promise((resolve) => setTimeout(resolve, ms));
        return 0;
      }
      const { code, stderr } = await home.orrery('clock', 'advance', `${ms}ms`);
      if (code !== 0) throw new Error(stderr);
      return ms;
    },
    stop: home.stop,
  });
}
