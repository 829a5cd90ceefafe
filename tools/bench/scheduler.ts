// Throughput of the scheduler on the shapes of upstream's scheduler_perf, against an API double in the same process.
import { parseArgs } from 'node:util';
import { Nodes, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { realEnv } from '@orrery/node-io';
import { resolveConfig, silentLogger } from '@orrery/runtime';
import { createScheduler, schedulerSchema } from '@orrery/scheduler/component';
import { type Figure, report } from './report.ts';
import { type ApiDouble, createApiDouble } from './scheduler/api-double.ts';
import { type Workload, workloads } from './scheduler/workloads.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    nodes: { type: 'string' },
    pods: { type: 'string' },
    'init-pods': { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  process.stdout.write(`npm run bench -- scheduler [--only NAME,…] [--nodes N] [--init-pods N] [--pods N] [--json FILE]\n\n${workloads.map(({ name }) => name).join('\n')}\n`);
  process.exit(0);
}

/** Resolves when that many pods have been bound since. */
function whenBound(api: ApiDouble, pods: readonly Pod[], deadlineMs: number): Promise<void> {
  const waiting = new Set(pods.map(({ metadata }) => metadata?.uid));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${waiting.size} of ${pods.length} pods were not bound in ${deadlineMs / 1000} s`)), deadlineMs);
    api.onBound((pod) => {
      waiting.delete(pod.metadata?.uid);
      if (waiting.size > 0) return;
      clearTimeout(timer);
      resolve();
    });
    if (waiting.size === 0) {
      clearTimeout(timer);
      resolve();
    }
  });
}

async function place(api: ApiDouble, workload: Workload, pods: readonly Pod[]): Promise<void> {
  const bound = whenBound(api, pods, 600_000);
  for (const pod of pods) {
    workload.before?.(api, pod);
    api.put(Pods, pod);
  }
  await bound;
}

interface Throughput {
  /** Pods a second from the creation of the first to the binding of the last. */
  readonly perSecond: number;
  /** The same by the time this process had a processor: what a busy machine hides. */
  readonly perCpuSecond: number;
}

async function run(workload: Workload): Promise<Throughput> {
  const api = createApiDouble();
  const nodes = Number(options.nodes ?? workload.nodes);
  for (let i = 0; i < nodes; i++) api.put(Nodes, workload.node(i));
  workload.prepare?.(api);
  const env = { ...realEnv({ name: 'scheduler', level: 'error' }), log: silentLogger };
  const scheduler = createScheduler(env, { api: api.api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  await scheduler.start();
  const many = (count: number, make: (i: number) => Pod): Pod[] => Array.from({ length: count }, (_, i) => make(i));
  // On fewer nodes there is no room for as many.
  const initPods = Number(options['init-pods'] ?? Math.ceil(workload.initPods * Math.min(1, nodes / workload.nodes)));
  await place(api, workload, many(initPods, workload.initPod));
  const pods = many(Number(options.pods ?? workload.pods), workload.pod);
  let round = 0;
  const churn = workload.churn && setInterval(() => workload.churn?.step(api, round++), workload.churn.everyMs);
  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  await place(api, workload, pods);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBegan);
  clearInterval(churn);
  await scheduler.stop();
  return { perSecond: pods.length / seconds, perCpuSecond: pods.length / ((user + system) / 1e6) };
}

const names = options.only.split(',').filter(Boolean);
const figures: Figure[] = [];
for (const workload of workloads) {
  if (names.length && !names.includes(workload.name)) continue;
  const { perSecond, perCpuSecond } = await run(workload);
  process.stderr.write(`${workload.name}: ${perSecond.toFixed(0)} pods/s, ${perCpuSecond.toFixed(0)} a second of processor time (upstream asks for ${workload.threshold})\n`);
  const name = `${workload.name} ${options.nodes ?? workload.nodes} nodes / ${options.pods ?? workload.pods} pods`;
  figures.push({ name, value: perSecond, unit: 'pods/s', budget: { atLeast: workload.threshold } }, { name: '  by processor time', value: perCpuSecond, unit: 'pods/s' });
}
report('scheduler: throughput, beside the thresholds of upstream', figures, options.json);
