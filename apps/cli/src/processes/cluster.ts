import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { accessSync, constants } from 'node:fs';
import type { ToldFaults } from '@orrery/chaos';
import { type ApiClient, createGrpcApiClient } from '@orrery/client';
import { type Pki, clusterServerName, componentIdentity, ensurePki, natsServerConfig, realEnv, realRandom, replaceFile } from '@orrery/node-io';
import { type Channel, grpcChannel } from '@orrery/rpc';
import type { Component } from '@orrery/runtime';
import { type ToldProcesses, toldProcesses } from '../chaos/told-processes.ts';
import type { Cluster, ClusterOptions } from '../cluster.ts';
import { ensureEncryptionConfig } from '../encryption-config.ts';
import { isDualStack } from '../extra-config.ts';
import type { NodeControl } from '../single/added-nodes.ts';
import { createCloudInstances } from '../single/cloud-instances.ts';
import { nodesReady } from '../single/readiness.ts';
import { freePorts } from './free-ports.ts';
import { type Machines, createMachines } from './machines.ts';
import { apiAnswers, hostDnsAnswers } from './readiness.ts';
import { type ApiServerFiles, type NodeMachine, type Ports, type SpecContext, type TlsFiles, apiServerSpecs, controlPlaneSpecs, nodeSpecs, serviceSpecs, storeSpecs } from './specs.ts';
import { serveProcessControl } from './process-control.ts';
import { type StoreMember, storeMembers } from './store-members.ts';
import { type ProcessSpec, type Supervisor, createSupervisor } from './supervisor.ts';
import { upgradeOrder } from './upgrade-order.ts';

const local = '127.0.0.1';

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function choosePorts(options: ClusterOptions, stores: number): Promise<Ports> {
  const servers = options.apiServers;
  const [free = 0, cloud = 0, dns = 0, http = 0, https = 0, nats = 0, ...rest] = await freePorts(6 + servers * 2 + stores + options.replicas * 3, realRandom);
  const [scheduler, controllerManager, cloudControllerManager] = [1, 2, 3].map(() => rest.splice(0, options.replicas)) as [number[], number[], number[]];
  const apiGrpc = rest.splice(0, servers);
  const api = options.apiPort || free;
  const own = rest.splice(0, servers);
  return { stores: rest, api, apiServers: servers === 1 ? [api] : own, apiGrpc, cloud, dns, http, https, nats, scheduler, controllerManager, cloudControllerManager };
}

/** A cluster of one process a component, supervised by this one. */
class ProcessesCluster implements Cluster {
  private readonly options: ClusterOptions;
  private readonly ports: Ports;
  private readonly storeMembers: readonly StoreMember[];
  private readonly pki: Pki;
  private readonly supervisor: Supervisor;
  private readonly told: ToldProcesses;
  private readonly socketDir = mkdtempSync(join(tmpdir(), 'orrery-'));
  private readonly hasNats = onPath('nats-server');
  private readonly machines: Machines;
  private readonly givenPorts: Set<number>;
  private client: ApiClient | undefined;
  private signal: AbortSignal = new AbortController().signal;
  private cloud: Channel | undefined;
  private cloudInstances: Component | undefined;
  private control: { close(): void } | undefined;

  constructor(options: ClusterOptions, ports: Ports, members: readonly StoreMember[]) {
    this.options = options;
    this.storeMembers = members;
    this.ports = ports;
    this.givenPorts = new Set(Object.values(ports).flat());
    this.told = toldProcesses(options.dir.root);
    this.pki = ensurePki(options.dir.pki, { dnsNames: [clusterServerName] });
    const note = (text: string): void => void process.stdout.write(`  ${text}\n`);
    this.supervisor = createSupervisor({ logsDir: options.dir.logs, onChange: () => options.onChange?.(), note });
    this.machines = createMachines({
      root: options.dir.root,
      isDualStack: isDualStack(options.extra),
      nodes: options.nodes,
      defaults: options.node,
      specs: (machine) => this.nodeSpecs(machine),
      run: (spec) => this.run(spec),
      end: (name) => this.supervisor.end(name),
      api: () => this.admin(),
    });
  }

