import { allKinds } from '@orrery/api';
import { ApiFaults } from '@orrery/chaos';
import { type Env, HealthMetrics, checkFeatureGates, featureMetric } from '@orrery/runtime';
import { enabledKinds, storedKinds } from './api-enablement.ts';
import { createCaller } from './admission/webhooks/caller.ts';
import { type RunningAuditor, auditorOf } from './audit/index.ts';
import { OwnWrites } from './cache/own-writes.ts';
import { StoreFeed } from './cache/store-feed.ts';
import { flowControl } from './flow-control/index.ts';
import { createMemoryClient } from './client/memory-client.ts';
import type { ApiServerDeps } from './component.ts';
import type { ApiServerConfig } from './config.ts';
import { customResources } from './custom-resources/index.ts';
import { Traffic } from './http/traffic.ts';
import { limitsOf } from './limits.ts';
import { meteredAccess } from './metrics/access-metrics.ts';
import { meteredAdmission } from './metrics/admission-metrics.ts';
import { meteredStore } from './metrics/metered-store.ts';
import { registryMeters } from './metrics/registry-meters.ts';
import { serverMetrics } from './metrics/server-metrics.ts';
import { type Encryption, encryptionOf } from './encryption/index.ts';
import { objectReader } from './object-reader.ts';
import { type Access, chainAuthenticators, chainAuthorizers } from './pipeline/access.ts';
import type { AdmissionPlugin } from './pipeline/admission.ts';
import type { Credentials } from './pipeline/authentication.ts';
import type { AuthorizationAttributes } from './pipeline/authorization.ts';
import type { PluginContext, PluginSet } from './pipeline/plugin-set.ts';
import { systemUser } from './pipeline/request-info.ts';
import type { ReviewHandler } from './pipeline/virtual.ts';
import { plugins as defaultPlugins } from './plugins.ts';
import { Kinds } from './registry/kinds.ts';
import { PageSnapshots } from './registry/page-snapshots.ts';
import type { Registry } from './registry/registry.ts';
import { ServiceAllocation } from './registry/services/service-allocation.ts';
import type { ApiServerCore, HealthCheck } from './server.ts';
import { createEtcdStore } from './storage/etcd-store.ts';
import { valueCodec } from './storage/value-codec.ts';

export interface Composed {
  readonly core: ApiServerCore;
  readonly feed: StoreFeed;
  readonly sets: readonly PluginSet[];
  readonly auditor: RunningAuditor | undefined;
  readonly encryption: Encryption | undefined;
}

export interface Composition {
  readonly env: Env;
  readonly deps: ApiServerDeps;
  readonly config: ApiServerConfig;
  readonly checks: () => readonly HealthCheck[];
  readonly securePort: () => number;
}

interface Lists {
  readonly sets: PluginSet[];
  readonly admission: AdmissionPlugin[];
  readonly reviews: ReviewHandler[];
}

function composeRegistry({ env, deps, config, encryption }: Composition & { readonly encryption: Encryption | undefined }, lists: Lists): { registry: Registry; kinds: Kinds; feed: StoreFeed } {
  const root = config.etcdPrefix;
  const codec = valueCodec(root, encryption && ((resource) => encryption.transformerOf(resource)));
  const store = meteredStore(createEtcdStore(deps.store, { clock: env.clock, probeKey: `${root}/`, codec }), env, (key) => feed.resourceAt(key));
  const ownWrites = new OwnWrites();
  const feed: StoreFeed = new StoreFeed({ env, store, channel: deps.store, root, capacity: config.watchCacheEvents, ownWrites });
  const enabled = enabledKinds(allKinds, config.runtimeConfig);
  // Turning an API off ends its being served; what the server itself needs of it stays.
  const kept = [...enabled, ...enabledKinds(allKinds, [])];
  const kinds = new Kinds(enabled, kept);
  for (const kind of storedKinds(allKinds, kept)) feed.add(kind);
  const services = new ServiceAllocation({
    env, feed, kinds, root,
    serviceCidr: config.serviceClusterIpRange,
    nodePortRange: config.serviceNodePortRange,
  });
  const snapshots = new PageSnapshots(env.clock);
  const registry: Registry = { env, config, store, feed, ownWrites, root, kinds, snapshots, ...lists, hooks: [services], meters: registryMeters(env), faults: new ApiFaults(env) };
  registry.faults.followRevision(() => feed.revision);
  return { registry, kinds, feed };
}

