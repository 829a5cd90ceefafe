import { Endpoints as EndpointsRef } from '@orrery/api';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Service } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { newControllerRef } from '@orrery/controller';
import { canonicalJson } from '../pods/template-hash.ts';
import { triggerTimeAnnotation } from './service-pods.ts';
import { type SlicePlan, managedByLabel, serviceNameLabel } from './slice-plan.ts';

export const mirrorName = 'endpointslicemirroring-controller.k8s.io';
/** Addresses of one subset beyond this are left out, as upstream's default has it. */
const maxEndpointsPerSubset = 1000;

const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** Endpoints that somebody keeps by hand, of a Service without selector; not locks of old leader elections. */
export function isMirrored(endpoints: Endpoints, service: Service | undefined): boolean {
  const { labels, annotations, deletionTimestamp } = endpoints.metadata ?? {};
  if (deletionTimestamp || labels?.[skipMirrorLabel] === 'true' || annotations?.[leaderAnnotation] !== undefined) return false;
  return service !== undefined && service.spec?.selector === undefined;
}

interface Group {
  readonly addressType: 'IPv4' | 'IPv6';
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: Endpoint[];
}

function endpointOf(address: EndpointAddress, ready: boolean): Endpoint {
  const { hostname, ip, nodeName, targetRef } = address;
  return { addresses: [ip], conditions: { ready }, ...(hostname ? { hostname } : {}), ...(nodeName ? { nodeName } : {}), ...(targetRef ? { targetRef } : {}) };
}

function portsOf(subset: EndpointSubset): DiscoveryV1EndpointPort[] {
  return (subset.ports ?? []).map(({ appProtocol, name = '', port, protocol = 'TCP' }) => ({ name, port, protocol, ...(appProtocol ? { appProtocol } : {}) }));
}

const groupKey = (addressType: string, ports: readonly DiscoveryV1EndpointPort[]): string => `${addressType} ${canonicalJson(ports.map((port) => canonicalJson(port)).sort())}`;

function groupsOf(endpoints: Endpoints, most: number): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const subset of endpoints.subsets ?? []) {
    const ports = portsOf(subset);
    const all = [...(subset.addresses ?? []).map((address) => endpointOf(address, true)), ...(subset.notReadyAddresses ?? []).map((address) => endpointOf(address, false))];
    for (const endpoint of all.slice(0, most)) {
      const addressType = endpoint.addresses[0]?.includes(':') ? 'IPv6' : 'IPv4';
      const key = groupKey(addressType, ports);
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(endpoint);
    }
  }
  return groups;
}

function metadataOf(endpoints: Endpoints): { labels: Record<string, string>; annotations: Record<string, string> } {
  const { annotations = {}, labels = {}, name = '' } = endpoints.metadata ?? {};
  const { [lastAppliedAnnotation]: _applied, [triggerTimeAnnotation]: _since, ...kept } = annotations;
  return { labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: mirrorName }, annotations: kept };
}

/** The slices to write so that they say what the Endpoints say: one for each address type and set of ports. */
export function planMirror(observed: { readonly endpoints: Endpoints; readonly slices: readonly EndpointSlice[]; readonly maxEndpoints?: number }): SlicePlan {
  const { endpoints, maxEndpoints = maxEndpointsPerSubset, slices } = observed;
  const { name = '', namespace = '' } = endpoints.metadata ?? {};
  const wanted = groupsOf(endpoints, maxEndpoints);
  const { annotations, labels } = metadataOf(endpoints);
  const out = { create: [] as EndpointSlice[], update: [] as EndpointSlice[], remove: [] as EndpointSlice[] };
  // What is left of one group serves the next: a change of ports updates the slice instead of replacing it.
  const spare = [...slices];
  const take = (matches: (slice: EndpointSlice) => boolean): EndpointSlice | undefined => {
    const at = spare.findIndex(matches);
    return at < 0 ? undefined : spare.splice(at, 1)[0];
  };
  const kept = new Map([...wanted].map(([key]) => [key, take((slice) => groupKey(slice.addressType ?? '', slice.ports ?? []) === key)]));
  for (const [key, group] of wanted) {
    const slice = kept.get(key) ?? take(({ addressType }) => addressType === group.addressType);
    const content = { endpoints: group.endpoints, ports: [...group.ports] };
    if (!slice) {
      const metadata = { generateName: `${name}-`, namespace, labels, ownerReferences: [newControllerRef(EndpointsRef, endpoints)], ...(Object.keys(annotations).length ? { annotations } : {}) };
      out.create.push({ metadata, addressType: group.addressType, ...content });
      continue;
    }
    const isSame = deepEqual(
      [slice.endpoints ?? [], slice.ports ?? [], slice.metadata?.labels ?? {}, slice.metadata?.annotations ?? {}],
      [content.endpoints, content.ports, labels, annotations],
    );
    if (!isSame) out.update.push({ ...slice, metadata: { ...slice.metadata, labels, annotations }, ...content });
  }
  out.remove.push(...spare);
  return out;
}
