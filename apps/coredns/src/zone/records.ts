import { parseIp, formatIp } from '@orrery/vnet';
import type { Answer } from 'dns-packet';

/** `10.0.0.1` of `1.0.0.10.in-addr.arpa`; undefined for what is no whole address. */
export function addressOfReverseName(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const parts = name.slice(0, -'.in-addr.arpa'.length).split('.');
    const parsed = parts.length === 4 ? parseIp(parts.reverse().join('.')) : undefined;
    return parsed && formatIp(parsed);
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.');
  if (nibbles.length !== 32) return undefined;
  const parsed = parseIp((nibbles.reverse().join('').match(/.{4}/g) ?? []).join(':'));
  return parsed && formatIp(parsed);
}

export function isReverseName(name: string): boolean {
  return name === 'in-addr.arpa' || name === 'ip6.arpa' || name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa');
}

export function isIp6(address: string): boolean {
  return address.includes(':');
}

export function isAddress(text: string): boolean {
  return parseIp(text) !== undefined;
}

export function addressRecord(name: string, address: string, ttl: number): Answer {
  return { name, type: isIp6(address) ? 'AAAA' : 'A', ttl, data: address };
}
