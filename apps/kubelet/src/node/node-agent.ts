import { Nodes } from '@orrery/api';
import type { Node, NodeStatus } from '@orrery/api/types';
import { type ApiClient, type EventRecorder, deepEqual } from '@orrery/client';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import type { Env, Timer } from '@orrery/runtime';
import type { KubeletConfig } from '../config.ts';
import type { Pressure } from '../eviction/thresholds.ts';
import type { CriRuntime, RuntimeHealth } from '../runtime/cri-runtime.ts';
import { NodeLease } from './node-lease.ts';
import { type NodeFacts, addressesPatch, newNode, nodeStatus, pressureReasons } from './node-status.ts';

export interface NodeAgentOptions {
  readonly api: ApiClient;
  readonly runtime: CriRuntime;
  readonly config: KubeletConfig;
  readonly nodeName: string;
  readonly events: EventRecorder;
  /** Called after every look at the runtime, in case its readiness changed. */
  readonly checked: (health: RuntimeHealth) => void;
  readonly pressures: () => readonly Pressure[];
  readonly devices: () => NodeFacts['devices'];
  readonly volumesInUse: () => readonly string[];
  readonly isShuttingDown: () => boolean;
}

const fastCheckMs = 500;
const maxImages = 50;
/** Kubelets of one process do together what they do within so much of each other. */
const sharedMs = 250;
const ownConditions: readonly string[] = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'];

/** The kubelet's part of a status without the times of heartbeats: what counts as a change. */
function comparable({ capacity, allocatable, conditions = [], addresses, daemonEndpoints, nodeInfo, volumesInUse = [] }: NodeStatus): unknown {
  const own = conditions.filter(({ type }) => ownConditions.includes(type)).map((condition) => ({ ...condition, lastHeartbeatTime: '' }));
  return { capacity, allocatable, conditions: own, addresses, daemonEndpoints, nodeInfo, volumesInUse };
}

/** The kubelet's share in the Node object: registration, status, lease, pod addresses. */
export class NodeAgent {
  node: Node;
  health: RuntimeHealth = { runtimeReady: false, networkReady: false, problems: ['container runtime status check may not have completed yet'] };
  runtimeVersion = { name: '', version: '' };
  private readonly env: Env;
  private readonly options: NodeAgentOptions;
  private readonly lease: NodeLease;
  private readonly machineId: string;
  private readonly bootId: string;
  private readonly timers: Timer[] = [];
  private fast: Timer | undefined;
  private checking: Promise<void> | undefined;
  private lastReportMs = -Infinity;
  private podCidr = '';
  private images: NonNullable<NodeStatus['images']> = [];
  private pressures: readonly Pressure[] = [];
  private stopped = false;

  constructor(env: Env, options: NodeAgentOptions) {
    this.env = env;
    this.options = options;
    this.node = newNode(options);
    this.lease = new NodeLease(env, { api: options.api, nodeName: options.nodeName, durationSeconds: options.config.leaseDurationSeconds, owner: () => this.node });
    this.machineId = env.random.uuid().replaceAll('-', '');
    this.bootId = env.random.uuid();
  }

  /** Registers the node and begins to report; retries until the API server and the runtime answer. */
  async start(signal: AbortSignal): Promise<void> {
    const { runtime, config } = this.options;
    this.runtimeVersion = await this.persist(() => runtime.version(), signal);
    this.node = await this.persist(() => this.register(), signal);
    if (config.registerNode) this.env.log.info('node registered', { node: this.options.nodeName });
    await this.check();
    void this.lease.renew();
    this.repeat(config.statusUpdateSeconds * 1000, () => void this.check());
    this.repeat((config.leaseDurationSeconds * 1000) / 4, () => void this.lease.renew());
  }

  stop(): void {
    this.stopped = true;
    this.fast?.cancel();
    for (const timer of this.timers) timer.cancel();
  }

  /** The API server shows a new state of the node. */
  observe(node: Node): void {
    this.node = node;
    if (this.wantedCidr() !== this.podCidr) void this.check();
  }

  get ready(): boolean {
    return !this.options.isShuttingDown() && this.health.runtimeReady && this.health.networkReady;
  }

  /** Looks at the runtime and reports what changed; calls that overlap share one run. */
  check(): Promise<void> {
    this.checking ??= this.runCheck().finally(() => (this.checking = undefined));
    return this.checking;
  }

  private async runCheck(): Promise<void> {
    if (this.stopped) return;
    const before = this.ready;
    await this.lookAtRuntime();
    if (before !== this.ready) this.record(this.ready ? 'NodeReady' : 'NodeNotReady');
    this.recordPressures();
    try {
      await this.report();
    } catch (error) {
      this.env.log.warn('node status was not sent', { error: (error as Error).message });
    }
    if (this.stopped) return;
    this.fast?.cancel();
    this.fast = this.ready ? undefined : this.env.clock.after(fastCheckMs, () => void this.check());
  }

