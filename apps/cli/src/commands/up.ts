import { type Command, InvalidArgumentError } from 'commander';
import { availableParallelism } from 'node:os';
import { basename, resolve } from 'node:path';
import { countBuffersAsHeap, returnMemoryWhenQuiet, stopSignal, whenAborted } from '@orrery/node-io';
import { type Cluster, type ClusterOptions, replaceable } from '../cluster.ts';
import { type DataDir, clearState, dataDir, defaultDataDir, isHalfRestored, lockDataDir, prepareDataDir, processStart, runningCluster, writeState } from '../data-dir.ts';
import { type ChaosHost, createChaosHost } from '../chaos/chaos-host.ts';
import { clusterClock, saveAhead } from '../control/clock-control.ts';
import { serveControl } from '../control/server.ts';
import { checkDataFormat } from '../data-format.ts';
import { startDetached } from '../detached.ts';
import { writeKubeconfig } from '../kubeconfig-file.ts';
import { type ExtraConfig, addExtraConfig } from '../extra-config.ts';
import { createProcessesCluster } from '../processes/cluster.ts';
import { hasStoreMembers } from '../processes/store-members.ts';
import { withSchedulerConfig } from '../scheduler-config.ts';
import { mostApiServers } from '../single/addresses.ts';
import { createSingleCluster } from '../single/cluster.ts';
import { ingressSettings } from '../single/ingress.ts';
import { nextSteps } from '../next-steps.ts';
import { ExitCode, UserError } from '../user-error.ts';

export interface UpOptions {
  dataDir?: string;
  detach?: boolean;
  wait?: boolean;
  chaos?: boolean;
  apiPort: number;
  apiHost: string;
  kubeconfig?: string;
  nodes: number;
  stores?: number;
  apiservers: number;
  replicas: number;
  layout: 'single' | 'processes';
  without: string[];
  extraConfig: ExtraConfig;
  schedulerConfig?: string;
  nodeCpu: string;
  nodeMemory: string;
  nodePods: number;
  nodeLocalDns?: boolean;
  threads?: 1 | 2;
  timeout: number;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < min || n > max) throw new InvalidArgumentError(`a whole number from ${min} to ${max} is needed.`);
    return n;
  };
}

function componentList(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !(replaceable as readonly string[]).includes(name));
  if (unknown) throw new InvalidArgumentError(`${unknown} cannot be left out; known: ${replaceable.join(', ')}.`);
  return names;
}

