import type { Node, Pod } from '@orrery/api/types';
import { type ApiClient, type EventRecorder, createEventRecorder } from '@orrery/client';
import type { LogSource, ManifestReader, VolumeHost } from '@orrery/cri';
import type { Channel } from '@orrery/rpc';
import type { Component, Env } from '@orrery/runtime';
import type { KubeletConfig } from './config.ts';
import type { KubeletConfiguration } from './configuration/types.ts';
import { CsiDrivers } from './csi/csi-drivers.ts';
import { CsiVolumes } from './csi/csi-volumes.ts';
import { ClaimManager } from './claims/claim-manager.ts';
import { DraDrivers } from './claims/dra-drivers.ts';
import { SliceWiper } from './claims/slice-wiper.ts';
import { DeviceManager } from './devices/device-manager.ts';
import { EvictionManager } from './eviction/eviction-manager.ts';
import { ImageCollector } from './images/image-collector.ts';
import { ImageManager } from './images/image-manager.ts';
import { parallelPulls } from './images/pull-gate.ts';
import { PullRecords, defaultPolicy } from './images/pull-records.ts';
import type { KubeletContext } from './kubelet-context.ts';
import type { Journal } from './logs/journal.ts';
import { LogRotator } from './logs/log-rotator.ts';
import { NodeAgent } from './node/node-agent.ts';
import { kubeletVersion } from './node/node-status.ts';
import { isStatic } from './pods/pod-spec.ts';
import { DeadContainers } from './pods/dead-containers.ts';
import { OrphanedPods } from './pods/orphaned-pods.ts';
import { PodManager } from './pods/pod-manager.ts';
import type { StartGate } from './pods/start-gate.ts';
import { UserNamespaces, defaultIdsPerPod } from './pods/user-namespaces.ts';
import type { PluginHost } from './plugins/plugin-host.ts';
import { PluginWatcher } from './plugins/plugin-watcher.ts';
import { type PodDialer, PodNetwork, type SecureTransports } from './probes/pod-network.ts';
import { Prober } from './probes/prober.ts';
import { CriRuntime } from './runtime/cri-runtime.ts';
import { RuntimeEvents } from './runtime/runtime-events.ts';
import { ShutdownManager } from './shutdown/shutdown-manager.ts';
import { type KubeletSources, type NodeFeed, createKubeletSources } from './sources/kubelet-sources.ts';
import { MirrorPods, isMirror } from './static-pods/mirror-pods.ts';
import { type FetchManifest, StaticPods } from './static-pods/static-pods.ts';
import { StatusManager } from './status/status-manager.ts';
import { TokenManager } from './volumes/token-manager.ts';
import { VolumeManager } from './volumes/volume-manager.ts';

export { type KubeletConfig, kubeletSchema } from './config.ts';
export { loadConfiguration } from './configuration/load.ts';
export { settingsOf } from './configuration/settings.ts';
export type { KubeletConfiguration } from './configuration/types.ts';
export { type Journal, createJournal } from './logs/journal.ts';
export { type KubeletServer, type KubeletServerDeps, createKubeletServer, kubeletServerSchema } from './server/kubelet-server.ts';
export { memoryPlugins } from './plugins/memory-plugins.ts';
export type { PluginHost } from './plugins/plugin-host.ts';
export { type StartGate, createStartGate } from './pods/start-gate.ts';
export { type KubeletSources, createKubeletSources } from './sources/kubelet-sources.ts';

