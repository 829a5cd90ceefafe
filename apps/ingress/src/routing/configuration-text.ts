import type { GlobalSettings } from '../annotations/global.ts';
import type { RoutingTable } from './table.ts';

/** JSON knows neither. */
const plain = (_key: string, value: unknown): unknown => (value instanceof RegExp ? String(value) : value instanceof Set ? [...(value as Set<string>)].sort() : value);

/** All that requests are routed by, but for endpoints and private keys: the same for controllers that were told the same, in whatever order. */
export function configurationText(table: RoutingTable, global: GlobalSettings): string {
  const hosts = [...table.hosts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([host, locations]) => ({ host, locations, certificate: table.certificate(host)?.cert, clients: table.clientAuth(host) }));
  return JSON.stringify({ global, hosts }, plain);
}
