import type { FieldError } from '@orrery/errors';
import type { Service, ServicePort, ServiceSpec } from '../../../../gen/types.ts';
import { cidrProblems, ipFamily, ipProblems, specialAddressMessages } from '../../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkLabels, checkPort, checkPortOrName } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../../validation/names.ts';
import { checkClusterIps } from './address-validation.ts';
import { isExternallyAccessible, isHeadless, usesHealthCheckPort, usesNodePorts } from './types.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const forLoadBalancers = "may only be used when `type` is 'LoadBalancer'";
const maxAffinitySeconds = 86_400;
const topologyMode = 'service.kubernetes.io/topology-mode';
const topologyHints = 'service.kubernetes.io/topology-aware-hints';
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';

function checkAnnotations(annotations: Readonly<Record<string, string>> | undefined, at: FieldPath): void {
  const mode = annotations?.[topologyMode];
  const hints = annotations?.[topologyHints];
  if (mode !== undefined && hints !== undefined && mode !== hints) at.at(topologyMode).invalid(mode, `must match annotations[${topologyHints}] when both are specified`);
}

function checkType(spec: ServiceSpec, at: FieldPath): void {
  if (usesNodePorts(spec) && isHeadless(spec)) at.child('clusterIPs').at(0).invalid('None', `may not be set to 'None' for ${spec.type} services`);
  if (spec.type !== 'ExternalName') return;
  const detail = 'may not be set for ExternalName services';
  if (spec.clusterIPs?.length) at.child('clusterIPs').forbidden(detail);
  if (spec.ipFamilies?.length) at.child('ipFamilies').forbidden(detail);
  if (spec.ipFamilyPolicy !== undefined) at.child('ipFamilyPolicy').forbidden(detail);
  // The name may end with a dot.
  at.child('externalName').requires(spec.externalName?.replace(/\.$/, ''), dns1123Subdomain);
}

function checkServicePort(port: ServicePort, { at, nameRequired, names }: { at: FieldPath; nameRequired: boolean; names: Set<string> }): void {
  if (port.name) {
    at.child('name').matches(port.name, dns1123Label);
    if (names.has(port.name)) at.child('name').duplicate(port.name);
    names.add(port.name);
  } else if (nameRequired) at.child('name').required();
  checkPort(port.port, at.child('port'));
  at.child('protocol').requiredOneOf(port.protocol, protocols);
  checkPortOrName(port.targetPort, at.child('targetPort'));
  if (port.appProtocol !== undefined) at.child('appProtocol').matches(port.appProtocol, qualifiedName);
}

/** Node ports where there are none, and what is there twice. */
function checkPortNumbers(spec: ServiceSpec, at: FieldPath): void {
  const ports = spec.ports ?? [];
  if (spec.type === 'ClusterIP') for (const [i, { nodePort }] of ports.entries()) if (nodePort) at.at(i).child('nodePort').forbidden("may not be used when `type` is 'ClusterIP'");
  const nodePorts = new Set<string>();
  for (const [i, { nodePort, protocol }] of ports.entries()) {
    if (!nodePort) continue;
    if (nodePorts.has(`${protocol}/${nodePort}`)) at.at(i).child('nodePort').duplicate(nodePort);
    nodePorts.add(`${protocol}/${nodePort}`);
  }
  const pairs = new Set<string>();
  for (const [i, { port, protocol }] of ports.entries()) {
    if (pairs.has(`${protocol}/${port}`)) at.at(i).duplicate({ protocol, port });
    pairs.add(`${protocol}/${port}`);
  }
}

