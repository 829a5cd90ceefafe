import type { Answer } from 'dns-packet';

export type RecordType = 'A' | 'AAAA' | 'SRV' | 'CNAME' | 'PTR' | 'TXT' | 'SOA' | 'NS' | 'ANY' | (string & {});

export interface Question {
  readonly name: string;
  readonly type: RecordType;
}

/** What a zone says to a question. NXDOMAIN: no such name. NOERROR without answers: the name has no record of that type. */
export interface Reply {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';
  readonly answers: readonly Answer[];
  readonly additionals: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly authoritative: boolean;
  /** Ask elsewhere for this name and add what comes: the target of an ExternalName. */
  readonly chase?: string;
}

/** `10.0.0.1` ↔ `1.0.0.10.in-addr.arpa` */
export function addressOfReverseName(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const parts = name.slice(0, -'.in-addr.arpa'.length).split('.');
    return parts.length === 4 ? parts.reverse().join('.') : undefined;
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.');
  if (nibbles.length !== 32) return undefined;
  return canonicalIp6((nibbles.reverse().join('').match(/.{4}/g) ?? []).join(':'));
}

export function isIp6(address: string): boolean {
  return address.includes(':');
}

/** Every group written out, lower case, no leading zeros: enough to compare addresses. */
export function canonicalIp6(address: string): string {
  const [head = '', tail] = address.split('::');
  const left = head ? head.split(':') : [];
  const right = tail ? tail.split(':') : [];
  const middle = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

export function addressRecord(name: string, address: string, ttl: number): Answer {
  return { name, type: isIp6(address) ? 'AAAA' : 'A', ttl, data: address };
}
