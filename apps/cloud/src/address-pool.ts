/** Addresses of a CIDR range, lowest first, without the network's first and last. */
export interface AddressPool {
  /** The first free address; undefined when all are taken. */
  next(taken: ReadonlySet<string>): string | undefined;
  /** The last free address; undefined when all are taken. */
  last(taken: ReadonlySet<string>): string | undefined;
  contains(address: string): boolean;
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Throws for what is not an IPv4 CIDR. */
export function createAddressPool(cidr: string): AddressPool {
  const [base = '', bits = ''] = cidr.split('/');
  const prefix = Number(bits);
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(base) || !Number.isInteger(prefix) || prefix < 8 || prefix > 32) throw new Error(`${cidr} is not an IPv4 range such as 127.77.0.0/16`);
  const size = 2 ** (32 - prefix);
  const first = Math.floor(toNumber(base) / size) * size;
  const edge = size > 2 ? 1 : 0;
  const search = (taken: ReadonlySet<string>, at: (i: number) => number): string | undefined => {
    for (let i = 0; i < size - 2 * edge; i++) {
      const address = toAddress(first + edge + at(i));
      if (!taken.has(address)) return address;
    }
    return undefined;
  };
  return {
    next: (taken) => search(taken, (i) => i),
    last: (taken) => search(taken, (i) => size - 2 * edge - 1 - i),
    contains: (address) => toNumber(address) >= first && toNumber(address) < first + size,
  };
}
