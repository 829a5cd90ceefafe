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
  /** Stops a service's processes where they are, as a machine does that hangs; `resume` lets them go on. */
  pause(service: string): Promise<void>;
  resume(service: string): Promise<void>;
  /** Cuts a service's container off the network; `reconnect` plugs it in again. Those in its network namespace are cut off with it. */
  disconnect(service: string): Promise<void>;
  reconnect(service: string): Promise<void>;
  /** What `orrery chaos --kubeconfig` prints. */
  chaos(...args: string[]): Promise<string>;
  /** Runs a program in the container of a service; its output. */
  exec(service: string, command: readonly string[]): Promise<string>;
  /** Runs a script of the shell in a container of its own on the cluster's network, as root with the capability to set routes; its output. */
  beside(script: string): Promise<string>;
  /** Gives a node of containerd the images that its test needs, which it would pull elsewhere. */
  giveImages(service: string): Promise<void>;
  /** Makes an image of the same build that is another one, and replaces by it what infra/upgrade.sh replaces, or of that the services named alone; in their order. Its arguments. */
  upgrade(args?: readonly string[]): Promise<string[]>;
  /** The service out of `candidates` whose process holds a lease of kube-system. */
  holder(lease: string, candidates: readonly string[]): Promise<string>;
  /** Of each container, MB, by service. */
  memory(): Promise<[string, number][]>;
  readonly kubeconfig: string;
  /** From `up`, with images made, until all nodes are Ready; milliseconds. */
  readonly upMs: number;
  logs(): Promise<string>;
  destroy(): Promise<void>;
}

interface Settings {
  readonly API_PORT: string;
  readonly HTTP_PORT: string;
  readonly HTTPS_PORT: string;
  readonly NETWORK: string;
  readonly NODE_PORTS: string;
  readonly LB_PORTS: string;
  readonly OUT: string;
  readonly SOURCE: string;
  readonly COMPOSE_PROFILES: ComposeProfile;
  /** Of the engine, for the chaos controller. */
  readonly DOCKER_SOCKET: string;
}

export type ComposeProfile = 'full' | 'full,chaos' | 'full,real,chaos' | 'small';

const realImage = 'orrery-real:local';
const pauseImage = 'registry.k8s.io/pause:3.10';
/** The one image that is there without a registry: a shell, and a server that answers `/healthz` on the port that `-m` names. */
export const realTestImage = 'nats:2.10-alpine';

/** Where the engine listens on this machine. */
function socketOf(host: string | undefined): string {
  return host?.startsWith('unix://') ? host.slice('unix://'.length) : '/var/run/docker.sock';
}

async function chooseSettings({ out, profile, engine }: { out: string; profile: ComposeProfile; engine: DockerEngine }): Promise<Settings> {
  const single = await freeRange(21_000 + (process.pid % 1000), 3);
  const nodePorts = await freeRange(single + 3, rangeSize);
  const balancers = await freeRange(nodePorts + rangeSize, rangeSize);
  const range = (from: number): string => `${from}-${from + rangeSize - 1}`;
  const [API_PORT = '', HTTP_PORT = '', HTTPS_PORT = ''] = [0, 1, 2].map((i) => String(single + i));
  // Apart from what else the engine has, and from the ranges of pods and services.
  const NETWORK = `10.${150 + (process.pid % 64)}.${(process.pid >> 6) % 256}`;
  return { API_PORT, HTTP_PORT, HTTPS_PORT, NETWORK, NODE_PORTS: range(nodePorts), LB_PORTS: range(balancers), OUT: out, SOURCE: 'prebuilt', COMPOSE_PROFILES: profile, DOCKER_SOCKET: socketOf(engine.env['DOCKER_HOST'] ?? process.env['DOCKER_HOST']) };
}

interface Compose {
  (args: readonly string[], timeoutMs?: number): Promise<CommandResult>;
  /** What its command lines begin with. */
  readonly line: string;
}

