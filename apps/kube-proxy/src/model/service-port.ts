import type { Service } from '@orrery/api/types';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export type Family = 4 | 6;

/** One port of one Service in one address family: what every back end programs. */
export interface ServicePort {
  readonly namespace: string;
  readonly service: string;
  /** `namespace/name:port`, without the colon for a port that has no name. */
  readonly name: string;
  readonly portName: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly clusterIp: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIps: readonly string[];
  /** Addresses of the load balancer that arrive at nodes as they are (`ipMode` VIP). */
  readonly loadBalancerIps: readonly string[];
  /** Who may use `loadBalancerIps`; empty: everybody. */
  readonly sourceRanges: readonly string[];
  /** 0: no session affinity. */
  readonly affinitySeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** 0: none. */
  readonly healthCheckNodePort: number;
}

const defaultAffinitySeconds = 10_800;
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
const headlessLabel = 'service.kubernetes.io/headless';

export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

/** False for what upstream's kube-proxy leaves alone: headless services (or such as are labelled so), ExternalName, services of another proxy. */
export function isProxied(service: Service): boolean {
  const spec = service.spec;
  if (!spec || spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return false;
  const labels = service.metadata?.labels;
  return labels?.[proxyNameLabel] === undefined && labels?.[headlessLabel] === undefined;
}

function affinityOf({ spec }: Service): number {
  if (spec?.sessionAffinity !== 'ClientIP') return 0;
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds;
}

/** Ports of a service, for each of its families in the order of its cluster IPs. */
export function servicePorts(service: Service): ServicePort[] {
  if (!isProxied(service)) return [];
  const { spec = {}, status } = service;
  const namespace = service.metadata?.namespace ?? '';
  const name = service.metadata?.name ?? '';
  const clusterIps = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ''];
  const balancers = (status?.loadBalancer?.ingress ?? []).filter((i) => i.ip && (i.ipMode ?? 'VIP') === 'VIP').map((i) => i.ip ?? '');
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer' || !!spec.externalIPs?.length;
  return clusterIps.flatMap((clusterIp) => {
    const family = familyOf(clusterIp);
    const sameFamily = (address: string): boolean => familyOf(address) === family;
    const shared = {
      namespace, service: name, family, clusterIp,
      externalIps: (spec.externalIPs ?? []).filter(sameFamily),
      loadBalancerIps: spec.type === 'LoadBalancer' ? balancers.filter(sameFamily) : [],
      sourceRanges: (spec.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(sameFamily),
      affinitySeconds: affinityOf(service),
      internalLocal: spec.internalTrafficPolicy === 'Local',
      externalLocal: external && spec.externalTrafficPolicy === 'Local',
      healthCheckNodePort: spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' ? (spec.healthCheckNodePort ?? 0) : 0,
    };
    return (spec.ports ?? []).map((port) => ({
      ...shared,
      name: `${namespace}/${name}${port.name ? `:${port.name}` : ''}`,
      portName: port.name ?? '',
      protocol: (port.protocol ?? 'TCP') as Protocol,
      port: port.port,
      nodePort: port.nodePort ?? 0,
    }));
  });
}

export function externallyAccessible({ nodePort, externalIps, loadBalancerIps }: ServicePort): boolean {
  return nodePort !== 0 || externalIps.length > 0 || loadBalancerIps.length > 0;
}
