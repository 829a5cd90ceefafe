import { ConfigMaps, EndpointSlices, IngressClasses, Ingresses, Secrets, Services } from '@orrery/api';
import type { ConfigMap, EndpointSlice, Ingress, IngressClass } from '@orrery/api/types';
import { type ApiClient, createEventRecorder, createInformerFactory, keyOf } from '@orrery/client';
import { isAlreadyExists, toStatusError } from '@orrery/errors';
import { certificateFacts } from '@orrery/node-io/pki';
import type { Component, Env } from '@orrery/runtime';
import { type GlobalSettings, readGlobal } from './annotations/global.ts';
import type { IngressConfig } from './config.ts';
import { Decider, type Tag } from './deciding/decide.ts';
import type { VerifyPassword } from './deciding/access.ts';
import type { ProxyRecord, ReverseProxy } from './proxy.ts';
import { accessLine } from './reporting/access-log.ts';
import { controllerMetrics } from './reporting/controller-metrics.ts';
import { requestMetrics } from './reporting/metrics.ts';
import { type NginxProcess, createNginxPlane } from './nginx/plane.ts';
import { unsupported } from './nginx/render.ts';
import type { Backends } from './routing/backends.ts';
import { configurationText } from './routing/configuration-text.ts';
import { type Certificate, type RoutingTable, buildTable, isOurs } from './routing/table.ts';
import { publishAddress, statusEntries } from './status.ts';
import { type Stream, type StreamProtocol, readStreams } from './streams/plan.ts';
import { type StreamNetwork, Streams } from './streams/streams.ts';

export { ingressSchema } from './config.ts';
export { statusEntries } from './status.ts';
export type * from './proxy.ts';

export interface IngressDeps {
  readonly api: ApiClient;
  readonly proxy: ReverseProxy;
  /** For the data plane `nginx`: carries requests in the place of `proxy`. */
  readonly nginx?: NginxProcess;
  /** For TCP and UDP services; without it there are none. */
  readonly streams?: StreamNetwork;
  /** Compares passwords with lines of htpasswd files; see `verifyHtpasswd` of node-io. */
  readonly verify: VerifyPassword;
  /** What the proxy shows for hosts without a certificate of their own (PEM), for metrics. */
  readonly fallbackCertificate?: string;
}

function ingressClass(config: IngressConfig): IngressClass {
  const annotations: Record<string, string> = config.watchIngressWithoutClass ? { 'ingressclass.kubernetes.io/is-default-class': 'true' } : {};
  return { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: config.ingressClass, annotations }, spec: { controller: config.controllerClass } };
}

/** Problems of a table's annotations, with those of settings that nginx is not configured for. */
function withUnsupported({ problems, hosts }: RoutingTable): ReadonlyMap<string, readonly string[]> {
  const all = new Map(problems);
  for (const { ingress, settings } of [...hosts.values()].flat()) {
    const names = unsupported(settings);
    if (names.length) all.set(ingress, [...(problems.get(ingress) ?? []), `not supported by the data plane nginx: ${names.join(', ')}`]);
  }
  return all;
}

const writeAgainMs = 2_000;

/** Another try may well succeed: the server is away or busy, or somebody else was quicker. */
function passes(error: unknown): boolean {
  const { code } = toStatusError(error);
  return code >= 500 || code === 409 || code === 429;
}

