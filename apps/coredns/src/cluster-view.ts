import { EndpointSlices, Namespaces, Services } from '@orrery/api';
import type { EndpointSlice, Service } from '@orrery/api/types';
import type { InformerFactory } from '@orrery/client';
import { canonicalIp6, isIp6 } from './zone/records.ts';
import type { ClusterView } from './zone/kubernetes.ts';

const comparable = (ip: string): string => (isIp6(ip) ? canonicalIp6(ip) : ip);

function clusterIps(service: Service): string[] {
  const ips = service.spec?.clusterIPs?.length ? service.spec.clusterIPs : [service.spec?.clusterIP ?? ''];
  return ips.filter((ip) => ip !== '' && ip !== 'None').map(comparable);
}

function addresses(slice: EndpointSlice): string[] {
  return (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses.map(comparable));
}

function serviceKey(slice: EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`;
}

/** The zone's picture of the cluster, from informers. `changes` counts what could alter an answer: the zone's serial. */
export function createClusterView(informers: InformerFactory): { view: ClusterView; changes: () => number } {
  const services = informers.informer(Services, { indexers: { clusterIp: clusterIps } });
  const slices = informers.informer(EndpointSlices, { indexers: { dnsService: (slice: EndpointSlice) => [serviceKey(slice)], dnsAddress: addresses } });
  const namespaces = informers.informer(Namespaces);
  let changes = 0;
  const count = (): void => void changes++;
  services.addHandlers({ add: count, update: count, delete: count });
  slices.addHandlers({ add: count, update: count, delete: count });
  return {
    changes: () => changes,
    view: {
      namespaceExists: (name) => namespaces.has(name),
      service: (namespace, name) => services.get(`${namespace}/${name}`),
      slices: (namespace, name) => [...slices.byIndex('dnsService', `${namespace}/${name}`)],
      serviceByIp: (ip) => services.byIndex('clusterIp', ip).next().value,
      slicesByIp: (ip) => [...slices.byIndex('dnsAddress', ip)],
    },
  };
}
