import type { EndpointSlice } from '@orrery/api/types';
import { type ServicePort, externallyAccessible } from './service-port.ts';

/** One endpoint of a service port, with what the choice depends on. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly nodeName: string;
  readonly ready: boolean;
  /** Still answers, whether or not it shuts down. */
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Hints of the control plane: nodes and zones that should use it. */
  readonly forNodes: readonly string[];
  readonly forZones: readonly string[];
}

/** The node that rules are made for. */
export interface ProxyNode {
  /** Empty: not a node, so `Local` policies do not bind it. */
  readonly name: string;
  /** `topology.kubernetes.io/zone` of the node. */
  readonly zone?: string;
}

const none: readonly string[] = [];
const headlessLabel = 'service.kubernetes.io/headless';
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';

function isIgnored({ metadata }: EndpointSlice): boolean {
  return metadata?.labels?.[headlessLabel] !== undefined || metadata?.labels?.[proxyNameLabel] !== undefined;
}

/** All endpoints of one port, in the order of their addresses' text so that rules come out the same every time. */
export function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[]): Endpoint[] {
  const addressType = port.family === 6 ? 'IPv6' : 'IPv4';
  const found = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType !== addressType || isIgnored(slice)) continue;
    for (const target of slice.ports ?? []) {
      if ((target.name ?? '') !== port.portName || (target.protocol ?? 'TCP') !== port.protocol || !target.port) continue;
      for (const { addresses, conditions: { ready, serving, terminating } = {}, nodeName = '', hints } of slice.endpoints ?? []) {
        const endpoint: Endpoint = {
          ip: addresses[0] ?? '',
          port: target.port,
          nodeName,
          ready: ready !== false,
          serving: serving !== false,
          terminating: terminating === true,
          forNodes: hints?.forNodes?.map(({ name }) => name) ?? none,
          forZones: hints?.forZones?.map(({ name }) => name) ?? none,
        };
        const key = `${endpoint.ip}|${endpoint.port}`;
        const known = found.get(key);
        if (!known || (endpoint.ready && !known.ready)) found.set(key, endpoint);
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** Which endpoints a port uses on a node; what upstream's CategorizeEndpoints returns. */
export interface Routing {
  readonly port: ServicePort;
  /** Under the `Cluster` policy. */
  readonly cluster: readonly Endpoint[];
  /** Under the `Local` policy; empty for ports that have no such policy. */
  readonly local: readonly Endpoint[];
  /** Both, each once. */
  readonly reachable: readonly Endpoint[];
  /** Some node has a usable endpoint, so that having none here is a matter of policy. */
  readonly hasAny: boolean;
}

type Usable = (endpoint: Endpoint) => boolean;

const drains: Usable = (e) => !e.ready && e.serving && e.terminating;

/** Hints count only when all ready endpoints have them and one is for this node or zone. */
function hinted(endpoints: readonly Endpoint[], node: ProxyNode): Usable {
  const ready = endpoints.filter((e) => e.ready);
  const { name, zone = '' } = node;
  if (!ready.length || !name) return () => true;
  if (ready.every((e) => e.forNodes.length) && ready.some((e) => e.forNodes.includes(name))) return (e) => e.forNodes.includes(name);
  if (zone && ready.every((e) => e.forZones.length) && ready.some((e) => e.forZones.includes(zone))) return (e) => e.forZones.includes(zone);
  return () => true;
}

/** Ready endpoints that pass `filter`; where there is none, those that still serve while they terminate. */
function usable(endpoints: readonly Endpoint[], filter: Usable): Endpoint[] {
  const ready = endpoints.filter((e) => e.ready && filter(e));
  return ready.length ? ready : endpoints.filter(drains);
}

export function route(port: ServicePort, endpoints: readonly Endpoint[], node: ProxyNode): Routing {
  const accessible = externallyAccessible(port);
  const bound = node.name !== '';
  const usesLocal = bound && (port.internalLocal || (port.externalLocal && accessible));
  const usesCluster = !bound || !port.internalLocal || accessible;
  const cluster = usesCluster ? usable(endpoints, hinted(endpoints, node)) : [];
  if (!usesLocal) return { port, cluster, local: [], reachable: cluster, hasAny: cluster.length > 0 };
  const here = endpoints.filter((e) => e.nodeName === node.name);
  const local = usable(here, () => true);
  const known = new Set(cluster);
  return { port, cluster, local, reachable: [...cluster, ...local.filter((e) => !known.has(e))], hasAny: endpoints.some((e) => e.ready || drains(e)) };
}

/** True when what a port uses differs from node to node. */
export function dependsOnNode(port: ServicePort, endpoints: readonly Endpoint[]): boolean {
  return port.internalLocal || port.externalLocal || endpoints.some((e) => e.forNodes.length > 0 || e.forZones.length > 0);
}

/** How packets to one kind of address of a port are treated on a node. */
export interface Decision {
  readonly backends: readonly Endpoint[];
  /** Without a backend: refused, or dropped when only this node has none. */
  readonly whenEmpty: 'refuse' | 'drop';
}

function decide({ cluster, local, hasAny }: Routing, useLocal: boolean): Decision {
  const backends = useLocal ? local : cluster;
  return { backends, whenEmpty: hasAny && !backends.length ? 'drop' : 'refuse' };
}

/** For the cluster IP. */
export function internalDecision(routing: Routing, node: ProxyNode): Decision {
  return decide(routing, routing.port.internalLocal && node.name !== '');
}

/** For node ports, external and load-balancer addresses. */
export function externalDecision(routing: Routing, node: ProxyNode): Decision {
  return decide(routing, routing.port.externalLocal && node.name !== '');
}
