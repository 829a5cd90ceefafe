import { type ApiFaults, DiskFaults, faultyDisk } from '@orrery/chaos';
import type { ApiServer } from '@orrery/apiserver/component';
import type { ApiClient } from '@orrery/client';
import { MemoryLogs, MemoryVolumeHost } from '@orrery/cri';
import { type Clock, type Component, type Env, type Random, VirtualClock, createLogger, createMetrics, seededRandom } from '@orrery/runtime';
import { type Fabric, type VnetSwitch, createFabric } from '@orrery/vnet';
import { type Bystanders, type Connection, connection } from './connection.ts';
import { SimulatedCloud, cloudControllerManagerPart, csiDiskPart, diskServices } from './cloud-parts.ts';
import { atRest } from './ordered-crypto.ts';
import { type Machine, type Materials, type NodeOptions, apiServerPart, controllerManagerPart, coreDnsPart, nodePart, proxyPart, schedulerPart, storePart } from './parts.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { GraftedMounts } from './simulated-disks.ts';

export interface SimulationOptions {
  /** Decides everything that is left to chance. Default 1. */
  readonly seed?: number;
  /** Default 3. */
  readonly nodes?: number;
  /** Zone of the i-th node; default: none. */
  readonly zone?: (index: number) => string;
  /** Components to leave out: scheduler, controller-manager, kube-proxy, coredns, cloud-controller-manager, csi-disk. */
  readonly without?: readonly string[];
  /** With a cloud, whose instances the nodes are, the cloud-controller-manager and the driver of the cloud's disks. Default false. */
  readonly cloud?: boolean;
  /** When the simulation begins, milliseconds since the epoch. Default 2026-01-01. */
  readonly startMs?: number;
}

/** A program of the simulated cluster: it can be killed and started again. */
interface Program {
  readonly name: string;
  create(): Component;
  running: Component | undefined;
  link: { cut(): void } | undefined;
  /** Nobody starts it again. */
  heldDown: boolean;
}

interface LogLine {
  readonly component: string;
  readonly text: string;
}

/** How long a program that ended is gone before it is started again, milliseconds. */
const restartMs = 500;
const maxLogLines = 5_000;

const nodeName = (index: number): string => `node-${index + 1}`;
const nodeIp = (index: number): string => `10.240.${Math.floor((index + 11) / 256)}.${(index + 11) % 256}`;

/** A component's own view of the time: off by so much. */
function skewed(clock: Clock, byMs: () => number): Clock {
  return {
    now: () => clock.now() + byMs(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, fn) => clock.after(delayMs, fn),
    every: (periodMs, fn) => clock.every(periodMs, fn),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
  };
}

/** A whole cluster in this event loop on a virtual clock. The same seed and the same calls bring about the same history. */
export class Simulation {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly fabric: Fabric;
  readonly nodes: readonly string[];
  readonly diskFaults = new DiskFaults();
  /** By component: how far its clock is off, milliseconds. */
  readonly skews = new Map<string, number>();
  readonly cloud: SimulatedCloud | undefined;
  private readonly disk = new SimulatedDisk();
  private readonly machines = new Map<string, Machine>();
  private readonly programs = new Map<string, Program>();
  private readonly lines: LogLine[] = [];
  private readonly options: SimulationOptions;
  private readonly seed: number;
  private readonly apiFaults = new Map<string, Parameters<ApiFaults['add']>>();
  private apiServer: ApiServer | undefined;
  private readonly watchers: Bystanders = new Set();
  private stopped = false;

  constructor(options: SimulationOptions) {
    this.options = options;
    this.seed = options.seed ?? 1;
    this.clock = new VirtualClock({ drain: atRest, ...(options.startMs === undefined ? {} : { startMs: options.startMs }) });
    this.random = seededRandom(this.seed);
    this.fabric = createFabric({ ...this.env('vnet') });
    this.nodes = Array.from({ length: options.nodes ?? 3 }, (_, index) => nodeName(index));
    const machines = this.nodes.map((name, index) => ({ name, ip: nodeIp(index), zone: options.zone?.(index) ?? '' }));
    this.cloud = options.cloud ? new SimulatedCloud({ clock: this.clock, machines }) : undefined;
  }

