import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { accessSync, constants } from 'node:fs';
import type { ToldFaults } from '@orrery/chaos';
import { type ApiClient, createGrpcApiClient } from '@orrery/client';
import { type Pki, clusterServerName, componentIdentity, ensurePki, natsServerConfig, realEnv, realRandom } from '@orrery/node-io';
import { grpcChannel } from '@orrery/rpc';
import { type ToldProcesses, toldProcesses } from '../chaos/told-processes.ts';
import type { Cluster, ClusterOptions } from '../cluster.ts';
import { ensureEncryptionConfig } from '../encryption-config.ts';
import { nodesReady } from '../single/readiness.ts';
import { freePorts } from './free-ports.ts';
import { apiAnswers, hostDnsAnswers } from './readiness.ts';
import { type ApiServerFiles, type Ports, type SpecContext, type TlsFiles, apiServerSpecs, controlPlaneSpecs, nodeSpecs, serviceSpecs, storeSpecs } from './specs.ts';
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
  const [free = 0, cloud = 0, dns = 0, http = 0, https = 0, nats = 0, ...rest] = await freePorts(6 + servers * 2 + stores + options.nodes * 2, realRandom);
  const vnet = rest.splice(0, options.nodes);
  const kubelet = rest.splice(0, options.nodes);
  const apiGrpc = rest.splice(0, servers);
  const api = options.apiPort || free;
  const own = rest.splice(0, servers);
  return { stores: rest, api, apiServers: servers === 1 ? [api] : own, apiGrpc, cloud, dns, http, https, nats, vnet, kubelet };
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
  private client: ApiClient | undefined;
  private control: { close(): void } | undefined;

  constructor(options: ClusterOptions, ports: Ports, members: readonly StoreMember[]) {
    this.options = options;
    this.storeMembers = members;
    this.ports = ports;
    this.told = toldProcesses(options.dir.root);
    this.pki = ensurePki(options.dir.pki, { dnsNames: [clusterServerName] });
    const note = (text: string): void => void process.stdout.write(`  ${text}\n`);
    this.supervisor = createSupervisor({ logsDir: options.dir.logs, onChange: () => options.onChange?.(), note });
  }

  async start(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    const context = this.context();
    const run = (spec: Parameters<Supervisor['start']>[0]): Promise<void> => this.supervisor.start({ ...spec, args: [...spec.args, ...this.faultsFlags(spec), ...(this.options.extra[spec.app] ?? [])] }, signal);
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
    const nodes = Array.from({ length: this.options.nodes }, (_, index) => nodeSpecs(context, index).filter((spec) => !this.options.without.has(spec.app)));
    const inOrder = async (specs: readonly Parameters<Supervisor['start']>[0][]): Promise<void> => {
      for (const spec of specs) await run(spec);
    };
    await Promise.all([...wanted.map(run), ...nodes.map(inOrder)]);
    step(`${wanted.length + nodes.flat().length} more processes started`);
    this.control = await serveProcessControl(this.processControl(), { upgrade: (tell) => this.upgrade(tell, signal), standDown: (name) => this.supervisor.standDown(name) });
  }

  async untilReady(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    const { cert, key } = this.pki.clientCert('kubernetes-admin', ['system:masters']);
    const channel = grpcChannel(`${local}:${this.ports.apiGrpc[0] ?? 0}`, { tls: { ca: this.pki.caCert, cert, key }, serverName: clusterServerName });
    this.client = createGrpcApiClient(channel, { env: realEnv({ name: 'orrery', level: 'error' }) });
    await nodesReady({ api: this.client, count: this.options.nodes, signal });
    step(`${this.options.nodes} of ${this.options.nodes} nodes are Ready`);
    if (this.options.without.has('coredns')) return;
    await hostDnsAnswers({ host: local, port: this.ports.dns, signal });
    step('DNS answers');
  }

  async stop(): Promise<void> {
    this.control?.close();
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
    const { apiGrpc, cloud, dns, http, https, nats } = this.ports;
    const at = (port: number): string => `${local}:${port}`;
    return { etcd: this.storeAddresses(), 'api-grpc': apiGrpc.map(at).join(), 'api-rest': this.ports.apiServers.map(at).join(), cloud: at(cloud), dns: at(dns), 'ingress-http': at(http), 'ingress-https': at(https), ...(this.hasNats ? { nats: at(nats) } : {}) };
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
    writeFileSync(path, natsServerConfig({ listen: `${local}:${this.ports.nats}`, ...files }), { mode: 0o600 });
    return path;
  }

  private apiServerFiles(): ApiServerFiles {
    const serving = this.writePem('apiserver-serving', { ca: this.pki.caCert, cert: this.pki.serverCert, key: this.pki.serverKey });
    const serviceAccountKey = join(this.options.dir.pki, 'components', 'service-account.key');
    writeFileSync(serviceAccountKey, this.pki.saKey, { mode: 0o600 });
    const { caCert, ...pair } = this.pki.frontProxy;
    const proxy = this.writePem('front-proxy-client', { ca: caCert, ...pair }, 'front-proxy-ca');
    return { ...serving, serviceAccountKey, encryptionConfig: ensureEncryptionConfig(this.options.dir), proxy };
  }

  private writePem(name: string, pem: TlsFiles, authority = 'ca'): TlsFiles {
    const dir = join(this.options.dir.pki, 'components');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const files = { ca: join(dir, `${authority}.crt`), cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
    for (const part of ['ca', 'cert', 'key'] as const) writeFileSync(files[part], pem[part], { mode: 0o600 });
    return files;
  }
}

export async function createProcessesCluster(options: ClusterOptions): Promise<Cluster> {
  const members = await storeMembers(options.dir, options.stores);
  return new ProcessesCluster(options, await choosePorts(options, Math.max(1, members.length)), members);
}
