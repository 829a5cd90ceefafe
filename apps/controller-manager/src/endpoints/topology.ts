import { parseQuantity, quantityMilliValue } from '@orrery/apimachinery';
import type { Node, Service } from '@orrery/api/types';

/** How much more than its share an endpoint may get. */
const overload = 0.2;

/** Parts of the cluster's CPU by zone, which sum up to 1. */
export type ZoneShares = ReadonlyMap<string, number>;

export interface Allocation {
  readonly minimum: number;
  readonly maximum: number;
  readonly desired: number;
}

/** Whether a Service asks for hints by zone (`service.kubernetes.io/topology-mode: Auto`, or the older annotation). */
export function wantsZoneHints({ metadata }: Service): boolean {
  const { annotations = {} } = metadata ?? {};
  const mode = annotations['service.kubernetes.io/topology-aware-hints'] ?? annotations['service.kubernetes.io/topology-mode'];
  return mode === 'Auto' || mode === 'auto';
}

const zoneLabel = 'topology.kubernetes.io/zone';
const outsideLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** What a node counts for; undefined when it does not count. */
export function zoneOfCapacity({ metadata, status }: Node): { zone: string; cpu: number } | undefined {
  const { labels = {} } = metadata ?? {};
  if (outsideLabels.some((label) => label in labels)) return undefined;
  if (status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True') return undefined;
  return { zone: labels[zoneLabel] ?? '', cpu: quantityMilliValue(parseQuantity(String(status.allocatable?.['cpu'] ?? '0'))) };
}

/** Undefined when a node that counts has no zone or no CPU, or there are not two zones. */
export function zoneShares(nodes: Iterable<Node>): ZoneShares | undefined {
  const byZone = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    const found = zoneOfCapacity(node);
    if (!found) continue;
    if (!found.zone || !found.cpu) return undefined;
    total += found.cpu;
    byZone.set(found.zone, (byZone.get(found.zone) ?? 0) + found.cpu);
  }
  return byZone.size < 2 ? undefined : new Map([...byZone].sort(([a], [b]) => (a < b ? -1 : 1)).map(([zone, cpu]) => [zone, cpu / total]));
}

/** How many of `count` endpoints each zone is to have; or why that cannot be, in upstream's words. */
export function allocate(shares: ZoneShares | undefined, count: number): ReadonlyMap<string, Allocation> | string {
  if (!shares) return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes';
  const numbers = `(${count} endpoints, ${shares.size} zones)`;
  if (shares.size > count) return `Insufficient number of endpoints ${numbers}`;
  const least = [...shares].map(([zone, share]) => ({ zone, wanted: share * count, minimum: Math.ceil(share * count * (1 / (1 + overload))) }));
  const rest = count - least.reduce((sum, { minimum }) => sum + minimum, 0);
  if (rest < 0) return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${numbers}`;
  return new Map(least.map(({ zone, wanted, minimum }) => [zone, { minimum, maximum: minimum + rest, desired: Math.max(wanted, minimum) }]));
}

/** A ready endpoint: the zone it is in, and the one it was for. */
export interface Placed {
  readonly zone: string;
  readonly hint: string | undefined;
}

function most(zones: ReadonlyMap<string, number>): [zone: string, count: number] {
  let found: [string, number] = ['', 0];
  for (const [zone, count] of zones) if (count > found[1]) found = [zone, count];
  return found;
}

/** From which zone to which, one endpoint each. */
function moves(allocations: ReadonlyMap<string, Allocation>, counts: ReadonlyMap<string, number>): [from: string, to: string][] {
  const left = [...allocations].map(([zone, { desired }]): [string, number] => [zone, (counts.get(zone) ?? 0) - desired]);
  const giving = new Map(left.filter(([, over]) => over > 0));
  const receiving = new Map(left.filter(([, over]) => over < 0).map(([zone, over]): [string, number] => [zone, -over]));
  const out: [string, string][] = [];
  for (;;) {
    const [from, toGive] = most(giving);
    const [to, toReceive] = most(receiving);
    if (!from || !to || (toGive < 1 && toReceive < 1) || toGive < 0.5 || toReceive < 0.5) return out;
    giving.set(from, toGive - 1);
    receiving.set(to, toReceive - 1);
    out.push([from, to]);
  }
}

function countOf(zones: Iterable<string | undefined>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const zone of zones) if (zone !== undefined) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return counts;
}

/**
 * The zone that each endpoint is for, in their order. Hints that are there and within bounds stay, so that little changes; else all
 * begin in their own zone, and zones with too many give to those with too few.
 */
export function zonesFor(endpoints: readonly Placed[], allocations: ReadonlyMap<string, Allocation>): string[] {
  const before = countOf(endpoints.map(({ hint }) => hint));
  const within = [...allocations].every(([zone, { minimum, maximum }]) => (before.get(zone) ?? 0) >= minimum && (before.get(zone) ?? 0) <= maximum);
  if (within && endpoints.every(({ hint }) => hint !== undefined && allocations.has(hint))) return endpoints.map(({ hint, zone }) => hint ?? zone);
  const pending = moves(allocations, countOf(endpoints.map(({ zone }) => zone)));
  return endpoints.map(({ zone }) => {
    const move = pending.findIndex(([from]) => from === zone);
    return move < 0 ? zone : (pending.splice(move, 1)[0]?.[1] ?? zone);
  });
}
