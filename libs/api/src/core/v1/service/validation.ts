import type { FieldError } from '@orrery/errors';
import type { Service, ServicePort, ServiceSpec } from '../../../../gen/types.ts';
import { cidrMessage, ipFamily, ipMessage, parseCidr, specialAddressMessages } from '../../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkImmutable, checkLabels, checkPort, checkPortOrName } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../../validation/names.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const forLoadBalancers = "may only be used when `type` is 'LoadBalancer'";

export const isHeadless = (spec: ServiceSpec | undefined): boolean => spec?.clusterIP === 'None' || spec?.clusterIPs?.[0] === 'None';
export const usesNodePorts = (spec: ServiceSpec | undefined): boolean => spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
export const usesClusterIp = (spec: ServiceSpec | undefined): boolean => spec?.type !== 'ExternalName';
export const isExternallyAccessible = (spec: ServiceSpec): boolean => usesNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
export const usesHealthCheckPort = (spec: ServiceSpec | undefined): boolean => spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

function checkType(spec: ServiceSpec, at: FieldPath): void {
  if (spec.type === 'ExternalName') {
    if ((spec.clusterIPs ?? []).length > 0) at.child('clusterIPs').forbidden('may not be set for ExternalName services');
    if (!spec.externalName) at.child('externalName').required();
    else at.child('externalName').matches(spec.externalName.replace(/\.$/, ''), dns1123Subdomain);
  }
  if (usesNodePorts(spec) && isHeadless(spec)) at.child('clusterIPs').at(0).invalid('None', `may not be set to 'None' for ${spec.type} services`);
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
  if (port.appProtocol) at.child('appProtocol').matches(port.appProtocol, qualifiedName);
}

function checkPorts(spec: ServiceSpec, at: FieldPath): void {
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') at.required();
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) checkServicePort(port, { at: at.at(i), nameRequired: ports.length > 1, names });
  const nodePorts = new Set<string>();
  const pairs = new Set<string>();
  for (const [i, { nodePort, port, protocol }] of ports.entries()) {
    if (nodePort && !usesNodePorts(spec)) at.at(i).child('nodePort').forbidden(`may not be used when \`type\` is '${spec.type ?? ''}'`);
    if (nodePort && nodePorts.has(`${protocol}/${nodePort}`)) at.at(i).child('nodePort').duplicate(nodePort);
    nodePorts.add(`${protocol}/${nodePort}`);
    if (pairs.has(`${protocol}/${port}`)) at.at(i).duplicate({ protocol, port });
    pairs.add(`${protocol}/${port}`);
  }
}

function checkAffinity(spec: ServiceSpec, at: FieldPath): void {
  at.child('sessionAffinity').requiredOneOf(spec.sessionAffinity, ['ClientIP', 'None']);
  const config = spec.sessionAffinityConfig;
  const path = at.child('sessionAffinityConfig');
  if (spec.sessionAffinity === 'ClientIP') {
    const seconds = config?.clientIP?.timeoutSeconds;
    if (seconds === undefined) path.child('clientIP').required(`when session affinity type is ClientIP`);
    else if (seconds <= 0 || seconds > 86_400) path.child('clientIP').child('timeoutSeconds').invalid(seconds, 'must be greater than 0 and less than 86400');
  } else if (config?.clientIP) path.forbidden('must not be set when session affinity is None');
}

function checkAddresses(spec: ServiceSpec, at: FieldPath): void {
  const ips = spec.clusterIPs ?? [];
  if (spec.clusterIP && ips.length > 0 && ips[0] !== spec.clusterIP) at.child('clusterIPs').invalid(ips, 'first value must match `clusterIP`');
  if (ips.length > 2) at.child('clusterIPs').invalid(ips, 'may only hold up to 2 values');
  for (const [i, ip] of ips.entries()) {
    const path = at.child('clusterIPs').at(i);
    if (ip === 'None' && i === 0) {
      if (ips.length > 1) path.invalid(ip, "'None' must be the first and only value");
    } else if (!ipFamily(ip)) path.invalid(ip, ipMessage);
  }
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) at.child('ipFamilies').at(i).oneOf(family, ['IPv4', 'IPv6']);
  at.child('ipFamilyPolicy').oneOf(spec.ipFamilyPolicy, ['SingleStack', 'PreferDualStack', 'RequireDualStack']);
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const path = at.child('externalIPs').at(i);
    if (!ipFamily(ip)) path.invalid(ip, ipMessage);
    else for (const message of specialAddressMessages(ip)) path.invalid(ip, message);
  }
}

