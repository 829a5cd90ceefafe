import { allKinds } from '@orrery/api';
import type { Bus } from '@orrery/bus';
import type { ApiClient } from '@orrery/client';
import type { HttpServer, ServeHttp } from '@orrery/node-io/http-server';
import type { Channel } from '@orrery/rpc';
import { type Component, type Env, resolveConfig } from '@orrery/runtime';
import { OwnWrites } from './cache/own-writes.ts';
import { StoreFeed } from './cache/store-feed.ts';
import { createMemoryClient } from './client/memory-client.ts';
import { startCompactor } from './compactor.ts';
import { type ApiServerConfig, apiServerSchema } from './config.ts';
import { httpHandler } from './http/handler.ts';
import { objectReader } from './object-reader.ts';
import { chainAuthenticators, chainAuthorizers } from './pipeline/access.ts';
import type { PluginContext, PluginFactory, PluginSet } from './pipeline/plugin-set.ts';
import { type UserInfo, systemUser } from './pipeline/request-info.ts';
import { plugins as defaultPlugins } from './plugins.ts';
import { Kinds } from './registry/kinds.ts';
import { PageSnapshots } from './registry/page-snapshots.ts';
import type { Registry } from './registry/registry.ts';
import type { ApiServerCore, HealthCheck } from './server.ts';
import { createEtcdStore } from './storage/etcd-store.ts';

export { type ApiServerConfig, apiServerSchema } from './config.ts';

export interface ApiServerDeps {
  /** etcd v3: our store's channel, or a gRPC channel to etcd. */
  readonly store: Channel;
  /** Listens for HTTP; without it the server is only reachable in memory and over gRPC. */
  readonly http?: ServeHttp;
  /** Change feed and audit. */
  readonly bus?: Bus;
  /** Replaces the built-in plug-ins (tests). */
  readonly plugins?: readonly PluginFactory[];
}

export interface ApiServer extends Component {
  /**
   * A client in memory that acts as `user`, through the same pipeline as REST. Objects pass by reference: what it returns is
   * shared with the cache and with everybody else.
   */
  client(user: UserInfo): ApiClient;
  /** Port of the REST API; 0 before `start`. */
  readonly port: number;
  /** Port of the gRPC API; 0 when it is off. */
  readonly grpcPort: number;
  /** For compositions that extend the server (custom resources). */
  readonly core: ApiServerCore;
}

/** Everything the plug-in modules gave, put together. */
interface Plugged {
  readonly sets: readonly PluginSet[];
  readonly context: PluginContext;
}

function only<T>(sets: readonly PluginSet[], pick: (set: PluginSet) => T | undefined): T | undefined {
  return sets.map(pick).findLast((value) => value !== undefined);
}

function buildCore(env: Env, deps: ApiServerDeps, config: ApiServerConfig, securePort: () => number): { core: ApiServerCore; plugged: Plugged; feed: StoreFeed } {
  const root = config.etcdPrefix;
  const store = createEtcdStore(deps.store, { clock: env.clock, probeKey: `${root}/` });
  const ownWrites = new OwnWrites();
  const feed = new StoreFeed({ env, store, channel: deps.store, root, capacity: config.watchCacheEvents, ownWrites });
  const kinds = new Kinds(allKinds);
  for (const kind of allKinds) if (!kind.storedAs && isStored(kind.verbs)) feed.add(kind);

  const sets: PluginSet[] = [];
  const admission: NonNullable<PluginSet['admission']>[number][] = [];
  const reviews: NonNullable<PluginSet['reviews']>[number][] = [];
  const registry: Registry = {
    env, config, store, feed, ownWrites, root, kinds, admission, reviews,
    snapshots: new PageSnapshots(env.clock),
    hooks: [],
  };
  const chains: { authenticate?: ReturnType<typeof chainAuthenticators>; authorize?: ReturnType<typeof chainAuthorizers> } = {};
  const access = {
    authenticate: (credentials: Parameters<ReturnType<typeof chainAuthenticators>>[0]) => (chains.authenticate ??= chainAuthenticators(sets.flatMap((s) => s.authenticators ?? [])))(credentials),
    authorize: (attributes: Parameters<ReturnType<typeof chainAuthorizers>>[0]) => (chains.authorize ??= chainAuthorizers(sets.flatMap((s) => s.authorizers ?? [])))(attributes),
    get impersonator() {
      return only(sets, (s) => s.impersonator);
    },
    anonymousAuth: config.anonymousAuth,
    get checksCredentials() {
      return sets.some((s) => s.authenticators?.length);
    },
  };
  const core: ApiServerCore = {
    registry,
    kinds,
    access,
    get flowControl() {
      return only(sets, (s) => s.flowControl);
    },
    get connect() {
      return sets.flatMap((s) => s.connect ?? []);
    },
    get identity() {
      return only(sets, (s) => s.identity);
    },
    get audit() {
      return only(sets, (s) => s.audit);
    },
    checks: () => [],
  };
  const context: PluginContext = {
    env, config, kinds, securePort,
    api: createMemoryClient(core, systemUser),
    read: objectReader(feed, kinds),
    authorize: access.authorize,
    authenticate: access.authenticate,
  };
  for (const factory of deps.plugins ?? defaultPlugins) sets.push(factory(context));
  admission.push(...sets.flatMap((s) => s.admission ?? []));
  reviews.push(...sets.flatMap((s) => s.reviews ?? []));
  return { core, plugged: { sets, context }, feed };
}

