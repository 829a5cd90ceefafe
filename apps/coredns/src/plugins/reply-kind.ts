import type { Reply } from '../message.ts';

/** What a reply means to those who keep it. */
export type ReplyKind = 'noerror' | 'nxdomain' | 'nodata' | 'delegation' | 'servfail' | 'other';

export function kindOf({ rcode, answers, authorities }: Reply): ReplyKind {
  const hasSoa = authorities.some(({ type }) => type === 'SOA');
  if (rcode === 'SERVFAIL') return 'servfail';
  if (rcode === 'NXDOMAIN') return hasSoa ? 'nxdomain' : 'other';
  if (rcode !== 'NOERROR') return 'other';
  if (answers.length) return 'noerror';
  if (hasSoa) return 'nodata';
  return authorities.some(({ type }) => type === 'NS') ? 'delegation' : 'noerror';
}
