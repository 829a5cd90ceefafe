import { type ApiServer, createApiServer } from '@orrery/apiserver/component';
import { type ChaosWorld, DiskFaults, faultyDisk } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import { type Pki, clusterServerName, ensurePki, frontProxyName, nodeDisk, realRandom, serveGrpc, serveHttp } from '@orrery/node-io';
import { type Component, type Env, stopAll } from '@orrery/runtime';
import { createStore } from '@orrery/store/component';
import { singleChaos } from '../chaos/single-world.ts';
import { type Cluster, type ClusterOptions, replaceable } from '../cluster.ts';
import { type ComponentLogs, createComponentLogs } from '../component-logs.ts';
import type { ClockControl } from '../control/clock-control.ts';
import { atEndOfTurn } from '../control/event-loop.ts';
import { ensureEncryptionConfig } from '../encryption-config.ts';
import { extraSettings, logLevelFor } from '../extra-config.ts';
import type { NodeControl } from './added-nodes.ts';
import { network } from './addresses.ts';
import { type Parts, createParts } from './parts.ts';
import { type ThreadParts, createThreadParts } from './thread/thread-parts.ts';

/** Everything of a cluster in this process: components call each other in memory, only clients come over sockets. */
class SingleCluster implements Cluster {
  private readonly options: ClusterOptions;
  private readonly logs: ComponentLogs;
  private readonly pki: Pki;
  private readonly apiServer: ApiServer;
  private readonly store: ReturnType<typeof createStore>;
  private readonly started: Component[] = [];
  private readonly parts: Parts;
  /** The same parts, where they have a thread of their own. */
  private readonly thread: ThreadParts | undefined;
  private readonly diskFaults = new DiskFaults();

  constructor(options: ClusterOptions) {
    this.options = options;
    const { dir } = options;
    this.logs = createComponentLogs(dir.logs, { levelOf: (component) => logLevelFor(component, options.extra), clock: options.clock });
    this.pki = ensurePki(dir.pki, { dnsNames: [clusterServerName] });
    this.thread = options.threads === 2 ? createThreadParts({ options, server: () => this.apiServer, apiPort: () => this.apiServer.port }) : undefined;
    this.parts = this.thread ?? createParts({ options, pki: this.pki, env: (name) => this.env(name), client: ({ program, ...user }) => this.apiServer.client(user, program), apiPort: () => this.apiServer.port });
    const storeEnv = this.env('store');
    // While time is advanced everybody waits for what is written: the detour over another thread would take most of it.
    const alone = { isNow: () => options.clock.isAdvancing === true, atEndOfTurn };
    this.store = createStore(storeEnv, { disk: faultyDisk({ ...storeEnv, disk: nodeDisk, faults: this.diskFaults }), serveGrpc, alone }, { dataDir: dir.store, listenClient: ['127.0.0.1:0'], ...extraSettings('store', options.extra) });
    const { frontProxy } = this.pki;
    const kubeletClient = this.pki.clientCert('kube-apiserver-kubelet-client', ['system:masters']);
    this.apiServer = createApiServer(
      this.env('apiserver'),
      { store: this.store.channel(), http: serveHttp, clusterNet: this.parts.net },
      {
        host: options.apiHost,
        port: options.apiPort,
        grpcPort: 0,
        advertiseAddress: network.host,
        tlsCert: this.pki.serverCert,
        tlsKey: this.pki.serverKey,
        clientCa: this.pki.caCert,
        serviceAccountKey: this.pki.saKey,
        encryptionProviderConfig: ensureEncryptionConfig(dir),
        encryptionProviderConfigAutomaticReload: true,
        kubeletCa: this.pki.caCert,
        kubeletClientCert: kubeletClient.cert,
        kubeletClientKey: kubeletClient.key,
        requestheaderClientCaFile: frontProxy.caCert,
        requestheaderAllowedNames: [frontProxyName],
        proxyClientCertFile: frontProxy.cert,
        proxyClientKeyFile: frontProxy.key,
        ...extraSettings('apiserver', options.extra),
      },
    );
  }

  async start(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    await this.run(this.store, signal);
    step(`store: etcd v3 on ${this.store.addresses.join(', ')}`);
    await this.run(this.apiServer, signal);
    step(`apiserver: ${this.server()}`);
    await this.parts.start(step, signal);
  }

  nodeControl(): NodeControl {
    return this.parts.nodes;
  }

  clockControl(): ClockControl | undefined {
    return this.thread?.clock;
  }

  untilReady(step: (text: string) => void, signal: AbortSignal): Promise<void> {
    return this.parts.untilReady(step, signal);
  }

  async stop(): Promise<void> {
    await this.parts.stop();
    await stopAll(this.started.splice(0));
    await this.logs.close();
  }

  server(): string {
    return `https://${this.options.apiHost === '0.0.0.0' ? '127.0.0.1' : this.options.apiHost}:${this.apiServer.port}`;
  }

  kubeconfig(): string {
    return this.pki.kubeconfig({ server: this.server(), cluster: this.options.name, user: 'kubernetes-admin', groups: ['system:masters'] });
  }

  endpoints(): Readonly<Record<string, string>> {
    const { grpcPort } = this.apiServer;
    return { etcd: this.store.addresses[0] ?? '', ...(grpcPort ? { 'api-grpc': `127.0.0.1:${grpcPort}` } : {}), ...this.parts.found() };
  }

  chaosWorld(api: ApiClient): ChaosWorld {
    return singleChaos(
      {
        requests: this.apiServer.core.registry.faults,
        links: this.parts.links,
        disk: this.diskFaults,
        setCloudDown: (down) => this.parts.setCloudDown(down),
        jump: (ms) => this.jump(ms),
        restart: (name) => this.parts.restart(name),
        random: realRandom,
        components: ['apiserver', 'store', ...replaceable.filter((name) => !this.options.without.has(name))],
      },
      api,
    );
  }

  private jump(ms: number): void {
    this.thread?.jump(ms);
    this.options.jump?.(ms);
  }

  private env(name: string): Env {
    return this.logs.env(name);
  }

  private async run(component: Component, signal: AbortSignal): Promise<void> {
    this.started.push(component);
    await component.start(signal);
  }
}

export function createSingleCluster(options: ClusterOptions): Promise<Cluster> {
  return Promise.resolve(new SingleCluster(options));
}
