/**
 * `npx nx serve COMPONENT [options] [flags of the component]`: runs a component from source in place of a running cluster's own, and again
 * at every change of a file it is made of.
 *
 *   --data-dir DIR     the cluster of `orrery up` (default: as `orrery` itself)
 *   --kubeconfig FILE  any other cluster, spoken to by REST: that of infra/compose.yaml, or any Kubernetes
 *   --instance NAME    which one of several takes a rest, in the processes layout: kubelet-node-2 (default: the first)
 *   --inspect [PORT]   with the debugger listening
 *
 * In the processes layout the cluster's own process stands down and comes back when this ends. Elsewhere components that elect a
 * leader take the lease over, and others have to be left out (`orrery up --without COMPONENT`, `docker compose stop COMPONENT`).
 */
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClusterState, type DataDir, dataDir, runningCluster } from '../apps/cli/src/data-dir.ts';
import { runAndRestart } from './src/serve/restarts.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const elected = ['scheduler', 'controller-manager', 'cloud-controller-manager'];

interface Options {
  readonly component: string;
  readonly dataDir: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly instance: string | undefined;
  readonly inspect: string | undefined;
  /** For the component. */
  readonly rest: readonly string[];
}

function fail(message: string): never {
  process.stderr.write(`serve: ${message}\n`);
  process.exit(2);
}

/** Ours are taken out, all else is for the component. */
function parse(argv: readonly string[]): Options {
  const [component = '', ...words] = argv;
  const own: Record<string, string | undefined> = {};
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [, name = '', value] = /^--(data-dir|kubeconfig|instance|inspect)(?:=(.*))?$/s.exec(words[i] ?? '') ?? [];
    if (!name) rest.push(words[i] ?? '');
    else if (value !== undefined) own[name] = value;
    else if (words[i + 1] !== undefined && !words[i + 1]?.startsWith('--')) own[name] = words[++i];
    else if (name === 'inspect') own[name] = '';
    else fail(`--${name} needs a value`);
  }
  return { component, rest, dataDir: own['data-dir'], kubeconfig: own['kubeconfig'], instance: own['instance'], inspect: own['inspect'] };
}

/** Has the cluster's own process stand down for as long as this one lives; gives its arguments. */
function standDown(socketPath: string, name: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: `/stand-down/${encodeURIComponent(name)}`, method: 'POST' }, (response) => {
      response.setEncoding('utf8');
      response.once('data', (line: string) => {
        const { error, args = [] } = JSON.parse(line) as { error?: string; args?: string[] };
        if (error) reject(new Error(error));
        else resolve(args);
      });
      response.on('end', () => fail('the cluster has ended'));
    });
    call.on('error', reject);
    call.end();
  });
}

/** The cluster's own has the port; one beside it goes without. */
const noPort = (component: string): string[] => (elected.includes(component) ? ['--secure-port', '0'] : []);

/** Beside the components of the single layout: the administrator's credentials, and the files that its own component has in memory. */
function besideSingle(component: string, dir: DataDir, state: ClusterState): string[] {
  const file = (name: string): string => join(dir.pki, name);
  const manager = ['--root-ca-file', file('ca.crt'), '--cluster-signing-cert-file', file('ca.crt'), '--cluster-signing-key-file', file('ca.key'), '--service-account-private-key-file', file('service-account.key')];
  return ['--api-server', state.endpoints['api-grpc'] ?? '', '--kubeconfig', dir.kubeconfig, ...noPort(component), ...(component === 'controller-manager' ? manager : [])];
}

async function argumentsFor(options: Options): Promise<readonly string[]> {
  const { component, kubeconfig } = options;
  const takeOver = elected.includes(component) ? ['--leader-elect-take-over'] : [];
  if (kubeconfig) return ['--api-transport', 'rest', '--kubeconfig', kubeconfig, ...noPort(component), ...takeOver];
  const dir = dataDir(options.dataDir);
  const state = runningCluster(dir);
  if (!state) return fail(`no cluster runs on ${dir.root}: start one with \`npx orrery up --detach --data-dir ${dir.root}\`, or name another with --data-dir or --kubeconfig`);
  if (!state.processControl) return [...besideSingle(component, dir, state), ...takeOver];
  const name = options.instance ?? Object.keys(state.processes ?? {}).find((one) => one === component || one.startsWith(`${component}-`));
  if (!name) return fail(`the cluster on ${dir.root} runs no ${component}`);
  return [...(await standDown(state.processControl, name)), ...takeOver];
}

const options = parse(process.argv.slice(2));
const main = join(root, 'apps', options.component, 'src/main.ts');
if (!options.component || !existsSync(main)) fail(`${JSON.stringify(options.component)} is no component of apps/`);
const given = await argumentsFor(options).catch((error: Error) => fail(error.message));
const inspect = options.inspect === undefined ? [] : [`--inspect${options.inspect ? `=${options.inspect}` : ''}`];
runAndRestart({ root, component: options.component, flags: inspect, args: [...given, ...options.rest] });
