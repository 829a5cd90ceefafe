export type Family = 'IPv4' | 'IPv6';

/** A range that cluster IPs come from. */
export interface IpRange {
  readonly cidr: string;
  readonly family: Family;
  /** The first address, which is the network's own. */
  readonly base: bigint;
  /** Addresses in the range, all counted. */
  readonly size: bigint;
}

const bitsOf = (family: Family): number => (family === 'IPv4' ? 32 : 128);

export const familyOf = (ip: string): Family => (ip.includes(':') ? 'IPv6' : 'IPv4');

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(tail ? missing : 0).fill('0'), ...(tail ?? [])];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

/** The address as a number; undefined when it is none. */
export const parseIp = (text: string): bigint | undefined => (text.includes(':') ? parseIpv6(text) : parseIpv4(text));

/** As IPAddress objects are named: RFC 5952 for version 6. */
export function formatIp(value: bigint, family: Family): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(16 * (7 - i))) & 65_535n).toString(16));
  const runs = [...groups.join(':').matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)];
  const longest = runs.reduce<RegExpMatchArray | undefined>((best, run) => (best && best[0].length >= run[0].length ? best : run), undefined);
  if (!longest) return groups.join(':');
  const text = groups.join(':');
  const start = longest.index ?? 0;
  const before = text.slice(0, start).replace(/:$/, '');
  const after = text.slice(start + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** The one spelling of an address that is known to be valid. */
export function canonicalIp(ip: string): string {
  const value = parseIp(ip);
  return value === undefined ? ip : formatIp(value, familyOf(ip));
}

/** Undefined when the text is no range that holds an address to give away. */
export function parseRange(cidr: string): IpRange | undefined {
  const [address = '', bits = ''] = cidr.trim().split('/');
  const base = parseIp(address);
  const family = familyOf(address);
  const free = bitsOf(family) - Number(bits);
  if (base === undefined || !/^\d{1,3}$/.test(bits) || free < 2) return undefined;
  const size = 1n << BigInt(free);
  return { cidr: cidr.trim(), family, base: base - (base % size), size };
}

/** One range, or two of different families: those of `--service-cluster-ip-range`. */
export function parseRanges(text: string): readonly IpRange[] {
  const ranges = text.split(',').map((cidr) => {
    const range = parseRange(cidr);
    if (!range) throw new Error(`service IP range ${cidr} is not a range with room for addresses`);
    return range;
  });
  if (ranges.length > 2 || (ranges[1] && ranges[1].family === ranges[0]?.family)) throw new Error(`service IP ranges ${text} are more than one for an IP family`);
  return ranges;
}

/** Offsets that may be given away: neither the network's own address nor, of version 4, the broadcast address. */
export function lastOffset({ family, size }: IpRange): bigint {
  return family === 'IPv4' ? size - 2n : size - 1n;
}

export function contains(range: IpRange, ip: string): boolean {
  const value = parseIp(ip);
  return value !== undefined && familyOf(ip) === range.family && value >= range.base && value < range.base + range.size;
}

/** In the range, and one that may be given away. */
export function isUsable(range: IpRange, ip: string): boolean {
  const offset = (parseIp(ip) ?? 0n) - range.base;
  return contains(range, ip) && offset > 0n && offset <= lastOffset(range);
}

/** The part at the start that automatic allocation avoids while there is room, for addresses that are chosen by hand. */
export function staticBand({ size }: IpRange): bigint {
  if (size < 16n) return 0n;
  const band = size / 16n;
  if (band < 16n) return 16n;
  return band > 256n ? 256n : band;
}
