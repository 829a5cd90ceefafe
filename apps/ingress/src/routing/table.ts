import type { EndpointSlice, Ingress, IngressBackend, IngressClass, Secret, Service } from '@orrery/api/types';
import type { Endpoint } from '@orrery/vnet';
import { type PathType, comparePaths, hostCandidates, matchesPath } from './paths.ts';

/** What a table is made of. */
export interface IngressWorld {
  readonly ingresses: readonly Ingress[];
  readonly classes: readonly IngressClass[];
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  secret(namespace: string, name: string): Secret | undefined;
}

/** Where a request goes. */
export interface Route {
  readonly ingress: string;
  readonly endpoints: readonly Endpoint[];
  /** Answer a plain request with 308 to https. */
  readonly redirectToTls: boolean;
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface RoutingTable {
  /** Undefined: no rule matches (404). Without endpoints: 503. */
  route(host: string, path: string): Route | undefined;
  /** For a TLS server name; undefined: the controller's own certificate. */
  certificate(serverName: string): Certificate | undefined;
}

interface Rule {
  readonly type: PathType;
  readonly path: string;
  readonly ingress: Ingress;
  readonly backend: IngressBackend;
  readonly tls: boolean;
}

const defaultClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';
const sslRedirectAnnotation = 'nginx.ingress.kubernetes.io/ssl-redirect';

/** Ingresses of our class; those that name none only if our class is the default one. */
export function isOurs(ingress: Ingress, classes: readonly IngressClass[], controller: string): boolean {
  const ours = classes.filter((c) => c.spec?.controller === controller);
  const named = ingress.spec?.ingressClassName ?? ingress.metadata?.annotations?.['kubernetes.io/ingress.class'];
  if (named !== undefined) return ours.some((c) => c.metadata?.name === named);
  return ours.some((c) => c.metadata?.annotations?.[defaultClassAnnotation] === 'true');
}

function endpointsOf(world: IngressWorld, namespace: string, backend: IngressBackend): Endpoint[] {
  const { name = '', port } = backend.service ?? {};
  const service = world.service(namespace, name);
  const servicePort = service?.spec?.ports?.find((p) => (port?.name ? p.name === port.name : p.port === port?.number));
  if (!servicePort) return [];
  return world.slices(namespace, name).flatMap((slice) => {
    const target = slice.ports?.find((p) => (p.name ?? '') === (servicePort.name ?? ''))?.port;
    if (target === undefined) return [];
    return (slice.endpoints ?? []).filter((e) => e.conditions?.ready !== false).map((e) => ({ ip: e.addresses[0] ?? '', port: target }));
  });
}

function rulesByHost(ingresses: readonly Ingress[]): Map<string, Rule[]> {
  const byHost = new Map<string, Rule[]>();
  const add = (host: string, rule: Rule): void => void byHost.set(host, [...(byHost.get(host) ?? []), rule]);
  for (const ingress of ingresses) {
    const tlsHosts = new Set((ingress.spec?.tls ?? []).flatMap((entry) => entry.hosts ?? []));
    for (const { host = '', http } of ingress.spec?.rules ?? []) {
      for (const { path = '/', pathType, backend } of http?.paths ?? []) {
        add(host.toLowerCase(), { type: pathType as PathType, path, ingress, backend, tls: tlsHosts.has(host) });
      }
    }
    if (ingress.spec?.defaultBackend) add('', { type: 'Prefix', path: '/', ingress, backend: ingress.spec.defaultBackend, tls: false });
  }
  // Older ingresses win a tie, as upstream; sorting is stable.
  for (const rules of byHost.values()) rules.sort(comparePaths);
  return byHost;
}

function certificates(world: IngressWorld, ingresses: readonly Ingress[]): Map<string, Certificate> {
  const found = new Map<string, Certificate>();
  for (const ingress of ingresses) {
    for (const { hosts = [], secretName = '' } of ingress.spec?.tls ?? []) {
      const data = world.secret(ingress.metadata?.namespace ?? '', secretName)?.data;
      const [cert, key] = [data?.['tls.crt'], data?.['tls.key']];
      if (!cert || !key) continue;
      const decode = (text: unknown): string => Buffer.from(String(text), 'base64').toString('utf8');
      for (const host of hosts) if (!found.has(host.toLowerCase())) found.set(host.toLowerCase(), { cert: decode(cert), key: decode(key) });
    }
  }
  return found;
}

/** The routing of one moment. Endpoints are looked up at each request, so that scaling needs no new table. */
export function buildTable(world: IngressWorld, controller: string): RoutingTable {
  const ours = world.ingresses
    .filter((ingress) => isOurs(ingress, world.classes, controller))
    .sort((a, b) => (a.metadata?.creationTimestamp ?? '').localeCompare(b.metadata?.creationTimestamp ?? ''));
  const rules = rulesByHost(ours);
  const byName = certificates(world, ours);
  return {
    route(host, path) {
      for (const candidate of hostCandidates(host)) {
        const rule = rules.get(candidate)?.find((r) => matchesPath(r.type, r.path, path));
        if (!rule) continue;
        const { namespace = '', name = '', annotations } = rule.ingress.metadata ?? {};
        const redirectToTls = rule.tls && byName.has(candidate) && annotations?.[sslRedirectAnnotation] !== 'false';
        return { ingress: `${namespace}/${name}`, endpoints: endpointsOf(world, namespace, rule.backend), redirectToTls };
      }
      return undefined;
    },
    certificate(serverName) {
      for (const candidate of hostCandidates(serverName.toLowerCase())) {
        const certificate = byName.get(candidate);
        if (certificate) return certificate;
      }
      return undefined;
    },
  };
}
