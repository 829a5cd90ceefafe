import type { DeleteRouteRequest, Route } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { parseCidr, parseIp } from '@orrery/vnet';
import type { Table } from './ledger.ts';
import type { Quotas } from './quotas.ts';

export interface Routes {
  create(route: Route): Route;
  delete(request: DeleteRouteRequest): void;
  list(clusterName: string): Route[];
  /** Routes to that node lead nowhere from now on. */
  lost(node: string): void;
}

function check({ destinationCidr = '', targetNode = '', nextHops = [] }: Route): void {
  let family: number;
  try {
    family = parseCidr(destinationCidr).family;
  } catch {
    throw new RpcError(Code.INVALID_ARGUMENT, `destination_cidr: ${JSON.stringify(destinationCidr)} is no CIDR`);
  }
  if (!targetNode) throw new RpcError(Code.INVALID_ARGUMENT, 'target_node is required');
  if (!nextHops.some((hop) => parseIp(hop)?.family === family)) throw new RpcError(Code.INVALID_ARGUMENT, `next_hops: none of [${nextHops.join(' ')}] can take IPv${family}`);
}

/** The route table of the network. */
export function createRoutes(env: Env, { table, quotas }: { table: Table<Route>; quotas: Quotas }): Routes {
  /** By cluster and range. */
  const byRange = new Map<string, string>();
  const rangeKey = (route: Route): string => `${route.clusterName ?? ''} ${route.destinationCidr ?? ''}`;
  let indexed = false;
  const index = (): Map<string, string> => {
    if (!indexed) for (const route of table.values()) byRange.set(rangeKey(route), route.name ?? '');
    indexed = true;
    return byRange;
  };
  quotas.counted('routes', () => table.size);
  const same = (one: Route, other: Route): boolean => one.targetNode === other.targetNode && JSON.stringify(one.nextHops) === JSON.stringify(other.nextHops) && !one.blackhole;
  return {
    create(route) {
      check(route);
      const known = table.get(index().get(rangeKey(route)) ?? '');
      if (known && same(known, route)) return known;
      if (known) throw new RpcError(Code.ALREADY_EXISTS, `range ${route.destinationCidr ?? ''} is routed to ${known.targetNode ?? ''} already, by route ${known.name ?? ''}`);
      quotas.take('routes');
      const { clusterName = '', destinationCidr = '', targetNode = '', nextHops = [] } = route;
      const name = route.name || `r-${env.random.uuid().replaceAll('-', '').slice(0, 12)}`;
      if (table.get(name)) throw new RpcError(Code.ALREADY_EXISTS, `route ${name} exists`);
      const created: Route = { name, clusterName, destinationCidr, targetNode, nextHops, blackhole: false };
      table.put(name, created);
      index().set(rangeKey(created), name);
      return created;
    },
    delete({ name = '' }) {
      const route = table.get(name);
      if (!route) return;
      table.delete(name);
      index().delete(rangeKey(route));
    },
    list: (clusterName) => [...table.values()].filter((route) => !clusterName || route.clusterName === clusterName),
    lost(node) {
      for (const route of [...table.values()]) if (route.targetNode === node) table.put(route.name ?? '', { ...route, blackhole: true });
    },
  };
}
