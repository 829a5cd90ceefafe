import type { EndpointSlice, Ingress, IngressClass, Secret, Service } from '@orrery/api/types';
import { type Env, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { readGlobal } from '../annotations/global.ts';
import { prefix } from '../annotations/read.ts';
import { Decider } from '../deciding/decide.ts';
import type { ForwardPlan, ProxiedRequest, ProxyVerdict } from '../proxy.ts';
import { type IngressWorld, type RoutingTable, buildTable } from '../routing/table.ts';

export const controller = 'k8s.io/ingress-nginx';
export const nginxClass: IngressClass = { metadata: { name: 'nginx' }, spec: { controller } };

export type Path = [path: string, type: string, service: string];

/** An Ingress of namespace `d`; annotations without their prefix. */
export function ingress(name: string, hosts: Readonly<Record<string, Path[]>>, annotations: Readonly<Record<string, string>> = {}, more: Partial<Ingress['spec']> = {}): Ingress {
  const rules = Object.entries(hosts).map(([host, paths]) => ({
    ...(host ? { host } : {}),
    http: { paths: paths.map(([path, pathType, service]) => ({ path, pathType, backend: { service: { name: service, port: { number: 80 } } } })) },
  }));
  const full = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [prefix + key, value]));
  return { metadata: { namespace: 'd', name, annotations: full }, spec: { ingressClassName: 'nginx', rules, ...more } };
}

export interface WorldOptions {
  readonly classes?: readonly IngressClass[];
  readonly global?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, Secret>>;
  readonly configMaps?: Readonly<Record<string, Record<string, string>>>;
  /** Addresses of a Service; by default one, named as the Service. */
  readonly endpoints?: Readonly<Record<string, readonly string[]>>;
}

export function world(ingresses: readonly Ingress[], options: WorldOptions = {}): IngressWorld {
  const service: Service = { spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } };
  const slice = (name: string): EndpointSlice => ({
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: [...(options.endpoints?.[name] ?? [name]).map((ip) => ({ addresses: [ip] })), { addresses: ['down'], conditions: { ready: false } }],
  });
  return {
    ingresses,
    classes: options.classes ?? [nginxClass],
    global: readGlobal(options.global ?? {}).settings,
    service: () => service,
    slices: (_ns, name) => [slice(name)],
    secret: (_ns, name) => options.secrets?.[name],
    configMap: (namespace, name) => options.configMaps?.[`${namespace}/${name}`],
  };
}

export const tableOf = (ingresses: readonly Ingress[], options: WorldOptions = {}): RoutingTable => buildTable(world(ingresses, options), controller);

export function testEnv(): Env & { readonly clock: VirtualClock } {
  return { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
}

/** Decides about requests by a few words: `http://host/path` and headers. */
export function decider(ingresses: readonly Ingress[], options: WorldOptions & { env?: Env } = {}) {
  const env = options.env ?? testEnv();
  const backends = world(ingresses, options);
  const table = buildTable(backends, controller);
  const verify = (password: string, hash: string): Promise<boolean> => Promise.resolve(password === hash);
  const made = new Decider({ env, backends, table: () => table, global: () => backends.global, verify, httpsPort: () => '8443' });
  const ask = (url: string, headers: Readonly<Record<string, string>> = {}, more: Partial<ProxiedRequest> = {}): ProxyVerdict | Promise<ProxyVerdict> => {
    const [, scheme = '', host = '', target = ''] = /^(https?):\/\/([^/]*)(.*)$/.exec(url) ?? [];
    return made.decide({ method: 'GET', host, target: target || '/', protocol: 'HTTP/1.1', secure: scheme === 'https', headers: { host, ...headers }, clientIp: '192.0.2.1', clientPort: 4242, upgrade: false, ...more });
  };
  return { ask, env };
}

/** The plan of a request that is forwarded; throws for one that is not. */
export function planOf(verdict: ProxyVerdict | Promise<ProxyVerdict>): ForwardPlan {
  if (verdict instanceof Promise || verdict.kind !== 'forward') throw new Error(`not forwarded: ${JSON.stringify(verdict)}`);
  return verdict.plan;
}

/** A verdict in a few words: where it goes, or status and Location. */
export function told(verdict: ProxyVerdict | Promise<ProxyVerdict>): string {
  if (verdict instanceof Promise) return 'later';
  if (verdict.kind === 'forward') return `${verdict.plan.endpoints[0]?.ip ?? ''} ${verdict.plan.target}`;
  return [String(verdict.status), verdict.headers['location']].filter(Boolean).join(' ');
}
