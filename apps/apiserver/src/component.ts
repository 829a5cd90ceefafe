import type { Bus } from '@orrery/bus';
import type { ApiClient, ThreadAnswers, ThreadLink } from '@orrery/client';
import type { HttpServer, ServeHttp } from '@orrery/node-io/http-server';
import { type Channel, type GrpcServer, grpcServer } from '@orrery/rpc';
import { type Component, type Env, resolveConfig, timeoutSignal } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { createMemoryClient } from './client/memory-client.ts';
import { serveThread } from './client/thread-service.ts';
import { startCompactor } from './compactor.ts';
import { type Composed, composeCore } from './compose-core.ts';
import { type ApiServerConfig, apiServerSchema } from './config.ts';
import { drain } from './drain.ts';
import { startChangeFeed } from './feed/change-feed.ts';
import { resourcesService } from './grpc/service.ts';
import { httpHandler } from './http/handler.ts';
import type { BootstrapStep, PluginFactory } from './pipeline/plugin-set.ts';
import type { UserInfo } from './pipeline/request-info.ts';
import type { ApiServerCore, HealthCheck } from './server.ts';

export { type ApiServerConfig, apiServerSchema } from './config.ts';
export { storeChannel } from './storage/endpoints.ts';
export type { UserInfo } from './pipeline/request-info.ts';

export interface ApiServerDeps {
  /** etcd v3: our store's channel, or a gRPC channel to etcd. */
  readonly store: Channel;
  /** Listens for HTTP; without it the server is only reachable in memory and over gRPC. */
  readonly http?: ServeHttp;
  /** Carries the change feed; without it there is none. */
  readonly bus?: Bus;
  /** How to reach pod and service addresses (proxies, webhooks); absent: from this machine. */
  readonly clusterNet?: Pick<NetStack, 'dial'>;
  /** Replaces the built-in plug-ins (tests). */
  readonly plugins?: readonly PluginFactory[];
}

export interface ApiServer extends Component {
  /**
   * A client in memory that acts as `user`, through the same pipeline as REST. Objects pass by reference: what it returns is
   * shared with the cache and with everybody else. `program` is the manager of the fields that it writes, as `kube-scheduler`; by default the user's name.
   */
  client(user: UserInfo, program?: string): ApiClient;
  /** Serves the clients of another thread of this process (`ThreadApi`), who are whom they say they are. `atEndOfTurn`: setImmediate. */
  serveThread(link: ThreadLink<string, ThreadAnswers>, atEndOfTurn: (run: () => void) => void): void;
  /** Port of the REST API; 0 before `start` and without an HTTP listener. */
  readonly port: number;
  /** Port of the gRPC API; 0 when it is off. */
  readonly grpcPort: number;
  /** For compositions that extend the server (custom resources). */
  readonly core: ApiServerCore;
}

/** What upstream's informers are to it, the caches are here. */
const cacheHooks = ['generic-apiserver-start-informers', 'start-apiextensions-informers', 'start-kube-aggregator-informers', 'storage-readiness', 'storage-object-count-tracker-hook'];

/** Most that saying goodbye may take. */
const leaveTimeoutMs = 2000;

type Phase = 'new' | 'starting' | 'ready' | 'leaving' | 'stopped';

/** One API server's life: what runs, and what its health checks say about it. */
class RunningServer {
  private readonly env: Env;
  private readonly deps: ApiServerDeps;
  private readonly config: ApiServerConfig;
  private readonly stopping = new AbortController();
  private readonly pending = new Set<string>();
  readonly composed: Composed;
  phase: Phase = 'new';
  http: HttpServer | undefined;
  grpcPort = 0;
  private grpc: GrpcServer | undefined;

  constructor(env: Env, deps: ApiServerDeps, config: ApiServerConfig) {
    this.env = env;
    this.deps = deps;
    this.config = config;
    this.composed = composeCore({ env, deps, config, checks: () => this.checks(), securePort: () => this.http?.port ?? config.port });
  }

  async start(): Promise<void> {
    this.phase = 'starting';
    const { feed, sets, core } = this.composed;
    const { signal } = this.stopping;
    const steps = sets.flatMap((set) => set.bootstrap ?? []);
    for (const name of [...sets.flatMap((set) => set.startHooks ?? []), ...steps.map((step) => step.name)]) this.pending.add(name);
    await this.composed.encryption?.start(signal);
    await feed.start(signal);
    for (const set of sets) {
      await set.start?.(signal);
      for (const name of set.startHooks ?? []) this.pending.delete(name);
    }
    if (this.deps.bus) startChangeFeed({ env: this.env, bus: this.deps.bus, feed, signal });
    await this.listen();
    for (const step of steps) await this.bootstrap(step);
    const intervalMs = this.config.compactionIntervalMs;
    if (intervalMs > 0) startCompactor(this.env, { channel: this.deps.store, store: core.registry.store }, { intervalMs, signal });
    this.phase = 'ready';
  }

