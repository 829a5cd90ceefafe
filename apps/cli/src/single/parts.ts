import { join } from 'node:path';
import { cloudSchema, createCloud } from '@orrery/cloud/component';
import { createCloudControllerManager } from '@orrery/cloud-controller-manager/component';
import { createCsiDisk, createDiskNode } from '@orrery/csi-disk/component';
import { type VolumeHost, directoryVolumeHost, diskContent } from '@orrery/cri';
import type { ApiClient, ThreadUser } from '@orrery/client';
import { createControllerManager, secretTokenSigner } from '@orrery/controller-manager/component';
import { addressAfter, coreDnsSchema, createCoreDns, createNodeCaches, createScaledDns } from '@orrery/coredns/component';
import { type KubeProxy, createKubeProxy } from '@orrery/kube-proxy/component';
import { createMetricsServer, metricsServerSchema, serviceDnsName } from '@orrery/metrics-server/component';
import { type Pki, type ProgramPages, appendState, balancerNetwork, componentIdentity, createHttpClient, csrSigner, dialHost, exposeNodePorts, folderContents, hostDns, loopbackAddresses, serveHttp } from '@orrery/node-io';
import type { Channel, ServedService } from '@orrery/rpc';
import { type Component, type Env, resolveConfig, stopAll } from '@orrery/runtime';
import { type Fabric, type Faults, NetError, type NetStack, type VnetSwitch, createFabric } from '@orrery/vnet';
import { unlessDown } from '../chaos/unless-down.ts';
import type { ClusterOptions } from '../cluster.ts';
import { extraSettings, isDualStack } from '../extra-config.ts';
import { loadBalancerRange } from '../load-balancer-range.ts';
import { UserError } from '../user-error.ts';
import { instanceIpv6Range, network, nodeAddresses, podRange } from './addresses.ts';
import { dnsAnswers, nodesReady } from './readiness.ts';
import type { NodeControl } from './added-nodes.ts';
import { createCloudInstances } from './cloud-instances.ts';
import { singleIngress } from './ingress.ts';
import type { NodeFiles } from './node-files.ts';
import { type EmulatedNodes, createEmulatedNodes } from './nodes.ts';
import { singleScheduler } from './scheduler.ts';
import { withSecurePort } from './secure-port.ts';

/** What holds nothing that others in this process hold on to. */
const restartable = new Set(['scheduler', 'controller-manager', 'coredns', 'ingress', 'metrics-server']);

