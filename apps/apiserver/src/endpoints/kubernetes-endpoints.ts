import { EndpointSlices, Endpoints } from '@orrery/api';
import type { EndpointSlice, Endpoints as EndpointsObject } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { type Wanted, wanted } from '../bootstrap/ensure.ts';

const place = { name: 'kubernetes', namespace: 'default' };
const skipMirror = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
const serviceName = { 'kubernetes.io/service-name': 'kubernetes' };

interface Servers {
  /** Of all live servers, sorted. */
  readonly addresses: readonly string[];
  readonly port: number;
}

function endpointsOf({ addresses, port }: Servers): Wanted {
  const ports = [{ name: 'https', port, protocol: 'TCP' as const }];
  const subsets = addresses.length ? [{ addresses: addresses.map((ip) => ({ ip })), ports }] : [];
  const mend = (existing: EndpointsObject): EndpointsObject | undefined => {
    const isMarked = existing.metadata?.labels?.['endpointslice.kubernetes.io/skip-mirror'] === 'true';
    if (isMarked && deepEqual(existing.subsets ?? [], subsets)) return undefined;
    return { ...existing, metadata: { ...existing.metadata, labels: { ...existing.metadata?.labels, ...skipMirror } }, subsets };
  };
  return wanted(Endpoints, { metadata: { ...place, labels: skipMirror }, subsets }, mend);
}

function sliceOf({ addresses, port }: Servers): Wanted {
  const endpoints = addresses.map((address) => ({ addresses: [address], conditions: { ready: true } }));
  const ports = [{ name: 'https', port, protocol: 'TCP' as const }];
  const addressType = addresses[0]?.includes(':') ? ('IPv6' as const) : ('IPv4' as const);
  const mend = (existing: EndpointSlice): EndpointSlice | undefined => {
    const isMarked = existing.metadata?.labels?.['kubernetes.io/service-name'] === 'kubernetes';
    if (isMarked && deepEqual([existing.endpoints ?? [], existing.ports], [endpoints, ports])) return undefined;
    return { ...existing, metadata: { ...existing.metadata, labels: { ...existing.metadata?.labels, ...serviceName } }, endpoints, ports };
  };
  return wanted(EndpointSlices, { metadata: { ...place, labels: serviceName }, addressType, endpoints, ports }, mend);
}

/** Endpoints and EndpointSlice of the Service `default/kubernetes`: where the API servers are. */
export function kubernetesEndpoints(servers: Servers): Wanted[] {
  return [endpointsOf(servers), sliceOf(servers)];
}