  async stop(): Promise<void> {
    if (this.phase === 'ready') {
      this.phase = 'leaving';
      await Promise.all([this.takeLeave(), this.drain()]);
    }
    this.phase = 'stopped';
    this.stopping.abort(new Error('the API server is stopping'));
    await this.http?.close();
    await this.grpc?.stop();
    this.http = undefined;
    this.grpc = undefined;
    await this.composed.auditor?.stop();
  }

  private drain(): Promise<void> {
    const { traffic, limits } = this.composed.core;
    return drain(this.env.clock, { traffic, http: this.http }, limits);
  }

  /** Plug-ins undo what says that this server is here; a store that does not answer does not hold up the end. */
  private async takeLeave(): Promise<void> {
    const over = new AbortController();
    const signal = timeoutSignal(this.env.clock, leaveTimeoutMs, over.signal);
    const tooLate = new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
    const stops = this.composed.sets.map(async (set) => set.stop?.(signal));
    await Promise.race([Promise.all(stops), tooLate]).catch((error: unknown) => this.env.log.warn('could not say that this API server leaves', { error }));
    over.abort();
  }

  private async bootstrap(step: BootstrapStep): Promise<void> {
    await step.run(this.stopping.signal);
    this.pending.delete(step.name);
  }

  private async listen(): Promise<void> {
    const { host, grpcPort } = this.config;
    if (grpcPort >= 0 && this.deps.http) {
      this.grpc = grpcServer([resourcesService(this.composed.core)], this.grpcTls());
      this.grpcPort = await this.grpc.listen(`${host}:${grpcPort}`);
    }
    await this.listenHttp();
  }

  private grpcTls(): Parameters<typeof grpcServer>[1] {
    const { tlsCert: cert, tlsKey: key, clientCa: ca } = this.config;
    return cert ? { tls: { cert, key, ...(ca ? { ca } : {}) }, optionalClientCert: ca !== '' } : {};
  }

  private async listenHttp(): Promise<void> {
    if (!this.deps.http) return;
    const { host, port, tlsCert: cert, tlsKey: key } = this.config;
    const clientCa = [this.config.clientCa, this.config.requestheaderClientCaFile].filter((pem) => pem !== '').join('\n');
    const tls = cert ? { tls: { cert, key, ...(clientCa ? { clientCa } : {}) } } : {};
    const tlsErrors = this.env.metrics.counter('apiserver_tls_handshake_errors_total', "Number of requests dropped with 'TLS handshake error from' error").with({});
    this.http = await this.deps.http({ host, port, handler: httpHandler(this.composed.core), onTlsError: () => tlsErrors.inc(), ...tls });
  }

  private checks(): HealthCheck[] {
    const { feed, sets, core } = this.composed;
    const { storeHealthMs, storeReadyMs } = core.limits;
    const store = feed.healthy ? undefined : 'the store cannot be watched';
    const storeWithin = (ms: number) => async (): Promise<string | undefined> => ((await feed.isWatchedWithin(this.stopping.signal.aborted ? 0 : ms)) ? undefined : store);
    const filled = feed.revision > 0 ? undefined : 'caches are not filled yet';
    const hooks = sets.flatMap((set) => [...(set.startHooks ?? []), ...(set.bootstrap ?? []).map(({ name }) => name)]);
    return [
      { name: 'ping', failure: undefined, readinessOnly: false },
      { name: 'log', failure: undefined, readinessOnly: false },
      { name: 'etcd', failure: store, later: storeWithin(storeHealthMs), readinessOnly: false },
      { name: 'etcd-readiness', failure: store, later: storeWithin(storeReadyMs), readinessOnly: true },
      { name: 'informer-sync', failure: filled, readinessOnly: true },
      ...cacheHooks.map((name) => ({ name: `poststarthook/${name}`, failure: filled && 'not finished', readinessOnly: false })),
      ...hooks.map((name) => ({ name: `poststarthook/${name}`, failure: this.pending.has(name) ? 'not finished' : undefined, readinessOnly: false })),
      ...sets.flatMap((set) => set.checks?.() ?? []),
      ...(this.composed.encryption?.checks() ?? []),
      { name: 'shutdown', failure: this.phase === 'leaving' || this.phase === 'stopped' ? 'process is shutting down' : undefined, readinessOnly: true },
    ];
  }
}

/** Kubernetes' API server. Settings left out take their defaults; certificates are PEM. */
export function createApiServer(env: Env, deps: ApiServerDeps, settings: Partial<ApiServerConfig> = {}): ApiServer {
  const config = resolveConfig(apiServerSchema, [settings]);
  const server = new RunningServer(env, deps, config);
  const { core, feed } = server.composed;
  return {
    name: 'apiserver',
    core,
    get port() {
      return server.http?.port ?? 0;
    },
    get grpcPort() {
      return server.grpcPort;
    },
    client: (user, program) => createMemoryClient(core, user, { program }),
    serveThread: (link, atEndOfTurn) => serveThread(core, link, atEndOfTurn),
    start: () => server.start(),
    stop: () => server.stop(),
    ready: () => server.phase === 'ready' && feed.healthy,
  };
}
