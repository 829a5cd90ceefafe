import type { ServiceSpec } from '../../../../gen/types.ts';

export const isHeadless = (spec: ServiceSpec | undefined): boolean => spec?.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
export const usesNodePorts = (spec: ServiceSpec | undefined): boolean => spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
export const usesClusterIp = (spec: ServiceSpec | undefined): boolean => spec?.type !== 'ExternalName';
export const isExternallyAccessible = (spec: ServiceSpec): boolean => usesNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
export const usesHealthCheckPort = (spec: ServiceSpec | undefined): boolean => spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
