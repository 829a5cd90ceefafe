import { cidrMessage, ipBytes, ipFamily, ipMessage, parseCidr } from '../../validation/addresses.ts';
import type { StringRule } from '../../validation/names.ts';

/** As Go prints an address: lower case, the longest run of zeros left out. */
export const canonicalAddress = (address: string): string => (ipFamily(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address);

const otherwise = (value: string, canonical: string): string[] => (value === canonical ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`]);

/** Names of IPAddress objects are canonical, or two of them would be one address. */
export const canonicalIp: StringRule = (value) => (ipFamily(value) ? otherwise(value, canonicalAddress(value)) : [ipMessage]);

export const canonicalCidr: StringRule = (value) => {
  const cidr = parseCidr(value);
  if (!cidr) return [cidrMessage];
  const [address = ''] = value.split('/');
  const bytes = ipBytes(address) ?? [];
  const isBitSet = (i: number): boolean => (((bytes[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) === 1;
  for (let i = cidr.prefix; i < bytes.length * 8; i++) if (isBitSet(i)) return ['must not have bits set beyond the prefix length'];
  return otherwise(value, `${canonicalAddress(address)}/${cidr.prefix}`);
};
