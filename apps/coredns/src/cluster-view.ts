import { parseLabelSelector } from '@orrery/apimachinery';
import { EndpointSlices, Namespaces, Pods, Services } from '@orrery/api';
import type { EndpointSlice, Namespace, Pod, Service } from '@orrery/api/types';
import type { InformerFactory } from '@orrery/client';
import type { Clock } from '@orrery/runtime';
import { normalizeIp } from '@orrery/vnet';
import type { ClusterFeed, ClusterSelection } from './world.ts';
import { clusterIps } from './zone/kubernetes.ts';

const addresses = (slice: EndpointSlice): string[] => (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses.map(normalizeIp));
const podAddresses = (pod: Pod): string[] => (pod.status?.podIPs ?? []).map(({ ip }) => normalizeIp(ip ?? ''));

function serviceKey(slice: EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`;
}

/** The zone's picture of the cluster, from informers that all selections alike share. */
export function clusterFeed(informers: InformerFactory, clock: Clock, selection: ClusterSelection): ClusterFeed {
  const only = selection.labels ? { labelSelector: selection.labels } : {};
  const services = informers.informer(Services, { ...only, indexers: { clusterIp: clusterIps } });
  const namespaces = informers.informer(Namespaces);
  const sliceIndexers = { dnsService: (slice: EndpointSlice) => [serviceKey(slice)], dnsAddress: addresses };
  const slices = selection.endpoints ? informers.informer(EndpointSlices, { ...only, indexers: sliceIndexers }) : undefined;
  const pods = selection.pods ? informers.informer(Pods, { ...only, indexers: { dnsPodIp: podAddresses } }) : undefined;
  const wanted = selection.namespaceLabels ? parseLabelSelector(selection.namespaceLabels) : undefined;
  const watched = [services, namespaces, ...(slices ? [slices] : []), ...(pods ? [pods] : [])];
  const exposed = (namespace: Namespace | undefined): boolean => namespace !== undefined && (wanted?.matches(namespace.metadata?.labels ?? {}) ?? true);
  let changedMs = clock.now();
  const changed = (): void => void (changedMs = clock.now());
  const handlers = { add: changed, update: changed, delete: changed };
  let registered: { remove(): void }[] = [];
  return {
    view: {
      namespaceExists: (name) => exposed(namespaces.get(name)),
      service: (namespace, name) => services.get(`${namespace}/${name}`),
      slices: (namespace, name) => (slices ? [...slices.byIndex('dnsService', `${namespace}/${name}`)] : []),
      servicesByIp: (ip): Service[] => [...services.byIndex('clusterIp', ip)],
      slicesByIp: (ip) => (slices ? [...slices.byIndex('dnsAddress', ip)] : []),
      podsByIp: (ip) => (pods ? [...pods.byIndex('dnsPodIp', ip)] : []),
    },
    serial: () => Math.floor(changedMs / 1000),
    start() {
      registered = [services.addHandlers(handlers), namespaces.addHandlers(handlers), ...(slices ? [slices.addHandlers(handlers)] : [])];
    },
    whenSynced: async () => void (await Promise.all(watched.map((informer) => informer.whenSynced()))),
    synced: () => watched.every((informer) => informer.synced()),
    stop() {
      for (const handler of registered) handler.remove();
      registered = [];
    },
  };
}
