/**
 * How long until a cluster is ready, in each layout; how long a fault is felt: until a write is acknowledged again, and until a
 * Deployment is changed again; memory of each process or container.
 *
 *   npm run bench -- recovery [--only up,processes,small,compose] [--json FILE]
 *
 * `small` is the profile of compose with one of each, `compose` the full one. They need a Docker engine, or the right to start one, and are left out where there is none.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Namespaces } from '@orrery/api';
import { startTestCluster } from '@orrery/testkit';
import { clientOf } from '../../infra/chaos/api.ts';
import { processesOf } from '../../infra/chaos/processes.ts';
import { startWriter } from '../../infra/chaos/steady-writer.ts';
import { storesOf } from '../../infra/chaos/stores.ts';
import { createWorkload } from '../../infra/chaos/workload.ts';
import { type ComposeCluster, type ComposeProfile, startComposeCluster } from '../../infra/journey/compose-cluster.ts';
import { type Figure, report } from './report.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: 'up,processes,small,compose' }, json: { type: 'string' } } });
const wanted = new Set(values.only.split(','));
const limitMs = 180_000;
const figures: Figure[] = [];
/** Said at once: all of it takes minutes. */
function tell(figure: Figure): void {
  figures.push(figure);
  process.stderr.write(`${figure.name}: ${figure.value.toFixed(2)} ${figure.unit}\n`);
}

const replicated = ['--stores', '3', '--apiservers', '2', '--replicas', '2', '--timeout', '170'];

async function readiness(): Promise<void> {
  for (const [name, layout, args] of [['single', 'single', []], ['processes', 'processes', []], ['processes, 3 stores, 2 of the rest', 'processes', replicated]] as const) {
    const began = performance.now();
    const cluster = await startTestCluster({ layout, nodes: 3, args });
    tell({ name: `up to ready: ${name}, 3 nodes`, value: (performance.now() - began) / 1000, unit: 's' });
    await cluster.destroy();
  }
}

/** Memory of a process that no other shares, its part of what is shared included; MB. */
function proportionalMb(pid: number): number {
  const line = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').split('\n').find((one) => one.startsWith('Pss:'));
  return Number(line?.replace(/\D/g, '')) / 1024;
}

interface Measured {
  fault(name: string, breaks: () => unknown): Promise<void>;
  end(): Promise<void>;
}

/** A writer and a Deployment on a cluster; each fault adds its two figures. */
async function measure(world: string, kubeconfig: string): Promise<Measured> {
  const api = clientOf(kubeconfig);
  const namespace = 'recovery';
  await api.create(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const writer = startWriter({ api, namespace });
  const workload = await createWorkload({ api, namespace, name: 'web', replicas: [6, 3] });
  return {
    async fault(name, breaks) {
      writer.stretch();
      await breaks();
      await writer.nextWrite(limitMs);
      const healedMs = await workload.rescale(limitMs);
      tell({ name: `${world}: ${name}: longest without a write`, value: writer.stretch().longestGapMs / 1000, unit: 's' });
      tell({ name: `${world}: ${name}: a Deployment changed`, value: healedMs / 1000, unit: 's' });
      const lost = await writer.lost();
      if (lost.length) throw new Error(`${name}: lost ${lost.join(', ')}`);
    },
    async end() {
      await writer.stop();
      await api.close();
    },
  };
}

async function processes(): Promise<void> {
  const cluster = await startTestCluster({ layout: 'processes', nodes: 3, args: replicated });
  const all = processesOf(cluster);
  const stores = storesOf({ dataDir: cluster.dataDir, addresses: cluster.state().endpoints['etcd'] ?? '' });
  const measured = await measure('processes', cluster.kubeconfig);
  try {
    const leader = await stores.leader();
    const kills = [leader, ...all.names().filter((name) => !name.startsWith('store-') && !/node-[13]$/.test(name))];
    for (const name of kills) await measured.fault(`${name === leader ? 'leader of the stores' : name} killed`, () => all.signal(name, 'SIGKILL'));
    for (const name of ['apiserver', await stores.leader(), ...all.names().filter((one) => one === 'nats')]) {
      await measured.fault(`${name} hangs`, () => all.signal(name, 'SIGSTOP'));
      await measured.fault(`${name} goes on`, () => all.signal(name, 'SIGCONT'));
    }
    await measured.fault('rolling upgrade', () => cluster.orrery('upgrade', '--data-dir', cluster.dataDir));
    for (const name of all.names()) tell({ name: `processes: memory of ${name}`, value: proportionalMb(all.pid(name)), unit: 'MB' });
  } finally {
    await measured.end();
    stores.close();
    await cluster.destroy();
  }
}

/** Undefined, and said why, where there is no engine; anything else that fails is a failure of the bench. */
async function composeCluster(profile: ComposeProfile): Promise<ComposeCluster | undefined> {
  try {
    const cluster = await startComposeCluster({ profile });
    tell({ name: `up to ready: compose, ${profile}`, value: cluster.upMs / 1000, unit: 's' });
    return cluster;
  } catch (error) {
    if (!/^no Docker engine runs/.test((error as Error).message)) throw error;
    process.stdout.write(`compose is left out: ${(error as Error).message}\n`);
    return undefined;
  }
}

async function memoryOf(cluster: ComposeCluster, profile: ComposeProfile): Promise<void> {
  const rows = await cluster.memory();
  for (const [name, megabytes] of rows) tell({ name: `compose, ${profile}: memory of ${name}`, value: megabytes, unit: 'MB' });
  tell({ name: `compose, ${profile}: memory of all ${rows.length} containers`, value: rows.reduce((sum, [, megabytes]) => sum + megabytes, 0), unit: 'MB' });
}

async function small(): Promise<void> {
  const cluster = await composeCluster('small');
  if (!cluster) return;
  try {
    await memoryOf(cluster, 'small');
  } finally {
    await cluster.destroy();
  }
}

async function compose(): Promise<void> {
  const cluster = await composeCluster('full');
  if (!cluster) return;
  try {
    const measured = await measure('compose', cluster.kubeconfig);
    for (const service of ['store1', 'store2', 'store3', 'apiserver1', 'balancer', 'nats', 'scheduler', 'controller-manager', 'cloud-controller-manager', 'cloud', 'coredns1', 'ingress', 'metrics-server', 'node2-runtime', 'node2-kubelet', 'node2-kube-proxy', 'node3']) {
      await measured.fault(`${service} killed`, () => cluster.kill(service));
    }
    for (const service of ['apiserver1', 'store1', 'nats']) {
      await measured.fault(`${service} paused`, () => cluster.pause(service));
      await measured.fault(`${service} goes on`, () => cluster.resume(service));
    }
    await measured.fault('rolling upgrade', () => cluster.upgrade());
    await measured.end();
    await memoryOf(cluster, 'full');
  } finally {
    await cluster.destroy();
  }
}

if (wanted.has('up')) await readiness();
if (wanted.has('processes')) await processes();
if (wanted.has('small')) await small();
if (wanted.has('compose')) await compose();
report('recovery', figures, values.json);
