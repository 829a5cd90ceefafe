import type { EndpointSlice, Node, Service, ServicePort } from '@orrery/api/types';
import type { Target } from '@orrery/proto/cloud';
import type { BalancerSettings } from './annotations.ts';

const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';
/** The cluster autoscaler's, of nodes that are about to go. */
const toBeDeletedTaint = 'ToBeDeletedByClusterAutoscaler';

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

/** Nodes that take traffic from outside: not excluded, not about to go, and Ready. */
export function balancedNodes(nodes: readonly Node[], labels: Readonly<Record<string, string>> = {}): Node[] {
  const chosen = (node: Node): boolean => Object.entries(labels).every(([key, value]) => node.metadata?.labels?.[key] === value);
  const leaving = (node: Node): boolean => Boolean(node.metadata?.deletionTimestamp) || (node.spec?.taints?.some(({ key }) => key === toBeDeletedTaint) ?? false);
  return nodes.filter((node) => isReady(node) && !leaving(node) && node.metadata?.labels?.[excludeLabel] === undefined && chosen(node));
}

/** Whether the targets of a Service depend on its endpoints. */
export function followsEndpoints(service: Service, backend: BalancerSettings['backend']): boolean {
  return backend === 'eni' || service.spec?.externalTrafficPolicy === 'Local' || (service.spec?.ports ?? []).some(({ nodePort }) => !nodePort);
}

/** Pods that are ready, as targets of their own. */
function podTargets(slices: readonly EndpointSlice[], port: ServicePort): Target[] {
  const targets = slices.flatMap((slice) => {
    const own = slice.ports?.find(({ name = '' }) => name === (port.name ?? ''));
    if (!own?.port) return [];
    const ready = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    return ready.flatMap(({ addresses }) => addresses.slice(0, 1).map((address) => ({ address, port: own.port ?? 0 })));
  });
  return targets.sort((a, b) => (a.address < b.address ? -1 : Number(a.address > b.address)));
}

/** How many ready endpoints each node has. */
function endpointsByNode(slices: readonly EndpointSlice[]): Map<string, number> {
  const counts = new Map<string, number>();
  // A pod of both families is in a slice of each.
  const [first] = slices;
  for (const slice of slices) {
    if (slice.addressType !== first?.addressType) continue;
    for (const { nodeName, conditions } of slice.endpoints ?? []) if (nodeName && conditions?.ready !== false) counts.set(nodeName, (counts.get(nodeName) ?? 0) + 1);
  }
  return counts;
}

export interface Backends {
  readonly nodes: readonly Node[];
  readonly slices: readonly EndpointSlice[];
  readonly backend: BalancerSettings['backend'];
}

/**
 * The server group of each port, by port name. Under `externalTrafficPolicy: Local` only nodes with endpoints are in it, weighted by
 * how many; ports without node port, and backend `eni`, go to pods.
 */
export function serverGroups(service: Service, { nodes, slices, backend }: Backends): (port: ServicePort) => Target[] {
  const local = service.spec?.externalTrafficPolicy === 'Local';
  const counts = local ? endpointsByNode(slices) : undefined;
  const most = Math.max(1, ...(counts?.values() ?? []));
  const isIpv6 = service.spec?.ipFamilies?.[0] === 'IPv6';
  const hosts = nodes.flatMap((node) => {
    const own = (node.status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : []));
    // In a dual-stack cluster a node port answers where its Service has endpoints.
    const address = own.find((ip) => ip.includes(':') === isIpv6) ?? own[0];
    const count = counts?.get(node.metadata?.name ?? '') ?? 0;
    if (!address || (counts && !count)) return [];
    return [{ address, weight: counts ? Math.max(1, Math.round((count * 100) / most)) : undefined }];
  });
  return (port) => {
    if (backend === 'eni' || !port.nodePort) return podTargets(slices, port);
    return hosts.map(({ address, weight }) => ({ address, port: port.nodePort ?? 0, ...(weight === undefined ? {} : { weight }) }));
  };
}
