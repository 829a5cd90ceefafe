import type { EndpointSlice, Service } from '@orrery/api/types';
import type { HealthPort, ServiceRule } from '@orrery/vnet';
import { type Endpoint, type ProxyNode, dependsOnNode as portDependsOnNode, endpointsOf, externalDecision, internalDecision, route } from '../model/endpoints.ts';
import { type ServicePort, servicePorts } from '../model/service-port.ts';

const plain = ({ ip, port }: Endpoint): { ip: string; port: number } => ({ ip, port });

/** A service with its endpoints, before a node is chosen. */
export interface ServiceModel {
  readonly namespace: string;
  readonly name: string;
  readonly ports: readonly { readonly port: ServicePort; readonly endpoints: readonly Endpoint[] }[];
  /** Rules differ from node to node. */
  readonly perNode: boolean;
}

export function serviceModel(service: Service, slices: readonly EndpointSlice[]): ServiceModel {
  const ports = servicePorts(service).map((port) => ({ port, endpoints: endpointsOf(port, slices) }));
  return {
    namespace: service.metadata?.namespace ?? '',
    name: service.metadata?.name ?? '',
    ports,
    perNode: ports.some(({ port, endpoints }) => portDependsOnNode(port, endpoints)),
  };
}

/** The rules of one service on one node: its cluster addresses, node ports, external and load-balancer addresses. */
export function serviceRules({ ports }: ServiceModel, node: ProxyNode): ServiceRule[] {
  const rules: ServiceRule[] = [];
  for (const { port, endpoints } of ports) {
    const { protocol, affinitySeconds, name } = port;
    // Datagrams and streams are all that the emulated network carries.
    if (protocol === 'SCTP') continue;
    const routing = route(port, endpoints, node);
    const internal = internalDecision(routing, node);
    const shared = { service: name, ...(affinitySeconds ? { affinitySeconds } : {}) };
    rules.push({ match: { ip: port.clusterIp, port: port.port, protocol }, ...shared, backends: internal.backends.map(plain), whenEmpty: internal.whenEmpty });
    const { backends, whenEmpty } = externalDecision(routing, node);
    const local = port.externalLocal && node.name !== '';
    const external = { ...shared, backends: backends.map(plain), whenEmpty, ...(local ? { inside: routing.cluster.map(plain) } : { masquerade: true }) };
    for (const ip of port.externalIps) rules.push({ match: { ip, port: port.port, protocol }, ...external });
    const sources = port.sourceRanges.length ? { sources: port.sourceRanges } : {};
    for (const ip of port.loadBalancerIps) rules.push({ match: { ip, port: port.port, protocol }, ...external, ...sources });
    if (port.nodePort) rules.push({ match: { nodePort: port.nodePort, protocol, ...(port.family === 6 ? { family: 6 } : {}) }, ...external });
  }
  return rules;
}

/** The health-check node port of a service, with the endpoints that are ready on the node. */
export function healthPorts({ namespace, name, ports }: ServiceModel, node: ProxyNode): HealthPort[] {
  const number = ports[0]?.port.healthCheckNodePort;
  if (!number || !node.name) return [];
  const here = new Set(ports.flatMap(({ endpoints }) => endpoints.filter((e) => e.ready && e.nodeName === node.name).map((e) => e.ip)));
  return [{ port: number, namespace, service: name, localEndpoints: here.size }];
}
