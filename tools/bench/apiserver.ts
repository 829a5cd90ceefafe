/**
 * What an API server does in a second, over REST: ours, in a process of its own with the durable store, or any other by
 * kubeconfig. `npm run bench -- apiserver --help`.
 */
import { parseArgs } from 'node:util';
import { loadKubeconfig } from '@orrery/node-io';
import { BenchClient } from './apiserver/h2.ts';
import { configMapBody, configMapsPath, podBody, podsPath } from './apiserver/objects.ts';
import { type BenchServer, foreignServer, ownServer } from './apiserver/server.ts';
import { Worker } from './apiserver/workers.ts';
import { type Figure, median, report } from './report.ts';

const help = `npm run bench -- apiserver [options]

  --kubeconfig FILE   measure that API server (any Kubernetes); without it ours is started
  --seconds N         of each of creates, gets and applies (3)
  --in-flight N,...   of creates (1,16,64)
  --runs N            of everything but memory; the best counts, as others may use the machine (2)
  --pods N            in the list (10000)
  --watchers N        (1000)
  --changes N         of objects while they are watched, as fast as they go (1000)
  --writers N         changes in flight meanwhile (64)
  --processes N       that watch (2)
  --only NAME,...     list, creates, gets, apply, watch: in this order, the list on a fresh server for its memory
  --json FILE         writes the figures there too

It works in a namespace of its own and deletes that afterwards. Its Pods name a scheduler that does not exist.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    kubeconfig: { type: 'string' },
    seconds: { type: 'string', default: '3' },
    'in-flight': { type: 'string', default: '1,16,64' },
    runs: { type: 'string', default: '2' },
    pods: { type: 'string', default: '10000' },
    watchers: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '1000' },
    writers: { type: 'string', default: '64' },
    processes: { type: 'string', default: '2' },
    only: { type: 'string', default: 'list,creates,gets,apply,watch' },
    json: { type: 'string' },
  },
});

const namespace = `bench-${process.pid}`;
const seconds = Number(values.seconds);
const runs = Number(values.runs);
const changedObjects = 50;

interface Bench {
  readonly server: BenchServer;
  readonly client: BenchClient;
  readonly worker: Worker;
}

const percentile = (times: readonly number[], p: number): number => times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * p)] ?? Number.NaN;

/** The best of several runs. */
async function best(run: (i: number) => Promise<number>): Promise<number> {
  let found = 0;
  for (let i = 0; i < runs; i++) found = Math.max(found, await run(i));
  return found;
}

async function prepare({ client }: Bench): Promise<void> {
  await client.expect({ method: 'POST', path: '/api/v1/namespaces', body: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }) });
  // Without a controller manager nobody makes the account that Pods need; with one it may be there first.
  const account = await client.send({ method: 'POST', path: `/api/v1/namespaces/${namespace}/serviceaccounts`, body: JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } }) });
  if (account.status >= 400 && account.status !== 409) throw new Error(account.bytes.toString('utf8'));
}

/** Processor time of the server for each of what was done meanwhile. */
async function costing(server: BenchServer, name: string, run: () => Promise<number>): Promise<Figure[]> {
  const before = server.cpuMs();
  const done = await run();
  const after = server.cpuMs();
  return before === undefined || after === undefined ? [] : [{ name: `${name}: processor time of the server, each`, value: ((after - before) / done) * 1000, unit: 'µs' }];
}

async function creates({ worker, server }: Bench): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const inFlight of values['in-flight'].split(',').map(Number)) {
    const value = await best(async (i) => {
      const { done, seconds: took } = await worker.run({ op: 'create', namespace, prefix: `c${inFlight}-${i}`, inFlight, seconds });
      return done / took;
    });
    const isOurs = server.memoryMb() !== undefined;
    figures.push({ name: `creates of Pods, ${inFlight} in flight`, value, unit: '/s', ...(inFlight === 64 && isOurs ? { budget: { atLeast: 2500 } } : {}) });
  }
  figures.push(...(await costing(server, 'creates of Pods', async () => (await worker.run({ op: 'create', namespace, prefix: 'cost', inFlight: 64, seconds })).done)));
  return figures;
}

async function gets({ worker, client }: Bench): Promise<Figure[]> {
  await client.expect({ method: 'POST', path: podsPath(namespace), body: podBody(namespace, 'got') });
  const figures: Figure[] = [];
  for (const inFlight of [1, 64]) {
    const value = await best(async () => {
      const { done, seconds: took } = await worker.run({ op: 'get', namespace, name: 'got', inFlight, seconds });
      return done / took;
    });
    figures.push({ name: `gets of a Pod, ${inFlight} in flight`, value, unit: '/s' });
  }
  return figures;
}

async function deletePods({ client }: Bench): Promise<void> {
  await client.expect({ method: 'DELETE', path: `${podsPath(namespace)}?gracePeriodSeconds=0` });
}

async function lists(bench: Bench): Promise<Figure[]> {
  const { worker, server } = bench;
  const count = Number(values.pods);
  await deletePods(bench);
  // The first ones bring the server to its working size; what the others add is theirs.
  const first = Math.floor(count / 4);
  await worker.run({ op: 'create', namespace, prefix: 'first', inFlight: 64, seconds: 3600, count: first });
  const before = server.memoryMb();
  await worker.run({ op: 'create', namespace, prefix: 'listed', inFlight: 64, seconds: 3600, count: count - first });
  const after = server.memoryMb();
  const figures: Figure[] = [];
  for (const [name, accept] of [['JSON', 'application/json'], ['protobuf', 'application/vnd.kubernetes.protobuf']] as const) {
    const { times, bytes } = await worker.run({ op: 'list', namespace, accept, times: 3 * runs + 2 });
    const fastest = Math.min(...times);
    const megabytes = bytes / times.length / 1e6;
    figures.push({ name: `list of ${count} Pods, ${name}, fastest`, value: fastest, unit: 'ms', ...(name === 'JSON' && count === 10_000 && before !== undefined ? { budget: { atMost: 100 } } : {}) });
    figures.push({ name: `list of ${count} Pods, ${name}, median`, value: median(times), unit: 'ms' });
    figures.push({ name: `list of ${count} Pods, ${name} (${megabytes.toFixed(1)} MB)`, value: (megabytes / fastest) * 1000, unit: 'MB/s' });
  }
  if (before !== undefined && after !== undefined) {
    figures.push({ name: 'memory of the server, with its store', value: after, unit: 'MB' });
    figures.push({ name: 'memory per 10,000 Pods, as they were created', value: ((after - before) / (count - first)) * 10_000, unit: 'MB' });
  }
  await deletePods(bench);
  return figures;
}

async function applies({ worker }: Bench): Promise<Figure[]> {
  const value = await best(async (i) => {
    const { done, seconds: took } = await worker.run({ op: 'apply', namespace, prefix: `applied-${i}`, inFlight: 16, seconds });
    return done / took;
  });
  return [{ name: 'server-side applies, 16 in flight', value, unit: '/s' }];
}

/** Opens the watches, has objects changed, and waits until every watch has seen every change. */
async function watched(bench: Bench, watchers: readonly Worker[], change: { count: number; inFlight: number; perSecond: number }): Promise<{ perSecond: number; lags: number[]; changesPerSecond: number; megabytes: number }> {
  const began = Date.now();
  const seen = watchers.map((watcher) => watcher.run({ op: 'watched', events: change.count, timeoutSeconds: 120 }));
  const changes = await bench.worker.run({ op: 'change', namespace, ...change });
  const outcomes = await Promise.all(seen);
  const took = (Math.max(...outcomes.map((o) => o.finishedMs)) - began) / 1000;
  const total = outcomes.reduce((sum, o) => sum + o.done, 0);
  return { perSecond: total / took, lags: outcomes.flatMap((o) => [...o.times]), changesPerSecond: changes.done / changes.seconds, megabytes: outcomes.reduce((sum, o) => sum + o.bytes, 0) / 1e6 / took };
}

async function watches(bench: Bench, kubeconfig: string): Promise<Figure[]> {
  const { client, server } = bench;
  const processes = Number(values.processes);
  const count = Number(values.watchers);
  for (let i = 0; i < changedObjects; i++) {
    await client.expect({ method: 'POST', path: configMapsPath(namespace), body: configMapBody(namespace, `changed-${i}`, { i: '0' }) });
  }
  const watchers = Array.from({ length: processes }, () => new Worker(kubeconfig));
  await Promise.all(watchers.map((watcher) => watcher.run({ op: 'watch', namespace, watchers: Math.ceil(count / processes), perConnection: 100 })));
  let peak = { perSecond: 0, changesPerSecond: 0, megabytes: 0 };
  for (let i = 0; i < runs; i++) {
    const run = await watched(bench, watchers, { count: Number(values.changes), inFlight: Number(values.writers), perSecond: 0 });
    if (run.perSecond > peak.perSecond) peak = run;
  }
  const { lags } = await watched(bench, watchers, { count: 100, inFlight: 1, perSecond: 20 });
  for (const watcher of watchers) watcher.stop();
  const isOurs = server.memoryMb() !== undefined;
  return [
    { name: `deliveries to ${count} watchers`, value: peak.perSecond, unit: '/s', ...(isOurs && count === 1000 ? { budget: { atLeast: 150_000 } } : {}) },
    { name: `changes while they watch, ${values.writers} in flight`, value: peak.changesPerSecond, unit: '/s' },
    { name: 'bytes to them', value: peak.megabytes, unit: 'MB/s' },
    { name: `lag of ${count} watchers at 20 changes/s, median`, value: percentile(lags, 0.5), unit: 'ms' },
    { name: `lag of ${count} watchers at 20 changes/s, p99`, value: percentile(lags, 0.99), unit: 'ms' },
  ];
}

async function main(): Promise<void> {
  const server = values.kubeconfig ? foreignServer(values.kubeconfig) : await ownServer();
  const { kubeconfig } = server;
  const bench: Bench = { server, client: new BenchClient(loadKubeconfig(kubeconfig)), worker: new Worker(kubeconfig) };
  const phases: Readonly<Record<string, () => Promise<Figure[]>>> = {
    list: () => lists(bench),
    creates: () => creates(bench),
    gets: () => gets(bench),
    apply: () => applies(bench),
    watch: () => watches(bench, kubeconfig),
  };
  const figures: Figure[] = [];
  try {
    await prepare(bench);
    for (const name of values.only.split(',')) {
      const phase = phases[name];
      if (!phase) throw new Error(`there is no ${JSON.stringify(name)}; it is one of: ${Object.keys(phases).join(', ')}`);
      figures.push(...(await phase()));
    }
  } finally {
    await bench.client.send({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }).catch(() => undefined);
    bench.client.close();
    bench.worker.stop();
    await server.stop();
  }
  report('apiserver', figures, values.json);
}

if (values.help) process.stdout.write(help);
else await main();
