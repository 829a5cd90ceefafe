/**
 * Time to ready, idle memory, and Pods per second of one Deployment.
 *
 *   npm run bench -- cluster [--runs 5] [--nodes 100] [--pods 2000] [--kubeconfig FILE] [--json FILE]
 *
 * With --kubeconfig the Pods are run on that cluster (any Kubernetes) and nothing is started.
 */
import { parseArgs } from 'node:util';
import { Deployments, Namespaces } from '@orrery/api';
import { apiOf, residentMb, secondsUntil, startCluster } from './bench-cluster.ts';
import { type Figure, median, report } from './report.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    nodes: { type: 'string', default: '100' },
    pods: { type: 'string', default: '2000' },
    kubeconfig: { type: 'string' },
    json: { type: 'string' },
  },
});

async function readiness(runs: number): Promise<Figure[]> {
  const seconds: number[] = [];
  const memory: number[] = [];
  for (let i = 0; i < runs; i++) {
    const cluster = await startCluster(3);
    seconds.push(cluster.seconds);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    memory.push(residentMb(cluster.pid));
    await cluster.stop();
  }
  return [
    { name: 'up --detach --wait, 3 nodes, DNS answering', value: median(seconds), unit: 's', budget: { atMost: 1 } },
    { name: 'idle memory, 3 nodes', value: median(memory), unit: 'MB', budget: { atMost: 150 } },
  ];
}

/** Scales one Deployment from 0 to `pods` and times until all are ready. */
async function podsPerSecond(kubeconfig: string, pods: number): Promise<number> {
  const api = apiOf(kubeconfig);
  const namespace = 'bench';
  await api.create(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }).catch(() => undefined);
  const labels = { app: 'many' };
  await api.create(Deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'many', namespace },
    spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu: '10m' } } }] } } },
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const began = performance.now();
  await api.patch(Deployments, { namespace, name: 'many' }, { spec: { replicas: pods } }, { type: 'application/merge-patch+json' });
  const seconds = await secondsUntil(`${pods} pods`, async () => ((await api.get(Deployments, { namespace, name: 'many' })).status?.readyReplicas ?? 0) >= pods, { began, limitMs: 300_000 });
  await api.close();
  return pods / seconds;
}

const pods = Number(values.pods);
const figures: Figure[] = [];
if (values.kubeconfig) {
  figures.push({ name: `${pods} pods of one Deployment`, value: await podsPerSecond(values.kubeconfig, pods), unit: 'pods/s' });
} else {
  figures.push(...(await readiness(Number(values.runs))));
  const cluster = await startCluster(Number(values.nodes));
  figures.push({ name: `up --detach --wait, ${values.nodes} nodes`, value: cluster.seconds, unit: 's' });
  figures.push({ name: `${pods} pods of one Deployment over ${values.nodes} nodes to Ready`, value: await podsPerSecond(cluster.kubeconfig, pods), unit: 'pods/s', budget: { atLeast: 1000 } });
  figures.push({ name: 'memory with them', value: residentMb(cluster.pid), unit: 'MB' });
  await cluster.stop();
}
report('cluster', figures, values.json);