function checkAffinity(spec: ServiceSpec, at: FieldPath): void {
  at.child('sessionAffinity').requiredOneOf(spec.sessionAffinity, ['ClientIP', 'None']);
  const config = spec.sessionAffinityConfig;
  const path = at.child('sessionAffinityConfig');
  if (spec.sessionAffinity === 'None' && config) path.forbidden('must not be set when session affinity is None');
  if (spec.sessionAffinity !== 'ClientIP') return;
  const why = 'when session affinity type is ClientIP';
  const seconds = config?.clientIP?.timeoutSeconds;
  const where = path.child('clientIP').child('timeoutSeconds');
  if (!config) path.required(why);
  else if (!config.clientIP) path.child('clientIP').required(why);
  else if (seconds === undefined) where.required(why);
  else if (seconds <= 0 || seconds > maxAffinitySeconds) where.invalid(seconds, `must be greater than 0 and less than ${maxAffinitySeconds}`);
}

function checkExternalIps(spec: ServiceSpec, { at, old }: { at: FieldPath; old: ServiceSpec | undefined }): void {
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const problems = ipProblems(ip, old?.externalIPs);
    for (const message of problems.length ? problems : specialAddressMessages(ip)) at.at(i).invalid(ip, message);
  }
}

function checkSourceRanges({ metadata, spec = {} }: Service, { root, old }: { root: FieldPath; old: Service | undefined }): void {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const annotation = metadata?.annotations?.[sourceRangesAnnotation];
  if (ranges.length > 0) {
    const at = root.child('spec').child('LoadBalancerSourceRanges');
    if (spec.type !== 'LoadBalancer') at.forbidden(forLoadBalancers);
    for (const [i, range] of ranges.entries()) {
      const value = (range ?? '').trim();
      for (const message of cidrProblems(value, old?.spec?.loadBalancerSourceRanges?.map((one) => (one ?? '').trim()))) at.at(i).invalid(value, message);
    }
  } else if (annotation !== undefined) {
    const at = root.child('metadata').child('annotations').at(sourceRangesAnnotation);
    if (spec.type !== 'LoadBalancer') at.forbidden(forLoadBalancers);
    if (annotation.trim() === '') return;
    const known = old?.metadata?.annotations?.[sourceRangesAnnotation]?.split(',').map((one) => one.trim());
    for (const range of annotation.split(',').map((one) => one.trim())) for (const message of cidrProblems(range, known)) at.invalid(range, message);
  }
}

function checkLoadBalancer(spec: ServiceSpec, { at, root, old }: { at: FieldPath; root: FieldPath; old: ServiceSpec | undefined }): void {
  const isLoadBalancer = spec.type === 'LoadBalancer';
  if (!isLoadBalancer && spec.allocateLoadBalancerNodePorts !== undefined) at.child('allocateLoadBalancerNodePorts').forbidden(forLoadBalancers);
  if (isLoadBalancer && spec.allocateLoadBalancerNodePorts === undefined) root.child('allocateLoadBalancerNodePorts').required();
  const path = at.child('loadBalancerClass');
  if (isLoadBalancer && old?.type === 'LoadBalancer' && spec.loadBalancerClass !== old.loadBalancerClass) path.invalid(spec.loadBalancerClass ?? null, 'may not change once set');
  if (spec.loadBalancerClass === undefined) return;
  if (isLoadBalancer) path.matches(spec.loadBalancerClass, qualifiedName);
  else path.forbidden(forLoadBalancers);
}

/** A health check port of 0 is one that is still to be allocated. */
function checkPolicies(spec: ServiceSpec, at: FieldPath): void {
  const external = at.child('externalTrafficPolicy');
  if (isExternallyAccessible(spec)) external.requiredOneOf(spec.externalTrafficPolicy, ['Cluster', 'Local']);
  else if (spec.externalTrafficPolicy) external.invalid(spec.externalTrafficPolicy, 'may only be set for externally-accessible services');
  const healthPort = spec.healthCheckNodePort ?? 0;
  if (healthPort !== 0 && !usesHealthCheckPort(spec)) {
    at.child('healthCheckNodePort').invalid(healthPort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  } else if (healthPort !== 0) checkPort(healthPort, at.child('healthCheckNodePort'));
  const internal = at.child('internalTrafficPolicy');
  if (spec.internalTrafficPolicy === undefined) {
    if (spec.type === 'ClusterIP' || usesNodePorts(spec)) internal.required();
  } else if (!['Cluster', 'Local'].includes(spec.internalTrafficPolicy)) internal.notSupported(spec.internalTrafficPolicy, ['Cluster', 'Local']);
  const distributions = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined && !distributions.includes(distribution)) at.child('trafficDistribution').notSupported(distribution, distributions);
}

