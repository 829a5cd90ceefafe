import { Events, Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { type FaultedApi, createFakeApi, createFaultedApi } from '@orrery/client/testing';
import { serviceUnavailable } from '@orrery/errors';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { createScheduler } from '../component.ts';
import { schedulerSchema } from '../config.ts';

const user = 'system:kube-scheduler';
const namespace = 'default';
export const nodeCount = 3;
const cpus = 4;
export const capacity = nodeCount * cpus;
/** After the last fault: the longest wait of a watch (20 s) and of a pod (10 s), and some. */
const healMs = 60_000;
/** The longest request (10 s), the events (5 s), and some. */
const stopMs = 20_000;

function node(name: string, unschedulable = false): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { unschedulable }, status: { allocatable: { cpu: String(cpus), memory: '8Gi', pods: '110' } } };
}

function pod(name: string): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] }, status: { phase: 'Pending' } };
}

/** What the dead still ask has no effect. */
function mortal(api: ApiClient, gone: AbortSignal): ApiClient {
  return new Proxy(api, { get: (target, key) => (gone.aborted && key !== 'watch' ? () => Promise.reject(serviceUnavailable('killed')) : Reflect.get(target, key)) });
}

/** A scheduler that can be killed, its connection to an API server that never lies itself, and what must hold there at every moment. */
export class World {
  readonly clock = new VirtualClock();
  readonly random;
  readonly api;
  /** The connection of the scheduler that is there now. */
  link: FaultedApi;
  readonly violations: string[] = [];
  /** Node of each pod that ever had one, by uid. */
  readonly homes = new Map<string, string>();
  private scheduler: ReturnType<typeof createScheduler> | undefined;
  private metrics = createMetrics();
  private gone = new AbortController();
  private made = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.api = createFakeApi({ clock: this.clock, random: seededRandom(seed + 1) });
    this.link = this.connect();
    for (let i = 0; i < nodeCount; i++) this.api.seed(Nodes, node(`n${i}`));
    this.api.setFault(({ subresource, name = '' }) => {
      if (subresource === 'binding' && this.nodeOf(name)) this.violations.push(`${name} has a node and is bound once more`);
    });
    this.api.watch(Pods, {}, { events: (batch) => batch.forEach(({ object }) => this.judge(object)), closed: () => this.violations.push('the judge hears nothing') });
  }

  nodeOf(name: string): string | undefined {
    return this.api.find(Pods, name, namespace)?.spec?.nodeName;
  }

  start(): void {
    const random = seededRandom(this.random.int(1_000_000));
    const faults = this.link.faults.list();
    this.metrics = createMetrics();
    this.gone = new AbortController();
    this.link = this.connect();
    for (const { id, fault } of faults) this.link.faults.add(id, fault);
    const { api } = this.link;
    this.scheduler = createScheduler({ clock: this.clock, random, log: silentLogger, metrics: this.metrics }, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
    const { signal } = this.gone;
    this.scheduler.start(signal).catch((error: unknown) => void (signal.aborted || this.violations.push(`it does not start: ${String(error)}`)));
  }

  /** Without a word: what it asked and was not answered yet never happens. */
  kill(): void {
    this.gone.abort(new Error('killed'));
    void this.scheduler?.stop();
    this.start();
  }

  /** In good order, which must not take for ever whatever is wrong with the server. */
  async restart(): Promise<void> {
    let stopped = false;
    void this.scheduler?.stop().then(() => (stopped = true));
    await this.clock.until(() => stopped, stopMs);
    this.gone.abort(new Error('ended'));
    this.start();
  }

  async create(name = `p${this.made++}`): Promise<void> {
    await this.api.create(Pods, pod(name));
  }

  async remove({ metadata: { name = '' } = {} }: Pod): Promise<void> {
    await this.api.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0 });
  }

  gauge(name: string): number {
    return this.metrics.expose().split('\n').filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** What is not as it should be once all is well again. */
  wrong(): string[] {
    const pods = this.api.objects(Pods);
    const bound = pods.filter(({ spec }) => spec?.nodeName).length;
    const wanted = { bound: Math.min(pods.length, capacity), assumed: 0, cached: bound, queued: pods.length - bound };
    const found = { bound, assumed: this.gauge('scheduler_cache_size{type="assumed_pods"}'), cached: this.gauge('scheduler_cache_size{type="pods"}'), queued: this.gauge('scheduler_pending_pods') };
    const differs = JSON.stringify(found) === JSON.stringify(wanted) ? [] : [`is ${JSON.stringify(found)}, should be ${JSON.stringify(wanted)}`];
    return [...this.violations, ...differs];
  }

  async healed(): Promise<string[]> {
    this.link.faults.clear();
    for (let i = 0; i < nodeCount; i++) await this.api.patch(Nodes, { name: `n${i}` }, { spec: { unschedulable: false } }, { type: 'application/merge-patch+json' });
    await this.clock.until(() => this.wrong().length === 0, healMs, 500).catch(() => undefined);
    // And it stays so.
    await this.clock.advance(5_000);
    const events = new Set(this.api.objects(Events).filter(({ reason }) => reason === 'Scheduled').map(({ involvedObject, message, count = 1 }) => `${involvedObject?.uid} ${message?.split(' ').at(-1)} ${count}`));
    const said = [...events].filter((text) => ![...this.homes].some(([uid, home]) => text === `${uid} ${home} 1`));
    await this.scheduler?.stop();
    return [...this.wrong(), ...said.map((text) => `an event says ${text}`)];
  }

  private connect(): FaultedApi {
    const link = createFaultedApi({ truth: mortal(this.api, this.gone.signal), clock: this.clock, random: seededRandom(this.random.int(1_000_000)), user });
    link.doubled = 0.1;
    return link;
  }

  private judge({ metadata, spec }: Pod): void {
    const { name = '', uid = '' } = metadata ?? {};
    const nodeName = spec?.nodeName;
    if (!nodeName) return;
    const before = this.homes.get(uid);
    if (before && before !== nodeName) this.violations.push(`${name} went from ${before} to ${nodeName}`);
    this.homes.set(uid, nodeName);
    const used = this.api.objects(Pods).filter((other) => other.spec?.nodeName === nodeName).length;
    if (used > cpus) this.violations.push(`${used} CPUs are asked of the ${cpus} of ${nodeName} at ${this.clock.monotonic()}`);
  }
}
