import type { EndpointSlice, Service, ServicePort } from '@orrery/api/types';
import type { Endpoint, ServiceRule } from '@orrery/vnet';

/** One endpoint of a service port, with what the choice depends on. */
interface Candidate extends Endpoint {
  readonly nodeName: string | undefined;
  readonly ready: boolean;
  /** Still answers while it shuts down. */
  readonly servingTerminating: boolean;
}

export interface ProxyNode {
  /** Empty: not a node, so `Local` policies do not bind it. */
  readonly name: string;
}

type Protocol = 'TCP' | 'UDP';

function candidates(port: ServicePort, slices: readonly EndpointSlice[]): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    const target = slice.ports?.find((p) => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
    if (target?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const { ready, serving, terminating } = endpoint.conditions ?? {};
      const ip = endpoint.addresses[0] ?? '';
      const candidate = { ip, port: target.port, nodeName: endpoint.nodeName, ready: ready !== false, servingTerminating: serving !== false && terminating === true };
      const known = found.get(ip);
      if (!known || (candidate.ready && !known.ready)) found.set(ip, candidate);
    }
  }
  return [...found.values()];
}

/** Ready endpoints, or, when there is none, those that still serve while terminating (upstream's ProxyTerminatingEndpoints). */
function usable(list: readonly Candidate[]): Candidate[] {
  const ready = list.filter((c) => c.ready);
  return ready.length ? ready : list.filter((c) => c.servingTerminating);
}

interface Choice {
  readonly backends: readonly Endpoint[];
  readonly whenEmpty: 'refuse' | 'drop';
}

/** `Local` policies use only endpoints of the node itself and drop when it has none although others do. */
function choose(all: readonly Candidate[], policy: string | undefined, node: ProxyNode): Choice {
  const cluster = usable(all);
  if (policy !== 'Local' || node.name === '') return { backends: cluster, whenEmpty: 'refuse' };
  const local = usable(all.filter((c) => c.nodeName === node.name));
  return { backends: local, whenEmpty: cluster.length ? 'drop' : 'refuse' };
}

function affinityOf(service: Service): { affinitySeconds: number } | Record<string, never> {
  if (service.spec?.sessionAffinity !== 'ClientIP') return {};
  return { affinitySeconds: service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 };
}

function externalAddresses(service: Service): string[] {
  const balancer = (service.status?.loadBalancer?.ingress ?? []).filter((i) => i.ip && i.ipMode !== 'Proxy').map((i) => i.ip ?? '');
  return [...(service.spec?.externalIPs ?? []), ...balancer];
}

function isProxied(service: Service): boolean {
  const spec = service.spec;
  if (!spec || spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return false;
  return service.metadata?.labels?.['service.kubernetes.io/service-proxy-name'] === undefined;
}

/** True when the rules of a service differ from node to node. */
export function dependsOnNode(service: Service): boolean {
  return isProxied(service) && (service.spec?.internalTrafficPolicy === 'Local' || service.spec?.externalTrafficPolicy === 'Local');
}

/**
 * The rules of one service on one node: its cluster addresses, node ports, external and load-balancer addresses.
 * Inside the cluster a load-balancer address is a short cut to all endpoints, as upstream does for traffic that is
 * already inside.
 */
export function serviceRules(service: Service, slices: readonly EndpointSlice[], node: ProxyNode): ServiceRule[] {
  if (!isProxied(service)) return [];
  const { spec } = service;
  const rules: ServiceRule[] = [];
  for (const port of spec?.ports ?? []) {
    const protocol = (port.protocol ?? 'TCP') as Protocol;
    if (protocol !== 'TCP' && protocol !== 'UDP') continue;
    const name = `${service.metadata?.namespace ?? ''}/${service.metadata?.name ?? ''}${port.name ? `:${port.name}` : ''}`;
    const all = candidates(port, slices);
    const shared = { service: name, ...affinityOf(service) };
    const internal = choose(all, spec?.internalTrafficPolicy, node);
    const external = choose(all, spec?.externalTrafficPolicy, node);
    const clusterIps = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ''];
    for (const ip of clusterIps) rules.push({ match: { ip, port: port.port, protocol }, ...shared, ...internal });
    for (const ip of externalAddresses(service)) rules.push({ match: { ip, port: port.port, protocol }, ...shared, ...choose(all, undefined, node) });
    if (port.nodePort) rules.push({ match: { nodePort: port.nodePort, protocol }, ...shared, ...external });
  }
  return rules;
}