function checkLoadBalancer(spec: ServiceSpec, at: FieldPath): void {
  const isLoadBalancer = spec.type === 'LoadBalancer';
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0 && !isLoadBalancer) at.child('LoadBalancerSourceRanges').forbidden(forLoadBalancers);
  for (const [i, range] of ranges.entries()) if (!parseCidr((range ?? '').trim())) at.child('LoadBalancerSourceRanges').at(i).invalid(range, cidrMessage);
  if (isLoadBalancer && spec.allocateLoadBalancerNodePorts === undefined) {
    at.child('allocateLoadBalancerNodePorts').required("field is required when `type` is 'LoadBalancer'");
  }
  if (!isLoadBalancer && spec.allocateLoadBalancerNodePorts !== undefined) at.child('allocateLoadBalancerNodePorts').forbidden(forLoadBalancers);
  if (spec.loadBalancerClass !== undefined) {
    if (isLoadBalancer) at.child('loadBalancerClass').matches(spec.loadBalancerClass, qualifiedName);
    else at.child('loadBalancerClass').forbidden(forLoadBalancers);
  }
}

function checkPolicies(spec: ServiceSpec, at: FieldPath): void {
  const external = at.child('externalTrafficPolicy');
  if (isExternallyAccessible(spec)) external.requiredOneOf(spec.externalTrafficPolicy, ['Cluster', 'Local']);
  else if (spec.externalTrafficPolicy) external.invalid(spec.externalTrafficPolicy, 'may only be set for externally-accessible services');
  const healthPort = spec.healthCheckNodePort ?? 0;
  if (healthPort !== 0 && !usesHealthCheckPort(spec)) {
    at.child('healthCheckNodePort').invalid(healthPort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  } else if (healthPort !== 0) checkPort(healthPort, at.child('healthCheckNodePort'));
  if (usesClusterIp(spec)) at.child('internalTrafficPolicy').requiredOneOf(spec.internalTrafficPolicy, ['Cluster', 'Local']);
  at.child('trafficDistribution').oneOf(spec.trafficDistribution, ['PreferClose', 'PreferSameNode', 'PreferSameZone']);
}

function checkSpec({ spec = {} }: Service, at: FieldPath): void {
  checkType(spec, at);
  checkPorts(spec, at.child('ports'));
  checkLabels(spec.selector, at.child('selector'));
  checkAffinity(spec, at);
  checkAddresses(spec, at);
  at.child('type').requiredOneOf(spec.type, types);
  checkLoadBalancer(spec, at);
  checkPolicies(spec, at);
}

export function validateService(service: Service): FieldError[] {
  return findProblems((root) => checkSpec(service, root.child('spec')));
}

/** Addresses, once given, stay while the type needs them. */
export function validateServiceUpdate(service: Service, old: Service): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(service, at);
    if (!usesClusterIp(service.spec) || !usesClusterIp(old.spec)) return;
    const before = old.spec?.clusterIPs ?? [];
    const after = service.spec?.clusterIPs ?? [];
    for (const [i, ip] of before.entries()) {
      const path = at.child('clusterIPs').at(i);
      if (i === 0 && after.length === 0) path.invalid(after, 'primary clusterIP can not be unset');
      else if (after[i] !== undefined && after[i] !== ip) path.invalid(after, 'may not change once set');
    }
    const change = { value: service.spec?.loadBalancerClass, old: old.spec?.loadBalancerClass };
    if (service.spec?.type === 'LoadBalancer' && old.spec?.type === 'LoadBalancer' && change.value !== change.old) {
      checkImmutable({ value: change.value, old: change.old ?? null }, at.child('loadBalancerClass'));
    }
  });
}

export function validateServiceStatus({ status }: Service): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status').child('loadBalancer').child('ingress');
    for (const [i, { ip, hostname, ipMode }] of (status?.loadBalancer?.ingress ?? []).entries()) {
      const path = at.at(i);
      if (ip && !ipFamily(ip)) path.child('ip').invalid(ip, ipMessage);
      if (hostname) path.child('hostname').matches(hostname, dns1123Subdomain);
      if (hostname && ipFamily(hostname)) path.child('hostname').invalid(hostname, 'must be a DNS name, not an IP address');
      if (ipMode !== undefined && !ip) path.child('ipMode').forbidden('may not be specified when `ip` is not set');
      path.child('ipMode').oneOf(ipMode, ['Proxy', 'VIP']);
    }
  });
}
