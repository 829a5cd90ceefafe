interface Range {
  readonly base: bigint;
  readonly bits: number;
  /** 32 or 128. */
  readonly width: number;
}

function parseIpv4(text: string): bigint {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) throw new Error(`not an IP address: ${text}`);
  return parts.reduce((value, part) => value * 256n + BigInt(part), 0n);
}

function parseIpv6(text: string): bigint {
  const [head = '', tail, more] = text.split('::');
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : []);
  const [first, last] = [groups(head), groups(tail)];
  const missing = 8 - first.length - last.length;
  const all = tail === undefined ? first : [...first, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...last];
  if (more !== undefined || all.length !== 8 || all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) throw new Error(`not an IP address: ${text}`);
  return all.reduce((value, group) => value * 65_536n + BigInt(`0x${group}`), 0n);
}

function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const runs = [...groups.join(':').matchAll(/(^|:)0(:0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const [longest] = runs;
  if (!longest) return groups.join(':');
  const text = groups.join(':');
  const [before, after] = [text.slice(0, longest.index), text.slice(longest.index + longest[0].length)];
  return `${before}::${after.replace(/^:/, '')}`;
}

function formatIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

function parseRange(text: string): Range {
  const [address = '', bitsText] = text.split('/');
  const width = address.includes(':') ? 128 : 32;
  const bits = bitsText === undefined ? width : Number(bitsText);
  if (!Number.isInteger(bits) || bits < 0 || bits > width) throw new Error(`invalid CIDR address: ${text}`);
  const value = width === 128 ? parseIpv6(address) : parseIpv4(address);
  const host = BigInt(width - bits);
  return { base: (value >> host) << host, bits, width };
}

/** Hands out equal parts of an IPv4 or IPv6 range, the lowest free one first, no two overlapping. */
export interface CidrAllocator {
  /** As it was given. */
  readonly range: string;
  /** How many parts there are, and how many of them are taken. */
  readonly size: number;
  taken(): number;
  /** The next free part, or undefined when all are taken. */
  allocate(): string | undefined;
  /** Marks every part that a range touches as taken. Ranges outside, and of the other family, are ignored. */
  occupy(cidr: string): void;
  release(cidr: string): void;
}

/** Told of parts that were taken and given back, and how many taken ones were passed before a free one was found. */
export interface CidrWatch {
  taken(parts: number): void;
  released(parts: number): void;
  passed(parts: number): void;
}

const nobody: CidrWatch = { taken: () => undefined, released: () => undefined, passed: () => undefined };

/** Upstream's bound, above which the table of parts would be too large. */
const maxPartsBits = 16;

/** `range` like `10.244.0.0/16` or `fd00::/48`, parts of mask size `partBits`. Throws an Error for what cannot be divided so. */
export function createCidrAllocator(range: string, partBits: number, watch: CidrWatch = nobody): CidrAllocator {
  const { base, bits, width } = parseRange(range);
  if (partBits < bits || partBits > width || partBits - bits > (width === 128 ? maxPartsBits : 24)) throw new Error(`cannot divide ${range} into parts of /${partBits}`);
  const hostBits = BigInt(width - partBits);
  const count = 2 ** (partBits - bits);
  const taken = new Uint8Array(count);
  let firstFree = 0;
  let used = 0;
  const mark = (cidr: string, value: 0 | 1): void => {
    const other = parseRange(cidr);
    if (other.width !== width) return;
    const at = (address: bigint): number => Number((address - base) >> hostBits);
    const from = Math.max(0, at(other.base));
    const to = Math.min(count - 1, at(other.base + (1n << BigInt(width - other.bits)) - 1n));
    let changed = 0;
    for (let i = from; i <= to; i++) {
      if (taken[i] === value) continue;
      taken[i] = value;
      changed += 1;
    }
    used += value ? changed : -changed;
    if (changed) watch[value ? 'taken' : 'released'](changed);
    if (value === 0 && from <= to) firstFree = Math.min(firstFree, from);
  };
  return {
    range,
    size: count,
    taken: () => used,
    allocate() {
      const from = firstFree;
      while (firstFree < count && taken[firstFree]) firstFree++;
      if (firstFree >= count) return undefined;
      const found = firstFree++;
      taken[found] = 1;
      used += 1;
      watch.taken(1);
      watch.passed(found - from);
      const address = base + (BigInt(found) << hostBits);
      return `${width === 128 ? formatIpv6(address) : formatIpv4(address)}/${partBits}`;
    },
    occupy: (cidr) => mark(cidr, 1),
    release: (cidr) => mark(cidr, 0),
  };
}
