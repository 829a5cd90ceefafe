import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { type ClusterState, type DataDir, dataDir, isAlive, runningCluster } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

function adminCredentials(dir: DataDir): Credentials {
  const config = parse(readFileSync(dir.kubeconfig, 'utf8')) as { clusters: { cluster: Record<string, string> }[]; users: { user: Record<string, string> }[] };
  const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString();
  const user = config.users[0]?.user ?? {};
  return { ca: decode(config.clusters[0]?.cluster['certificate-authority-data']), cert: decode(user['client-certificate-data']), key: decode(user['client-key-data']) };
}

function get(url: string, credentials: Credentials): Promise<{ code: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(url, { ...credentials, timeout: 5_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ code: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.end();
  });
}

interface NodeRow {
  readonly name: string;
  readonly ready: string;
}

async function nodesOf(state: ClusterState, credentials: Credentials): Promise<NodeRow[]> {
  const { body } = await get(`${state.server}/api/v1/nodes`, credentials);
  const { items = [] } = JSON.parse(body) as { items?: { metadata: { name: string }; status?: { conditions?: { type: string; status: string }[] } }[] };
  return items.map((node) => ({ name: node.metadata.name, ready: node.status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True' ? 'Ready' : 'NotReady' }));
}

interface Report {
  readonly state: ClusterState;
  readonly api: string;
  readonly nodes: readonly NodeRow[];
  readonly dead: readonly string[];
}

async function reportOn(dir: DataDir, state: ClusterState): Promise<Report> {
  const dead = Object.entries(state.processes ?? {}).filter(([, pid]) => !isAlive(pid)).map(([name]) => name);
  try {
    const credentials = adminCredentials(dir);
    const ready = await get(`${state.server}/readyz`, credentials);
    return { state, api: ready.code === 200 ? 'ready' : `not ready (${ready.code})`, nodes: await nodesOf(state, credentials), dead };
  } catch (error) {
    return { state, api: `does not answer: ${(error as Error).message}`, nodes: [], dead };
  }
}

function print(dir: DataDir, { state, api, nodes, dead }: Report): void {
  const readyNodes = nodes.filter((node) => node.ready === 'Ready').length;
  const rows: [string, string][] = [
    ['data', dir.root],
    ['process', `${state.pid} (${state.layout} layout, since ${state.startedAt})`],
    ['api server', `${state.server} ${api}`],
    ['nodes', `${readyNodes} of ${nodes.length} Ready`],
    ...Object.entries(state.endpoints),
  ];
  if (dead.length) rows.push(['not running', dead.join(', ')]);
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(rows.map(([name, value]) => `${name.padEnd(width)} ${value}\n`).join(''));
}

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show whether a cluster runs and is ready (exit code 0 when it is)')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (options: { dataDir?: string; output: string }) => {
      const dir = dataDir(options.dataDir);
      const state = runningCluster(dir);
      if (!state) throw new UserError(`no cluster runs on ${dir.root}; \`orrery up --data-dir ${dir.root}\` starts one`, ExitCode.notRunning);
      const report = await reportOn(dir, state);
      if (options.output === 'json') process.stdout.write(`${JSON.stringify({ ...report.state, api: report.api, nodeStatus: report.nodes, notRunning: report.dead }, null, 2)}\n`);
      else print(dir, report);
      const healthy = report.api === 'ready' && report.state.ready && report.nodes.every((node) => node.ready === 'Ready') && report.dead.length === 0;
      if (!healthy) process.exitCode = ExitCode.failed;
    });
}
