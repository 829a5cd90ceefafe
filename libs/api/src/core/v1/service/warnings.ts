import type { Service } from '../../../../gen/types.ts';
import { ipBytes, parseCidr } from '../../../validation/addresses.ts';
import { isHeadless } from './types.ts';

const topologyHints = 'service.kubernetes.io/topology-aware-hints';

/** An address of version 6 that is not written as Go writes it. */
function spellingWarnings(ip: string, where: string): string[] {
  const bytes = ip.includes(':') ? ipBytes(ip) : undefined;
  if (!bytes) return [];
  const canonical = new URL(`http://[${ip}]`).hostname.slice(1, -1);
  return canonical === ip ? [] : [`${where}: IPv6 address "${ip}" should be in RFC 5952 canonical format ("${canonical}")`];
}

export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const out: string[] = [];
  const headless = spec.type === 'ClusterIP' && isHeadless(spec);
  const external = spec.externalIPs ?? [];
  if (metadata?.annotations?.[topologyHints] !== undefined) out.push(`annotation ${topologyHints} is deprecated, please use service.kubernetes.io/topology-mode instead`);
  if (!headless) out.push(...(spec.clusterIPs ?? []).flatMap((ip, i) => spellingWarnings(ip ?? '', `spec.clusterIPs[${i}]`)));
  if (headless) {
    if (spec.loadBalancerIP) out.push('spec.loadBalancerIP is ignored for headless services');
    if (external.length > 0) out.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None') out.push('spec.SessionAffinity is ignored for headless services');
  }
  out.push(...external.flatMap((ip, i) => spellingWarnings(ip ?? '', `spec.externalIPs[${i}]`)));
  if (external.length > 0 && !headless && spec.type !== 'ExternalName') out.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  if (spec.loadBalancerIP) out.push(...spellingWarnings(spec.loadBalancerIP, 'spec.loadBalancerIP'));
  for (const [i, range] of (spec.loadBalancerSourceRanges ?? []).entries()) {
    const [address = ''] = (range ?? '').split('/');
    if (parseCidr(range) && spellingWarnings(address, '').length > 0) {
      const canonical = `${new URL(`http://[${address}]`).hostname.slice(1, -1)}/${range.split('/')[1]}`;
      out.push(`spec.loadBalancerSourceRanges[${i}]: IPv6 CIDR value "${range}" should be in RFC 5952 canonical format ("${canonical}")`);
    }
  }
  if (spec.type === 'ExternalName' && external.length > 0) out.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (spec.type !== 'ExternalName' && spec.externalName) out.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  if (spec.trafficDistribution === 'PreferClose') out.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  return out;
}
