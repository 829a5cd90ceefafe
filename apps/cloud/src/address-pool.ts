import { type Cidr, cidrContains, formatIp, parseCidr, parseIp } from '@orrery/vnet';

/** Addresses of a CIDR range, lowest first, without the network's first and last. */
export interface AddressPool {
  /** The first free address; undefined when all are taken. */
  next(taken: ReadonlySet<string>): string | undefined;
  /** The last free address; undefined when all are taken. */
  last(taken: ReadonlySet<string>): string | undefined;
  contains(address: string): boolean;
}

function rangeOf(text: string, family: 4 | 6): Cidr {
  const problem = `${text} is not an IPv${family} range such as ${family === 4 ? '127.77.0.0/16' : 'fd00:10:241::/112'}`;
  try {
    const range = parseCidr(text);
    if (range.family !== family || range.bits < 8) throw new Error(problem);
    return range;
  } catch (error) {
    throw error instanceof TypeError ? new Error(problem, { cause: error }) : error;
  }
}

/** Throws an Error for what is not a CIDR range of the family. */
export function createAddressPool(cidr: string, family: 4 | 6 = 4): AddressPool {
  const range = rangeOf(cidr, family);
  const size = 1n << BigInt((family === 4 ? 32 : 128) - range.bits);
  const edge = size > 2n ? 1n : 0n;
  const search = (taken: ReadonlySet<string>, at: (i: bigint) => bigint): string | undefined => {
    for (let i = 0n; i < size - 2n * edge; i++) {
      const address = formatIp({ family, value: range.base + edge + at(i) });
      if (!taken.has(address)) return address;
    }
    return undefined;
  };
  return {
    next: (taken) => search(taken, (i) => i),
    last: (taken) => search(taken, (i) => size - 2n * edge - 1n - i),
    contains(address) {
      const ip = parseIp(address);
      return ip !== undefined && cidrContains(range, ip);
    },
  };
}
