import type { IPAddress, Service } from '@orrery/api/types';
import { hasLabels, isAllocated } from '../registry/services/ip-address.ts';
import { type IpRange, canonicalIp, contains, familyOf, parseIp } from '../registry/services/ip-range.ts';
import { held } from '../registry/services/held.ts';

/** What is there, as far as the caches know. */
export interface World {
  address(ip: string): IPAddress | undefined;
  service(key: { namespace: string; name: string }): Service | undefined;
  readonly ranges: readonly IpRange[];
}

export interface Finding {
  readonly ip: string;
  /** `create` makes the IPAddress, `replace` deletes it first; absent: nothing that can be mended. */
  readonly mend?: 'create' | 'replace';
  readonly event?: { readonly reason: string; readonly message: string };
}

const pointsTo = (address: IPAddress): { namespace: string; name: string } => ({ namespace: address.spec?.parentRef?.namespace ?? '', name: address.spec?.parentRef?.name ?? '' });
const isOfService = ({ spec }: IPAddress): boolean => (spec?.parentRef?.group ?? '') === '' && spec?.parentRef?.resource === 'services';
const nameOf = ({ metadata }: Service): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

function findingOf(service: Service, ip: string, world: World): Finding | undefined {
  const family = familyOf(ip);
  if (parseIp(ip) === undefined) return { ip, event: { reason: 'ClusterIPNotValid', message: `Cluster IP ${ip} is not a valid IP; please recreate Service` } };
  if (!world.ranges.some((range) => contains(range, ip))) return { ip, event: { reason: 'ClusterIPOutOfRange', message: `Cluster IP [${family}]: ${ip} is not within any configured Service CIDR; please recreate service` } };
  const address = world.address(ip);
  if (!address) return { ip, mend: 'create', event: { reason: 'ClusterIPNotAllocated', message: `Cluster IP [${family}]: ${ip} is not allocated; repairing` } };
  const wrong: Finding = { ip, mend: 'replace', event: { reason: 'ClusterIPNotAllocated', message: `the ClusterIP [${family}]: ${ip} for Service ${nameOf(service)} has a wrong reference; repairing` } };
  if (!isOfService(address)) return wrong;
  const { namespace, name } = pointsTo(address);
  if (namespace !== service.metadata?.namespace || name !== service.metadata.name) {
    const other = world.service({ namespace, name });
    if (!other) return wrong;
    if (held(other).ips.includes(ip)) return { ip, event: { reason: 'ClusterIPAlreadyAllocated', message: `Cluster IP [${family}]:${ip} was assigned to multiple services; please recreate service` } };
  }
  return hasLabels(address) ? undefined : { ip, mend: 'replace' };
}

/** What is wrong with the addresses of a Service, as upstream's repair loop judges. */
export function findingsOf(service: Service, world: World): Finding[] {
  return held(service).ips.flatMap((ip) => findingOf(service, canonicalIp(ip), world) ?? []);
}

/** A Service may still be on its way to the store: as long as a request may take. */
const graceMs = 60_000;

export type Verdict = { readonly keep: true; readonly againMs?: number } | { readonly keep: false; readonly reason: 'IPAddressNotAllocated' | 'IPAddressWrongReference'; readonly message: string };

/** Should an IPAddress stay? Those that nothing of the allocator's made always do. */
export function verdictOn(address: IPAddress, world: World, nowMs: number): Verdict {
  const ip = address.metadata?.name ?? '';
  if (!isAllocated(address)) return { keep: true };
  if (!isOfService(address)) return { keep: false, reason: 'IPAddressNotAllocated', message: `IPAddress ${ip} appears to have been modified, not referencing a Service: cleaning up` };
  const { namespace, name } = pointsTo(address);
  const service = world.service({ namespace, name });
  if (service) return held(service).ips.includes(ip) ? { keep: true } : { keep: false, reason: 'IPAddressWrongReference', message: `IPAddress: ${ip} for Service ${namespace}/${name} has a wrong reference; cleaning up` };
  const againMs = Date.parse(address.metadata?.creationTimestamp ?? '') + graceMs - nowMs;
  return againMs >= 0 ? { keep: true, againMs: againMs + 1 } : { keep: false, reason: 'IPAddressNotAllocated', message: `IPAddress: ${ip} for Service ${namespace}/${name} appears to have leaked: cleaning up` };
}