  async start(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    const context = this.context();
    this.signal = signal;
    const run = (spec: ProcessSpec): Promise<void> => this.run(spec);
    if (this.hasNats) await run({ name: 'nats', app: 'nats-server', external: true, args: ['-c', this.natsConfig()] });
    else step('nats-server is not on PATH: the change feed goes over gRPC alone');
    await Promise.all(storeSpecs(context).map(run));
    step(`store: etcd v3 on ${this.storeAddresses()}`);
    const { servers, balancer } = apiServerSpecs(context, this.apiServerFiles());
    // One makes what every cluster has; the others find it there.
    for (const spec of servers) await run(spec);
    if (balancer) await run(balancer);
    step(`apiserver: ${this.server()}`);
    const wanted = [...controlPlaneSpecs(context), ...serviceSpecs(context)].filter((spec) => !this.options.without.has(spec.app));
    const [ofNodes] = await Promise.all([this.machines.start(), ...wanted.map(run)]);
    step(`${wanted.length + ofNodes} more processes started`);
    if (!this.options.without.has('cloud')) await this.followInstances();
    this.control = await serveProcessControl(this.processControl(), { upgrade: (tell) => this.upgrade(tell, signal), standDown: (name) => this.supervisor.standDown(name) });
  }

  async untilReady(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    await nodesReady({ api: this.admin(), count: this.options.nodes, signal });
    step(`${this.options.nodes} of ${this.options.nodes} nodes are Ready`);
    if (this.options.without.has('coredns')) return;
    await hostDnsAnswers({ host: local, port: this.ports.dns, signal });
    step('DNS answers');
  }

  async stop(): Promise<void> {
    this.control?.close();
    await this.cloudInstances?.stop();
    await this.cloud?.close();
    await this.client?.close();
    await this.supervisor.stopAll();
    rmSync(this.socketDir, { recursive: true, force: true });
  }

  server(): string {
    return `https://${this.options.apiHost === '0.0.0.0' ? local : this.options.apiHost}:${this.ports.api}`;
  }

  kubeconfig(): string {
    return this.pki.kubeconfig({ server: this.server(), cluster: this.options.name, user: 'kubernetes-admin', groups: ['system:masters'] });
  }

  endpoints(): Readonly<Record<string, string>> {
    const { apiGrpc, cloud, dns, http, https, nats, scheduler, controllerManager, cloudControllerManager } = this.ports;
    const at = (port: number): string => `${local}:${port}`;
    const secure = { scheduler, 'controller-manager': controllerManager, 'cloud-controller-manager': cloudControllerManager };
    const served = Object.fromEntries(Object.entries(secure).filter(([name]) => !this.options.without.has(name)).map(([name, all]) => [name, all.map(at).join()]));
    return { etcd: this.storeAddresses(), 'api-grpc': apiGrpc.map(at).join(), 'api-rest': this.ports.apiServers.map(at).join(), ...served, cloud: at(cloud), dns: at(dns), 'ingress-http': at(http), 'ingress-https': at(https), ...(this.hasNats ? { nats: at(nats) } : {}) };
  }

  nodeControl(): NodeControl {
    return this.machines.control;
  }

  /** As the administrator. */
  private channel(port: number): Channel {
    const { cert, key } = this.pki.clientCert('kubernetes-admin', ['system:masters']);
    return grpcChannel(`${local}:${port}`, { tls: { ca: this.pki.caCert, cert, key }, serverName: clusterServerName });
  }

  private admin(): ApiClient {
    return (this.client ??= createGrpcApiClient(this.channel(this.ports.apiGrpc[0] ?? 0), { env: realEnv({ name: 'orrery', level: 'error' }) }));
  }

  private run(spec: ProcessSpec): Promise<void> {
    return this.supervisor.start({ ...spec, args: [...spec.args, ...this.faultsFlags(spec), ...(this.options.extra[spec.app] ?? [])] }, this.signal);
  }