export interface KubeletDeps {
  readonly api: ApiClient;
  /** The container runtime (CRI v1 RuntimeService and ImageService). */
  readonly cri: Channel;
  /** Where volumes go; the runtime mounts from the same place. */
  readonly volumes: VolumeHost;
  /** Other kubelets keep their pods in the same directories: what is no pod of this one is not for it to remove. */
  readonly sharesDirectories?: boolean;
  /** Where the runtime's logs are. */
  readonly logs: LogSource;
  /** What the process logged, for those who ask the node for it. */
  readonly journal?: Journal;
  /** Way into the pods' network, for probes and hooks over the network. */
  readonly dialer?: PodDialer;
  readonly secure?: SecureTransports;
  /** Shared by the kubelets of a process; without it the kubelet has its own. */
  readonly sources?: KubeletSources;
  /** Where manifests of static pods are read from. */
  readonly manifests?: ManifestReader;
  /** Where plug-ins of the node (CSI drivers) are met; without it there are none. */
  readonly plugins?: PluginHost;
  readonly fetchManifest?: FetchManifest;
  /** KubeletConfiguration that the settings were read from, for /configz. */
  readonly configuration?: KubeletConfiguration;
  /** Shared by the kubelets of a process. */
  readonly events?: EventRecorder;
  /** Shared by the kubelets of a process that has many; without it pods begin when they come. */
  readonly starts?: StartGate;
}

export interface Kubelet extends Component {
  readonly nodeName: string;
  readonly context: KubeletContext;
  readonly pods: PodManager;
  /** The node as the API server last showed it. */
  node(): Node;
  /** The machine goes down: ends its pods in an orderly way (`--shutdown-grace-period`). Resolves when that is done. */
  shutdown(): Promise<void>;
  /** It does not after all. */
  cancelShutdown(): void;
}

function filtered(events: EventRecorder, which: string): EventRecorder {
  if (which === 'all') return events;
  return {
    event: (resource, object, input) => {
      if (which === 'warnings' && input.type === 'Warning') events.event(resource, object, input);
    },
    flush: () => events.flush(),
  };
}

class KubeletComponent implements Kubelet {
  readonly name: string;
  readonly nodeName: string;
  readonly context: KubeletContext;
  readonly pods: PodManager;
  private readonly agent: NodeAgent;
  private readonly evictions: EvictionManager;
  private readonly drivers: CsiDrivers | undefined;
  private readonly csi: CsiVolumes | undefined;
  private readonly devices: DeviceManager | undefined;
  private readonly draDrivers: DraDrivers | undefined;
  private readonly watcher: PluginWatcher | undefined;
  private readonly shutdowns: ShutdownManager;
  private readonly collector: ImageCollector;
  private readonly rotator: LogRotator;
  private readonly dead: DeadContainers;
  private readonly orphans: OrphanedPods | undefined;
  private readonly statics: StaticPods;
  private readonly mirrors: MirrorPods;
  private readonly runtimeEvents: RuntimeEvents;
  private readonly tokens: TokenManager;
  private readonly ownSources: boolean;
  private readonly feeds: NodeFeed<unknown>[] = [];
  private readonly controller = new AbortController();
  private networkReady = false;
  private serving = false;