/** The ingress controller: routes requests from this machine to the endpoints of Services, by Ingress rules. */
export function createIngress(env: Env, deps: IngressDeps, config: IngressConfig): Component & { endpoints(): { http: string; https: string } } {
  const { api, proxy, verify } = deps;
  const informers = createInformerFactory({ api, env });
  const ingresses = informers.informer(Ingresses);
  const classes = informers.informer(IngressClasses);
  const services = informers.informer(Services);
  const slices = informers.informer(EndpointSlices, {
    indexers: { ingressService: (slice: EndpointSlice) => [`${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`] },
  });
  const secrets = informers.informer(Secrets, { fieldSelector: 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token' });
  const [mapNamespace = '', mapName = ''] = config.configmap.split('/');
  const settingsMap = informers.informer(ConfigMaps, { namespace: mapNamespace });
  const recorder = createEventRecorder(env, { api, component: 'nginx-ingress-controller' });
  const labels = { controller_class: config.controllerClass, controller_namespace: mapNamespace, controller_pod: config.controllerPod };
  const count = requestMetrics(env.metrics, labels);
  let table: RoutingTable | undefined;
  let global: GlobalSettings = readGlobal({}).settings;
  // A wrong one is told before anything starts.
  const addresses = statusEntries(config.publishStatusAddress || config.host);
  let bound = { http: '', https: '' };
  let serving = false;

  const backends: Backends = {
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    slices: (namespace, name) => [...slices.byIndex('ingressService', `${namespace}/${name}`)],
    secret: (namespace, name) => secrets.get(`${namespace}/${name}`),
    configMap: (namespace, name) => settingsMap.get(`${namespace}/${name}`)?.data,
  };
  const told = new Map<string, string>();
  const tell = (problems: RoutingTable['problems']): void => {
    for (const key of told.keys()) if (!problems.has(key)) told.delete(key);
    for (const [key, list] of problems) {
      const message = `Error parsing annotations: ${list.join('; ')}`;
      const ingress = ingresses.get(key);
      if (!ingress || told.get(key) === message) continue;
      told.set(key, message);
      recorder.event(Ingresses, ingress, { type: 'Warning', reason: 'AnnotationParsingFailed', message });
    }
  };
  const inForce = (now: RoutingTable, settings: GlobalSettings) => (): string => configurationText(now, settings);
  const current = (): RoutingTable => {
    if (table) return table;
    table = buildTable({ ...backends, ingresses: [...ingresses.list()], classes: [...classes.list()], global }, config.controllerClass);
    // Of nginx the plane tells once it has taken it over.
    if (!plane) report.reloaded(inForce(table, global));
    tell(plane ? withUnsupported(table) : table.problems);
    return table;
  };
  const invalidate = (): void => {
    table = undefined;
    plane?.changed();
  };
  const applyGlobal = (map: ConfigMap): void => {
    if (map.metadata?.name !== mapName || map.metadata.namespace !== mapNamespace) return;
    const { settings, problems } = readGlobal(map.data ?? {});
    global = settings;
    invalidate();
    if (problems.length) env.log.warn('values of the ConfigMap that cannot be read count as absent', { configmap: config.configmap, problems });
    if (problems.length) recorder.event(ConfigMaps, map, { type: 'Warning', reason: 'InvalidConfiguration', message: problems.join('; ') });
  };
  const report = controllerMetrics(env, { labels, backends, table: current, certificateFacts, fallbackCertificate: deps.fallbackCertificate, connections: () => proxy.connections() });
  const decider = new Decider({ env, backends, table: current, global: () => global, verify, httpsPort: () => bound.https.split(':').at(-1) ?? '' });
  const plane = deps.nginx && createNginxPlane({ env, nginx: deps.nginx, backends, table: current, global: () => global, report });
  const done = (record: ProxyRecord): void => {
    const tag = record.tag as Tag;
    tag.release();
    decider.times.note(record.attempts);
    count(record, tag);
    if (global.accessLog && config.accessLog && (tag.location?.settings.accessLog ?? true)) env.log.info(accessLine(global.logFormat, record, tag, env.clock.now()));
  };
  const served = (ingress: Ingress): boolean => serving && isOurs(ingress, [...classes.list()], config.controllerClass);
  const publish = (ingress: Ingress): void => {
    if (!served(ingress)) return;
    publishAddress(api, ingress, addresses).catch((error: unknown) => {
      env.log.warn('cannot write the status of an ingress', { error });
      if (passes(error)) env.clock.after(writeAgainMs, () => publishNow(keyOf(ingress)));
    });
  };
  const publishNow = (key: string): void => {
    const ingress = ingresses.get(key);
    if (ingress) publish(ingress);
  };
  const closing = new AbortController();
  const ensureClass = async (): Promise<void> => {
    for (;;) {
      try {
        return void (await api.create(IngressClasses, ingressClass(config)));
      } catch (error) {
        if (isAlreadyExists(error)) return;
        if (!passes(error)) throw error;
        env.log.warn('cannot make the ingress class, trying again', { error });
        await env.clock.sleep(writeAgainMs, closing.signal);
      }
    }
  };
  const look = (ingress: Ingress): void => {
    publish(ingress);
    if (!served(ingress)) return;
    recorder.event(Ingresses, ingress, { type: 'Normal', reason: 'Sync', message: 'Scheduled for sync' });
    current();
  };

  const streams = deps.streams && new Streams(env, { network: deps.streams, host: config.host, backends, failed: ({ protocol, port }, error) => env.log.error('a port is not listened on', { protocol, port, error }) });
  const streamMaps = new Map<StreamProtocol, string>([['TCP', config.tcpServicesConfigmap], ['UDP', config.udpServicesConfigmap]]);
  const mapStores = [...new Set([...streamMaps.values()].filter(Boolean).map((name) => name.split('/')[0] ?? ''))].map((namespace) => informers.informer(ConfigMaps, { namespace }));
  /** Brings ports to what the ConfigMaps say. */
  const settleStreams = async (): Promise<void> => {
    if (!streams || !serving) return;
    const all: Stream[] = [];
    for (const [protocol, name] of streamMaps) {
      const map = mapStores.map((store) => store.get(name)).find((found) => found !== undefined);
      const { streams: wanted, problems } = readStreams(protocol, map?.data ?? {}, [bound.http, bound.https].map((at) => Number(at.split(':').at(-1))));
      all.push(...wanted);
      if (map && problems.length) recorder.event(ConfigMaps, map, { type: 'Warning', reason: 'InvalidConfiguration', message: problems.join('; ') });
    }
    await streams.set(all);
  };
  const streamsChanged = ({ metadata }: ConfigMap): void => {
    if ([...streamMaps.values()].includes(`${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`)) void settleStreams();
  };
  for (const store of mapStores) store.addHandlers({ add: streamsChanged, update: streamsChanged, delete: streamsChanged });

  const moved = (): void => plane?.changed();
  for (const informer of [services, slices]) informer.addHandlers({ add: moved, update: moved, delete: moved });
  for (const informer of [ingresses, classes, secrets]) informer.addHandlers({ add: invalidate, update: invalidate, delete: invalidate });
  settingsMap.addHandlers({ add: applyGlobal, update: applyGlobal, delete: (map) => applyGlobal({ ...map, data: {} }) });
  ingresses.addHandlers({ add: look, update: (ingress, old) => (ingress.metadata?.generation === old.metadata?.generation && JSON.stringify(ingress.metadata?.annotations) === JSON.stringify(old.metadata?.annotations) ? publish(ingress) : look(ingress)) });

  return {
    name: 'ingress',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      await ensureClass();
      const keepAlive = (): { connections: number; seconds: number } => ({ connections: global.keepAliveConnections, seconds: global.keepAliveSeconds });
      const resolve = (host: string): string | undefined => {
        const [, name = '', namespace = ''] = /^([^.]+)\.([^.]+)\.svc(?:\..+)?$/.exec(host) ?? [];
        const service = services.get(`${namespace}/${name}`);
        const ip = service?.spec?.clusterIP;
        return ip === 'None' ? backends.slices(namespace, name).flatMap((slice) => slice.endpoints ?? [])[0]?.addresses[0] : ip;
      };
      const certificateOf = (serverName: string): { own: Certificate | undefined; clientCa?: string } => {
        const ca = current().clientAuth(serverName)?.ca;
        return { own: current().certificate(serverName), ...(ca ? { clientCa: ca } : {}) };
      };
      bound = plane ? await plane.start() : await proxy.start({ decide: decider.decide, certificate: certificateOf, asksClients: () => current().asksClients, done, keepAlive, resolve });
      serving = true;
      for (const ingress of ingresses.list()) publish(ingress);
      await settleStreams();
    },
    async stop() {
      serving = false;
      closing.abort(new Error('ingress stops'));
      await streams?.set([]);
      await (plane ?? proxy).stop();
      await recorder.flush();
      informers.stop();
    },
    ready: () => serving && informers.synced(),
    endpoints: () => bound,
  };
}