function isStored(verbs: readonly string[]): boolean {
  return verbs.includes('get') && verbs.includes('watch');
}

/** Kubernetes' API server. Settings left out take their defaults; certificates are PEM. */
export function createApiServer(env: Env, deps: ApiServerDeps, settings: Partial<ApiServerConfig> = {}): ApiServer {
  const config = resolveConfig(apiServerSchema, [settings]);
  let http: HttpServer | undefined;
  const { core, plugged, feed } = buildCore(env, deps, config, () => http?.port ?? config.port);
  const stopping = new AbortController();
  const failed = new Map<string, string>();
  let phase: 'new' | 'starting' | 'ready' | 'stopped' = 'new';

  const checks = (): HealthCheck[] => {
    const store = feed.healthy ? undefined : 'the store cannot be watched';
    const steps = plugged.sets.flatMap((s) => s.bootstrap ?? []).map((step) => step.name);
    return [
      { name: 'ping', failure: undefined, readinessOnly: false },
      { name: 'log', failure: undefined, readinessOnly: false },
      { name: 'etcd', failure: store, readinessOnly: false },
      { name: 'etcd-readiness', failure: store, readinessOnly: true },
      { name: 'informer-sync', failure: feed.revision > 0 ? undefined : 'caches are not filled', readinessOnly: true },
      ...steps.map((name) => ({ name: `poststarthook/${name}`, failure: failed.get(name), readinessOnly: false })),
      { name: 'shutdown', failure: phase === 'stopped' ? 'stopping' : undefined, readinessOnly: true },
    ];
  };
  const served: ApiServerCore = Object.defineProperties({}, { ...Object.getOwnPropertyDescriptors(core), checks: { value: checks, enumerable: true } }) as ApiServerCore;

  const listen = async (): Promise<void> => {
    if (!deps.http) return;
    const tls = config.tlsCert ? { tls: { cert: config.tlsCert, key: config.tlsKey, ...(config.clientCa ? { clientCa: config.clientCa } : {}) } } : {};
    http = await deps.http({ host: config.host, port: config.port, handler: httpHandler(served), ...tls });
  };

  return {
    name: 'apiserver',
    core: served,
    get port() {
      return http?.port ?? 0;
    },
    grpcPort: 0,
    client: (user) => createMemoryClient(served, user),
    async start() {
      phase = 'starting';
      await feed.start(stopping.signal);
      for (const set of plugged.sets) await set.start?.(stopping.signal);
      // As upstream, the port opens before the bootstrap objects are there; /readyz tells when they are.
      await listen();
      for (const step of plugged.sets.flatMap((s) => s.bootstrap ?? [])) await step.run(stopping.signal);
      if (config.compactionIntervalMs > 0) {
        startCompactor(env, { channel: deps.store, store: core.registry.store }, { intervalMs: config.compactionIntervalMs, signal: stopping.signal });
      }
      phase = 'ready';
    },
    async stop() {
      phase = 'stopped';
      stopping.abort(new Error('stopping'));
      await http?.close();
    },
    ready: () => phase === 'ready' && feed.healthy,
  };
}