/** All of a cluster in one process but its store and its API server. */
export interface Parts {
  /** How the API server reaches pods and Services. */
  readonly net: Pick<NetStack, 'dial'>;
  /** Faults of the emulated network. */
  readonly links: Pick<Faults, 'partition' | 'heal' | 'setLink' | 'setNodeDown'>;
  readonly nodes: NodeControl;
  /** Once the API server answers. Resolves when all are started. */
  start(step: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** Resolves when every node is Ready and DNS answers. */
  untilReady(step: (text: string) => void, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** host:port by purpose. */
  found(): Readonly<Record<string, string>>;
  /** Stops a component in good order and starts another in its place; rejects in words where that cannot be. */
  restart(name: string): Promise<void>;
  /** Cuts the cloud off, or gives it back. */
  setCloudDown(down: boolean): void;
}

/** What they need of the rest of the cluster. */
export interface PartsDeps {
  readonly options: ClusterOptions;
  readonly pki: Pki;
  readonly env: (component: string) => Env;
  readonly client: (user: ThreadUser) => ApiClient;
  /** Of the API server, on the loopback. */
  readonly apiPort: () => number;
}

/** They call each other in memory; only their clients come over sockets. */
class ClusterParts implements Parts {
  private readonly deps: PartsDeps;
  private readonly options: ClusterOptions;
  private readonly pki: Pki;
  private readonly fabric: Fabric;
  private readonly infra: VnetSwitch;
  private readonly started: Component[] = [];
  /** Those that can be stopped and made anew while the rest runs. */
  private readonly programs = new Map<string, { readonly create: () => Component; running: Component }>();
  private readonly addresses: Record<string, string> = {};
  private emulated: EmulatedNodes | undefined;
  private cloudIsDown = false;
  private cloudChannel: Channel | undefined;
  private diskNodes: { readonly env: Env; readonly api: ApiClient; readonly usage: VolumeHost['usage'] } | undefined;

  constructor(deps: PartsDeps) {
    this.deps = deps;
    this.options = deps.options;
    this.pki = deps.pki;
    this.fabric = createFabric(this.env('vnet'), { hostGateway: { dial: ({ to }) => this.dialMachine(to) } });
    const [nodeIp = '', secondIp] = nodeAddresses(network.infraSwitch, isDualStack(this.options.extra));
    this.infra = this.fabric.addSwitch({ node: 'orrery-infra', nodeIp, secondIp });
  }

  get net(): NetStack {
    return this.infra.hostStack;
  }

  get links(): Faults {
    return this.fabric.faults;
  }

  get nodes(): NodeControl {
    if (!this.emulated) throw new UserError('the cluster is still starting: try again in a moment');
    return this.emulated.control;
  }

  async start(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    const proxy = this.kubeProxy();
    const dnsCaches = this.options.nodeLocalDns ? createNodeCaches(this.env('coredns'), { api: this.client('system:coredns', ['orrery:components'], 'node-local-dns') }, { clusterDomain: 'cluster.local', serviceIp: network.dnsService }) : undefined;
    const nodes = (this.emulated = createEmulatedNodes({
      options: this.options,
      fabric: this.fabric,
      pki: this.pki,
      env: (name) => this.env(name),
      client: (user, groups) => this.client(user, groups, 'kubelet'),
      proxy,
      ...(dnsCaches ? { dnsCaches } : {}),
      ...(this.has('cloud') && this.has('csi-disk') ? { plugins: (node: string, files: NodeFiles) => this.diskNode(node, files) } : {}),
    }));
    const optional: Record<string, () => Component> = {
      scheduler: () => this.scheduler(),
      'controller-manager': () => this.controllerManager(),
      cloud: () => this.cloud(),
      'kube-proxy': () => proxy,
      coredns: () => this.coreDns(),
      ingress: () => this.ingress(),
      'metrics-server': () => this.metricsServer(),
    };
    const wanted = Object.entries(optional).filter(([name]) => !this.options.without.has(name));
    const launch = (name: string, create: () => Component): Promise<void> => {
      const running = create();
      if (restartable.has(name)) this.programs.set(name, { create, running });
      return this.run(running, signal);
    };
    await Promise.all([...wanted.map(([name, create]) => launch(name, create)), this.run(nodes, signal), ...(dnsCaches ? [this.run(dnsCaches, signal)] : [])]);
    if (this.cloudChannel) await this.run(createCloudInstances(this.env('cloud'), { cloud: this.cloudChannel, host: nodes.instances }), signal);
    step(`${[...wanted.map(([name]) => name), `${this.options.nodes} kubelets`].join(', ')} started`);
  }

  async untilReady(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    await nodesReady({ api: this.admin(), count: this.options.nodes, signal });
    step(`${this.options.nodes} of ${this.options.nodes} nodes are Ready`);
    if (this.options.without.has('coredns') || this.options.without.has('kube-proxy')) return;
    await dnsAnswers({ net: this.infra.hostStack, server: network.dnsService, signal });
    step('DNS answers');
  }

  async stop(): Promise<void> {
    await stopAll(this.started.splice(0));
    this.infra.close();
  }

  found(): Readonly<Record<string, string>> {
    return this.addresses;
  }

  setCloudDown(down: boolean): void {
    this.cloudIsDown = down;
  }

  private has(name: string): boolean {
    return !this.options.without.has(name);
  }

  async restart(name: string): Promise<void> {
    const program = this.programs.get(name);
    if (!program) throw new Error(`in one process ${name} cannot be restarted alone; these can: ${[...this.programs.keys()].join(', ')}`);
    const { running } = program;
    await running.stop();
    program.running = program.create();
    this.started.splice(this.started.indexOf(running), 1, program.running);
    await program.running.start();
  }

  private env(name: string): Env {
    return this.deps.env(name);
  }

  /** As a program other than the one that its user is named after. */
  private client(username: string, groups: readonly string[] = [], program = username.replace('system:', '')): ApiClient {
    return this.deps.client({ username, groups: [...groups, 'system:authenticated'], program });
  }

  private admin(): ApiClient {
    return this.client('kubernetes-admin', ['system:masters'], 'orrery');
  }

  private async run(component: Component, signal: AbortSignal): Promise<void> {
    this.started.push(component);
    await component.start(signal);
  }

  /** Pods reach the API server, and nothing else of this machine. */
  private dialMachine(to: { ip: string; port: number }): ReturnType<typeof dialHost> {
    if (to.ip === network.host && to.port === this.deps.apiPort()) return dialHost({ host: '127.0.0.1', port: to.port });
    return Promise.reject(new NetError('EHOSTUNREACH', `${to.ip}:${to.port} is outside the emulated network`));
  }

  private kubeProxy(): KubeProxy {
    const env = this.env('kube-proxy');
    const nodePorts = exposeNodePorts({ net: this.infra.hostStack, hosts: loopbackAddresses(), log: env.log });
    const proxy = createKubeProxy(env, { api: this.client('system:kube-proxy'), nodePorts }, { minSyncPeriodMs: 5 });
    proxy.addNode({ nodeName: '', control: this.infra });
    return proxy;
  }

  /** With a port of its own, as the program has. */
  private withPort(user: string, groups: readonly string[], create: (env: Env, api: ApiClient) => Component & { readonly pages: ProgramPages }): Component {
    const api = this.client(user, groups);
    const env = this.env(user.replace(/^system:(kube-)?/, ''));
    return withSecurePort(create(env, api), { env, api, user, pki: this.pki, extra: this.options.extra, found: this.addresses });
  }

  private scheduler(): Component {
    return this.withPort('system:kube-scheduler', [], (env, api) => singleScheduler(env, api, this.options.extra));
  }

  private controllerManager(): Component {
    const apiAs = (account: string): ApiClient => this.client(`system:serviceaccount:kube-system:${account}`, ['system:serviceaccounts', 'system:serviceaccounts:kube-system'], 'kube-controller-manager');
    const own = { apiAs, rootCaPem: this.pki.caCert, signer: csrSigner({ cert: this.pki.caCert, key: this.pki.caKey }), tokenSigner: secretTokenSigner(this.pki.saKey), identity: 'single' };
    const settings = { clusterCidr: podRange(this.options.nodes), ...extraSettings('controller-manager', this.options.extra) };
    return this.withPort('system:kube-controller-manager', [], (env, api) => createControllerManager(env, { api, ...own }, settings));
  }

  private cloud(): Component {
    const { stack } = this.infra.attach({ ips: [network.cloud] });
    const cloud = createCloud(
      this.env('cloud'),
      {
        network: balancerNetwork(stack),
        state: appendState(join(this.options.dir.root, 'cloud.json')),
        contents: folderContents(join(this.options.dir.root, 'cloud-disks')),
        tls: { ca: this.pki.caCert, ...this.pki.servingCert('cloud', componentIdentity({ user: 'orrery:cloud', groups: [] })) },
      },
      resolveConfig(cloudSchema, [{ listen: '127.0.0.1:0', loadBalancerRange: loadBalancerRange(this.options.dir.root), ...(isDualStack(this.options.extra) ? { instanceIpv6Range } : {}) }]),
    );
    const channel = (this.cloudChannel = unlessDown(cloud.channel(), () => this.cloudIsDown));
    const parts: Component[] = [around(cloud, { started: () => (this.addresses['cloud'] = `127.0.0.1:${cloud.port()}`), stopped: () => delete this.addresses['cloud'] })];
    if (this.has('cloud-controller-manager')) parts.push(this.withPort('system:cloud-controller-manager', ['orrery:components'], (env, api) => createCloudControllerManager(env, { api, cloud: channel, identity: 'single' }, { leaderElect: true })));
    if (this.has('csi-disk')) parts.push(createCsiDisk(this.env('csi-disk'), { api: this.client('system:csi-disk', ['orrery:components']), cloud: channel, identity: 'single' }));
    return inOrder('cloud', parts);
  }

  /** The driver of the cloud's disks on a node of this process. */
  private diskNode(name: string, { disks }: NodeFiles): ReadonlyMap<string, readonly ServedService[]> {
    if (!this.cloudChannel) throw new Error('nodes come after the cloud');
    // Thousands of nodes share what is the same for all.
    const { env, api, usage } = (this.diskNodes ??= { env: this.env('csi-disk'), api: this.client('system:csi-disk', ['orrery:components']), usage: directoryVolumeHost({ stamp: () => '' }).usage });
    return createDiskNode(env, { api, cloud: this.cloudChannel }, { name, mounts: disks, usage, content: diskContent });
  }

  private coreDns(): Component {
    const env = this.env('coredns');
    const api = this.client('system:coredns', ['orrery:components']);
    const server = (n: number): Component & { address(): string } => {
      const { stack, detach } = this.infra.attach({ ips: [addressAfter(network.dns, n)] });
      const host = hostDns(n === 0 ? '127.0.0.1:0' : '');
      const dns = createCoreDns(env, { api, net: stack, host, replica: n === 0 ? 'single' : `single-${n}` }, resolveConfig(coreDnsSchema, [{ serviceIp: network.dnsService }]));
      return { ...around(dns, { started: () => undefined, stopped: detach }), address: () => dns.address() };
    };
    const first = server(0);
    return around(createScaledDns(env, { api, first, another: server }), { started: () => (this.addresses['dns'] = first.address()), stopped: () => undefined });
  }

  private metricsServer(): Component {
    const { cert, key } = this.pki.servingCert('metrics-server', { subject: { commonName: 'metrics-server' }, altNames: { dnsNames: [serviceDnsName] } });
    const client = this.pki.clientCert('system:metrics-server', ['orrery:components']);
    return createMetricsServer(
      this.env('metrics-server'),
      {
        api: this.client('system:metrics-server', ['orrery:components']),
        serveHttp,
        connectKubelet: ({ host, port }) => createHttpClient({ server: `https://${host}:${port}`, ca: this.pki.caCert, ...client, maxSockets: 8 }),
        tls: { cert, key, ca: this.pki.caCert },
      },
      resolveConfig(metricsServerSchema, [{ securePort: 0 }, extraSettings('metrics-server', this.options.extra)]),
    );
  }

  private ingress(): Component {
    let detach = (): void => undefined;
    const attach = (ip: string): NetStack => {
      const place = this.infra.attach({ ips: [ip] });
      detach = place.detach;
      return place.stack;
    };
    const ingress = singleIngress(this.env('ingress'), { api: this.client('system:ingress', ['orrery:components'], 'nginx-ingress-controller'), attach, extra: this.options.extra });
    return around(ingress, { started: () => Object.assign(this.addresses, { 'ingress-http': ingress.endpoints().http, 'ingress-https': ingress.endpoints().https }), stopped: () => detach() });
  }
}

/** A component with something to do after its start and after its end. */
function around(component: Component, { started, stopped }: { readonly started: () => unknown; readonly stopped: () => void }): Component {
  return {
    name: component.name,
    ready: () => component.ready(),
    async stop() {
      await component.stop();
      stopped();
    },
    async start(signal) {
      await component.start(signal);
      started();
    },
  };
}

/** Several components as one: started in order, stopped in reverse. */
function inOrder(name: string, components: readonly Component[]): Component {
  return {
    name,
    ready: () => components.every((component) => component.ready()),
    stop: () => stopAll(components),
    async start(signal) {
      for (const component of components) await component.start(signal);
    },
  };
}

export function createParts(deps: PartsDeps): Parts {
  return new ClusterParts(deps);
}