  private async lookAtRuntime(): Promise<void> {
    const { runtime } = this.options;
    try {
      this.health = await runtime.health();
      if (!this.health.networkReady && this.wantedCidr()) {
        // The runtime has not been told, or has restarted and forgotten.
        await this.usePodCidr(this.wantedCidr());
        this.health = await runtime.health();
      }
    } catch (error) {
      this.health = { runtimeReady: false, networkReady: false, problems: [`container runtime is down: ${(error as Error).message}`] };
    }
    this.options.checked(this.health);
  }

  /** Tells of each pressure condition that has changed, as `NodeHasInsufficientMemory` or the like. */
  private recordPressures(): void {
    const now = this.options.pressures();
    for (const { type, enough, short } of pressureReasons) {
      const [was, is] = [this.pressures.includes(type), now.includes(type)];
      if (was !== is) this.record((is ? short : enough)[0].replace('Kubelet', 'Node'));
    }
    this.pressures = now;
  }

  private record(reason: string): void {
    this.options.events.event(Nodes, this.node, { type: 'Normal', reason, message: `Node ${this.options.nodeName} status is now: ${reason}` });
  }

  private wantedCidr(): string {
    const { podCIDR = '', podCIDRs = [podCIDR] } = this.node.spec ?? {};
    return this.options.config.podCidr || podCIDRs.join(',');
  }

  private async usePodCidr(cidr: string): Promise<void> {
    await this.options.runtime.setPodCidr(cidr);
    this.podCidr = cidr;
  }

  private facts(): NodeFacts {
    const { config, nodeName } = this.options;
    return { config, nodeName, runtime: this.runtimeVersion, health: this.health, ips: config.nodeIps, machineId: this.machineId, bootId: this.bootId, images: this.images, pressures: this.options.pressures(), isShuttingDown: this.options.isShuttingDown(), volumesInUse: this.options.volumesInUse(), devices: this.options.devices() };
  }

  private async register(): Promise<Node> {
    const { api, config, nodeName } = this.options;
    const draft = newNode(this.options);
    if (!config.registerNode) return api.get(Nodes, { name: nodeName });
    try {
      return await api.create(Nodes, { ...draft, status: nodeStatus(this.facts(), {}, this.env.clock.now()) });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const { labels, annotations } = draft.metadata ?? {};
    return api.patch(Nodes, { name: nodeName }, { metadata: { labels, annotations } }, { type: 'application/strategic-merge-patch+json' });
  }

  private async report(): Promise<void> {
    const { api, config, nodeName } = this.options;
    const { clock } = this.env;
    const due = clock.monotonic() - this.lastReportMs >= config.statusReportSeconds * 1000;
    if (due) await this.listImages();
    const old = this.node.status ?? {};
    const wanted = nodeStatus(this.facts(), old, clock.now());
    if (!due && deepEqual(comparable(old), comparable(wanted))) return;
    try {
      this.node = await api.patch(Nodes, { name: nodeName }, { status: { ...wanted, addresses: addressesPatch(old.addresses, wanted.addresses) } }, { subresource: 'status', type: 'application/strategic-merge-patch+json' });
      this.lastReportMs = clock.monotonic();
    } catch (error) {
      if (!isNotFound(error) || !config.registerNode) throw error;
      throw new Error(`node "${nodeName}" not found`);
    }
  }

  private async listImages(): Promise<void> {
    try {
      const { images = [] } = await this.options.runtime.clients.images.listImages({});
      this.images = images
        .map(({ repoTags = [], repoDigests = [], size = 0n }) => ({ names: [...repoDigests, ...repoTags], sizeBytes: Number(size) }))
        .sort((a, b) => b.sizeBytes - a.sizeBytes)
        .slice(0, maxImages);
    } catch (error) {
      this.env.log.debug('images could not be listed', { error });
    }
  }

  /** A period that begins at a random point, so that many nodes in one process do not report at once; those whose points are near each other do, and what they write shares messages and the store's writes to its disk. */
  private repeat(periodMs: number, run: () => void): void {
    const { clock, random } = this.env;
    const firstMs = Math.ceil((clock.monotonic() + random.next() * periodMs) / sharedMs) * sharedMs;
    this.timers.push(
      clock.after(firstMs - clock.monotonic(), () => {
        if (this.stopped) return;
        run();
        this.timers.push(clock.every(periodMs, run));
      }),
    );
  }

  async persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let waitMs = 100; ; waitMs = Math.min(5_000, waitMs * 2)) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        this.env.log.warn('node cannot start yet', { node: this.options.nodeName, error: (error as Error).message, retryMs: waitMs });
        await this.env.clock.sleep(waitMs, signal);
      }
    }
  }
}