  private async nodeSpecs(machine: NodeMachine): Promise<ProcessSpec[]> {
    const [vnet = 0, kubelet = 0] = await freePorts(2, realRandom, this.givenPorts);
    return nodeSpecs(this.context(), machine, { vnet, kubelet }).filter(({ app }) => !this.options.without.has(app));
  }

  /** Machines of the cloud that are switched on are nodes. */
  private async followInstances(): Promise<void> {
    this.cloud = this.channel(this.ports.cloud);
    this.cloudInstances = createCloudInstances(realEnv({ name: 'cloud-instances', level: 'info' }), { cloud: this.cloud, host: this.machines.instances });
    await this.cloudInstances.start();
  }

  /** The load balancer is a command of this program. */
  private faultsFlags({ name, app, external }: ProcessSpec): string[] {
    return external || app === 'cli' ? [] : ['--faults-file', this.told.fileOf(name)];
  }

  private storeAddresses(): string {
    return this.ports.stores.map((port) => `${local}:${port}`).join();
  }

  processes(): Readonly<Record<string, number>> {
    return this.supervisor.pids();
  }

  tellFaults(component: string, told: ToldFaults): Promise<void> {
    return this.told.tell(component, told);
  }

  processControl(): string {
    return join(this.socketDir, 'control.sock');
  }

  /** Restarts every component from the program there is now, but those whose end would be felt (see `upgradeOrder`). */
  private async upgrade(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    for (const name of upgradeOrder(Object.keys(this.supervisor.pids()))) {
      const began = performance.now();
      await this.supervisor.restart(name, signal);
      await apiAnswers({ server: this.server(), ca: this.pki.caCert, signal });
      step(`${name} restarted in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    }
  }

  private context(): SpecContext {
    const { options, ports, storeMembers: members, socketDir } = this;
    return { options, ports, storeMembers: members, socketDir, natsUrl: this.hasNats ? `nats://${local}:${ports.nats}` : '', tls: (component, user, groups, known) => this.tlsFiles(component, { user, groups, ...(known ? { hostNames: known.dnsNames, addresses: known.ipAddresses } : {}) }) };
  }

  /** One certificate a component: it names the user to the API server and serves to other components. */
  private tlsFiles(component: string, identity: Parameters<typeof componentIdentity>[0]): TlsFiles {
    const pair = this.pki.servingCert(`component-${component}`, componentIdentity(identity));
    return this.writePem(component, { ca: this.pki.caCert, ...pair });
  }

  private natsConfig(): string {
    const files = this.tlsFiles('nats', { user: 'nats', groups: [] });
    const path = join(this.options.dir.pki, 'components', 'nats.conf');
    replaceFile(path, natsServerConfig({ listen: `${local}:${this.ports.nats}`, ...files }));
    return path;
  }

  private apiServerFiles(): ApiServerFiles {
    const serving = this.writePem('apiserver-serving', { ca: this.pki.caCert, cert: this.pki.serverCert, key: this.pki.serverKey });
    const serviceAccountKey = join(this.options.dir.pki, 'components', 'service-account.key');
    replaceFile(serviceAccountKey, this.pki.saKey);
    const { caCert, ...pair } = this.pki.frontProxy;
    const proxy = this.writePem('front-proxy-client', { ca: caCert, ...pair }, 'front-proxy-ca');
    return { ...serving, serviceAccountKey, encryptionConfig: ensureEncryptionConfig(this.options.dir), proxy };
  }

  private writePem(name: string, pem: TlsFiles, authority = 'ca'): TlsFiles {
    const dir = join(this.options.dir.pki, 'components');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const files = { ca: join(dir, `${authority}.crt`), cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
    for (const part of ['ca', 'cert', 'key'] as const) replaceFile(files[part], pem[part]);
    return files;
  }
}

export async function createProcessesCluster(options: ClusterOptions): Promise<Cluster> {
  const members = await storeMembers(options.dir, options.stores);
  return new ProcessesCluster(options, await choosePorts(options, Math.max(1, members.length)), members);
}
