import type { Service, ServicePort, ServiceSpec } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { isExternallyAccessible, usesClusterIp, usesHealthCheckPort, usesNodePorts } from './types.ts';

export function defaultService({ spec, status }: Service): void {
  if (!spec) return;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') ((spec.sessionAffinityConfig ??= {}).clientIP ??= {}).timeoutSeconds ??= 10_800;
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'ClusterIP' || usesNodePorts(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type !== 'LoadBalancer') return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
}

/** An older client knows `clusterIP` only. */
export function alignNewClusterIps(spec: ServiceSpec): void {
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
}

/** What an older client changed or left out in `clusterIP` is carried over to `clusterIPs`; the rest is for validation. */
function alignClusterIps(spec: ServiceSpec, old: ServiceSpec): void {
  const before = old.clusterIP ?? '';
  const after = spec.clusterIP ?? '';
  if (old.clusterIPs?.length && !spec.clusterIPs?.length && before === after) spec.clusterIPs = [...old.clusterIPs];
  if (before === after || !semanticEqual(spec.clusterIPs, old.clusterIPs)) return;
  if (before !== '' && after === '') delete spec.clusterIPs;
  else spec.clusterIPs = [after];
}

const nodePorts = (ports: readonly ServicePort[] | undefined): Set<number> => new Set((ports ?? []).flatMap(({ nodePort }) => (nodePort ? [nodePort] : [])));

/** By the names of ports, unless another port took it. */
function keepNodePorts(spec: ServiceSpec, old: ServiceSpec): void {
  const wanted = nodePorts(spec.ports);
  const used = new Set([...nodePorts(old.ports)].filter((port) => wanted.has(port)));
  const known = new Map((old.ports ?? []).map((port) => [port.name ?? '', port.nodePort ?? 0]));
  for (const port of spec.ports ?? []) {
    const before = known.get(port.name ?? '') ?? 0;
    if (port.nodePort || before === 0 || used.has(before)) continue;
    port.nodePort = before;
    used.add(before);
  }
}

/** An update that leaves allocated values out keeps them. */
function keepAllocations(spec: ServiceSpec, old: ServiceSpec): void {
  if (usesClusterIp(spec) && usesClusterIp(old)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs?.length && old.clusterIPs?.length && spec.clusterIP === old.clusterIP) spec.clusterIPs = [...old.clusterIPs];
  }
  if (usesNodePorts(spec) && usesNodePorts(old)) keepNodePorts(spec, old);
  if (usesHealthCheckPort(spec) && usesHealthCheckPort(old) && !spec.healthCheckNodePort && old.healthCheckNodePort) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** A change of type drops what only the old type had, unless the client changed it in the same breath. */
function dropOfOldType(spec: ServiceSpec, old: ServiceSpec): void {
  const dropSame = (...names: (keyof ServiceSpec)[]): void => {
    for (const name of names) if (semanticEqual(spec[name], old[name])) delete spec[name];
  };
  if (usesClusterIp(old) && !usesClusterIp(spec)) {
    if (semanticEqual(spec.clusterIPs, old.clusterIPs)) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    dropSame('ipFamilies', 'ipFamilyPolicy');
  }
  if (usesNodePorts(old) && !usesNodePorts(spec)) {
    const before = nodePorts(old.ports);
    if ([...nodePorts(spec.ports)].every((port) => before.has(port))) for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (usesHealthCheckPort(old) && !usesHealthCheckPort(spec)) dropSame('healthCheckNodePort');
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') dropSame('allocateLoadBalancerNodePorts', 'loadBalancerClass');
  if (isExternallyAccessible(old) && !isExternallyAccessible(spec)) dropSame('externalTrafficPolicy');
}

export function prepareServiceUpdate({ spec }: Service, old: Service): void {
  if (!spec || !old.spec) return;
  keepAllocations(spec, old.spec);
  alignClusterIps(spec, old.spec);
  dropOfOldType(spec, old.spec);
}