  /** Resolves when everything was started; nodes become Ready as time goes on. */
  async start(): Promise<void> {
    const infra = this.fabric.addSwitch({ node: 'orrery-infra', nodeIp: '10.240.0.2' });
    const disk = faultyDisk({ disk: this.disk, faults: this.diskFaults, clock: this.clock, random: seededRandom(this.seed + 1) });
    const materials: Materials = { env: (name) => this.env(name), fabric: this.fabric, infra, disk, machine: (node) => this.machine(node), nodeZone: this.options.zone ?? (() => '') };
    let store: ReturnType<typeof storePart> | undefined;
    this.add('store', () => (store = storePart(materials)));
    this.add('apiserver', () => {
      const channel = { call: (...args: Parameters<ReturnType<NonNullable<typeof store>['channel']>['call']>) => (store as NonNullable<typeof store>).channel().call(...args), close: () => undefined };
      return (this.apiServer = apiServerPart(materials, channel as ReturnType<NonNullable<typeof store>['channel']>));
    });
    this.addClient('scheduler', 'system:kube-scheduler', (link) => schedulerPart(materials, link.api));
    this.addClient('controller-manager', 'system:kube-controller-manager', (link) => controllerManagerPart(materials, link.api, (account) => this.linkAs(link, `system:serviceaccount:kube-system:${account}`, ['system:serviceaccounts', 'system:serviceaccounts:kube-system'])));
    this.addClient('kube-proxy', 'system:kube-proxy', (link) => proxyPart(materials, link.api, this.nodes));
    this.addClient('coredns', 'system:coredns', (link) => coreDnsPart(materials, link.api), ['orrery:components']);
    if (this.cloud) this.addCloud(this.cloud, infra);
    this.nodes.forEach((name, index) => this.addClient(`kubelet-${name}`, `system:node:${name}`, (link) => nodePart(materials, link.api, { name, index, ...this.ofCloud(name, link) }), ['system:nodes']));
    for (const program of this.programs.values()) await this.launch(program);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const program of [...this.programs.values()].reverse()) {
      program.link?.cut();
      const { running } = program;
      program.running = undefined;
      // What hangs on time that does not come any more ends with this world.
      if (running) void running.stop().catch((error: unknown) => this.note(program.name, String(error)));
      await atRest();
    }
  }

  /** A client that acts as a user, whichever API server there is. */
  client(user: string, groups: readonly string[]): ApiClient {
    return this.connect(user, groups).api;
  }

  components(): string[] {
    return [...this.programs.keys()];
  }

  isRunning(name: string): boolean {
    return this.programs.get(name)?.running !== undefined;
  }

  /** Ends a program without a word; it is started again after a while, unless it is held down. */
  async kill(name: string, { holdDown = false } = {}): Promise<void> {
    const program = this.program(name);
    const { running } = program;
    program.link?.cut();
    program.running = undefined;
    program.heldDown = holdDown;
    if (name === 'apiserver') this.loseApiServer();
    // Its timers and listeners end with it; what it would still say goes nowhere.
    if (running) void running.stop().catch((error: unknown) => this.note(name, `ended: ${String(error)}`));
    if (name === 'store') this.disk.breakLocks();
    if (!holdDown) this.startLater(program);
  }

  /** Stops a program in good order and starts it again. */
  async restart(name: string): Promise<void> {
    const program = this.program(name);
    const { running } = program;
    await running?.stop();
    program.running = undefined;
    if (name === 'apiserver') this.loseApiServer();
    await this.launch(program);
  }

  /** Starts what was held down. */
  async release(name: string): Promise<void> {
    const program = this.program(name);
    program.heldDown = false;
    if (!program.running) await this.launch(program);
  }

  addApiFault(...fault: Parameters<ApiFaults['add']>): void {
    this.apiFaults.set(fault[0], fault);
    this.faults()?.add(...fault);
  }

  removeApiFault(id: string): void {
    this.apiFaults.delete(id);
    this.faults()?.remove(id);
  }

  /** Warnings and errors of components, oldest first. */
  logs(component?: string): string[] {
    return this.lines.filter((line) => component === undefined || line.component === component).map((line) => `${line.component}: ${line.text}`);
  }

  /** With a process its connections end, and whoever was at the other end sees that. */
  private loseApiServer(): void {
    this.apiServer = undefined;
    for (const lost of [...this.watchers]) lost();
  }

  private faults(): ApiFaults | undefined {
    return this.apiServer?.core.registry.faults;
  }

  private env(component: string): Env {
    const clock = skewed(this.clock, () => this.skews.get(component) ?? 0);
    const log = createLogger({ now: () => this.clock.now(), level: 'warn', write: ({ level, message, fields }) => this.note(component, `${new Date(this.clock.now()).toISOString()} ${level} ${message} ${JSON.stringify({ ...fields, error: fields['error'] === undefined ? undefined : String(fields['error']) })}`) });
    let hash = this.seed;
    for (const letter of component) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
    return { clock, random: seededRandom(hash), log, metrics: createMetrics() };
  }

  private note(component: string, text: string): void {
    this.lines.push({ component, text });
    if (this.lines.length > maxLogLines) this.lines.shift();
  }

  private machine(node: string): Machine {
    let machine = this.machines.get(node);
    if (!machine) {
      const ip = nodeIp(this.nodes.indexOf(node));
      const volumes = new MemoryVolumeHost(() => this.clock.now());
      machine = { volumes, disks: this.cloud && new GraftedMounts(volumes, this.cloud.disks), logs: new MemoryLogs(), ip, netSwitch: this.fabric.addSwitch({ node, nodeIp: ip }) };
      this.machines.set(node, machine);
    }
    return machine;
  }

  private program(name: string): Program {
    const program = this.programs.get(name);
    if (!program) throw new Error(`there is no component ${JSON.stringify(name)}; there are: ${this.components().join(', ')}`);
    return program;
  }

  private add(name: string, create: () => Component): Program | undefined {
    if (this.options.without?.includes(name)) return undefined;
    const program: Program = { name, create, running: undefined, link: undefined, heldDown: false };
    this.programs.set(name, program);
    return program;
  }

  private addCloud(cloud: SimulatedCloud, infra: VnetSwitch): void {
    const program: Program | undefined = this.add('cloud', () => cloud.part(this.env('cloud'), infra, (link) => program && (program.link = link)));
    this.addClient('cloud-controller-manager', 'system:cloud-controller-manager', (link) => cloudControllerManagerPart(this.env('cloud-controller-manager'), link.api, cloud.channel(link)), ['orrery:components']);
    this.addClient('csi-disk', 'system:csi-disk', (link) => csiDiskPart(this.env('csi-disk'), link.api, cloud.channel(link)), ['orrery:components']);
  }

  /** What a node has of the cloud. */
  private ofCloud(node: string, link: Connection): Pick<NodeOptions, 'isInstance' | 'plugins'> {
    const { cloud } = this;
    const { disks: mounts } = this.machine(node);
    if (!cloud || !mounts) return { isInstance: false, plugins: undefined };
    const services = (): ReturnType<typeof diskServices> => diskServices(this.env(`csi-disk-${node}`), { api: this.linkAs(link, 'system:csi-disk', ['orrery:components']), cloud: cloud.channel(link) }, { name: node, mounts, disks: cloud.disks });
    return { isInstance: this.programs.has('cloud-controller-manager'), plugins: this.programs.has('csi-disk') ? services() : undefined };
  }

  private addClient(name: string, user: string, create: (link: Connection) => Component, groups: readonly string[] = []): void {
    const program: Program | undefined = this.add(name, () => {
      const link = this.connect(user, groups);
      if (program) program.link = link;
      return create(link);
    });
  }

  private connect(user: string, groups: readonly string[]): Connection {
    let known: { server: ApiServer; client: ApiClient } | undefined;
    return connection(() => {
      const server = this.apiServer;
      if (!server?.ready()) return undefined;
      if (known?.server !== server) known = { server, client: server.client({ username: user, groups: [...groups, 'system:authenticated'] }) };
      return known.client;
    }, this.watchers);
  }

  /** Another user on the connection of a process: both die together. */
  private linkAs(link: Connection, user: string, groups: readonly string[]): ApiClient {
    const own = this.connect(user, groups);
    const cut = link.cut;
    Object.assign(link, {
      cut: () => {
        cut();
        own.cut();
      },
    });
    return own.api;
  }

  private async launch(program: Program): Promise<void> {
    const component = program.create();
    program.running = component;
    await component.start();
    if (program.name === 'apiserver') for (const fault of this.apiFaults.values()) this.faults()?.add(...fault);
  }

  private startLater(program: Program): void {
    this.clock.after(restartMs, () => {
      if (this.stopped || program.running || program.heldDown) return;
      this.launch(program).catch((error: unknown) => {
        this.note(program.name, `did not start: ${String(error)}`);
        void program.running?.stop().catch(() => undefined);
        program.running = undefined;
        this.startLater(program);
      });
    });
  }
}
