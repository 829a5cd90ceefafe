/** 4 or 6, or undefined when the text is not an address. Leading zeros and zones are refused, as upstream does for new objects. */
export function ipFamily(text: string | undefined): 4 | 6 | undefined {
  if (!text) return undefined;
  if (parseV4(text)) return 4;
  return parseV6(text) ? 6 : undefined;
}

function parseV4(text: string): number[] | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const parts = match.slice(1);
  const valid = parts.every((part) => Number(part) <= 255 && (part === '0' || !part.startsWith('0')));
  return valid ? parts.map(Number) : undefined;
}

/** The eight groups. */
function parseV6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const parsed: number[][] = [];
  for (const [h, half] of groups.entries()) {
    const out: number[] = [];
    for (const [i, group] of half.entries()) {
      const isLast = h === groups.length - 1 && i === half.length - 1;
      const v4 = isLast && group.includes('.') ? parseV4(group) : undefined;
      if (v4) out.push((v4[0] ?? 0) * 256 + (v4[1] ?? 0), (v4[2] ?? 0) * 256 + (v4[3] ?? 0));
      else if (/^[0-9a-fA-F]{1,4}$/.test(group)) out.push(Number.parseInt(group, 16));
      else return undefined;
    }
    parsed.push(out);
  }
  const [head = [], tail] = parsed;
  if (!tail) return head.length === 8 ? head : undefined;
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? undefined : [...head, ...Array<number>(missing).fill(0), ...tail];
}

/** The address as bytes; undefined when it is none. */
export function ipBytes(text: string): number[] | undefined {
  return parseV4(text) ?? parseV6(text)?.flatMap((group) => [group >> 8, group & 255]);
}

export interface Cidr {
  readonly family: 4 | 6;
  readonly bytes: readonly number[];
  readonly prefix: number;
}

export function parseCidr(text: string | undefined): Cidr | undefined {
  const [address = '', length = '', rest] = (text ?? '').split('/');
  const bytes = ipBytes(address);
  if (rest !== undefined || !bytes || !/^\d{1,3}$/.test(length)) return undefined;
  if (length.length > 1 && length.startsWith('0')) return undefined;
  const prefix = Number(length);
  return prefix <= bytes.length * 8 ? { family: bytes.length === 4 ? 4 : 6, bytes, prefix } : undefined;
}

/** Is every address of `inner` in `outer`, and `inner` longer? */
export function isStrictSubset(inner: Cidr, outer: Cidr): boolean {
  if (inner.family !== outer.family || inner.prefix <= outer.prefix) return false;
  const bit = (cidr: Cidr, i: number): number => ((cidr.bytes[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
  for (let i = 0; i < outer.prefix; i++) if (bit(inner, i) !== bit(outer, i)) return false;
  return true;
}

/** ::ffff:10.0.0.1 and its other spellings. */
function isMapped(bytes: readonly number[]): boolean {
  return bytes.length === 16 && bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
}

const withoutLeadingZeros = (text: string): string => text.replace(/(^|[.:])0+(?=\d{1,3}(?:\.|$))/g, '$1');

/** Why a field that once took any spelling of an address does not take this one; nothing when it does, or when `known` has it already. */
export function ipProblems(text: string | undefined, known: readonly (string | undefined)[] = []): string[] {
  const value = text ?? '';
  if (known.includes(value) && value !== '') return [];
  const bytes = ipBytes(value);
  if (bytes) return isMapped(bytes) ? ['must not be an IPv4-mapped IPv6 address'] : [];
  return value.includes('.') && ipBytes(withoutLeadingZeros(value)) ? ['must not have leading 0s'] : [ipMessage];
}

/** As `ipProblems`, of a range; bits beyond the prefix are refused as well. */
export function cidrProblems(text: string | undefined, known: readonly (string | undefined)[] = []): string[] {
  const value = text ?? '';
  if (known.includes(value) && value !== '') return [];
  const cidr = parseCidr(value);
  if (!cidr) {
    const [address = '', length = '', rest] = value.split('/');
    const lenient = rest === undefined && /^\d+$/.test(length) && parseCidr(`${withoutLeadingZeros(address)}/${Number(length)}`);
    return [lenient ? 'must not have leading 0s in IP or prefix length' : cidrMessage];
  }
  if (isMapped(cidr.bytes)) return ['must not have an IPv4-mapped IPv6 address'];
  const beyond = cidr.bytes.some((byte, i) => (byte & (255 >> Math.min(8, Math.max(0, cidr.prefix - i * 8)))) !== 0);
  return beyond ? ['must not have bits set beyond the prefix length'] : [];
}

/** One address of each family. */
export function isDualStack(ips: readonly (string | undefined)[]): boolean {
  return ips.length === 2 && new Set(ips.map(ipFamily)).size === 2;
}

export const ipMessage = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
export const cidrMessage = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function inRange(bytes: readonly number[], v4: (b: readonly number[]) => boolean, v6: (b: readonly number[]) => boolean): boolean {
  return bytes.length === 4 ? v4(bytes) : v6(bytes);
}

/** Why an address may not be an endpoint: upstream's `ValidateEndpointIP`. */
export function specialAddressMessages(text: string | undefined): string[] {
  const bytes = ipBytes(text ?? '');
  if (!bytes) return [];
  const messages: string[] = [];
  const loopback6 = bytes.length === 16 && bytes.slice(0, 15).every((b) => b === 0) && bytes[15] === 1;
  if (bytes.every((b) => b === 0)) messages.push(`may not be unspecified (${text})`);
  if (inRange(bytes, (b) => b[0] === 127, () => loopback6)) messages.push('may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (inRange(bytes, (b) => b[0] === 169 && b[1] === 254, (b) => b[0] === 0xfe && ((b[1] ?? 0) & 0xc0) === 0x80)) {
    messages.push('may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  }
  if (inRange(bytes, (b) => b[0] === 224 && b[1] === 0 && b[2] === 0, (b) => b[0] === 0xff && ((b[1] ?? 0) & 0xf) === 2)) {
    messages.push('may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
  return messages;
}
