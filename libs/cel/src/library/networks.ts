import { compareOpaqueBy } from '../eval/equality.ts';
import { CelError, CelOpaque } from '../values.ts';
import { type Address, AddressError, type Prefix, formatAddress, isGlobalUnicast, isLinkLocalMulticast, isLinkLocalUnicast, isLoopback, isUnspecified, maskAddress, parseAddress, parsePrefix } from './ip-address.ts';
import { library } from './signature.ts';

const ipType = 'net.IP';
const cidrType = 'net.CIDR';

const wrapIp = (value: Address): CelOpaque => new CelOpaque({ typeName: ipType, value, size: value.bits / 8 });
const wrapCidr = (value: Prefix): CelOpaque => new CelOpaque({ typeName: cidrType, value, size: Math.ceil(value.length / 8) });
const ipOf = ({ value }: CelOpaque): Address => value as Address;
const cidrOf = ({ value }: CelOpaque): Prefix => value as Prefix;

function attempt<T>(parse: () => T): T | AddressError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof AddressError) return error;
    throw error;
  }
}

function must<T>(parse: () => T, message: (problem: string) => string): T {
  const result = attempt(parse);
  if (result instanceof AddressError) throw new CelError(message(result.message));
  return result;
}

const ip = (text: string): Address => must(() => parseAddress(text), (problem) => `IP Address ${JSON.stringify(text)} parse error during conversion from string: ${problem}`);
const cidr = (text: string): Prefix => must(() => parsePrefix(text), (problem) => `network address parse error during conversion from string: ${problem}`);

function containsAddress({ address, length }: Prefix, other: Address): boolean {
  return address.bits === other.bits && maskAddress(address, length).value === maskAddress(other, length).value;
}

const containsPrefix = (outer: Prefix, inner: Prefix): boolean => outer.length <= inner.length && containsAddress(outer, inner.address);
const same = (a: Address, b: Address): boolean => a.bits === b.bits && a.value === b.value;
const formatPrefix = ({ address, length }: Prefix): string => `${formatAddress(address)}/${length}`;

compareOpaqueBy(ipType, (a, b) => same(a as Address, b as Address));
compareOpaqueBy(cidrType, (a, b) => same((a as Prefix).address, (b as Prefix).address) && (a as Prefix).length === (b as Prefix).length);

const test = (holds: (address: Address) => boolean) => (value: CelOpaque): boolean => holds(ipOf(value));

/** Kubernetes' IP and CIDR libraries. */
export const networksLibrary = library({
  isIP: [['(string) bool', (text: string) => !(attempt(() => parseAddress(text)) instanceof AddressError)]],
  ip: [
    [`(string) ${ipType}`, (text: string) => wrapIp(ip(text))],
    [`${cidrType}.() ${ipType}`, (value: CelOpaque) => wrapIp(cidrOf(value).address), 'cidr_ip'],
  ],
  'ip.isCanonical': [['(string) bool', (text: string) => formatAddress(ip(text)) === text]],
  string: [
    [`(${ipType}) string`, (value: CelOpaque) => formatAddress(ipOf(value))],
    [`(${cidrType}) string`, (value: CelOpaque) => formatPrefix(cidrOf(value))],
  ],
  family: [[`${ipType}.() int`, (value: CelOpaque) => (ipOf(value).bits === 32 ? 4n : 6n)]],
  isUnspecified: [[`${ipType}.() bool`, test(isUnspecified)]],
  isLoopback: [[`${ipType}.() bool`, test(isLoopback)]],
  isLinkLocalMulticast: [[`${ipType}.() bool`, test(isLinkLocalMulticast)]],
  isLinkLocalUnicast: [[`${ipType}.() bool`, test(isLinkLocalUnicast)]],
  isGlobalUnicast: [[`${ipType}.() bool`, test(isGlobalUnicast)]],
  isCIDR: [['(string) bool', (text: string) => !(attempt(() => parsePrefix(text)) instanceof AddressError)]],
  cidr: [[`(string) ${cidrType}`, (text: string) => wrapCidr(cidr(text))]],
  containsIP: [
    [`${cidrType}.(string) bool`, (value: CelOpaque, text: string) => containsAddress(cidrOf(value), ip(text)), 'cidr_contains_ip_string'],
    [`${cidrType}.(${ipType}) bool`, (value: CelOpaque, other: CelOpaque) => containsAddress(cidrOf(value), ipOf(other))],
  ],
  containsCIDR: [
    [`${cidrType}.(string) bool`, (value: CelOpaque, text: string) => containsPrefix(cidrOf(value), cidr(text)), 'cidr_contains_cidr_string'],
    [`${cidrType}.(${cidrType}) bool`, (value: CelOpaque, other: CelOpaque) => containsPrefix(cidrOf(value), cidrOf(other))],
  ],
  masked: [
    [`${cidrType}.() ${cidrType}`, (value: CelOpaque) => {
      const { address, length } = cidrOf(value);
      return wrapCidr({ address: maskAddress(address, length), length });
    }],
  ],
  prefixLength: [[`${cidrType}.() int`, (value: CelOpaque) => BigInt(cidrOf(value).length)]],
});
