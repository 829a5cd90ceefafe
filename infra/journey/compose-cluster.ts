import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CommandResult, eventually, kubectlFor, runCommand } from '@orrery/testkit';
import { type DockerEngine, startEngine } from './docker-engine.ts';
import { freeRange } from './free-range.ts';
import type { JourneyWorld } from './shop.ts';

const infra = join(dirname(fileURLToPath(import.meta.url)), '..');
const rangeSize = 16;
const firstServicePort = 8000;

/** The cluster of infra/compose.yaml, on ports and under a name of its own. */
export interface ComposeCluster {
  world(kubectl: string): JourneyWorld;
  /** Ends all processes of a service's container at once; the engine starts it again. */
  kill(service: string): Promise<void>;
  logs(): Promise<string>;
  destroy(): Promise<void>;
}

interface Settings {
  readonly API_PORT: string;
  readonly HTTP_PORT: string;
  readonly HTTPS_PORT: string;
  readonly NODE_PORTS: string;
  readonly LB_PORTS: string;
  readonly OUT: string;
  readonly SOURCE: string;
}

async function chooseSettings(out: string): Promise<Settings> {
  const single = await freeRange(21_000 + (process.pid % 1000), 3);
  const nodePorts = await freeRange(single + 3, rangeSize);
  const balancers = await freeRange(nodePorts + rangeSize, rangeSize);
  const range = (from: number): string => `${from}-${from + rangeSize - 1}`;
  const [API_PORT = '', HTTP_PORT = '', HTTPS_PORT = ''] = [0, 1, 2].map((i) => String(single + i));
  return { API_PORT, HTTP_PORT, HTTPS_PORT, NODE_PORTS: range(nodePorts), LB_PORTS: range(balancers), OUT: out, SOURCE: 'prebuilt' };
}

type Compose = (args: readonly string[], timeoutMs?: number) => Promise<CommandResult>;

/** Compose v2 (`docker compose`) or v1 (`docker-compose`), whichever is there. */
async function composeCommand(env: Readonly<Record<string, string>>, project: string): Promise<Compose> {
  const isPlugin = (await runCommand('docker', ['compose', 'version'], { env })).code === 0;
  const [program, first] = isPlugin ? ['docker', ['compose']] : ['docker-compose', []];
  return (args, timeoutMs = 180_000) => runCommand(program, [...first, '-f', join(infra, 'compose.yaml'), '-p', project, ...args], { env, timeoutMs });
}

async function succeed(what: string, run: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await run;
  if (code !== 0) throw new Error(`${what} failed (${code}):\n${stdout}${stderr}`);
  return stdout;
}

async function bringUp(compose: Compose, env: Readonly<Record<string, string>>): Promise<void> {
  if (!existsSync(join(infra, '../dist/apps/apiserver/main.js'))) throw new Error('the components are not built: npm run build');
  await succeed('base-image.sh', runCommand(join(infra, 'base-image.sh'), [], { env, timeoutMs: 180_000 }));
  await succeed('docker build', runCommand('docker', ['build', '-q', '-t', 'orrery:local', '--target', 'prebuilt', '-f', join(infra, 'Dockerfile'), join(infra, '..')], { env: { ...env, DOCKER_BUILDKIT: '0' }, timeoutMs: 180_000 }));
  await succeed('compose up', compose(['up', '-d', '--no-build']));
}

function worldOf(settings: Settings, home: string): ComposeCluster['world'] {
  const kubeconfig = join(settings.OUT, 'kubeconfig');
  const firstPublished = Number(settings.LB_PORTS.split('-')[0]);
  return (program) => ({
    kubectl: kubectlFor({ program, kubeconfig, home }),
    program,
    kubeconfig,
    nodePortHost: '127.0.0.1',
    ingress: `127.0.0.1:${settings.HTTP_PORT}`,
    ingressTls: `127.0.0.1:${settings.HTTPS_PORT}`,
    balancerUrl: (ip, port) => `http://${ip}:${firstPublished + port - firstServicePort}`,
  });
}

async function nodesReady(world: JourneyWorld): Promise<void> {
  const conditions = '{.items[*].status.conditions[?(@.type=="Ready")].status}';
  await eventually(async () => (await world.kubectl.ok(['get', 'nodes', '-o', `jsonpath=${conditions}`])) === 'True True True', { what: 'three nodes are Ready', withinMs: 120_000, everyMs: 500 });
}

export async function startComposeCluster(): Promise<ComposeCluster> {
  const home = mkdtempSync(join(tmpdir(), 'orrery-compose-'));
  const out = join(home, 'out');
  mkdirSync(out);
  const engine: DockerEngine = await startEngine();
  const settings = await chooseSettings(out);
  const env = { ...engine.env, ...settings };
  const compose = await composeCommand(env, `orrery-test-${process.pid}`);
  const cluster: ComposeCluster = {
    world: worldOf(settings, home),
    async kill(service) {
      const id = (await succeed('compose ps', compose(['ps', '-q', service]))).trim();
      const restarts = (): Promise<string> => succeed('docker inspect', runCommand('docker', ['inspect', '-f', '{{.RestartCount}}', id], { env }));
      const before = await restarts();
      // The shell dies with the container: its exit code says nothing.
      await runCommand('docker', ['exec', id, 'sh', '-c', 'kill -9 -1'], { env });
      await eventually(async () => (await restarts()) !== before, { what: `${service} is started again` });
    },
    logs: async () => (await compose(['logs', '--no-color', '--tail=15'])).stdout,
    async destroy() {
      await compose(['down', '-v', '--timeout', '5']);
      await engine.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
  try {
    await bringUp(compose, env);
    await nodesReady(cluster.world('kubectl'));
  } catch (error) {
    const logs = await cluster.logs();
    await cluster.destroy();
    throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
  }
  return cluster;
}
