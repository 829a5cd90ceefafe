import type { Node, Service } from '@orrery/api/types';
import type { ListenerSpec, LoadBalancer } from '@orrery/proto/cloud';

export const finalizer = 'service.kubernetes.io/load-balancer-cleanup';
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** What to do about a service's load balancer. */
export type Plan =
  | { readonly action: 'none' }
  | { readonly action: 'ensure'; readonly name: string; readonly listeners: readonly ListenerSpec[]; readonly sourceRanges: readonly string[]; readonly address: string }
  /** Remove the balancer, then the finalizer and the status. */
  | { readonly action: 'delete'; readonly name: string };

/** Unique in the cloud and stable: upstream's `a` + uid without dashes, at most 32 characters. */
export function balancerName(service: Service): string {
  return `a${(service.metadata?.uid ?? '').replaceAll('-', '')}`.slice(0, 32);
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

/** Nodes that take traffic from outside: not excluded, not being deleted, and Ready. */
export function balancedNodes(nodes: readonly Node[]): Node[] {
  return nodes.filter((node) => isReady(node) && !node.metadata?.deletionTimestamp && node.metadata?.labels?.[excludeLabel] === undefined);
}

function wantsBalancer(service: Service): boolean {
  return service.spec?.type === 'LoadBalancer' && !service.spec.loadBalancerClass && !service.metadata?.deletionTimestamp;
}

function listenersOf(service: Service, nodes: readonly Node[]): ListenerSpec[] {
  const addresses = nodes.flatMap((node) => node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address ?? []);
  return (service.spec?.ports ?? []).map((port) => ({
    name: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
    port: port.port,
    targets: addresses.map((address) => ({ address, port: port.nodePort ?? 0 })),
  }));
}

/** Compares what a service says with what it should have. */
export function plan(service: Service, nodes: readonly Node[]): Plan {
  const name = balancerName(service);
  if (wantsBalancer(service)) {
    const { loadBalancerSourceRanges: sourceRanges = [], loadBalancerIP: address = '' } = service.spec ?? {};
    return { action: 'ensure', name, listeners: listenersOf(service, balancedNodes(nodes)), sourceRanges, address };
  }
  const has = service.metadata?.finalizers?.includes(finalizer) || (service.status?.loadBalancer?.ingress?.length ?? 0) > 0;
  return has && !service.spec?.loadBalancerClass ? { action: 'delete', name } : { action: 'none' };
}

export type LoadBalancerStatus = NonNullable<NonNullable<Service['status']>['loadBalancer']>;

/** Status of the service: the balancer's address and, where ports could not be opened as asked, why. */
export function statusOf(balancer: LoadBalancer): LoadBalancerStatus {
  const listeners = balancer.listeners ?? [];
  const failed = listeners.some((l) => l.error);
  const ports = listeners.map((l) => ({ port: l.spec?.port ?? 0, protocol: l.spec?.protocol ?? 'TCP', ...(l.error ? { error: 'ListenFailed' } : {}) }));
  return { ingress: [{ ip: balancer.address ?? '', ipMode: 'VIP', ...(failed ? { ports } : {}) }] };
}

/** `80=127.77.0.1:40001` for every listener that is reached elsewhere than at the balancer's own address and port. */
export function hostEndpoints(balancer: LoadBalancer): string {
  return (balancer.listeners ?? [])
    .filter((l) => l.hostEndpoint && l.hostEndpoint !== `${balancer.address ?? ''}:${l.spec?.port ?? 0}`)
    .map((l) => `${l.spec?.port ?? 0}=${l.hostEndpoint ?? ''}`)
    .join(',');
}
