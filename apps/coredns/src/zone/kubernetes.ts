import type { Endpoint, EndpointSlice, Service } from '@orrery/api/types';
import type { Answer } from 'dns-packet';
import { type Question, type Reply, addressOfReverseName, addressRecord, canonicalIp6, isIp6 } from './records.ts';

/** What the zone is made from; backed by informers. */
export interface ClusterView {
  namespaceExists(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  /** The service that has this cluster address. */
  serviceByIp(ip: string): Service | undefined;
  /** Slices that hold an endpoint with this address. */
  slicesByIp(ip: string): readonly EndpointSlice[];
}

export interface ZoneOptions {
  readonly zone: string;
  readonly ttl: number;
  /** `insecure` answers 1-2-3-4.ns.pod for any address in an existing namespace; `disabled` never does. */
  readonly pods: 'insecure' | 'disabled';
  readonly serial: () => number;
}

interface Target {
  readonly name: string;
  readonly address: string;
}

const schemaVersion = '1.1.0';

/** One label for an endpoint: its hostname, or its address with dashes. */
function endpointLabel(endpoint: Endpoint): string {
  return endpoint.hostname || (endpoint.addresses[0] ?? '').replace(/[.:]/g, '-');
}

function isServed(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}

function soa({ zone, ttl, serial }: ZoneOptions): Answer {
  return { name: zone, type: 'SOA', ttl, data: { mname: `ns.dns.${zone}`, rname: `hostmaster.${zone}`, serial: serial(), refresh: 7200, retry: 1800, expire: 86400, minimum: ttl } };
}

function reply(options: ZoneOptions, answers: readonly Answer[], additionals: readonly Answer[] = []): Reply {
  return { rcode: 'NOERROR', answers, additionals, authorities: answers.length ? [] : [soa(options)], authoritative: true };
}

function nxdomain(options: ZoneOptions): Reply {
  return { rcode: 'NXDOMAIN', answers: [], additionals: [], authorities: [soa(options)], authoritative: true };
}

function wants(question: Question, address: string): boolean {
  return question.type === 'ANY' || question.type === (isIp6(address) ? 'AAAA' : 'A');
}

function clusterIps(service: Service): string[] {
  const ips = service.spec?.clusterIPs?.length ? service.spec.clusterIPs : [service.spec?.clusterIP ?? ''];
  return ips.filter((ip) => ip !== '' && ip !== 'None');
}

function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

interface ServiceName {
  readonly service: Service;
  readonly namespace: string;
  /** `web.default.svc.cluster.local` */
  readonly domain: string;
}

/** Records of a service's own name. */
function answerService(question: Question, at: ServiceName, view: ClusterView, options: ZoneOptions): Reply {
  const { service } = at;
  const { ttl } = options;
  if (service.spec?.type === 'ExternalName') {
    const target = service.spec.externalName ?? '';
    const chase = question.type === 'A' || question.type === 'AAAA' ? { chase: target } : {};
    return { ...reply(options, [{ name: question.name, type: 'CNAME', ttl, data: target }]), ...chase };
  }
  if (question.type === 'SRV') return answerSrv(question, at, view, options, () => true);
  const addresses = isHeadless(service) ? endpointTargets(at, view).map((t) => t.address) : clusterIps(service);
  if (isHeadless(service) && addresses.length === 0) return nxdomain(options);
  const unique = [...new Set(addresses)].filter((address) => wants(question, address));
  return reply(options, unique.map((address) => addressRecord(question.name, address, ttl)));
}

function endpointTargets({ namespace, service, domain }: ServiceName, view: ClusterView): Target[] {
  return view.slices(namespace, service.metadata?.name ?? '').flatMap((slice) =>
    (slice.endpoints ?? []).filter(isServed).flatMap((endpoint) => endpoint.addresses.map((address) => ({ name: `${endpointLabel(endpoint)}.${domain}`, address }))),
  );
}

/** Port number and targets of every endpoint port that `matches`. */
function srvTargets(at: ServiceName, view: ClusterView, matches: (name: string, protocol: string) => boolean): (Target & { port: number })[] {
  const { service, namespace, domain } = at;
  if (!isHeadless(service)) {
    const ports = (service.spec?.ports ?? []).filter((p) => matches(p.name ?? '', p.protocol ?? 'TCP'));
    return ports.flatMap((p) => clusterIps(service).map((address) => ({ name: domain, address, port: p.port })));
  }
  return view.slices(namespace, service.metadata?.name ?? '').flatMap((slice) =>
    (slice.ports ?? [])
      .filter((p) => matches(p.name ?? '', p.protocol ?? 'TCP'))
      .flatMap((p) =>
        (slice.endpoints ?? []).filter(isServed).flatMap((endpoint) =>
          endpoint.addresses.map((address) => ({ name: `${endpointLabel(endpoint)}.${domain}`, address, port: p.port ?? 0 })),
        ),
      ),
  );
}

function answerSrv(question: Question, at: ServiceName, view: ClusterView, options: ZoneOptions, matches: (name: string, protocol: string) => boolean): Reply {
  const { ttl } = options;
  const targets = srvTargets(at, view, matches);
  const unique = [...new Map(targets.map((t) => [`${t.name}:${t.port}`, t])).values()];
  const weight = Math.max(1, Math.floor(100 / Math.max(1, unique.length)));
  const answers = unique.map((t): Answer => ({ name: question.name, type: 'SRV', ttl, data: { priority: 0, weight, port: t.port, target: t.name } }));
  return reply(options, answers, targets.map((t) => addressRecord(t.name, t.address, ttl)));
}

/** `labels` are those before `.svc.ZONE`, e.g. [web, default] or [_http, _tcp, web, default]. */
function answerUnderSvc(question: Question, labels: readonly string[], view: ClusterView, options: ZoneOptions): Reply {
  const namespace = labels.at(-1) ?? '';
  if (labels.length === 0) return reply(options, []);
  if (!view.namespaceExists(namespace)) return nxdomain(options);
  if (labels.length === 1) return reply(options, []);
  const name = labels.at(-2) ?? '';
  const service = view.service(namespace, name);
  if (!service) return nxdomain(options);
  const at: ServiceName = { service, namespace, domain: `${name}.${namespace}.svc.${options.zone}` };
  const rest = labels.slice(0, -2);
  if (rest.length === 0) return answerService(question, at, view, options);
  const [port = '', protocol = ''] = rest;
  if (rest.length === 2 && port.startsWith('_') && protocol.startsWith('_')) {
    const matches = (portName: string, portProtocol: string): boolean => portName.toLowerCase() === port.slice(1) && portProtocol.toLowerCase() === protocol.slice(1);
    if (srvTargets(at, view, matches).length === 0) return nxdomain(options);
    return question.type === 'SRV' || question.type === 'ANY' ? answerSrv(question, at, view, options, matches) : reply(options, []);
  }
  if (rest.length !== 1) return nxdomain(options);
  const named = endpointTargets(at, view).filter((t) => t.name.toLowerCase() === `${rest[0]}.${at.domain}`);
  if (named.length === 0) return nxdomain(options);
  return reply(options, named.filter((t) => wants(question, t.address)).map((t) => addressRecord(question.name, t.address, options.ttl)));
}

/** `1-2-3-4.default.pod.ZONE` */
function answerUnderPod(question: Question, labels: readonly string[], view: ClusterView, options: ZoneOptions): Reply {
  const [dashed = ''] = labels;
  if (labels.length === 0) return reply(options, []);
  if (options.pods === 'disabled' || !view.namespaceExists(labels.at(-1) ?? '') || labels.length > 2) return nxdomain(options);
  if (labels.length === 1) return reply(options, []);
  const ip4 = dashed.replaceAll('-', '.');
  const address = /^(\d{1,3}\.){3}\d{1,3}$/.test(ip4) && ip4.split('.').every((part) => Number(part) < 256) ? ip4 : undefined;
  if (!address) return nxdomain(options);
  return reply(options, wants(question, address) ? [addressRecord(question.name, address, options.ttl)] : []);
}

/** PTR of cluster addresses and of endpoints that have a hostname; undefined: not an address of ours. */
function answerReverse(question: Question, view: ClusterView, options: ZoneOptions): Reply | undefined {
  const address = addressOfReverseName(question.name);
  if (!address) return undefined;
  const service = view.serviceByIp(address);
  const domains: string[] = [];
  if (service) domains.push(`${service.metadata?.name ?? ''}.${service.metadata?.namespace ?? ''}.svc.${options.zone}`);
  for (const slice of service ? [] : view.slicesByIp(address)) {
    const name = slice.metadata?.labels?.['kubernetes.io/service-name'] ?? '';
    const endpoints = (slice.endpoints ?? []).filter((e) => e.addresses.some((a) => (isIp6(a) ? canonicalIp6(a) : a) === address));
    for (const endpoint of endpoints) domains.push(`${endpointLabel(endpoint)}.${name}.${slice.metadata?.namespace ?? ''}.svc.${options.zone}`);
  }
  if (domains.length === 0) return undefined;
  return reply(options, question.type === 'PTR' || question.type === 'ANY' ? domains.map((data): Answer => ({ name: question.name, type: 'PTR', ttl: options.ttl, data })) : []);
}

/**
 * Answers from the cluster by the Kubernetes DNS specification 1.1; undefined when the name is not of this zone, to be
 * answered by whoever comes next. Names are compared without case; answers repeat the name as it was asked.
 */
export function resolveKubernetes(asked: Question, view: ClusterView, options: ZoneOptions): Reply | undefined {
  const name = asked.name.toLowerCase().replace(/\.$/, '');
  const { zone, ttl } = options;
  if (name.endsWith('.arpa')) return answerReverse({ ...asked, name }, view, options);
  if (name !== zone && !name.endsWith(`.${zone}`)) return undefined;
  const labels = name === zone ? [] : name.slice(0, -zone.length - 1).split('.');
  const question: Question = { name: asked.name, type: asked.type };
  const kind = labels.at(-1);
  if (kind === undefined) {
    if (asked.type === 'SOA') return reply(options, [soa(options)]);
    if (asked.type === 'NS') return reply(options, [{ name: asked.name, type: 'NS', ttl, data: `ns.dns.${zone}` }]);
    return reply(options, []);
  }
  if (name === `dns-version.${zone}`) return reply(options, asked.type === 'TXT' ? [{ name: asked.name, type: 'TXT', ttl: 28800, data: schemaVersion }] : []);
  if (name === `ns.dns.${zone}` || name === `dns.${zone}`) return reply(options, []);
  if (kind === 'svc') return answerUnderSvc(question, labels.slice(0, -1), view, options);
  if (kind === 'pod') return answerUnderPod(question, labels.slice(0, -1), view, options);
  return nxdomain(options);
}
