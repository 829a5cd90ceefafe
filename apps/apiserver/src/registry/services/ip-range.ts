/** An IPv4 range that cluster IPs come from. */
export interface IpRange {
  readonly cidr: string;
  readonly base: number;
  /** Addresses in the range, network and broadcast address included. */
  readonly size: number;
}

export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

export function parseRange(cidr: string): IpRange {
  const [address = '', bits = ''] = cidr.split('/');
  const base = parseIpv4(address);
  const length = Number(bits);
  if (base === undefined || !(length >= 8 && length <= 30)) throw new Error(`service IP range ${cidr} is not an IPv4 range of /8 to /30`);
  const size = 2 ** (32 - length);
  return { cidr, base: Math.floor(base / size) * size, size };
}

/** Usable as a service address: neither the network nor the broadcast address. */
export function inRange(range: IpRange, ip: string): boolean {
  const value = parseIpv4(ip);
  return value !== undefined && value > range.base && value < range.base + range.size - 1;
}

/** The part at the start that automatic allocation avoids while there is room, for addresses that are chosen by hand. */
export function staticBand(range: IpRange): number {
  return Math.min(Math.max(16, Math.floor(range.size / 16)), 256);
}
