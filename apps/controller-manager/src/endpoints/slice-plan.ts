import { Services } from '@orrery/api';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice, Node, Pod, Service } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { newControllerRef } from '@orrery/controller';
import { isReady, isTerminal } from '../pods/pod-state.ts';
import { canonicalJson } from '../pods/template-hash.ts';
import { headlessLabel, hostnameOf, isHeadless, podReference, targetPortOf, triggerTimeAnnotation } from './service-pods.ts';
import { type Placed, type ZoneShares, allocate, wantsZoneHints, zonesFor } from './topology.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const controllerName = 'endpointslice-controller.k8s.io';
const maxEndpointsPerSlice = 100;

type AddressType = 'IPv4' | 'IPv6';

export interface SlicesObserved {
  readonly service: Service;
  readonly pods: readonly Pod[];
  /** Slices of this Service that this controller manages. */
  readonly slices: readonly EndpointSlice[];
  readonly nodeOf: (name: string) => Node | undefined;
  /** Most endpoints of a slice; upstream's default is 100. */
  readonly maxEndpoints?: number;
  /** For Services that ask for hints by zone. */
  readonly zoneShares?: () => ZoneShares | undefined;
  /** For the annotation that tells since when a change was due. */
  readonly triggerTime?: string | undefined;
}

/** What became of hints by zone that a Service asks for. */
export interface ZoneHints {
  readonly addressType: AddressType;
  /** Why there are none. */
  readonly refused?: string;
}

export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
  readonly zoneHints?: readonly ZoneHints[];
}

interface Group {
  readonly addressType: AddressType;
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

function addressTypes(service: Service): AddressType[] {
  const { ipFamilies, clusterIP } = service.spec ?? {};
  if (ipFamilies?.length) return ipFamilies as AddressType[];
  return clusterIP?.includes(':') ? ['IPv6'] : ['IPv4'];
}

function addressesOf(pod: Pod, type: AddressType): string[] {
  const all = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  return all.filter((ip) => ip.includes(':') === (type === 'IPv6'));
}

function portsOf(pod: Pod, service: Service): DiscoveryV1EndpointPort[] {
  const ports: DiscoveryV1EndpointPort[] = [];
  for (const port of service.spec?.ports ?? []) {
    const number = targetPortOf(pod, port);
    if (number === undefined) continue;
    const { name = '', protocol = 'TCP', appProtocol } = port;
    ports.push({ name, port: number, protocol, ...(appProtocol ? { appProtocol } : {}) });
  }
  return ports;
}

function endpointOf(pod: Pod, observed: SlicesObserved, addresses: string[]): Endpoint {
  const { service } = observed;
  const serving = isReady(pod);
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const hostname = hostnameOf(pod, service);
  const { nodeName } = pod.spec ?? {};
  const zone = nodeName ? observed.nodeOf(nodeName)?.metadata?.labels?.['topology.kubernetes.io/zone'] : undefined;
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: podReference(pod),
    ...(zone ? { zone } : {}),
    ...(ready ? hintsOf(service, wantsZoneHints(service), { zone, nodeName }) : {}),
  };
}

/** Who should prefer a ready endpoint, as `trafficDistribution` asks for; `PreferClose` is the old name of `PreferSameZone`. */
function hintsOf({ spec }: Service, byZone: boolean, { zone, nodeName }: { zone: string | undefined; nodeName: string | undefined }): Pick<Endpoint, 'hints'> {
  const distribution = spec?.trafficDistribution;
  if (!distribution || byZone) return {};
  const forNodes = distribution === 'PreferSameNode' && nodeName ? [{ name: nodeName }] : undefined;
  const forZones = zone ? [{ name: zone }] : undefined;
  return forNodes || forZones ? { hints: { ...(forNodes ? { forNodes } : {}), ...(forZones ? { forZones } : {}) } } : {};
}

/** The endpoints there should be, by address type and ports. Every address type has at least one group. */
function desiredGroups(observed: SlicesObserved): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const addressType of addressTypes(observed.service)) {
    for (const pod of observed.pods) {
      if (isTerminal(pod)) continue;
      const addresses = addressesOf(pod, addressType);
      if (!addresses.length) continue;
      const ports = portsOf(pod, observed.service);
      const key = groupKey(addressType, ports);
      let group = groups.get(key);
      if (!group) groups.set(key, (group = { addressType, ports, endpoints: new Map() }));
      group.endpoints.set(pod.metadata?.uid ?? '', endpointOf(pod, observed, addresses));
    }
  }
  return groups;
}

/** Gives the ready endpoints of a Service that asks for it hints by zone, in proportion to the CPU there is in each. */
function hintZones(observed: SlicesObserved, groups: Iterable<Group>): ZoneHints[] {
  if (!wantsZoneHints(observed.service)) return [];
  const all = [...groups];
  const known = new Map(observed.slices.flatMap(({ addressType, endpoints = [] }) => endpoints.map((endpoint): [string, string | undefined] => [`${addressType} ${endpoint.targetRef?.uid}`, endpoint.hints?.forZones?.[0]?.name])));
  return addressTypes(observed.service).map((addressType): ZoneHints => {
    const ready = all.filter((group) => group.addressType === addressType).flatMap(({ endpoints }) => [...endpoints].flatMap(([uid, endpoint]) => (endpoint.conditions?.ready ? [{ endpoints, uid, endpoint }] : [])));
    const allocations = allocate(observed.zoneShares?.(), ready.length);
    if (typeof allocations === 'string') return { addressType, refused: allocations };
    const placed = ready.flatMap(({ uid, endpoint }): Placed[] => (endpoint.zone ? [{ zone: endpoint.zone, hint: known.get(`${addressType} ${uid}`) }] : []));
    if (placed.length < ready.length) return { addressType, refused: 'One or more endpoints do not have a zone specified' };
    const zones = zonesFor(placed, allocations);
    for (const [i, { endpoints, uid, endpoint }] of ready.entries()) endpoints.set(uid, { ...endpoint, hints: { forZones: [{ name: zones[i] ?? '' }] } });
    return { addressType };
  });
}