  constructor(env: Env, deps: KubeletDeps, config: KubeletConfig) {
    this.nodeName = config.nodeName;
    this.name = `kubelet/${config.nodeName}`;
    const { api, plugins } = deps;
    const runtime = new CriRuntime(deps.cri);
    const events = filtered(deps.events ?? createEventRecorder(env, { api, component: 'kubelet', host: config.nodeName }), config.eventRecords);
    this.ownSources = deps.sources === undefined;
    this.tokens = new TokenManager(env, { api });
    this.agent = new NodeAgent(env, { api, runtime, config, nodeName: this.nodeName, checked: () => this.checked(), events, pressures: () => this.evictions.conditions, volumesInUse: () => this.csi?.inUse() ?? [], devices: () => this.devices?.amounts() ?? { capacity: {}, allocatable: {} }, isShuttingDown: () => this.shutdowns.isShuttingDown });
    if (plugins) {
      this.drivers = new CsiDrivers({ api, host: plugins, nodeName: this.nodeName, node: () => this.agent.node });
      this.csi = new CsiVolumes({ clock: env.clock, log: env.log, events, api, host: deps.volumes, drivers: this.drivers, nodeName: this.nodeName, rootDir: config.rootDir, changed: () => void this.agent.check() });
      this.devices = new DeviceManager(env, { host: plugins, files: deps.volumes, dir: `${config.rootDir}/device-plugins`, changed: () => void this.agent.check(), touched: (uid) => this.pods.trigger(uid) });
      this.draDrivers = new DraDrivers(env, { host: plugins, slices: new SliceWiper(env, { api, nodeName: this.nodeName }), heard: (driver, devices) => this.context.claims.heard(driver, devices) });
      this.watcher = new PluginWatcher(env, { host: plugins, dir: `${config.rootDir}/plugins_registry`, handlers: [this.drivers, this.draDrivers] });
    }
    const network = deps.dialer && new PodNetwork(env.clock, { dialer: deps.dialer, ...(deps.secure ? { secure: deps.secure } : {}) });
    const actions = { clock: env.clock, runtime, network };
    this.context = {
      env,
      config,
      configuration: deps.configuration,
      nodeName: this.nodeName,
      api,
      runtime,
      recursiveReadOnly: () => this.agent.health.handlers?.every(({ features }) => features?.recursiveReadOnlyMounts) ?? false,
      runtimeName: () => this.agent.runtimeVersion.name,
      events,
      starts: deps.starts,
      statuses: new StatusManager(env, { api, delayMs: config.statusDelayMs, shownAs: (pod) => (isStatic(pod) ? this.mirrors.of(pod) : pod) }),
      sources: deps.sources ?? createKubeletSources(env, { api }),
      volumes: new VolumeManager({ api, events, host: deps.volumes, tokens: this.tokens, rootDir: config.rootDir, node: () => this.agent.node, csi: this.csi, givesToGroup: (driver) => this.drivers?.get(driver)?.can.has('group') ?? false }),
      userNamespaces: new UserNamespaces({ host: deps.volumes, rootDir: config.rootDir, idsPerPod: deps.configuration?.userNamespaces?.idsPerPod ?? defaultIdsPerPod, supports: (handler) => this.agent.health.handlers?.find(({ name = '' }) => name === handler)?.features?.userNamespaces ?? false }),
      host: deps.volumes,
      logs: deps.logs, journal: deps.journal,
      images: new ImageManager(env, { runtime, events, deadlineMs: config.imagePullProgressDeadlineSeconds * 1000, parallel: parallelPulls(config), records: new PullRecords({ host: deps.volumes, rootDir: config.rootDir, verification: { policy: deps.configuration?.imagePullCredentialsVerificationPolicy ?? defaultPolicy, allowlist: deps.configuration?.preloadedImagesVerificationAllowlist ?? [] } }) }),
      prober: new Prober(env, { deps: actions, events, version: kubeletVersion.slice(1, 5), changed: (uid) => this.pods.trigger(uid) }),
      actions,
      node: () => this.agent.node,
      hostIps: () => config.nodeIps,
      devices: this.devices,
      claims: new ClaimManager(env, { api, files: deps.volumes, rootDir: config.rootDir, drivers: this.draDrivers, isActive: (uid) => this.pods.get(uid) !== undefined, changed: (uid) => this.pods.trigger(uid) }),
      admit: (pod) => this.shutdowns.admit(pod) ?? this.evictions.admit(pod),
      networkProblem: () => (this.agent.health.networkReady ? undefined : this.agent.health.problems.join(', ')),
    };
    this.pods = new PodManager(this.context, { finished: (uid) => this.statics.gone(uid) });
    this.mirrors = new MirrorPods(env, {
      api,
      node: () => this.agent.node,
      statics: () => this.statics.list(),
      mirrored: (uid) => this.context.statuses.shown(uid),
    });
    this.statics = new StaticPods(env, {
      config,
      nodeName: this.nodeName,
      manifests: deps.manifests,
      fetchManifest: deps.fetchManifest,
      add: (pod) => this.pods.add(pod),
      remove: (pod) => this.pods.remove(pod),
      holder: (pod) => this.pods.find(pod.metadata?.namespace ?? '', pod.metadata?.name ?? '')?.uid,
      changed: () => this.mirrors.reconcile(),
    });
    this.shutdowns = new ShutdownManager(env, { kubelet: this, changed: () => void this.agent.check() });
    this.evictions = new EvictionManager(env, { kubelet: this, changed: () => void this.agent.check(), reclaimDisk: () => this.collector.collect({ all: true }) });
    this.collector = new ImageCollector(env, this);
    this.rotator = new LogRotator(env, this);
    this.dead = new DeadContainers(env, this);
    this.orphans = deps.sharesDirectories ? undefined : new OrphanedPods(env, this);
    this.runtimeEvents = new RuntimeEvents(env, { runtime, changes: { changed: this.pods.runtimeChanged.bind(this.pods), lost: () => this.runtimeLost() }, relistMs: config.relistSeconds * 1000 });
  }

