import { canonicalAddress } from '../../networking/v1/canonical.ts';
import { parseCidr } from '../../validation/addresses.ts';
import type { StringRule } from '../../validation/names.ts';

/** An address with the length of its prefix, written as it is canonically. */
export const interfaceAddress: StringRule = (value) => {
  const cidr = parseCidr(value);
  if (!cidr) return ['must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'];
  const [address = ''] = value.split('/');
  const canonical = `${canonicalAddress(address)}/${cidr.prefix}`;
  return value === canonical ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
};
