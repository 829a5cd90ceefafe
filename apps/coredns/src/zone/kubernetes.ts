import { isReverseName } from './records.ts';
import { normalizeIp, parseIp } from '@orrery/vnet';
import type { Endpoint, EndpointSlice, Pod, Service } from '@orrery/api/types';

/** What the zone is made from; backed by informers. */
export interface ClusterView {
  namespaceExists(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  /** The services that have this cluster address. */
  servicesByIp(ip: string): readonly Service[];
  /** Slices that hold an endpoint with this address. */
  slicesByIp(ip: string): readonly EndpointSlice[];
  podsByIp(ip: string): readonly Pod[];
}

export interface ZoneOptions {
  /** Seconds. */
  readonly ttl: number;
  /** `insecure` answers 1-2-3-4.ns.pod for any address in an existing namespace, `verified` for Pods' addresses, `disabled` never. */
  readonly pods: 'insecure' | 'verified' | 'disabled';
  /** An endpoint without a hostname is named by its Pod instead of its address. */
  readonly endpointPodNames: boolean;
  /** Empty: all. */
  readonly namespaces: ReadonlySet<string>;
  /** A Service with a cluster address but no endpoint that is ready does not exist. */
  readonly ignoreEmptyService: boolean;
}

/** One thing a name stands for: an address, or another name (ExternalName). */
export interface Record {
  /** The name that belongs to it alone: of the endpoint, else of the Service. */
  readonly owner: string;
  readonly host: string;
  /** -1: the endpoint has no port. */
  readonly port: number;
}

/** No such name, as opposed to a name without records of the type. */
export type Lookup = readonly Record[] | 'no such name';

interface Request {
  readonly under: 'svc' | 'pod';
  readonly namespace: string;
  readonly service: string;
  readonly endpoint: string;
  readonly port: string;
  readonly protocol: string;
}

export const nsName = (zone: string): string => (zone ? `ns.dns.${zone}` : 'ns.dns');

const stripUnderscore = (label: string): string => label.replace(/^_/, '');

/** The parts of a name below the zone; undefined for the zone itself, `svc`, `pod`. Longer names do not exist. */
function parse(name: string, zone: string): Request | 'no such name' | undefined {
  const base = name === zone ? '' : name.slice(0, zone ? -zone.length - 1 : undefined);
  if (base === '' || base === 'svc' || base === 'pod') return undefined;
  const labels = base.split('.').reverse();
  const [under = '', namespace = '', service = '', ...rest] = labels;
  if ((under !== 'svc' && under !== 'pod') || rest.length > 2) return 'no such name';
  if (rest.length === 2) return { under, namespace, service, endpoint: '', protocol: stripUnderscore(rest[0] ?? ''), port: stripUnderscore(rest[1] ?? '') };
  return { under, namespace, service, endpoint: rest[0] ?? '', port: '', protocol: '' };
}

/** One label for an endpoint: its hostname, its Pod's name if so wished, or its address with dashes. */
export function endpointLabel(endpoint: Endpoint, address: string, podNames: boolean): string {
  return endpoint.hostname || (podNames && endpoint.targetRef?.name) || address.replace(/[.:]/g, '-');
}

export function isServed(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}

export function clusterIps(service: Service): string[] {
  const ips = service.spec?.clusterIPs?.length ? service.spec.clusterIPs : [service.spec?.clusterIP ?? ''];
  return ips.filter((ip) => ip !== '' && ip !== 'None').map(normalizeIp);
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

const same = (wanted: string, has: string): boolean => wanted === '' || wanted === has.toLowerCase();

/** The endpoints of a Service, one record a port. */
function endpointRecords(request: Request, domain: string, view: ClusterView, options: ZoneOptions): Record[] {
  const out: Record[] = [];
  for (const slice of view.slices(request.namespace, request.service)) {
    const ports = slice.ports?.length ? slice.ports.filter((p) => same(request.port, p.name ?? '') && same(request.protocol, p.protocol ?? 'TCP')) : undefined;
    if (!ports && (request.port || request.protocol)) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (!isServed(endpoint)) continue;
      for (const address of endpoint.addresses) {
        const label = endpointLabel(endpoint, address, options.endpointPodNames).toLowerCase();
        if (!same(request.endpoint, label)) continue;
        for (const port of ports ?? [{ port: -1 }]) out.push({ owner: `${label}.${domain}`, host: normalizeIp(address), port: port.port ?? -1 });
      }
    }
  }
  return out;
}

function hasEndpoints(view: ClusterView, namespace: string, name: string): boolean {
  return view.slices(namespace, name).some((slice) => (slice.endpoints ?? []).some((endpoint) => isServed(endpoint) && endpoint.addresses.length > 0));
}

function findServices(request: Request, zone: string, view: ClusterView, options: ZoneOptions): Lookup {
  if (request.service === '') return [];
  const { namespace, service: name } = request;
  const service = view.service(namespace, name);
  if (!service) return 'no such name';
  const domain = [name, namespace, 'svc', ...(zone ? [zone] : [])].join('.');
  const external = service.spec?.type === 'ExternalName';
  if (options.ignoreEmptyService && !external && !isHeadless(service) && !hasEndpoints(view, namespace, name)) return 'no such name';
  if (external) {
    const target = (service.spec?.externalName ?? '').replace(/\.$/, '');
    return request.endpoint || !target || parseIp(target) ? 'no such name' : [{ owner: domain, host: target, port: 0 }];
  }
  if (isHeadless(service) || request.endpoint) {
    const found = endpointRecords(request, domain, view, options);
    return found.length ? found : 'no such name';
  }
  const ports = (service.spec?.ports ?? []).filter((p) => same(request.port, p.name ?? '') && same(request.protocol, p.protocol ?? 'TCP'));
  if (!ports.length) return 'no such name';
  return ports.flatMap((p) => clusterIps(service).map((host) => ({ owner: domain, host, port: p.port })));
}

/** `1-2-3-4.default.pod.ZONE`, `2001-db8--1.default.pod.ZONE` */
function findPods(request: Request, name: string, view: ClusterView, options: ZoneOptions): Lookup {
  if (options.pods === 'disabled') return 'no such name';
  const { service: dashed, namespace } = request;
  if (dashed === '') return [];
  const text = dashed.replaceAll('-', dashed.split('-').length === 4 && !dashed.includes('--') ? '.' : ':');
  if (!parseIp(text)) return 'no such name';
  const host = normalizeIp(text);
  if (options.pods === 'verified' && !view.podsByIp(host).some((pod) => pod.metadata?.namespace === namespace)) return 'no such name';
  return [{ owner: name, host, port: 0 }];
}

/** What a name of the zone stands for, by the Kubernetes DNS specification 1.1. Name and zone in lower case, without the last dot. */
export function lookUp(name: string, zone: string, view: ClusterView, options: ZoneOptions): Lookup {
  if (isReverseName(name)) return name === zone ? [] : 'no such name';
  const request = parse(name, zone);
  if (request === undefined) return [];
  if (request === 'no such name') return request;
  if (request.namespace === '') return [];
  if (options.namespaces.size && !options.namespaces.has(request.namespace)) return 'no such name';
  if (!view.namespaceExists(request.namespace)) return 'no such name';
  return request.under === 'pod' ? findPods(request, name, view, options) : findServices(request, zone, view, options);
}

/** Names of an address: the Service it is the cluster address of, else the endpoints that have it. Empty: not an address of ours. */
export function namesOfAddress(ip: string, zone: string, view: ClusterView, options: ZoneOptions): string[] {
  const exposed = (namespace: string): boolean => options.namespaces.size === 0 || options.namespaces.has(namespace);
  const under = zone ? `svc.${zone}` : 'svc';
  for (const { metadata } of view.servicesByIp(ip)) {
    if (exposed(metadata?.namespace ?? '')) return [`${metadata?.name ?? ''}.${metadata?.namespace ?? ''}.${under}`];
  }
  const names = new Set<string>();
  for (const slice of view.slicesByIp(ip)) {
    const namespace = slice.metadata?.namespace ?? '';
    const service = slice.metadata?.labels?.['kubernetes.io/service-name'] ?? '';
    if (!service || !exposed(namespace)) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (!isServed(endpoint)) continue;
      for (const address of endpoint.addresses) if (normalizeIp(address) === ip) names.add(`${endpointLabel(endpoint, address, options.endpointPodNames)}.${service}.${namespace}.${under}`);
    }
  }
  return [...names];
}

/** Name servers of the zone: the Services behind which this server answers, or itself where there is none. */
export function nameServers(localIps: readonly string[], zone: string, view: ClusterView, options: ZoneOptions): { readonly name: string; readonly address: string }[] {
  const found = new Map<string, { name: string; address: string }>();
  for (const ip of localIps) {
    for (const slice of view.slicesByIp(normalizeIp(ip))) {
      const namespace = slice.metadata?.namespace ?? '';
      const service = view.service(namespace, slice.metadata?.labels?.['kubernetes.io/service-name'] ?? '');
      if (!service) continue;
      const domain = [service.metadata?.name ?? '', namespace, 'svc', ...(zone ? [zone] : [])].join('.');
      if (!isHeadless(service)) for (const address of clusterIps(service)) found.set(`${domain} ${address}`, { name: domain, address });
      else {
        const own = (slice.endpoints ?? []).find((endpoint) => endpoint.addresses.includes(ip));
        if (own) found.set(`${domain} ${ip}`, { name: `${endpointLabel(own, ip, options.endpointPodNames)}.${domain}`, address: normalizeIp(ip) });
      }
    }
  }
  return found.size ? [...found.values()] : localIps.map((ip) => ({ name: nsName(zone), address: normalizeIp(ip) }));
}
