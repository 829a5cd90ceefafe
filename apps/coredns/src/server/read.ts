import * as dns from 'dns-packet';
import { type Query, type Reply, type Transport, rcodeOfNumber } from '../message.ts';

const headerBytes = 12;
const responseBit = 0x80;

/** What a message turned out to be. `silent`: no query at all. */
export type Read = { readonly query: Query } | { readonly failure: 'FORMERR' | 'NOTIMP' } | { readonly badVersion: Query } | 'silent';

const bareName = (name: string): string => (name === '.' ? '' : name.replace(/\.$/, ''));

/** Reads a query as miekg/dns accepts them: one question, opcode QUERY or NOTIFY; responses are ignored. */
export function readQuery(message: Uint8Array, from: { transport: Transport; client: { ip: string; port: number } }): Read {
  if (message.length < headerBytes || ((message[2] ?? 0) & responseBit) !== 0) return 'silent';
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const opcode = (bytes.readUInt8(2) >> 3) & 0xf;
  if (opcode !== 0 && opcode !== 4) return { failure: 'NOTIMP' };
  if (bytes.readUInt16BE(4) !== 1) return { failure: 'FORMERR' };
  try {
    return queryOf(dns.decode(bytes), { ...from, size: message.length });
  } catch {
    return { failure: 'FORMERR' };
  }
}

function queryOf(packet: dns.DecodedPacket, from: { transport: Transport; client: { ip: string; port: number }; size: number }): Read {
  const [asked] = packet.questions ?? [];
  if (!asked) return { failure: 'FORMERR' };
  const opt = packet.additionals?.find((record): record is dns.OptAnswer => record.type === 'OPT');
  const name = bareName(asked.name);
  const query: Query = {
    ...from,
    id: packet.id ?? 0,
    asked: name,
    name: name.toLowerCase(),
    type: asked.type,
    class: asked.class ?? 'IN',
    recursionDesired: packet.flag_rd,
    checkingDisabled: packet.flag_cd,
    edns: opt ? { size: opt.udpPayloadSize, dnssecOk: opt.flag_do } : undefined,
  };
  return opt && (opt as unknown as { ednsVersion: number }).ednsVersion !== 0 ? { badVersion: query } : { query };
}

/** Another server's reply. Throws for what is no reply to this question. */
export function readReply(message: Uint8Array, query: Query): Reply {
  const packet = dns.decode(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  if (packet.type !== 'response' || packet.id !== query.id) throw new Error('reply to another question');
  const [asked] = packet.questions ?? [];
  if (asked && (bareName(asked.name).toLowerCase() !== query.name || asked.type !== query.type)) throw new Error('reply to another question');
  const low = (message[3] ?? 0) & 0xf;
  const opt = packet.additionals?.find((record): record is dns.OptAnswer => record.type === 'OPT');
  const rcode = rcodeOfNumber(low | ((opt?.extendedRcode ?? 0) << 4)) ?? 'SERVFAIL';
  const records = (list: dns.Answer[] | undefined): dns.Answer[] => (list ?? []).filter((record) => record.type !== 'OPT').map((record) => ({ ...record, name: bareName(record.name) }));
  return {
    rcode,
    answers: records(packet.answers),
    authorities: records(packet.authorities),
    additionals: records(packet.additionals),
    authoritative: packet.flag_aa,
    truncated: packet.flag_tc,
    authenticData: packet.flag_ad,
  };
}