function extraConfig(text: string, before: ExtraConfig): ExtraConfig {
  try {
    return addExtraConfig(text, before);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function clusterName(dir: DataDir): string {
  return dir.root === resolve(defaultDataDir()) ? 'orrery' : `orrery-${basename(dir.root)}`;
}

function clusterOptions(dir: DataDir, options: UpOptions, more: Pick<ClusterOptions, 'clock' | 'jump' | 'onChange'>): ClusterOptions {
  const { nodes, apiPort, apiHost, nodeCpu: cpu, nodeMemory: memory, nodePods: pods } = options;
  return { dir, name: clusterName(dir), nodes, ...(options.stores === undefined ? {} : { stores: options.stores }), apiServers: options.apiservers, replicas: options.replicas, apiPort, apiHost, node: { cpu, memory, pods }, ...(options.nodeLocalDns ? { nodeLocalDns: true } : {}), threads: options.threads ?? threadsFor(nodes), without: new Set(options.without), extra: options.extraConfig, ...more };
}

/** From so many nodes on a second thread saves more than it costs. */
const manyNodes = 100;

function threadsFor(nodes: number): 1 | 2 {
  return nodes >= manyNodes && availableParallelism() > 1 ? 2 : 1;
}

/** Prints to a terminal or a log: one line a step, with the time since the start. */
function progress(began: number): (text: string) => void {
  return (text) => void process.stdout.write(`  ${((performance.now() - began) / 1000).toFixed(2).padStart(6)} s  ${text}\n`);
}

function publishState(dir: DataDir, cluster: Cluster, options: UpOptions, ready: boolean): void {
  writeState(dir, {
    pid: process.pid,
    processStart: processStart(process.pid),
    layout: options.layout,
    startedAt: new Date().toISOString(),
    nodes: options.nodes,
    server: cluster.server(),
    ready,
    control: dir.control,
    endpoints: cluster.endpoints(),
    ...(cluster.processControl ? { processControl: cluster.processControl() } : {}),
    ...(cluster.processes ? { processes: cluster.processes() } : {}),
  });
}

/** What the system said, as what to do about it. */
function explained(error: unknown, { apiPort, apiHost }: UpOptions): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return new UserError(`port ${apiPort} of ${apiHost} is taken; choose another with --api-port (0 picks a free one): ${message}`);
  if (code === 'EACCES') return new UserError(`port ${apiPort} is not allowed to this user; choose one above 1023 with --api-port: ${message}`);
  if (code === 'EADDRNOTAVAIL') return new UserError(`this machine has no address ${apiHost}; choose another with --api-host: ${message}`);
  return error;
}

async function runForeground(dir: DataDir, options: UpOptions): Promise<void> {
  const lock = await lockDataDir(dir);
  const began = performance.now();
  const step = progress(began);
  const stop = stopSignal();
  if (options.layout === 'single') countBuffersAsHeap();
  const create = options.layout === 'processes' ? createProcessesCluster : createSingleCluster;
  let control: { close(): Promise<void> } | undefined;
  let chaos: ChaosHost | undefined;
  let phase: 'starting' | 'started' | 'ready' = 'starting';
  const onChange = (): void => {
    if (phase !== 'starting') publishState(dir, cluster, options, phase === 'ready');
  };
  const clock = clusterClock(dir.root);
  const jump = (ms: number): void => {
    clock.jump(ms);
    saveAhead(dir.root, clock);
  };
  const cluster = await create(clusterOptions(dir, options, { clock, jump, onChange }));
  process.stdout.write(`Starting a cluster of ${options.nodes} node${options.nodes === 1 ? '' : 's'} on ${dir.root}\n`);
  try {
    await cluster.start(step, stop);
    writeKubeconfig(dir.kubeconfig, cluster.kubeconfig());
    if (options.kubeconfig) writeKubeconfig(resolve(options.kubeconfig), cluster.kubeconfig());
    phase = 'started';
    chaos = createChaosHost({ dir, name: clusterName(dir), cluster, clock });
    control = await serveControl(dir.control, { ...(options.layout === 'single' ? { clock: cluster.clockControl?.() ?? clock } : {}), chaos, nodes: cluster.nodeControl?.(), root: dir.root });
    publishState(dir, cluster, options, false);
    await cluster.untilReady(step, stop);
    phase = 'ready';
    if (options.chaos) {
      await chaos.enable();
      step('chaos controller: experiments are served');
    }
    publishState(dir, cluster, options, true);
    const seconds = (performance.now() - began) / 1000;
    process.stdout.write(nextSteps({ dir, seconds, kubeconfig: resolve(options.kubeconfig ?? dir.kubeconfig), endpoints: cluster.endpoints(), foreground: true }));
    returnMemoryWhenQuiet();
    await whenAborted(stop);
    process.stdout.write('Stopping …\n');
  } catch (error) {
    if (!stop.aborted) throw explained(error, options);
  } finally {
    await control?.close();
    await chaos?.stop();
    await cluster.stop();
    clearState(dir, process.pid);
    await lock.release();
  }
  process.stdout.write('Stopped. The data stays; the same command starts the cluster again.\n');
  process.exit(ExitCode.ok);
}

async function up(options: UpOptions): Promise<void> {
  const dir = dataDir(options.dataDir);
  const running = runningCluster(dir);
  if (running) {
    throw new UserError(
      `a cluster already runs on ${dir.root} (pid ${running.pid}, ${running.server}); stop it with \`orrery down --data-dir ${dir.root}\` or start another one with another --data-dir`,
      ExitCode.alreadyRunning,
    );
  }
  if (options.wait && !options.detach) throw new UserError('--wait goes with --detach (in the foreground, `up` always waits)', ExitCode.usage);
  if (isHalfRestored(dir)) throw new UserError(`${dir.root} holds a part of a snapshot, whose restore was cut off: run \`orrery snapshot restore\` again, or take another --data-dir`);
  prepareDataDir(dir);
  checkDataFormat(dir.root);
  if (options.layout === 'single' && hasStoreMembers(dir)) throw new UserError(`${dir.root} holds a cluster of several stores: start it with --layout=processes`, ExitCode.usage);
  if (options.detach) await startDetached(dir, options);
  else await runForeground(dir, options);
}

export function addUp(program: Command): void {
  program
    .command('up')
    .description('start a cluster; in the foreground until Ctrl-C, or with --detach in the background')
    .option('--data-dir <dir>', 'where the cluster keeps its state (default: $ORRERY_DATA_DIR or ~/.orrery/default)')
    .option('--nodes <n>', 'emulated nodes', wholeNumber(0, 10_000), 3)
    .option('--stores <n>', 'with --layout=processes: stores that replicate everything, 1, 3 or 5', wholeNumber(1, 7))
    .option('--apiservers <n>', 'with --layout=processes: API servers, behind a load balancer if several', wholeNumber(1, mostApiServers), 1)
    .option('--replicas <n>', 'with --layout=processes: schedulers, controller managers and cloud controller managers each', wholeNumber(1, 5), 1)
    .option('--api-port <port>', 'port of the Kubernetes API; 0 picks a free one', wholeNumber(0, 65_535), 6443)
    .option('--api-host <address>', 'address the Kubernetes API listens on', '127.0.0.1')
    .option('--kubeconfig <file>', 'also add the cluster to this kubeconfig')
    .option('--detach', 'run in the background')
    .option('--chaos', 'run the chaos controller: faults as objects (kubectl get experiments); `orrery chaos` turns it on where it is off')
    .option('--wait', 'with --detach: return once all nodes are Ready and DNS answers')
    .option('--layout <layout>', 'single (one process) or processes (one a component)', 'single')
    .option('--without <components>', `leave out, to run them yourself: ${replaceable.join(', ')}`, componentList, [])
    .option('--extra-config <component.flag=value>', 'a flag of a component, such as apiserver.audit-log-path=audit.log; COMPONENT.log-level=debug: it tells more in its log; kubelet.config=FILE: KubeletConfiguration of all nodes, but for their addresses, ports, certificates, capacity and static pods\' directory; repeatable', extraConfig, {})
    .option('--scheduler-config <file>', 'KubeSchedulerConfiguration of the cluster\'s own scheduler: profiles, plugins, extenders')
    .option('--node-cpu <quantity>', 'CPU of each node', '8')
    .option('--node-memory <quantity>', 'memory of each node', '16Gi')
    .option('--node-pods <n>', 'pods each node takes', wholeNumber(1, 100_000), 110)
    .option('--node-local-dns', 'a DNS cache on each node at 169.254.20.10, which its pods ask (NodeLocal DNSCache)')
    .option('--threads <n>', `with --layout=single: 1, or 2 to give everything but the store and the API server a thread of its own (default: 2 from ${manyNodes} nodes on)`, wholeNumber(1, 2))
    .option('--timeout <seconds>', 'with --wait: give up after this long', wholeNumber(1, 86_400), 120)
    .action((options: UpOptions) => {
      if (options.layout !== 'single' && options.layout !== 'processes') throw new UserError(`--layout is single or processes, not ${JSON.stringify(options.layout)} (for containers: docker compose -f infra/compose.yaml up)`, ExitCode.usage);
      const ofProcesses = { '--stores': options.stores ?? 1, '--apiservers': options.apiservers, '--replicas': options.replicas };
      for (const [flag, count] of Object.entries(ofProcesses)) if (count > 1 && options.layout !== 'processes') throw new UserError(`${flag} goes with --layout=processes`, ExitCode.usage);
      if (options.threads !== undefined && options.layout !== 'single') throw new UserError('--threads goes with --layout=single', ExitCode.usage);
      ingressSettings(options.extraConfig, Date.now());
      const { schedulerConfig, ...others } = options;
      return up(schedulerConfig === undefined ? options : { ...others, extraConfig: withSchedulerConfig(schedulerConfig, { extra: options.extraConfig, without: options.without }) });
    });
}
