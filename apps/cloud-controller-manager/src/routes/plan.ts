import type { Node } from '@orrery/api/types';
import type { Route } from '@orrery/proto/cloud';

export interface RoutePlan {
  readonly remove: readonly Route[];
  readonly create: readonly { readonly destinationCidr: string; readonly nextHops: readonly string[] }[];
}

const isIpv6 = (text: string): boolean => text.includes(':');

/** What is missing and what is too much of the routes to one node; `node` undefined: it is gone. */
export function routePlan(node: Node | undefined, routes: readonly Route[]): RoutePlan {
  const internal = (node?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
  const ranges = node?.spec?.podCIDRs ?? (node?.spec?.podCIDR ? [node.spec.podCIDR] : []);
  // A family that the node has no address of leads nowhere and needs no route.
  const wanted = ranges.flatMap((destinationCidr) => {
    const nextHops = internal.filter((ip) => isIpv6(ip) === isIpv6(destinationCidr));
    return nextHops.length ? [{ destinationCidr, nextHops }] : [];
  });
  const serves = (route: Route): boolean =>
    !route.blackhole && wanted.some(({ destinationCidr, nextHops }) => route.destinationCidr === destinationCidr && JSON.stringify(route.nextHops ?? []) === JSON.stringify(nextHops));
  const kept = new Set(routes.filter(serves).map(({ destinationCidr }) => destinationCidr));
  return { remove: routes.filter((route) => !serves(route)), create: wanted.filter(({ destinationCidr }) => !kept.has(destinationCidr)) };
}

/** The condition that says whether a node's routes are there. */
export function networkCondition(created: boolean): { type: string; status: string; reason: string; message: string } {
  return created
    ? { type: 'NetworkUnavailable', status: 'False', reason: 'RouteCreated', message: 'RouteController created a route' }
    : { type: 'NetworkUnavailable', status: 'True', reason: 'NoRouteCreated', message: 'RouteController failed to create a route' };
}
