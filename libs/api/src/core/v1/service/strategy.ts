import type { Service, ServiceSpec } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { isExternallyAccessible, usesClusterIp, usesHealthCheckPort, usesNodePorts } from './validation.ts';

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
  if (usesClusterIp(spec)) spec.internalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  if (spec.type !== 'LoadBalancer') return;
  for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
}

/** `clusterIP` is the older name of the first of `clusterIPs`: whichever the client set leads. */
export function alignClusterIps(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  else if (!old && !spec.clusterIP && spec.clusterIPs?.length) spec.clusterIP = spec.clusterIPs[0];
  if (!old) return;
  if (old.clusterIP && !spec.clusterIP && semanticEqual(spec.clusterIPs, old.clusterIPs)) delete spec.clusterIPs;
  else if (spec.clusterIP !== old.clusterIP && spec.clusterIP && semanticEqual(spec.clusterIPs, old.clusterIPs)) spec.clusterIPs = [spec.clusterIP];
}

/** An update that leaves allocated values out keeps them. */
function keepAllocations(spec: ServiceSpec, old: ServiceSpec): void {
  if (usesClusterIp(spec) && usesClusterIp(old)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs?.length && old.clusterIPs && spec.clusterIP === old.clusterIP) spec.clusterIPs = [...old.clusterIPs];
    if (!spec.ipFamilies?.length && old.ipFamilies) spec.ipFamilies = [...old.ipFamilies];
    if (!spec.ipFamilyPolicy && old.ipFamilyPolicy) spec.ipFamilyPolicy = old.ipFamilyPolicy;
  }
  if (usesNodePorts(spec) && usesNodePorts(old)) {
    const known = new Map((old.ports ?? []).map((port) => [`${port.protocol}/${port.port}`, port.nodePort]));
    const taken = new Set((spec.ports ?? []).map((port) => `${port.protocol}/${port.nodePort}`));
    for (const port of spec.ports ?? []) {
      const before = known.get(`${port.protocol}/${port.port}`);
      if (!port.nodePort && before && !taken.has(`${port.protocol}/${before}`)) port.nodePort = before;
    }
  }
  if (usesHealthCheckPort(spec) && usesHealthCheckPort(old) && !spec.healthCheckNodePort && old.healthCheckNodePort) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** A change of type drops what only the old type had, unless the client changed it in the same breath. */
function dropOfOldType(spec: ServiceSpec, old: ServiceSpec): void {
  const same = (name: keyof ServiceSpec): boolean => semanticEqual(spec[name], old[name]);
  if (usesClusterIp(old) && !usesClusterIp(spec)) {
    for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'] as const) if (same(name)) delete spec[name];
  }
  if (usesNodePorts(old) && !usesNodePorts(spec)) {
    const before = new Set((old.ports ?? []).map((port) => port.nodePort));
    for (const port of spec.ports ?? []) if (before.has(port.nodePort)) delete port.nodePort;
  }
  if (usesHealthCheckPort(old) && !usesHealthCheckPort(spec) && same('healthCheckNodePort')) delete spec.healthCheckNodePort;
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const) if (same(name)) delete spec[name];
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(spec) && same('externalTrafficPolicy')) delete spec.externalTrafficPolicy;
}

export function prepareServiceUpdate({ spec }: Service, old: Service): void {
  if (!spec || !old.spec) return;
  dropOfOldType(spec, old.spec);
  alignClusterIps(spec, old.spec);
  keepAllocations(spec, old.spec);
}
