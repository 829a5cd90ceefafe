/**
 * What nodes and their pods cost: nodes per second to Ready, pods per second to Ready, memory of a node and of a pod in all components
 * together, and what the cluster does when nothing happens.
 *
 *   npm run bench -- nodes [--nodes 1000] [--pods 30000] [--register 5000] [--idle 20] [--json FILE]
 *
 * `--register 0` leaves out the second cluster, which is only there to have its nodes registered.
 */
import { parseArgs } from 'node:util';
import { Deployments, Namespaces } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { apiOf, cpuSeconds, residentMb, secondsUntil, startCluster } from './bench-cluster.ts';
import { type Figure, report } from './report.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '30000' },
    register: { type: 'string', default: '5000' },
    idle: { type: 'string', default: '20' },
    json: { type: 'string' },
  },
});

const namespace = 'bench';
/** Pods of one Deployment. */
const share = 1000;
const settleMs = 3_000;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Memory after what is short-lived has been let go. */
async function settledMb(pid: number): Promise<number> {
  await sleep(settleMs);
  return residentMb(pid);
}

/** Creates Deployments of `pods` in all and resolves with the seconds until all are ready. */
async function fill(api: ApiClient, pods: number): Promise<number> {
  await api.create(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const began = performance.now();
  for (let i = 0; i * share < pods; i++) {
    const name = `many-${i}`;
    const labels = { app: name };
    const container = { name: 'c', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu: '1m' } } };
    await api.create(Deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: { replicas: Math.min(share, pods - i * share), selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
    });
  }
  const ready = async (): Promise<boolean> => (await api.list(Deployments, { namespace })).items.reduce((sum, { status }) => sum + (status?.readyReplicas ?? 0), 0) >= pods;
  return secondsUntil(`${pods} pods`, ready, { began, everyMs: 100, limitMs: 1_800_000 });
}

/** Share of a core that the process uses while nothing is asked of it. */
async function idleCpu(pid: number, seconds: number): Promise<number> {
  const before = cpuSeconds(pid);
  await sleep(seconds * 1000);
  return ((cpuSeconds(pid) - before) / seconds) * 100;
}

const [nodes, pods, register, idle] = [values.nodes, values.pods, values.register, values.idle].map(Number) as [number, number, number, number];
const figures: Figure[] = [];

const small = await startCluster(1);
const baseMb = await settledMb(small.pid);
await small.stop();

const cluster = await startCluster(nodes);
try {
  figures.push({ name: `up --wait, ${nodes} nodes Ready`, value: cluster.seconds, unit: 's' });
  const emptyMb = await settledMb(cluster.pid);
  figures.push({ name: 'memory of a node', value: ((emptyMb - baseMb) * 1024) / Math.max(1, nodes - 1), unit: 'KB' });
  figures.push({ name: `CPU of ${nodes} idle nodes`, value: await idleCpu(cluster.pid, idle), unit: '%' });
  const api = apiOf(cluster.kubeconfig);
  const used = cpuSeconds(cluster.pid);
  const seconds = await fill(api, pods);
  figures.push({ name: `${pods} pods over ${nodes} nodes to Ready`, value: pods / seconds, unit: 'pods/s', budget: { atLeast: 1000 } });
  figures.push({ name: '  CPU of the cluster', value: ((cpuSeconds(cluster.pid) - used) * 1000) / pods, unit: 'ms/pod' });
  figures.push({ name: 'memory of a pod, all components', value: (((await settledMb(cluster.pid)) - emptyMb) * 1024) / pods, unit: 'KB', budget: { atMost: 60 } });
  figures.push({ name: `CPU of ${pods} idle pods on ${nodes} nodes`, value: await idleCpu(cluster.pid, idle), unit: '%' });
  await api.close();
} finally {
  await cluster.stop();
}

if (register > 0) {
  const many = await startCluster(register);
  figures.push({ name: `${register} nodes registered and Ready`, value: many.seconds, unit: 's', budget: { atMost: 20 } });
  figures.push({ name: '  per second', value: register / many.seconds, unit: 'nodes/s' });
  figures.push({ name: '  memory of the cluster', value: await settledMb(many.pid), unit: 'MB' });
  await many.stop();
}
report('nodes', figures, values.json);