/** The chains are made when first used: the factories that fill the lists are handed the chains themselves. */
function composeAccess(sets: readonly PluginSet[], config: ApiServerConfig): Access {
  let authenticate: Access['authenticate'] | undefined;
  let authorize: Access['authorize'] | undefined;
  return {
    authenticate: (credentials: Credentials) => (authenticate ??= chainAuthenticators(sets.flatMap((s) => s.authenticators ?? [])))(credentials),
    authorize: (attributes: AuthorizationAttributes) => (authorize ??= chainAuthorizers(sets.flatMap((s) => s.authorizers ?? [])))(attributes),
    get impersonator() {
      return sets.findLast((s) => s.impersonator)?.impersonator;
    },
    allowsAnonymous: (path) => sets.findLast((s) => s.allowsAnonymous)?.allowsAnonymous?.(path) ?? config.anonymousAuth,
    get checksCredentials() {
      return sets.some((s) => s.authenticators?.length);
    },
  };
}

/** Builds the pipeline and everything plugged into it; nothing runs yet. */
export function composeCore(composition: Composition): Composed {
  const { env, config, deps, checks, securePort } = composition;
  const lists: Lists = { sets: [], admission: [], reviews: [] };
  const { sets } = lists;
  checkFeatureGates(config.featureGates);
  featureMetric(env.metrics, config.featureGates);
  const limits = limitsOf(config);
  const auditor = auditorOf(env, config, deps.bus);
  const encryption = encryptionOf(env, config);
  const { registry, kinds, feed } = composeRegistry({ ...composition, encryption }, lists);
  const access = meteredAccess(composeAccess(sets, config), env);
  const core: { -readonly [K in keyof ApiServerCore]: ApiServerCore[K] } = {
    registry, kinds, access, checks, startedMs: env.clock.now(), limits, traffic: new Traffic(), healthMetrics: new HealthMetrics(env.metrics), collectors: serverMetrics(env, { feed, store: deps.store }), flowControl: undefined, connect: [], identity: undefined, aggregation: undefined, audit: auditor,
  };
  const context: PluginContext = {
    env, config, kinds, securePort,
    ...(deps.clusterNet ? { clusterNet: deps.clusterNet } : {}),
    api: createMemoryClient({ ...core, access: unrestricted(access) }, systemUser, { program: 'kube-apiserver', reachesUnserved: true }),
    read: objectReader(feed, kinds),
    authorize: access.authorize,
    authenticate: access.authenticate,
    storage: { store: registry.store, root: registry.root },
  };
  for (const factory of deps.plugins ?? defaultPlugins) sets.push(factory(context));
  sets.push(flowControl({ context, feed, limits }, { maintains: deps.plugins === undefined }));
  sets.push(customResources({ registry, kinds, api: context.api, caller: createCaller(context) }));
  lists.admission.push(...sets.flatMap((s) => s.admission ?? []).map((plugin) => meteredAdmission(plugin, env)));
  lists.reviews.push(...sets.flatMap((s) => s.reviews ?? []));
  core.flowControl = sets.findLast((s) => s.flowControl)?.flowControl;
  core.connect = sets.flatMap((s) => s.connect ?? []);
  core.identity = sets.findLast((s) => s.identity)?.identity;
  core.aggregation = sets.findLast((s) => s.aggregation)?.aggregation;
  return { core, feed, sets, auditor, encryption };
}

/** For the server's own client: it is asked nothing. */
function unrestricted(access: Access): Access {
  return { ...access, authorize: () => ({ decision: 'allow', reason: '' }) };
}