function checkService(service: Service, { root, old }: { root: FieldPath; old: Service | undefined }): void {
  const spec = service.spec ?? {};
  const at = root.child('spec');
  checkAnnotations(service.metadata?.annotations, root.child('metadata').child('annotations'));
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') at.child('ports').required();
  checkType(spec, at);
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) checkServicePort(port, { at: at.child('ports').at(i), nameRequired: ports.length > 1, names });
  checkLabels(spec.selector, at.child('selector'));
  checkAffinity(spec, at);
  checkClusterIps(spec, { at, old: old?.spec });
  checkExternalIps(spec, { at: at.child('externalIPs'), old: old?.spec });
  at.child('type').requiredOneOf(spec.type, types);
  checkPortNumbers(spec, at.child('ports'));
  checkSourceRanges(service, { root, old });
  checkLoadBalancer(spec, { at, root, old: old?.spec });
  checkPolicies(spec, at);
}

export function validateService(service: Service): FieldError[] {
  return findProblems((root) => checkService(service, { root, old: undefined }));
}

/** Addresses, once given, stay while the type needs them: what concerns a second one is judged where it is allocated. */
function checkFirstAddress(spec: ServiceSpec, { old, at }: { old: ServiceSpec; at: FieldPath }): void {
  if (spec.type === 'ExternalName' || old.type === 'ExternalName' || (isHeadless(spec) && isHeadless(old))) return;
  const before = old.clusterIPs ?? [];
  const after = spec.clusterIPs ?? [];
  if (before.length > 0 && after.length === 0) return at.at(0).invalid(after, 'primary clusterIP can not be unset');
  for (const [i, ip] of before.entries()) {
    if (i > 0 && before.length !== after.length) break;
    if (after[i] !== ip) at.at(i).invalid(after, 'may not change once set');
  }
}

export function validateServiceUpdate(service: Service, old: Service): FieldError[] {
  return findProblems((root) => {
    const [spec, before] = [service.spec ?? {}, old.spec ?? {}];
    checkFirstAddress(spec, { old: before, at: root.child('spec').child('clusterIPs') });
    if (usesHealthCheckPort(spec) && usesHealthCheckPort(before) && (spec.healthCheckNodePort ?? 0) !== (before.healthCheckNodePort ?? 0)) {
      root.child('spec').child('healthCheckNodePort').forbidden('field is immutable');
    }
    checkService(service, { root, old });
  });
}

export function validateServiceStatus({ spec, status }: Service, old: Service): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status').child('loadBalancer').child('ingress');
    const ingress = status?.loadBalancer?.ingress ?? [];
    if (spec?.type !== 'LoadBalancer' && ingress.length > 0) return at.forbidden("may only be used when `spec.type` is 'LoadBalancer'");
    const known = (old.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
    for (const [i, { ip, hostname, ipMode }] of ingress.entries()) {
      const path = at.at(i);
      if (ip) for (const message of ipProblems(ip, known)) path.child('ip').invalid(ip, message);
      if (ipMode === undefined) {
        if (ip) path.child('ipMode').required('must be specified when `ip` is set');
      } else if (!ip) path.child('ipMode').forbidden('may not be specified when `ip` is not set');
      else if (!['Proxy', 'VIP'].includes(ipMode)) path.child('ipMode').notSupported(ipMode, ['Proxy', 'VIP']);
      if (hostname) path.child('hostname').matches(hostname, dns1123Subdomain);
      if (hostname && ipFamily(hostname)) path.child('hostname').invalid(hostname, 'must be a DNS name, not an IP address');
    }
  });
}
