import type { HealthPort as WireHealthPort, ServiceRule as WireRule, SetPoliciesRequest, TrafficRule as WireTrafficRule, ServiceUpdate as WireUpdate } from '@orrery/proto/vnet';
import type { HealthPort, PolicyProtocol, PolicySet, ServiceRule, ServiceUpdate, TrafficRule } from '@orrery/vnet';

const endpoint = ({ ip = '', port = 0 }: { ip?: string | undefined; port?: number | undefined }): { ip: string; port: number } => ({ ip, port });

export function ruleToWire(rule: ServiceRule): WireRule {
  const { match } = rule;
  const where = 'nodePort' in match ? { nodePort: match.nodePort, ...(match.family === 6 ? { ipv6: true } : {}) } : { ip: match.ip, port: match.port };
  return {
    ...where,
    protocol: match.protocol,
    service: rule.service,
    backends: [...rule.backends],
    affinitySeconds: rule.affinitySeconds ?? 0,
    dropWhenEmpty: rule.whenEmpty === 'drop',
    ...(rule.inside ? { inside: [...rule.inside], hasInside: true } : {}),
    ...(rule.sources ? { sources: [...rule.sources] } : {}),
    ...(rule.masquerade ? { masquerade: true } : {}),
  };
}

export function ruleFromWire(wire: WireRule): ServiceRule {
  const protocol = wire.protocol === 'UDP' ? 'UDP' : 'TCP';
  return {
    match: wire.nodePort ? { nodePort: wire.nodePort, protocol, ...(wire.ipv6 ? { family: 6 } : {}) } : { ip: wire.ip ?? '', port: wire.port ?? 0, protocol },
    service: wire.service ?? '',
    backends: (wire.backends ?? []).map(endpoint),
    ...(wire.affinitySeconds ? { affinitySeconds: wire.affinitySeconds } : {}),
    whenEmpty: wire.dropWhenEmpty ? 'drop' : 'refuse',
    ...(wire.hasInside ? { inside: (wire.inside ?? []).map(endpoint) } : {}),
    ...(wire.sources?.length ? { sources: wire.sources } : {}),
    ...(wire.masquerade ? { masquerade: true } : {}),
  };
}

export function updateToWire({ layer, full, services }: ServiceUpdate): WireUpdate {
  return { own: layer === 'own', full, services: [...services].map(([service, rules]) => ({ service, rules: rules.map(ruleToWire) })) };
}

export function updateFromWire({ own, full, services = [] }: WireUpdate): ServiceUpdate {
  return { layer: own ? 'own' : 'shared', full: full === true, services: new Map(services.map(({ service = '', rules = [] }) => [service, rules.map(ruleFromWire)])) };
}

export function healthPortFromWire({ port = 0, namespace = '', service = '', localEndpoints = 0 }: WireHealthPort): HealthPort {
  return { port, namespace, service, localEndpoints };
}

function trafficToWire({ peers, ports }: TrafficRule): WireTrafficRule {
  return {
    everybody: !peers,
    peers: (peers ?? []).map((peer) => ('ips' in peer ? { ips: [...peer.ips] } : { cidr: peer.cidr, except: [...peer.except] })),
    allPorts: !ports,
    ports: [...(ports ?? [])],
  };
}

function trafficFromWire({ everybody, peers = [], allPorts, ports = [] }: WireTrafficRule): TrafficRule {
  return {
    ...(everybody ? {} : { peers: peers.map(({ ips = [], cidr, except = [] }) => (cidr ? { cidr, except } : { ips })) }),
    ...(allPorts ? {} : { ports: ports.map(({ protocol = 'TCP', from = 0, to = 0 }) => ({ protocol: protocol as PolicyProtocol, from, to })) }),
  };
}

export function policiesToWire({ rules, pods }: PolicySet): SetPoliciesRequest {
  return {
    rules: rules.map(trafficToWire),
    pods: pods.map(({ ips, ingress, egress }) => ({ ips: [...ips], ingressIsolated: !!ingress, egressIsolated: !!egress, ingress: [...(ingress ?? [])], egress: [...(egress ?? [])] })),
  };
}

export function policiesFromWire({ rules = [], pods = [] }: SetPoliciesRequest): PolicySet {
  return {
    rules: rules.map(trafficFromWire),
    pods: pods.map(({ ips = [], ingressIsolated, egressIsolated, ingress = [], egress = [] }) => ({
      ips,
      ...(ingressIsolated ? { ingress } : {}),
      ...(egressIsolated ? { egress } : {}),
    })),
  };
}
