import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { isReady, isTerminal } from '../pods/pod-state.ts';
import { canonicalJson } from '../pods/template-hash.ts';
import { headlessLabel, hostnameOf, isHeadless, podReference, targetPortOf, triggerTimeAnnotation } from './service-pods.ts';

export const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const managedBy = 'endpoint-controller';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
/** An Endpoints object holds no more addresses than this. */
const maxAddresses = 1000;

interface Found {
  readonly ports: EndpointPort[];
  readonly ready: EndpointAddress[];
  readonly notReady: EndpointAddress[];
}

function addressOf(pod: Pod, service: Service): EndpointAddress | undefined {
  const wantsIpv6 = service.spec?.ipFamilies?.[0] === 'IPv6';
  const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  const ip = ips.find((candidate) => candidate.includes(':') === wantsIpv6);
  if (!ip) return undefined;
  const hostname = hostnameOf(pod, service);
  return { ip, ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}), targetRef: podReference(pod), ...(hostname ? { hostname } : {}) };
}

function portsOf(pod: Pod, service: Service): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const servicePort of service.spec?.ports ?? []) {
    const port = targetPortOf(pod, servicePort);
    const { name, protocol = 'TCP', appProtocol } = servicePort;
    if (port !== undefined) ports.push({ ...(name ? { name } : {}), port, protocol, ...(appProtocol ? { appProtocol } : {}) });
  }
  return ports;
}

const byIp = (a: EndpointAddress, b: EndpointAddress): number => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0);

/** Cuts to the limit, ready addresses first. */
function truncate(groups: readonly Found[]): { groups: Found[]; truncated: boolean } {
  let room = maxAddresses;
  const take = <T>(list: readonly T[]): T[] => {
    const taken = list.slice(0, room);
    room -= taken.length;
    return taken;
  };
  const ready = groups.map((group) => take(group.ready));
  const cut = groups.map((group, i) => ({ ports: group.ports, ready: ready[i] ?? [], notReady: take(group.notReady) }));
  const count = (list: readonly Found[]): number => list.reduce((sum, group) => sum + group.ready.length + group.notReady.length, 0);
  return { groups: cut, truncated: count(cut) < count(groups) };
}

function subsetsOf(service: Service, pods: readonly Pod[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const groups = new Map<string, Found>();
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  for (const pod of pods) {
    if (isTerminal(pod) || (pod.metadata?.deletionTimestamp && !publishAll)) continue;
    const address = addressOf(pod, service);
    if (!address) continue;
    const ports = portsOf(pod, service);
    if (!ports.length && !isHeadless(service)) continue;
    const key = canonicalJson(ports);
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, ready: [], notReady: [] }));
    (publishAll || isReady(pod) ? group.ready : group.notReady).push(address);
  }
  for (const group of groups.values()) {
    group.ready.sort(byIp);
    group.notReady.sort(byIp);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  const { groups: kept, truncated } = truncate(sorted);
  const subsets = kept.map(({ ready, notReady, ports }) => ({
    ...(ready.length ? { addresses: ready } : {}),
    ...(notReady.length ? { notReadyAddresses: notReady } : {}),
    ...(ports.length ? { ports } : {}),
  }));
  return { subsets: subsets.filter((subset) => subset.addresses ?? subset.notReadyAddresses), truncated };
}

/** The Endpoints object to write for a Service, or undefined when the existing one is right. */
export function planEndpoints(observed: { service: Service; pods: readonly Pod[]; existing: Endpoints | undefined; triggerTime?: string | undefined }): Endpoints | undefined {
  const { service, existing, triggerTime } = observed;
  const { subsets, truncated } = subsetsOf(service, observed.pods);
  const { [headlessLabel]: _headless, ...own } = service.metadata?.labels ?? {};
  const labels: Record<string, string> = { ...own, ...(isHeadless(service) ? { [headlessLabel]: '' } : {}), [managedByLabel]: managedBy };
  const { [overCapacityAnnotation]: known, ...kept } = existing?.metadata?.annotations ?? {};
  const same = existing && deepEqual(existing.subsets ?? [], subsets) && deepEqual(existing.metadata?.labels ?? {}, labels) && (known !== undefined) === truncated;
  if (same) return undefined;
  const annotations = { ...kept, ...(truncated ? { [overCapacityAnnotation]: 'truncated' } : {}), ...(triggerTime ? { [triggerTimeAnnotation]: triggerTime } : {}) };
  const { name = '', namespace = '' } = service.metadata ?? {};
  return { ...existing, metadata: { ...existing?.metadata, name, namespace, labels, ...(Object.keys(annotations).length ? { annotations } : {}) }, subsets };
}