/** Compose v2 (`docker compose`) or v1 (`docker-compose`), whichever is there. */
async function composeCommand(env: Readonly<Record<string, string>>, project: string): Promise<Compose> {
  const isPlugin = (await runCommand('docker', ['compose', 'version'], { env })).code === 0;
  const [program, first] = isPlugin ? ['docker', ['compose']] : ['docker-compose', []];
  const common = [...first, '-f', join(infra, 'compose.yaml'), '-p', project];
  const run = (args: readonly string[], timeoutMs = 180_000): Promise<CommandResult> => runCommand(program, [...common, ...args], { env, timeoutMs });
  return Object.assign(run, { line: [program, ...common].join(' ') });
}

async function succeed(what: string, run: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await run;
  if (code !== 0) throw new Error(`${what} failed (${code}):\n${stdout}${stderr}`);
  return stdout;
}

function build(env: Readonly<Record<string, string>>, { tag = 'orrery:local', target = 'prebuilt', args = [] }: { tag?: string; target?: string; args?: readonly string[] } = {}): Promise<CommandResult> {
  return runCommand('docker', ['build', '-q', '-t', tag, '--target', target, '-f', join(infra, 'Dockerfile'), ...args, join(infra, '..')], { env: { ...env, DOCKER_BUILDKIT: '0' }, timeoutMs: 180_000 });
}

