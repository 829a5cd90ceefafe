/** IPv4 and IPv6 addresses as numbers, enough to normalise them and to match prefixes. */
export interface ParsedIp {
  readonly family: 4 | 6;
  readonly value: bigint;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return BigInt(value);
}

function parseV6(text: string): bigint | undefined {
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail) {
    const v4 = parseV4(tail[2] ?? '');
    if (v4 === undefined) return undefined;
    return parseV6(`${tail[1]}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - groups.reduce((sum, half) => sum + half.length, 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...(groups[0] ?? []), ...(Array<string>(halves.length === 2 ? missing : 0).fill('0')), ...(groups[1] ?? [])];
  let value = 0n;
  for (const group of all) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    value = (value << 16n) | BigInt(`0x${group}`);
  }
  return value;
}

/** Undefined when the text is not an address. IPv4-mapped IPv6 addresses count as IPv4. */
export function parseIp(text: string): ParsedIp | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return { family: 4, value: v4 };
  if (!text.includes(':')) return undefined;
  const v6 = parseV6(text);
  if (v6 === undefined) return undefined;
  return v6 >> 32n === 0xffffn ? { family: 4, value: v6 & 0xffffffffn } : { family: 6, value: v6 };
}

/** The canonical text of an address (RFC 5952 for IPv6). */
export function formatIp({ family, value }: ParsedIp): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const runs = [...groups.map((g) => (g === '0' ? '0' : '.')).join('').matchAll(/00+/g)].sort((a, b) => b[0].length - a[0].length);
  const run = runs[0];
  if (!run) return groups.join(':');
  return `${groups.slice(0, run.index).join(':')}::${groups.slice(run.index + run[0].length).join(':')}`;
}

/** The canonical text, or the text itself when it is no address. Cheap for IPv4. */
export function normalizeIp(text: string): string {
  if (!text.includes(':')) return text;
  const parsed = parseIp(text);
  return parsed ? formatIp(parsed) : text;
}

export interface Cidr {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly bits: number;
}

/** Parses `10.244.1.0/24`; throws on malformed text. */
export function parseCidr(text: string): Cidr {
  const [address = '', length = ''] = text.split('/');
  const ip = parseIp(address);
  const width = ip?.family === 6 ? 128 : 32;
  if (!ip || !/^\d+$/.test(length) || Number(length) > width) throw new TypeError(`invalid CIDR address: ${text}`);
  const host = BigInt(width - Number(length));
  return { family: ip.family, base: (ip.value >> host) << host, bits: Number(length) };
}

export function cidrContains(cidr: Cidr, ip: ParsedIp): boolean {
  if (cidr.family !== ip.family) return false;
  const host = BigInt((cidr.family === 6 ? 128 : 32) - cidr.bits);
  return ip.value >> host === cidr.base >> host;
}

export function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1' || ip === 'localhost';
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatEndpoint({ ip, port }: { ip: string; port: number }): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
