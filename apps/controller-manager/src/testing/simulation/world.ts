import { Leases, Namespaces, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ApiClient, ObjectKey } from '@orrery/client';
import { type FakeApi, createFakeApi } from '@orrery/client/testing';
import { controllerOf } from '@orrery/controller';
import { isAlreadyExists } from '@orrery/errors';
import { type Clock, type Env, type Random, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { type ControllerManager, createControllerManager } from '../../component.ts';
import type { CertificateSigner } from '../../certificates/signer.ts';
import type { SecretTokenSigner } from '../../serviceaccount/token-signer.ts';
import { guardedBy } from '../role-guard.ts';
import { choreControllers, drawChores } from './chores.ts';
import { Invariants } from './invariants.ts';
import { type Link, type Write, createLink } from './link.ts';
import { Machines } from './machines.ts';
import { withAutoscaling } from './more-chores.ts';
import { type Workload, drawWorkloads, namespace } from './workloads.ts';

const workloadControllers = ['namespace', 'replicaset', 'deployment', 'daemonset', 'statefulset', 'job', 'cronjob', 'garbage-collector', 'disruption', 'pod-garbage-collector', 'endpointslice'].map((name) => `${name}-controller`);

interface Process {
  readonly manager: ControllerManager;
  readonly link: Link;
  /** How far its wall clock is off. */
  skewMs: number;
}

export interface WorldOptions {
  readonly seed: number;
  /** Stands between the link and the managers: to plant bugs that the invariants must find. */
  readonly sabotage?: (link: Link) => Link;
  /** The controllers beside those of workloads, and what they have to do, in place of these. */
  readonly chores?: boolean;
}

const nodes = 4;

/** Plays the cluster's CA. */
const signer: CertificateSigner = {
  inspect: (request) => ({ commonName: `system:node:${request}`, organizations: ['system:nodes'], dnsNames: [], ipAddresses: [], emailAddresses: [], uris: [] }),
  sign: (request) => `certificate of ${request}`,
};

/** Plays the key of service account tokens. */
const tokenSigner: SecretTokenSigner = { sign: ({ secret }) => Promise.resolve(`token of ${secret}`) };

/** How long users and faults are at work, and how long all may then take to be as it should. */
const troubledMs = 150_000;
const settleMs = 900_000;

/** A cluster whose controller managers suffer: two that fight for the lease, killed, cut off, with lying connections and jumping clocks. */
export class World {
  readonly clock = new VirtualClock({ drain: () => new Promise<void>((resolve) => void setImmediate(resolve)) });
  readonly random: Random;
  readonly api: FakeApi;
  readonly invariants: Invariants;
  readonly workloads: Workload[];
  readonly writes: Write[] = [];
  private readonly options: WorldOptions;
  private readonly machines: Machines;
  private readonly truth: FakeApi;
  private processes: Process[] = [];
  private born = 0;
  private troubled = true;
  private readonly rate: number;
  private readonly mishapRate: number;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.api = createFakeApi({ clock: this.clock, random: seededRandom(options.seed + 1), admit: (resource, object) => (resource.resource === 'subjectaccessreviews' ? ({ ...object, status: { allowed: true } } as typeof object) : object) });
    this.truth = options.chores ? withAutoscaling(this.api, this.clock) : this.api;
    this.invariants = new Invariants({ api: this.api, clock: this.clock });
    this.rate = [0, 0.03, 0.1, 0.25][this.random.int(4)] ?? 0;
    this.mishapRate = this.random.int(2) ? 0 : 0.003;
    const isHeard = (node: string): boolean => this.clock.monotonic() < troubledMs / 2 || !this.workloads.some(({ silent }) => silent?.includes(node));
    this.machines = new Machines({ api: this.api, clock: this.clock, random: seededRandom(options.seed + 2), nodes, ...(options.chores ? { isHeard } : {}), mishaps: () => (this.troubled ? this.mishapRate : 0), onMishap: () => this.invariants.mishap() });
    this.workloads = options.chores ? drawChores(this.random, nodes) : drawWorkloads(this.random);
  }

  /** Lives through the troubled time, then waits until all is as it should. Returns what is wrong. */
  async run(): Promise<string[]> {
    await this.api.create(Namespaces, { metadata: { name: namespace } });
    for (const { seeds = [] } of this.workloads) for (const { object, resource } of seeds) this.api.seed(resource, object);
    for (let i = 0; i < 2; i++) this.spawn();
    for (const { companions = [], object, resource } of this.workloads) for (const one of [...companions, { object, resource }]) await this.api.create(one.resource, one.object).catch(ignoreExisting);
    while (this.clock.monotonic() < troubledMs) {
      await this.hazard();
      await this.live(1_000);
    }
    this.troubled = false;
    await this.resume();
    for (const process of this.processes) process.skewMs = 0;
    const until = this.clock.monotonic() + settleMs;
    while (this.wrong().length && this.clock.monotonic() < until) await this.live(5_000);
    const wrong = [...this.invariants.violations, ...this.wrong()];
    if (!wrong.length) wrong.push(...(await this.unrest()), ...(await this.leftovers()));
    await Promise.all(this.processes.map(({ manager }) => this.clock.until(() => true).then(() => void manager.stop())));
    return wrong;
  }

  private spawn(): void {
    const seed = this.options.seed * 1000 + this.born++;
    const onWrite = (write: Write): void => {
      this.writes.push(write);
      this.invariants.check(write);
    };
    const link = createLink({ clock: this.clock, random: seededRandom(seed), truth: this.truth, trouble: () => (this.troubled ? this.rate : 0), onWrite });
    const process = { skewMs: 0 };
    const clock: Clock = { ...bound(this.clock), now: () => this.clock.now() + process.skewMs };
    const env: Env = { clock, random: seededRandom(seed + 500), log: silentLogger, metrics: createMetrics() };
    const api = this.options.sabotage?.(link) ?? link;
    const apiAs = (account: string): ApiClient => guardedBy(account, api, (what) => void this.invariants.violations.push(what));
    const manager = createControllerManager(env, { api, apiAs, identity: `m${this.born}`, rootCaPem: 'PEM', signer, tokenSigner }, { controllers: [...(this.options.chores ? choreControllers : workloadControllers)], legacyServiceAccountTokenCleanUpPeriod: '240h' });
    void manager.start().catch(() => undefined);
    this.processes.push(Object.assign(process, { manager, link }));
  }

  private async live(ms: number): Promise<void> {
    this.machines.step();
    await this.clock.advance(ms);
  }

  /** What may happen in a second. */
  private async hazard(): Promise<void> {
    const { random } = this;
    if (random.next() < 0.08) await this.userChanges();
    if (this.rate === 0) return;
    const dice = random.next();
    const victim = this.processes[random.int(this.processes.length)];
    if (!victim) return;
    if (dice < 0.015) {
      victim.link.cut();
      this.processes = this.processes.filter((process) => process !== victim);
      this.spawn();
    } else if (dice < 0.03) victim.link.part(random.int(25_000));
    else if (dice < 0.035) victim.skewMs = random.int(1_200_000) - 600_000;
    else if (dice < 0.04) this.api.compact();
  }

  private async userChanges(): Promise<void> {
    const workload = this.workloads[this.random.int(this.workloads.length)];
    if (!workload) return;
    const key = keyOfWorkload(workload);
    const before = this.api.find(workload.resource, key.name, key.namespace);
    const patch = before && workload.change(this.random, before);
    if (!before || !patch) return;
    this.invariants.changing(before);
    await this.api.patch(workload.resource, key, patch, { type: 'application/merge-patch+json' });
  }

  /** Jobs that a user left suspended would never end. */
  private async resume(): Promise<void> {
    for (const { object, resource } of this.workloads) {
      const name = object.metadata?.name ?? '';
      if (resource.resource === 'jobs' && this.api.find(resource, name, namespace)) await this.api.patch(resource, { namespace, name }, { spec: { suspend: false } }, { type: 'application/merge-patch+json' });
    }
  }

  private wrong(): string[] {
    return this.workloads.flatMap((workload) => workload.wrong(this.api).map((text) => `${workload.resource.kind} ${workload.object.metadata?.name}: ${text}`));
  }

  /** A cluster that is as it should is left alone. */
  private async unrest(): Promise<string[]> {
    if (this.workloads.some(({ resource }) => resource.resource === 'cronjobs')) return [];
    for (let i = 0; i < 40; i++) await this.live(1_000);
    const before = this.writes.length;
    for (let i = 0; i < 6; i++) await this.live(10_000);
    const busy = this.writes.slice(before).filter(({ resource }) => resource.resource !== Leases.resource && resource.resource !== 'events');
    return busy.length ? [`${busy.length} writes with nothing to do, e.g. ${busy[0]?.verb} ${busy[0]?.resource.resource} ${JSON.stringify(busy[0]?.before)} ${JSON.stringify(busy[0]?.after)}`] : [];
  }

  /** Everything that is owned goes with its namespace or its owner. */
  private async leftovers(): Promise<string[]> {
    const first = this.workloads.find(({ object, resource }) => object.metadata?.namespace === namespace && resource.resource !== 'configmaps' && this.api.find(resource, object.metadata.name ?? '', namespace));
    if (first) await this.api.delete(first.resource, keyOfWorkload(first), { propagationPolicy: this.random.int(2) ? 'Foreground' : 'Background' });
    for (let i = 0; i < 12; i++) await this.live(5_000);
    const orphans = first ? this.dependents(first) : [];
    await this.api.delete(Namespaces, { name: namespace });
    for (let i = 0; i < 36 && this.api.find(Namespaces, namespace); i++) await this.live(5_000);
    const left = this.api.find(Namespaces, namespace) ? [`the namespace stays: ${JSON.stringify(this.api.find(Namespaces, namespace)?.status?.conditions?.filter(({ status }) => status === 'True'))}`] : [];
    // Data of volumes is deleted by pods, which end soon.
    for (let i = 0; i < 24 && this.api.objects(Pods).length; i++) await this.live(5_000);
    return [...orphans, ...left, ...this.api.objects(Pods).map((pod) => `pod ${pod.metadata?.name} is left`)];
  }

  private dependents({ object, resource }: Workload): string[] {
    if (this.api.find(resource, object.metadata?.name ?? '', namespace)) return [`${resource.kind} ${object.metadata?.name} does not go`];
    const app = object.metadata?.name ?? '';
    const pods: Pod[] = this.api.objects(Pods).filter((pod) => pod.metadata?.labels?.['app'] === app);
    return pods.map((pod) => `pod ${pod.metadata?.name} of ${controllerOf(pod)?.kind} ${controllerOf(pod)?.name} is left without owner`);
  }
}

function keyOfWorkload({ object: { metadata = {} } }: Workload): ObjectKey {
  return { name: metadata.name ?? '', ...(metadata.namespace ? { namespace: metadata.namespace } : {}) };
}

/** Some things a controller may have made before. */
function ignoreExisting(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

function bound(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, fn) => clock.after(ms, fn),
    every: (ms, fn) => clock.every(ms, fn),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };
}
