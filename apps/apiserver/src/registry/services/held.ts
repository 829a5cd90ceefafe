import type { Service, ServiceSpec } from '@orrery/api/types';
import { canonicalIp } from './ip-range.ts';

export const usesNodePorts = (spec: ServiceSpec | undefined): boolean => spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
export const usesHealthPort = (spec: ServiceSpec | undefined): boolean => spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Addresses and ports that a service holds. */
export function held(service: Service | undefined): { readonly ips: readonly string[]; readonly ports: readonly number[] } {
  const spec = service?.spec;
  if (!spec) return { ips: [], ports: [] };
  const ips = spec.type === 'ExternalName' ? [] : (spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []));
  const ports = [...(spec.ports ?? []).map((port) => port.nodePort ?? 0), spec.healthCheckNodePort ?? 0];
  return { ips: ips.filter((ip) => ip !== '' && ip !== 'None').map(canonicalIp), ports: [...new Set(ports.filter((port) => port > 0))] };
}
