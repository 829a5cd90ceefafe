import type { Service } from '@orrery/api/types';
import { type FieldError, fieldError, internalError } from '@orrery/errors';
import type { Random } from '@orrery/runtime';
import { type Family, type IpRange, canonicalIp, contains, formatIp, isUsable, lastOffset, staticBand } from './ip-range.ts';

/** What one service is given addresses from. */
export interface AddressPool {
  readonly ranges: readonly IpRange[];
  readonly random: Random;
  /** Is there an IPAddress, as far as known? */
  readonly exists: (ip: string) => boolean;
  /** How many IPAddresses are known, and refused by the store. */
  readonly known: number;
  /** Did the store refuse this address? Undefined: it was not asked, what is known must do. */
  readonly isTaken: ((ip: string) => boolean) | undefined;
  readonly refuse: (error: FieldError) => Error;
}

/** Offsets beyond are never drawn: nobody has so many services. */
const maxDrawn = 2n ** 48n;

/** A random free address between two offsets. Of more candidates than there are addresses one is free. */
function draw(range: IpRange, { from, to, pool }: { from: bigint; to: bigint; pool: AddressPool }): string | undefined {
  const count = Number(to - from + 1n > maxDrawn ? maxDrawn : to - from + 1n);
  if (count <= 0) return undefined;
  const start = pool.random.int(count);
  for (let i = 0; i < Math.min(count, pool.known + 1); i++) {
    const ip = formatIp(range.base + from + BigInt((start + i) % count), range.family);
    if (!pool.exists(ip) && !pool.isTaken?.(ip)) return ip;
  }
  return undefined;
}

/** Outside the static band while any range has room there. */
function freeAddress(family: Family, pool: AddressPool): string {
  const ranges = pool.ranges.filter((range) => range.family === family);
  for (const range of ranges) {
    const band = staticBand(range);
    const ip = draw(range, { from: band > 0n ? band : 1n, to: lastOffset(range), pool }) ?? draw(range, { from: 1n, to: band - 1n, pool });
    if (ip) return ip;
  }
  throw internalError('failed to allocate a serviceIP: range is full');
}

function problemOf(ip: string, pool: AddressPool): string | undefined {
  const range = pool.ranges.find((one) => contains(one, ip));
  if (!range) return 'the provided network does not match the current range';
  if (!isUsable(range, ip)) return `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${range.cidr}`;
  // Whether an address is free is for the store to say: the cache may not have heard yet that it was released.
  return (pool.isTaken ? pool.isTaken(ip) : pool.exists(ip)) ? 'provided IP is already allocated' : undefined;
}

/** Completes the addresses of a service whose families are settled; throws to refuse. */
export function fillAddresses({ spec }: Service, { keep, pool }: { keep: ReadonlySet<string>; pool: AddressPool }): void {
  if (!spec || spec.type === 'ExternalName' || spec.clusterIPs?.[0] === 'None') return;
  const wanted = spec.clusterIPs ?? [];
  const families = (spec.ipFamilies ?? []) as Family[];
  spec.clusterIPs = families.map((family, i) => {
    const ip = wanted[i];
    if (!ip) return freeAddress(family, pool);
    const problem = keep.has(canonicalIp(ip)) ? undefined : problemOf(canonicalIp(ip), pool);
    if (problem) throw pool.refuse(fieldError.invalid('spec.clusterIPs', wanted, `failed to allocate IP ${ip}: ${problem}`));
    return ip;
  });
  spec.clusterIP = spec.clusterIPs[0] ?? '';
}
