/**
 * Pods per second of the controllers, scheduler and nodes together: from one Deployment and from many, to Ready; a rolling update of
 * them; the deletion of their namespace.
 *
 *   npm run bench -- controllers [--nodes 1000] [--pods 10000] [--deployments 1000] [--kubeconfig FILE] [--json FILE]
 *
 * With --kubeconfig it runs on that cluster (any Kubernetes with room for the pods and a quarter more) and nothing is started.
 */
import { parseArgs } from 'node:util';
import { Deployments, Namespaces } from '@orrery/api';
import type { Deployment } from '@orrery/api/types';
import { type ApiClient, createInformer, type Informer } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import { realEnv } from '@orrery/node-io';
import { apiOf, cpuSeconds, residentMb, secondsUntil, startCluster } from './bench-cluster.ts';
import { type Figure, report } from './report.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '10000' },
    deployments: { type: 'string', default: '1000' },
    kubeconfig: { type: 'string' },
    json: { type: 'string' },
  },
});

/** Writes under way at once. */
const concurrency = 64;
const budget = { atLeast: 1000 };
const env = realEnv({ name: 'bench', level: 'error' });

interface Shape {
  readonly namespace: string;
  readonly names: readonly string[];
  readonly replicas: number;
}

function deployment({ namespace, replicas }: Shape, name: string): Deployment {
  const labels = { app: name };
  const container = { name: 'c', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu: '1m' } } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } } },
  };
}

async function forEach(names: readonly string[], act: (name: string) => Promise<unknown>): Promise<void> {
  const waiting = [...names];
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await act(name);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, names.length) }, work));
}

/** All replicas of all Deployments are of the template of this generation, ready, and alone. */
function isDone(deployments: Informer<Deployment>, { names, replicas }: Shape, generation: number): boolean {
  const done = [...deployments.list()].filter(({ metadata, status = {} }) => {
    const { observedGeneration = 0, readyReplicas = 0, updatedReplicas = 0, replicas: all = 0 } = status;
    return metadata?.generation === generation && observedGeneration === generation && readyReplicas === replicas && updatedReplicas === replicas && all === replicas;
  });
  return done.length === names.length;
}

async function run(api: ApiClient, shape: Shape): Promise<Figure[]> {
  const { namespace, names, replicas } = shape;
  const pods = names.length * replicas;
  const what = names.length === 1 ? 'one Deployment' : `${names.length} Deployments`;
  // Watched: asking for a thousand Deployments again and again would cost the cluster more than they do.
  const deployments = createInformer(api, Deployments, { env, namespace });
  const figures: Figure[] = [];
  let usedSeconds = 0;
  let revision = 0;
  /** Of the store: each write raises it by one. */
  const revisionNow = async (): Promise<number> => Number((await api.list(Namespaces, { limit: 1 })).resourceVersion);
  const begin = async (): Promise<number> => {
    usedSeconds = own ? cpuSeconds(own.pid) : 0;
    revision = await revisionNow();
    return performance.now();
  };
  const done = async (name: string, seconds: number): Promise<void> => {
    figures.push({ name, value: pods / seconds, unit: 'pods/s', budget });
    figures.push({ name: '  writes to the store', value: ((await revisionNow()) - revision) / pods, unit: '/pod' });
    if (own) figures.push({ name: '  CPU of the cluster', value: ((cpuSeconds(own.pid) - usedSeconds) * 1000) / pods, unit: 'ms/pod' });
    process.stderr.write(`${name}: ${seconds.toFixed(1)} s\n`);
  };
  await api.create(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });

  deployments.start();
  await deployments.whenSynced();

  let began = await begin();
  await forEach(names, (name) => api.create(Deployments, deployment(shape, name)));
  await done(`${pods} pods of ${what} to Ready`, await secondsUntil(`${pods} pods of ${what}`, async () => isDone(deployments, shape, 1), { began }));

  began = await begin();
  const changed = { spec: { template: { metadata: { annotations: { 'bench.example.com/round': '2' } } } } };
  await forEach(names, (name) => api.patch(Deployments, { namespace, name }, changed, { type: 'application/merge-patch+json' }));
  await done(`rolling update of ${what}`, await secondsUntil(`the rolling update of ${what}`, async () => isDone(deployments, shape, 2), { began }));
  deployments.stop();

  began = await begin();
  await api.delete(Namespaces, { name: namespace });
  const isGone = (): Promise<boolean> => api.get(Namespaces, { name: namespace }).then(() => false, (error: unknown) => {
    if (isNotFound(error)) return true;
    throw error;
  });
  await done('deletion of their namespace', await secondsUntil(`the deletion of ${what}`, isGone, { began }));
  return figures;
}

const pods = Number(values.pods);
const many = Math.min(Number(values.deployments), pods);
const own = values.kubeconfig ? undefined : await startCluster(Number(values.nodes));
const api = apiOf(values.kubeconfig ?? own?.kubeconfig ?? '');
const figures: Figure[] = own ? [{ name: `up --detach --wait, ${values.nodes} nodes`, value: own.seconds, unit: 's' }] : [];
try {
  figures.push(...(await run(api, { namespace: 'bench-one', names: ['one'], replicas: pods })));
  figures.push(...(await run(api, { namespace: 'bench-many', names: Array.from({ length: many }, (_, i) => `d${i}`), replicas: Math.floor(pods / many) })));
  if (own) figures.push({ name: 'memory after it', value: residentMb(own.pid), unit: 'MB' });
} finally {
  await api.close();
  await own?.stop();
}
report('controllers', figures, values.json);
