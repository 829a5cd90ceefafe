import type { EndpointSlice, Node, Service } from '@orrery/api/types';
import type { HealthCheck, ListenerSpec, LoadBalancer } from '@orrery/proto/cloud';
import { type BalancerSettings, settingsOf } from './annotations.ts';
import { balancedNodes, serverGroups } from './targets.ts';

export const finalizer = 'service.kubernetes.io/load-balancer-cleanup';
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';
/** The balancer whose listeners the Service has, when it is not one of its own. */
export const balancerAnnotation = 'orrery.dev/load-balancer';
const defaultAffinitySeconds = 10_800;

export interface EnsurePlan {
  readonly action: 'ensure';
  readonly name: string;
  readonly owner: string;
  /** A balancer of a user's: it must be there. */
  readonly mustExist: boolean;
  readonly listeners: readonly ListenerSpec[];
  readonly sourceRanges: readonly string[];
  readonly address: string;
  readonly internal: boolean;
  readonly specification: string;
  readonly bandwidthMbps: number;
  /** Names of the nodes that take its traffic, in order. */
  readonly hosts: readonly string[];
}

/** What to do about a service's load balancer. */
export type Plan =
  | { readonly action: 'none' }
  | EnsurePlan
  /** Remove the listeners from the balancer, then the finalizer and the status. */
  | { readonly action: 'delete'; readonly name: string; readonly owner: string };

/** Unique in the cloud and stable: upstream's `a` + uid without dashes, at most 32 characters. */
export function balancerName(service: Service): string {
  return `a${(service.metadata?.uid ?? '').replaceAll('-', '')}`.slice(0, 32);
}

/** The balancer that has the service's listeners now, if any has. */
export function recordedBalancer(service: Service): string {
  return service.metadata?.annotations?.[balancerAnnotation] ?? balancerName(service);
}

/** A class means that somebody else cares. */
export function wantsBalancer(service: Service): boolean {
  return service.spec?.type === 'LoadBalancer' && service.spec.loadBalancerClass === undefined && !service.metadata?.deletionTimestamp;
}

export function sourceRangesOf({ metadata, spec }: Service): readonly string[] {
  if (spec?.loadBalancerSourceRanges?.length) return spec.loadBalancerSourceRanges;
  return (metadata?.annotations?.[sourceRangesAnnotation] ?? '').split(',').map((range) => range.trim()).filter(Boolean);
}

/** Under the policy Local nodes say themselves whether they have endpoints. */
function healthCheckOf({ spec }: Service, settings: BalancerSettings): HealthCheck | undefined {
  if (settings.healthCheck === 'off') return undefined;
  if (settings.healthCheck) return settings.healthCheck;
  const port = spec?.healthCheckNodePort;
  return spec?.externalTrafficPolicy === 'Local' && port && settings.backend === 'node' ? { type: 'HTTP', port, path: '/healthz' } : undefined;
}

function persistenceOf({ spec }: Service, settings: BalancerSettings): number {
  if (settings.persistenceSeconds !== undefined) return settings.persistenceSeconds;
  return spec?.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds) : 0;
}

function listenersOf(service: Service, settings: BalancerSettings, backends: { nodes: readonly Node[]; slices: readonly EndpointSlice[] }): ListenerSpec[] {
  const targetsOf = serverGroups(service, { ...backends, backend: settings.backend });
  const healthCheck = healthCheckOf(service, settings);
  const persistenceSeconds = persistenceOf(service, settings);
  return (service.spec?.ports ?? []).map((port) => ({
    name: port.name ?? '',
    protocol: settings.protocols.get(port.port) ?? port.protocol ?? 'TCP',
    port: port.port,
    targets: targetsOf(port),
    scheduler: settings.scheduler,
    persistenceSeconds,
    // Datagrams are not answered by who only accepts connections.
    ...(healthCheck && (port.protocol !== 'UDP' || healthCheck.port) ? { healthCheck } : {}),
  }));
}

/** Compares what a service says with what it should have. Throws AnnotationError for annotations that cannot be understood. */
export function plan(service: Service, all: readonly Node[], slices: readonly EndpointSlice[] = []): Plan {
  const owner = service.metadata?.uid ?? '';
  if (wantsBalancer(service)) {
    const settings = settingsOf(service.metadata?.annotations ?? {});
    const nodes = balancedNodes(all, settings.nodeLabels);
    return {
      action: 'ensure',
      name: settings.given || balancerName(service),
      owner,
      mustExist: settings.given !== '',
      listeners: listenersOf(service, settings, { nodes, slices }),
      sourceRanges: sourceRangesOf(service),
      address: service.spec?.loadBalancerIP ?? '',
      internal: settings.internal,
      specification: settings.specification,
      bandwidthMbps: settings.bandwidthMbps,
      hosts: nodes.map(({ metadata }) => metadata?.name ?? '').sort(),
    };
  }
  const has = service.metadata?.finalizers?.includes(finalizer) || (service.status?.loadBalancer?.ingress?.length ?? 0) > 0;
  return has && service.spec?.loadBalancerClass === undefined ? { action: 'delete', name: recordedBalancer(service), owner } : { action: 'none' };
}

export type LoadBalancerStatus = NonNullable<NonNullable<Service['status']>['loadBalancer']>;

/** The listeners that a service has on a balancer, which may have others. */
function ownListeners(balancer: LoadBalancer, owner: string) {
  return (balancer.listeners ?? []).filter((listener) => (listener.owner ?? '') === owner);
}

/** Status of the service: the balancer's address and, where ports could not be opened as asked, why. */
export function statusOf(balancer: LoadBalancer, owner: string): LoadBalancerStatus {
  const listeners = ownListeners(balancer, owner);
  const failed = listeners.some((l) => l.error);
  const ports = listeners.map((l) => ({ port: l.spec?.port ?? 0, protocol: l.spec?.protocol === 'UDP' ? 'UDP' : 'TCP', ...(l.error ? { error: 'ListenFailed' } : {}) }));
  return { ingress: [{ ip: balancer.address ?? '', ipMode: 'VIP', ...(failed ? { ports } : {}) }] };
}

/** `80=127.77.0.1:40001` for every listener that is reached elsewhere than at the balancer's own address and port. */
export function hostEndpoints(balancer: LoadBalancer, owner: string): string {
  return ownListeners(balancer, owner)
    .filter((l) => l.hostEndpoint && l.hostEndpoint !== `${balancer.address ?? ''}:${l.spec?.port ?? 0}`)
    .map((l) => `${l.spec?.port ?? 0}=${l.hostEndpoint ?? ''}`)
    .join(',');
}