  async start(signal?: AbortSignal): Promise<void> {
    const abort = (): void => this.controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const stop = this.controller.signal;
    const { sources } = this.context;
    try {
      await this.agent.start(stop);
      await this.devices?.start();
      await this.context.claims.start();
      await this.context.images.load();
      this.feeds.push(sources.node(this.nodeName, { add: (node) => this.agent.observe(node), update: (node) => this.agent.observe(node) }));
      this.pods.adopt(await this.agent.persist(() => this.context.runtime.pods(), stop));
      this.runtimeEvents.start();
      await sources.services.whenSynced(stop);
      await this.statics.start();
      const feed = sources.pods(this.nodeName, {
        add: (pod) => (isMirror(pod) ? this.mirrors.observe(pod) : this.pods.add(pod)),
        update: (pod, old) => (isMirror(pod) ? this.mirrors.observe(pod) : this.pods.replace(pod, old)),
        delete: (pod) => (isMirror(pod) ? this.mirrors.remove(pod) : this.pods.remove(pod)),
      });
      this.feeds.push(feed);
      await feed.ready(stop);
      this.mirrors.start();
      this.pods.removeOrphans();
      this.context.claims.watch();
      await this.orphans?.start();
      this.evictions.start();
      this.draDrivers?.start();
      this.watcher?.start();
      this.shutdowns.start();
      this.collector.start();
      this.rotator.start();
      this.dead.start();
      this.serving = true;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async stop(): Promise<void> {
    this.serving = false;
    this.controller.abort(new Error('kubelet stopped'));
    for (const feed of this.feeds.splice(0)) feed.stop();
    this.agent.stop();
    this.evictions.stop();
    this.watcher?.stop();
    this.csi?.stop();
    await this.drivers?.close();
    await this.devices?.stop();
    this.draDrivers?.close();
    await this.context.claims.stop();
    this.shutdowns.stop();
    this.collector.stop();
    this.rotator.stop();
    this.dead.stop();
    this.orphans?.stop();
    this.statics.stop();
    this.mirrors.stop();
    this.runtimeEvents.stop();
    this.context.prober.stop();
    this.pods.stop();
    this.context.statuses.stop();
    if (this.ownSources) this.context.sources.stop();
    await this.context.events.flush();
  }

  ready(): boolean {
    return this.serving && this.agent.ready;
  }

  node(): Node {
    return this.agent.node;
  }

  shutdown(): Promise<void> {
    return this.shutdowns.begin();
  }

  cancelShutdown(): void {
    this.shutdowns.cancel();
  }

  /** It may have been restarted: then it has forgotten the pod range and all pods. */
  private runtimeLost(): void {
    void this.agent.check().then(() => this.pods.runtimeLost());
  }

  /** After each look at the runtime: pods that waited for the network go on; tokens that are due are renewed. */
  private checked(): void {
    const ready = this.agent.health.networkReady;
    if (ready && !this.networkReady) for (const worker of this.pods.list()) worker.trigger();
    this.networkReady = ready;
    this.pods.refreshVolumes(this.tokens.due());
  }
}

/**
 * A kubelet for one node. `start` resolves once the node is registered and its pods are being driven; `ready` says that
 * the runtime and its network are ready too. Any number may live in one process.
 */
export function createKubelet(env: Env, deps: KubeletDeps, config: KubeletConfig): Kubelet {
  return new KubeletComponent(env, deps, config);
}

/** The pods a kubelet knows, as the API server last showed them. */
export function podsOf(kubelet: Kubelet): Pod[] {
  return [...kubelet.pods.list()].map((worker) => worker.pod);
}