async function makeImages(env: Readonly<Record<string, string>>, profile: ComposeProfile): Promise<void> {
  const isReal = profile.split(',').includes('real');
  if (!existsSync(join(infra, '../dist/apps/apiserver/main.js'))) throw new Error('the components are not built: npm run build');
  await succeed('base-image.sh', runCommand(join(infra, 'base-image.sh'), [], { env: { ...env, ...(isReal ? { REAL: '1' } : {}) }, timeoutMs: 180_000 }));
  await succeed('docker build', build(env));
  if (isReal) await succeed('docker build', build(env, { tag: realImage, target: 'prebuilt-real' }));
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

async function nodesReady(world: JourneyWorld, profile: ComposeProfile): Promise<void> {
  const ready = Array.from({ length: profile === 'small' ? 1 : 3 }, () => 'True').join(' ');
  const conditions = '{.items[*].status.conditions[?(@.type=="Ready")].status}';
  await eventually(async () => (await world.kubectl.ok(['get', 'nodes', '-l', '!orrery.dev/runtime', '-o', `jsonpath=${conditions}`])) === ready, { what: 'all nodes are Ready', withinMs: 120_000, everyMs: 500 });
}

export async function startComposeCluster({ profile = 'full' }: { profile?: ComposeProfile } = {}): Promise<ComposeCluster> {
  const home = mkdtempSync(join(tmpdir(), 'orrery-compose-'));
  const out = join(home, 'out');
  mkdirSync(out);
  const engine: DockerEngine = await startEngine();
  const settings = await chooseSettings({ out, profile, engine });
  const env = { ...engine.env, ...settings };
  const project = `orrery-test-${process.pid}`;
  const compose = await composeCommand(env, project);
  const docker = (...args: string[]): Promise<string> => succeed(`docker ${args.join(' ')}`, runCommand('docker', args, { env }));
  const idOf = async (service: string): Promise<string> => (await succeed('compose ps', compose(['ps', '-q', service]))).trim();
  const network = `${project}_cluster`;
  const addresses = new Map<string, string>();
  let upMs = 0;
  const cluster: ComposeCluster = {
    kubeconfig: join(out, 'kubeconfig'),
    get upMs() {
      return upMs;
    },
    world: worldOf(settings, home),
    // On a busy machine the engine now and then gives up to freeze a container, which then goes on.
    async pause(service) {
      const id = await idOf(service);
      await eventually(() => docker('pause', id), { what: `${service} is paused`, withinMs: 60_000, everyMs: 500 });
    },
    resume: async (service) => void (await docker('unpause', await idOf(service))),
    async disconnect(service) {
      const id = await idOf(service);
      addresses.set(service, (await docker('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAMConfig.IPv4Address}}`, id)).trim());
      await docker('network', 'disconnect', network, id);
    },
    async reconnect(service) {
      const address = addresses.get(service);
      await docker('network', 'connect', '--alias', service, ...(address ? ['--ip', address] : []), network, await idOf(service));
    },
    chaos: (...args) => succeed(`orrery chaos ${args.join(' ')}`, runCommand(process.execPath, [join(infra, '../dist/apps/cli/main.js'), 'chaos', '--kubeconfig', cluster.kubeconfig, ...args], { env: { HOME: home }, timeoutMs: 120_000 })),
    exec: async (service, command) => docker('exec', await idOf(service), ...command),
    beside: (script) => docker('run', '--rm', '--network', network, '--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN', '--user', '0:0', '--entrypoint', 'sh', 'orrery:local', '-c', script),
    async giveImages(service) {
      await succeed('docker build', runCommand('docker', ['build', '-q', '-t', pauseImage, '-'], { env: { ...env, DOCKER_BUILDKIT: '0' }, input: `FROM ${realTestImage}\nENTRYPOINT ["sleep", "infinity"]\n`, timeoutMs: 120_000 }));
      const script = `docker save ${pauseImage} ${realTestImage} | docker exec -i ${await idOf(service)} ctr -n k8s.io images import --snapshotter native -`;
      await succeed('import of images', runCommand('sh', ['-c', script], { env, timeoutMs: 120_000 }));
    },
    async upgrade(args = []) {
      await succeed('docker build', build(env, { args: ['--label', `orrery.dev/upgrade=${performance.now()}`] }));
      const said = await succeed('upgrade.sh', runCommand(join(infra, 'upgrade.sh'), args, { env: { ...env, COMPOSE: compose.line }, timeoutMs: 900_000 }));
      return said.trim().split('\n');
    },
    async holder(lease, candidates) {
      const said = (await cluster.world('kubectl').kubectl.ok(['get', 'lease', lease, '-n', 'kube-system', '-o', 'jsonpath={.spec.holderIdentity}'])).trim();
      for (const service of candidates) if ((await succeed('compose logs', compose(['logs', '--no-color', service]))).includes(said)) return service;
      throw new Error(`${said} holds ${lease}, and is none of ${candidates.join(', ')}`);
    },
    async memory() {
      const units: Readonly<Record<string, number>> = { KiB: 1 / 1024, MiB: 1, GiB: 1024 };
      const rows = (await docker('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}')).trim().split('\n').filter((row) => row.startsWith(project));
      return rows.map((row): [string, number] => {
        const [, name = '', amount = '0', unit = 'MiB'] = new RegExp(`^${project}[_-](.*?)[_-]\\d+ ([\\d.]+)([KMG]iB)`).exec(row) ?? [];
        return [name, Number(amount) * (units[unit] ?? 1)];
      }).sort(([a], [b]) => a.localeCompare(b));
    },
    async kill(service) {
      const id = await idOf(service);
      const restarts = (): Promise<string> => docker('inspect', '-f', '{{.RestartCount}}', id);
      const before = await restarts();
      // The shell dies with the container: its exit code says nothing.
      await runCommand('docker', ['exec', id, 'sh', '-c', 'kill -9 -1'], { env });
      await eventually(async () => (await restarts()) !== before, { what: `${service} is started again`, withinMs: 60_000 });
    },
    logs: async () => (await compose(['logs', '--no-color', '--tail=15'])).stdout,
    async destroy() {
      await compose(['down', '-v', '--timeout', '5']);
      await engine.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
  try {
    await makeImages(env, profile);
    const began = performance.now();
    await succeed('compose up', compose(['up', '-d', '--no-build']));
    await nodesReady(cluster.world('kubectl'), profile);
    upMs = performance.now() - began;
  } catch (error) {
    const logs = await cluster.logs();
    await cluster.destroy();
    throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
  }
  return cluster;
}
