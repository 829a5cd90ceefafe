/** An address as a number of 32 or 128 bits. */
export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** Not an address; the message is Go's. */
export class AddressError extends Error {}

const problem = (text: string, what: string): AddressError => new AddressError(`ParseAddr(${JSON.stringify(text)}): ${what}`);

function parse4(text: string, whole: string): bigint {
  const fields = text.split('.');
  let value = 0n;
  for (const field of fields) {
    if (field === '') throw problem(whole, 'IPv4 field must have at least one digit');
    if (!/^\d+$/.test(field)) throw problem(whole, 'unexpected character');
    if (field.length > 1 && field.startsWith('0')) throw problem(whole, 'IPv4 field has octet with leading zero');
    if (field.length > 3 || Number(field) > 255) throw problem(whole, 'IPv4 field has value >255');
    value = (value << 8n) | BigInt(field);
  }
  if (fields.length !== 4) throw problem(whole, fields.length < 4 ? 'IPv4 address too short' : 'IPv4 address too long');
  return value;
}

function parse6(text: string): bigint {
  const halves = text.split('::');
  if (halves.length > 2) throw problem(text, 'multiple :: in address');
  const groups = (half: string): number[] => (half === '' ? [] : half.split(':').flatMap((group, i, all) => readGroup(group, i === all.length - 1, text)));
  const [head, tail] = [groups(halves[0] ?? ''), groups(halves[1] ?? '')];
  const size = head.length + tail.length;
  if (halves.length === 1 && size < 8) throw problem(text, 'address string too short');
  if (size > 8) throw problem(text, 'trailing garbage after address');
  if (halves.length === 2 && size > 7) throw problem(text, 'the :: must expand to at least one field of zeros');
  const all = [...head, ...Array.from({ length: 8 - size }, () => 0), ...tail];
  return all.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function readGroup(group: string, isLast: boolean, whole: string): number[] {
  if (isLast && group.includes('.')) {
    const value = Number(parse4(group, whole));
    return [Math.floor(value / 65536), value % 65536];
  }
  if (group === '') throw problem(whole, 'each colon-separated field must have at least one digit');
  if (!/^[0-9a-fA-F]+$/.test(group)) throw problem(whole, 'unexpected character');
  if (group.length > 4) throw problem(whole, 'each group must have 4 or less digits');
  return [Number.parseInt(group, 16)];
}

/** IPv4 without leading zeros, IPv6 without zones; no IPv4 inside of IPv6. Throws AddressError. */
export function parseAddress(text: string): Address {
  if (text.includes('%') && text.includes(':')) throw new AddressError(`IP address ${JSON.stringify(text)} with zone value is not allowed`);
  if (text.includes(':')) {
    const value = parse6(text);
    if (value >> 32n === 0xffffn) throw new AddressError(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
    return { bits: 128, value };
  }
  if (text.includes('.')) return { bits: 32, value: parse4(text, text) };
  throw problem(text, 'unable to parse IP');
}

function groupsOf(value: bigint): number[] {
  return Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
}

/** Where the longest run of zero groups, of two at least, starts and ends. */
function longestZeros(groups: readonly number[]): readonly [number, number] {
  let best: readonly [number, number] = [-1, -1];
  for (let i = 0; i < groups.length; i += 1) {
    let end = i;
    while (groups[end] === 0) end += 1;
    if (end - i > Math.max(1, best[1] - best[0])) best = [i, end];
    if (end > i) i = end;
  }
  return best;
}

export function formatAddress({ bits, value }: Address): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = groupsOf(value);
  const [start, end] = longestZeros(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return start < 0 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(end))}`;
}

/** The first `length` bits of an address, the rest zero. */
export function maskAddress({ bits, value }: Address, length: number): Address {
  const rest = BigInt(bits - length);
  return { bits, value: (value >> rest) << rest };
}

export interface Prefix {
  readonly address: Address;
  readonly length: number;
}

/** Throws AddressError. */
export function parsePrefix(text: string): Prefix {
  const wrong = (what: string): AddressError => new AddressError(`netip.ParsePrefix(${JSON.stringify(text)}): ${what}`);
  const slash = text.lastIndexOf('/');
  if (slash < 0) throw wrong("no '/'");
  const bits = text.slice(slash + 1);
  let address: Address;
  try {
    address = parseAddress(text.slice(0, slash));
  } catch (error) {
    if (error instanceof AddressError) throw wrong(error.message);
    throw error;
  }
  if (!/^(?:0|[1-9]\d{0,2})$/.test(bits)) throw wrong(`bad bits after slash: ${JSON.stringify(bits)}`);
  if (Number(bits) > address.bits) throw wrong('prefix length out of range');
  return { address, length: Number(bits) };
}

const top = ({ bits, value }: Address, count: number): number => Number(value >> BigInt(bits - count));
const is4 = ({ bits }: Address): boolean => bits === 32;

export const isUnspecified = ({ value }: Address): boolean => value === 0n;
export const isLoopback = (address: Address): boolean => (is4(address) ? top(address, 8) === 127 : address.value === 1n);
export const isLinkLocalUnicast = (address: Address): boolean => (is4(address) ? top(address, 16) === 0xa9fe : top(address, 10) === 0x3fa);
export const isLinkLocalMulticast = (address: Address): boolean => (is4(address) ? top(address, 24) === 0xe00000 : top(address, 8) === 0xff && (top(address, 16) & 0x0f) === 2);
const isMulticast = (address: Address): boolean => (is4(address) ? top(address, 4) === 0xe : top(address, 8) === 0xff);
const isBroadcast = (address: Address): boolean => is4(address) && address.value === 0xffffffffn;

export function isGlobalUnicast(address: Address): boolean {
  return !isUnspecified(address) && !isBroadcast(address) && !isLoopback(address) && !isMulticast(address) && !isLinkLocalUnicast(address);
}
