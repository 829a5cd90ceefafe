import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { composeChaos } from '@orrery/chaos-controller/component';
import { dockerEngine, realRandom } from '@orrery/node-io';
import { type CommandResult, runCommand } from '../command.ts';
import { freeRange } from '../free-range.ts';
import { kubectlFor } from '../kubectl.ts';
import { eventually } from '../eventually.ts';
import type { TestWorld } from '../test-world.ts';
import { guard } from './guard.ts';
import { restWorld, warningsIn } from './rest-world.ts';

export interface ComposeOptions {
  /** 1: the profile `small`; 3: `full`. Default 1. */
  readonly nodes?: number;
}

const infra = join(dirname(fileURLToPath(import.meta.url)), '../../../../infra');
const image = 'orrery:local';
const commandTimeoutMs = 600_000;
const readyWithinMs = 300_000;
const portsEach = 16;

async function succeed(what: string, run: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await run;
  if (code !== 0) throw new Error(`${what} failed (${code}):\n${stdout}${stderr}`);
  return stdout;
}

/** `docker compose`, or `docker-compose` where that is all there is. */
async function composeProgram(): Promise<string[]> {
  if ((await runCommand('docker', ['compose', 'version'])).code === 0) return ['docker', 'compose'];
  if ((await runCommand('docker-compose', ['version']).catch(() => ({ code: 127 }))).code === 0) return ['docker-compose'];
  throw new Error('neither `docker compose` nor `docker-compose` is there: a cluster of containers needs one, and a Docker engine');
}

/** The image of all components: made where it is not there. */
async function ensureImage(): Promise<void> {
  if ((await runCommand('docker', ['image', 'inspect', image])).code === 0) return;
  if (!existsSync(join(infra, '../dist/apps/apiserver/main.js'))) throw new Error(`there is no image ${image}, and nothing to make it of: npm run build`);
  await succeed('base-image.sh', runCommand(join(infra, 'base-image.sh'), [], { timeoutMs: commandTimeoutMs }));
  await succeed('docker build', runCommand('docker', ['build', '-q', '-t', image, '--target', 'prebuilt', '-f', join(infra, 'Dockerfile'), join(infra, '..')], { env: { DOCKER_BUILDKIT: '0' }, timeoutMs: commandTimeoutMs }));
}

/** Ports and addresses apart from those of other clusters on this machine. */
async function settings(out: string, nodes: number): Promise<Record<string, string>> {
  const first = await freeRange(20_000 + randomInt(8_000), 3 + 2 * portsEach);
  const range = (from: number): string => `${from}-${from + portsEach - 1}`;
  return {
    API_PORT: String(first),
    HTTP_PORT: String(first + 1),
    HTTPS_PORT: String(first + 2),
    NODE_PORTS: range(first + 3),
    LB_PORTS: range(first + 3 + portsEach),
    // Apart from the ranges of pods, Services and the default of compose.yaml.
    NETWORK: `10.${150 + randomInt(64)}.${randomInt(256)}`,
    OUT: out,
    SOURCE: 'prebuilt',
    COMPOSE_PROFILES: nodes === 1 ? 'small' : 'full',
  };
}

/** Everything goes with this process, however that ends: containers, networks, volumes, files. */
const clean = 'out="$1"; shift; "$@" down -v --remove-orphans --timeout 1; rm -rf "$out"';

/** The cluster of infra/compose.yaml, under a name and on ports of its own, on the Docker engine of this machine (DOCKER_HOST). */
export async function startCompose({ nodes = 1 }: ComposeOptions = {}): Promise<TestWorld> {
  if (nodes !== 1 && nodes !== 3) throw new Error(`a cluster of containers has 1 node or 3 (infra/compose.yaml), not ${nodes}`);
  const program = await composeProgram();
  await ensureImage();
  const home = mkdtempSync(join(tmpdir(), 'orrery-compose-'));
  const out = join(home, 'out');
  mkdirSync(out);
  const project = `orrery-test-${process.pid}-${randomInt(1_000_000)}`;
  const [command = '', ...words] = [...program, '-f', join(infra, 'compose.yaml'), '-p', project];
  const env = await settings(out, nodes);
  const compose = (...args: readonly string[]): Promise<CommandResult> => runCommand(command, [...words, ...args], { env, timeoutMs: commandTimeoutMs });
  const watcher = guard(clean, home, command, ...words);
  const stop = async (): Promise<void> => {
    await succeed('compose down', compose('down', '-v', '--remove-orphans', '--timeout', '5'));
    rmSync(home, { recursive: true, force: true });
    watcher.release();
  };
  const logs = (component?: string): string => spawnSync(command, [...words, 'logs', '--no-color', '--tail=500', ...(component ? [component] : [])], { encoding: 'utf8', env: { ...process.env, ...env } }).stdout;
  const kubeconfig = join(out, 'kubeconfig');
  try {
    await succeed('compose up', compose('up', '-d', '--no-build'));
    const kubectl = kubectlFor({ program: 'kubectl', kubeconfig, home });
    const ready = Array.from({ length: nodes }, () => 'True').join(' ');
    await eventually(async () => (await kubectl.ok(['get', 'nodes', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'])) === ready, { what: `${nodes} nodes are Ready`, withinMs: readyWithinMs, everyMs: 500 });
  } catch (error) {
    const said = warningsIn(logs());
    await stop();
    throw new Error(`the cluster did not start: ${(error as Error).message}\n${said}`, { cause: error });
  }
  return restWorld({
    world: 'compose',
    kubeconfig,
    nodes,
    chaos: (api) => composeChaos({ engine: dockerEngine(), project, api, random: realRandom }),
    logs,
    async advance(ms) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return 0;
    },
    stop,
  });
}
