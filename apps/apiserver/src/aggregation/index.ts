import { APIServices, EndpointSlices, Services } from '@orrery/api';
import type { APIService } from '@orrery/api/types';
import type { Aggregation } from '../pipeline/aggregation.ts';
import type { PluginContext, PluginFactory } from '../pipeline/index.ts';
import type { HealthCheck } from '../server.ts';
import { availability } from './api-service.ts';
import { type AvailabilityContext, reconcileAvailability } from './availability.ts';
import { KnownApis } from './known-apis.ts';
import { proxyTo } from './proxy.ts';
import { openApiKey } from './remote-openapi.ts';
import { Registration, builtInServices } from './registration.ts';
import { Remotes } from './remotes.ts';
import { trustConfig } from './trust-config.ts';
import { startWorkLoop } from './work-loop.ts';

/** As upstream: checked anew every half minute, and with this back-off while discovery fails. */
const recheckMs = 30_000;

/** Upstream's metrics of availability; returns what counts. */
function availabilityMetrics({ env, read }: PluginContext): AvailabilityContext['unavailable'] {
  const gauge = 'aggregator_unavailable_apiservice';
  const sample = (object: APIService): { labels: { name: string }; value: number } => ({ labels: { name: object.metadata?.name ?? '' }, value: availability(object)?.status === 'True' ? 0 : 1 });
  env.metrics.collect(gauge, { type: 'gauge', help: 'Gauge of APIServices which are marked as unavailable broken down by APIService name.' }, () => read.list(APIServices).map(sample));
  const total = env.metrics.counter(`${gauge}_total`, 'Counter of APIServices which are marked as unavailable broken down by APIService name and reason.');
  return (name, reason) => total.inc({ name, reason });
}

/** Keeps the Available condition of the APIServices of one sort: those of what is served here, or those of other servers. */
function startAvailability(context: PluginContext, signal: AbortSignal, sort: { readonly name: string; readonly isRemote: boolean; readonly unavailable: AvailabilityContext['unavailable'] }): void {
  const { env, read, api } = context;
  const { name: loop, isRemote, unavailable } = sort;
  const isOurs = ({ spec }: APIService): boolean => (spec?.service !== undefined) === isRemote;
  const names = (): string[] => read.list(APIServices).filter(isOurs).map(({ metadata }) => metadata?.name ?? '');
  const write = (object: APIService): Promise<APIService> => api.update(APIServices, object, { subresource: 'status' });
  const queue = startWorkLoop(
    env,
    {
      name: loop, concurrency: 5, maxDelayMs: recheckMs, resyncMs: recheckMs, keys: names,
      work: async (name) => ((await reconcileAvailability(name, { ...context, write, unavailable })) ? 'again' : 'done'),
    },
    signal,
  );
  const touch = (namespace: string | undefined, service: string | undefined): void => {
    for (const { metadata, spec } of read.list(APIServices)) {
      if (spec?.service && spec.service.namespace === namespace && spec.service.name === service) queue.add(metadata?.name ?? '');
    }
  };
  const stops = [
    read.onChange(APIServices, ({ object }) => object && isOurs(object) && queue.add(object.metadata?.name ?? '')),
    ...(isRemote ? serviceChanges(read, touch) : []),
  ];
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
}

/** Calls back for every Service that changed, or whose endpoints did. */
function serviceChanges(read: PluginContext['read'], touch: (namespace: string | undefined, service: string | undefined) => void): (() => void)[] {
  return [
    read.onChange(Services, ({ object, old }) => touch((object ?? old)?.metadata?.namespace, (object ?? old)?.metadata?.name)),
    read.onChange(EndpointSlices, ({ object, old }) => {
      const { namespace, labels } = (object ?? old)?.metadata ?? {};
      touch(namespace, labels?.['kubernetes.io/service-name']);
    }),
  ];
}

function openApiV2(remotes: Remotes, known: KnownApis): object[] {
  const byPriority = remotes.all().sort((a, b) => b.groupPriority - a.groupPriority || b.versionPriority - a.versionPriority || (a.name < b.name ? -1 : 1));
  return byPriority.map(({ name }) => known.published(name)?.v2).filter((document) => document !== undefined);
}

function aggregation(context: PluginContext, remotes: Remotes, known: KnownApis): Aggregation {
  const openApiRoot = '/openapi/v3/';
  const ofOpenApi = (path: string): ReturnType<Remotes['get']> => {
    const name = path.startsWith(openApiRoot) ? known.ofOpenApi(path.slice(openApiRoot.length)) : undefined;
    return name !== undefined && known.published(name)?.v3Url ? remotes.get(name) : undefined;
  };
  const of = (path: string): ReturnType<Remotes['get']> => remotes.ofPath(path) ?? ofOpenApi(path);
  return {
    get generation() {
      return known.generation;
    },
    remotes: () => known.groupVersions(),
    serves: (path) => of(path) !== undefined,
    async serve(request) {
      const remote = of(request.http.url.split('?')[0] ?? '');
      if (!remote) throw new Error('no APIService for a delegated request');
      await proxyTo(remote, request, context);
    },
    openApiV3: () => new Map(remotes.all().flatMap((remote) => {
      const url = known.published(remote.name)?.v3Url;
      return url ? [[openApiKey(remote), url] as const] : [];
    })),
    openApiV3Made: () => remotes.all().filter(({ name }) => known.published(name)?.v3).map(openApiKey),
    openApiV3Of: (key) => known.published(known.ofOpenApi(key) ?? '')?.v3,
    openApiV2: () => openApiV2(remotes, known),
  };
}

/** Fine once every group version that is built in has been seen available. */
function registrationCheck({ kinds, read }: PluginContext): () => HealthCheck[] {
  let missing: string[] | undefined;
  return () => {
    missing = (missing ?? [...builtInServices(kinds).keys()]).filter((name) => {
      const object = read.get(APIServices, { name });
      return !object || availability(object)?.status !== 'True';
    });
    return [{ name: 'autoregister-completion', failure: missing.length ? `missing APIService: [${missing.join(' ')}]` : undefined, readinessOnly: false }];
  };
}

/**
 * kube-aggregator's part: APIServices for all that is served here, the proxy to the servers behind the others, what they say in
 * discovery and OpenAPI, and their availability. Comes after the namespaces are there.
 */
export const aggregationPlugin: PluginFactory = (context) => {
  const remotes = new Remotes(context.read);
  const known = new KnownApis(context, remotes);
  const unavailable = availabilityMetrics(context);
  return {
    aggregation: aggregation(context, remotes, known),
    startHooks: ['apiservice-registration-controller', 'apiservice-discovery-controller', 'apiservice-openapi-controller', 'apiservice-openapiv3-controller'],
    checks: registrationCheck(context),
    bootstrap: [
      { name: 'kube-apiserver-autoregistration', run: (signal) => new Registration(context).run(signal) },
      {
        name: 'apiservice-status-local-available-controller',
        run: async (signal) => startAvailability(context, signal, { name: 'LocalAvailabilityController', isRemote: false, unavailable }),
      },
      {
        name: 'apiservice-status-remote-available-controller',
        run: async (signal) => startAvailability(context, signal, { name: 'RemoteAvailabilityController', isRemote: true, unavailable }),
      },
      { name: 'start-cluster-authentication-info-controller', run: (signal) => trustConfig(context).run(signal) },
    ],
    start(signal) {
      remotes.start(signal);
      known.start(signal);
    },
  };
};