function groupKey(addressType: string, ports: readonly DiscoveryV1EndpointPort[]): string {
  return `${addressType} ${canonicalJson([...ports].map((port) => canonicalJson(port)).sort())}`;
}

function labelsFor(service: Service): Record<string, string> {
  const own = Object.entries(service.metadata?.labels ?? {}).filter(([key]) => key !== headlessLabel && key !== managedByLabel && key !== serviceNameLabel);
  return {
    ...Object.fromEntries(own),
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: service.metadata?.name ?? '',
    [managedByLabel]: controllerName,
  };
}

function trigger(observed: SlicesObserved, old: EndpointSlice | undefined): { annotations?: Record<string, string> } {
  const { [triggerTimeAnnotation]: _old, ...kept } = old?.metadata?.annotations ?? {};
  const annotations = { ...kept, ...(observed.triggerTime ? { [triggerTimeAnnotation]: observed.triggerTime } : {}) };
  return Object.keys(annotations).length ? { annotations } : {};
}

function newSlice(observed: SlicesObserved, group: Pick<Group, 'addressType' | 'ports'>, endpoints: Endpoint[]): EndpointSlice {
  const { name = '', namespace = '' } = observed.service.metadata ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: labelsFor(observed.service),
      ownerReferences: [newControllerRef(Services, observed.service)],
      ...trigger(observed, undefined),
    },
    addressType: group.addressType,
    endpoints,
    ports: [...group.ports],
  };
}

interface Filled {
  readonly slice: EndpointSlice;
  endpoints: Endpoint[];
}

/** Distributes a group over its slices: what is in a slice stays there, the rest fills gaps, then new slices. */
function planGroup(observed: SlicesObserved, group: Group, slices: readonly EndpointSlice[], out: { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] }): void {
  const { maxEndpoints = maxEndpointsPerSlice } = observed;
  const waiting = new Map(group.endpoints);
  const filled = slices.map((slice): Filled => {
    const endpoints: Endpoint[] = [];
    for (const known of slice.endpoints ?? []) {
      const uid = known.targetRef?.uid ?? '';
      const wanted = waiting.get(uid);
      if (!wanted || !waiting.delete(uid)) continue;
      endpoints.push(deepEqual(known, wanted) ? known : wanted);
    }
    return { slice, endpoints };
  });
  const changed = ({ slice, endpoints }: Filled): boolean => endpoints.length !== (slice.endpoints ?? []).length || endpoints.some((endpoint, i) => endpoint !== slice.endpoints?.[i]);
  // Slices that are written anyway are filled first.
  for (const one of [...filled].sort((a, b) => Number(changed(b)) - Number(changed(a)) || b.endpoints.length - a.endpoints.length)) {
    for (const [uid, endpoint] of waiting) {
      if (one.endpoints.length >= maxEndpoints) break;
      one.endpoints.push(endpoint);
      waiting.delete(uid);
    }
  }
  const rest = [...waiting.values()];
  for (let i = 0; i < rest.length; i += maxEndpoints) out.create.push(newSlice(observed, group, rest.slice(i, i + maxEndpoints)));
  const labels = labelsFor(observed.service);
  let keepEmpty = group.endpoints.size === 0 ? 1 : 0;
  for (const one of filled) {
    if (one.endpoints.length === 0 && keepEmpty-- <= 0) out.remove.push(one.slice);
    else if (changed(one) || !deepEqual(one.slice.metadata?.labels ?? {}, labels)) {
      const metadata = { ...one.slice.metadata, labels, ...trigger(observed, one.slice) };
      out.update.push({ ...one.slice, metadata, endpoints: one.endpoints });
    }
  }
}

/** The slices to write so that together they hold the Service's endpoints, at most `maxEndpoints` each, with few changes. */
export function planSlices(observed: SlicesObserved): SlicePlan {
  const out = { create: [] as EndpointSlice[], update: [] as EndpointSlice[], remove: [] as EndpointSlice[] };
  const wanted = desiredGroups(observed);
  const zoneHints = hintZones(observed, wanted.values());
  const existing = new Map<string, EndpointSlice[]>();
  for (const slice of observed.slices) {
    const key = groupKey(slice.addressType ?? '', slice.ports ?? []);
    existing.set(key, [...(existing.get(key) ?? []), slice]);
  }
  const types = addressTypes(observed.service);
  for (const [key, group] of wanted) planGroup(observed, group, existing.get(key) ?? [], out);
  for (const addressType of types) {
    if ([...wanted.values()].some((group) => group.addressType === addressType)) continue;
    const key = groupKey(addressType, []);
    const placeholder = existing.get(key) ?? [];
    if (placeholder.length) planGroup(observed, { addressType, ports: [], endpoints: new Map() }, placeholder, out);
    else out.create.push(newSlice(observed, { addressType, ports: [] }, []));
    wanted.set(key, { addressType, ports: [], endpoints: new Map() });
  }
  for (const [key, slices] of existing) if (!wanted.has(key)) out.remove.push(...slices);
  return zoneHints.length ? { ...out, zoneHints } : out;
}
