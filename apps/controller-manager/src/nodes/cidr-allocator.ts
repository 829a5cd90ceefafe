function parseIpv4(text: string): number {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) throw new Error(`not an IPv4 address: ${text}`);
  return parts.reduce((value, part) => value * 256 + part, 0);
}

function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Hands out equal parts of an IPv4 range, the lowest free one first, no two overlapping. */
export interface CidrAllocator {
  /** The next free part, or undefined when all are taken. */
  allocate(): string | undefined;
  /** Marks every part that a range touches as taken. Ranges outside are ignored. */
  occupy(cidr: string): void;
  release(cidr: string): void;
}

/** `range` like `10.244.0.0/16`, parts of mask size `partBits`. */
export function createCidrAllocator(range: string, partBits: number): CidrAllocator {
  const [address = '', bits = ''] = range.split('/');
  const rangeBits = Number(bits);
  if (!Number.isInteger(rangeBits) || rangeBits < 1 || partBits < rangeBits || partBits > 30) throw new Error(`cannot divide ${range} into parts of /${partBits}`);
  const partSize = 2 ** (32 - partBits);
  const base = Math.floor(parseIpv4(address) / 2 ** (32 - rangeBits)) * 2 ** (32 - rangeBits);
  const count = 2 ** (partBits - rangeBits);
  const taken = new Uint8Array(count);
  let firstFree = 0;
  const parts = (cidr: string): [number, number] => {
    const [ip = '', mask = '32'] = cidr.split('/');
    const size = 2 ** (32 - Number(mask));
    const start = Math.floor(parseIpv4(ip) / size) * size;
    return [Math.max(0, Math.floor((start - base) / partSize)), Math.min(count - 1, Math.floor((start + size - 1 - base) / partSize))];
  };
  const mark = (cidr: string, value: 0 | 1): void => {
    if (cidr.includes(':')) return;
    const [from, to] = parts(cidr);
    for (let i = from; i <= to; i++) taken[i] = value;
    if (value === 0) firstFree = Math.min(firstFree, from);
  };
  return {
    allocate() {
      while (firstFree < count && taken[firstFree]) firstFree++;
      if (firstFree >= count) return undefined;
      taken[firstFree] = 1;
      return `${formatIpv4(base + firstFree * partSize)}/${partBits}`;
    },
    occupy: (cidr) => mark(cidr, 1),
    release: (cidr) => mark(cidr, 0),
  };
}
