import * as dns from 'dns-packet';
import { type Query, type Reply, rcodeNumbers } from '../message.ts';

const headerBytes = 12;
const maxPointer = 0x3fff;
const largest = 65_535;
const response = 1 << 15;

/** Codecs by type; part of dns-packet that its types leave out. */
interface RecordCodec {
  encode(data: unknown, buffer: Buffer, offset: number): Buffer;
  encodingLength(data: unknown): number;
}
const codecOf = (dns as unknown as { record(type: string): RecordCodec }).record;

const typeNumbers: Readonly<Record<string, number>> = {
  A: 1, NS: 2, CNAME: 5, SOA: 6, NULL: 10, PTR: 12, HINFO: 13, MX: 15, TXT: 16, RP: 17, AFSDB: 18, SIG: 24, KEY: 25, AAAA: 28, LOC: 29, SRV: 33, NAPTR: 35, KX: 36, CERT: 37,
  DNAME: 39, OPT: 41, APL: 42, DS: 43, SSHFP: 44, IPSECKEY: 45, RRSIG: 46, NSEC: 47, DNSKEY: 48, DHCID: 49, NSEC3: 50, NSEC3PARAM: 51, TLSA: 52, HIP: 55, CDS: 59, CDNSKEY: 60,
  TKEY: 249, TSIG: 250, IXFR: 251, AXFR: 252, ANY: 255, CAA: 257, TA: 32768, DLV: 32769,
};

/** Undefined: a type this server cannot name. `UNKNOWN_65` is type 65. */
export function typeNumber(type: string): number | undefined {
  return typeNumbers[type] ?? (/^UNKNOWN_\d+$/.test(type) ? Number(type.slice(8)) : undefined);
}

const classNumbers: Readonly<Record<string, number>> = { IN: 1, CS: 2, CH: 3, HS: 4, ANY: 255 };

function classNumber(name: string | undefined): number {
  return classNumbers[name ?? 'IN'] ?? Number(/\d+/.exec(name ?? '')?.[0] ?? 1);
}

/** Writes a message front to back; names that were written before become pointers (RFC 1035, 4.1.4). */
class Writer {
  private buffer = Buffer.allocUnsafe(512);
  private readonly seen = new Map<string, number>();
  at = headerBytes;

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(bigger, 0, 0, this.at);
    this.buffer = bigger;
  }

  u8(value: number): void {
    this.room(1);
    this.buffer[this.at++] = value;
  }

  u16(value: number): void {
    this.room(2);
    this.at = this.buffer.writeUInt16BE(value & 0xffff, this.at);
  }

  u32(value: number): void {
    this.room(4);
    this.at = this.buffer.writeUInt32BE(value >>> 0, this.at);
  }

  name(text: string): void {
    let rest = text === '.' ? '' : text;
    if (rest.endsWith('.')) rest = rest.slice(0, -1);
    while (rest !== '') {
      const before = this.seen.get(rest);
      if (before !== undefined) return this.u16(0xc000 | before);
      if (this.at <= maxPointer) this.seen.set(rest, this.at);
      const dot = rest.indexOf('.');
      const label = dot < 0 ? rest : rest.slice(0, dot);
      this.room(label.length * 3 + 1);
      const bytes = this.buffer.write(label, this.at + 1);
      this.buffer[this.at] = bytes;
      this.at += bytes + 1;
      rest = dot < 0 ? '' : rest.slice(dot + 1);
    }
    this.u8(0);
  }

  data(type: string, data: unknown): void {
    const lengthAt = this.at;
    this.u16(0);
    if (type === 'A') for (const part of (data as string).split('.')) this.u8(Number(part));
    else if (type === 'CNAME' || type === 'NS' || type === 'PTR' || type === 'DNAME') this.name(data as string);
    else {
      // The codec writes its own length.
      this.at = lengthAt;
      const codec = codecOf(type);
      const bytes = codec.encodingLength(data);
      this.room(bytes);
      codec.encode(data, this.buffer, this.at);
      this.at += bytes;
      return;
    }
    this.buffer.writeUInt16BE(this.at - lengthAt - 2, lengthAt);
  }

  record(record: dns.Answer): void {
    this.name(record.name);
    this.u16(typeNumber(record.type) ?? 0);
    const { class: of, ttl = 0, data } = record as { class?: string; ttl?: number; data?: unknown };
    this.u16(classNumber(of));
    this.u32(ttl);
    this.data(record.type, data);
  }

  /** Back to an earlier place: what was written since is gone, names included. */
  rewind(at: number): void {
    this.at = at;
    for (const [name, place] of this.seen) if (place >= at) this.seen.delete(name);
  }

  finish(head: { id: number; flags: number; counts: readonly number[] }): Buffer {
    this.buffer.writeUInt16BE(head.id, 0);
    this.buffer.writeUInt16BE(head.flags, 2);
    head.counts.forEach((count, i) => this.buffer.writeUInt16BE(count, 4 + 2 * i));
    return this.buffer.subarray(0, this.at);
  }
}

/** Writes as many records as fit. */
function section(writer: Writer, records: readonly dns.Answer[], limit: number): number {
  let count = 0;
  for (const record of records) {
    const before = writer.at;
    writer.record(record);
    if (writer.at > limit) {
      writer.rewind(before);
      break;
    }
    count++;
  }
  return count;
}

const optBytes = 11;

/** Bytes a client takes over its transport: 512 without EDNS, what it says with it. */
export function sizeLimit(query: Pick<Query, 'transport' | 'edns'>): number {
  return query.transport === 'tcp' ? largest : Math.max(512, query.edns?.size ?? 512);
}

/**
 * The bytes of a reply. What does not fit is left out from the end, section by section, and the truncation bit says so
 * (RFC 2181, 9), so that the client asks by TCP.
 */
export function encodeReply(query: Query, reply: Reply): Buffer {
  const writer = new Writer();
  const most = query.transport === 'udp' && reply.maxSize ? Math.max(512, reply.maxSize) : largest;
  const limit = Math.min(most, sizeLimit(query)) - (query.edns ? optBytes : 0);
  writer.name(query.asked);
  writer.u16(typeNumber(query.type) ?? 0);
  writer.u16(classNumber(query.class));
  const answers = section(writer, reply.answers, limit);
  const whole = answers === reply.answers.length;
  const authorities = whole ? section(writer, reply.authorities, limit) : 0;
  const more = whole && authorities === reply.authorities.length;
  const additionals = more ? section(writer, reply.additionals, limit) : 0;
  const cut = !more || additionals < reply.additionals.length;
  const rcode = rcodeNumbers[reply.rcode];
  if (query.edns) {
    writer.u8(0);
    writer.u16(41);
    writer.u16(query.edns.size);
    writer.u8(rcode >> 4);
    writer.u8(0);
    writer.u16(query.edns.dnssecOk ? dns.DNSSEC_OK : 0);
    writer.u16(0);
  }
  const flags =
    response | (rcode & 0xf) | (reply.authoritative ? dns.AUTHORITATIVE_ANSWER : 0) | (cut || reply.truncated ? dns.TRUNCATED_RESPONSE : 0) | (query.recursionDesired ? dns.RECURSION_DESIRED : 0) |
    dns.RECURSION_AVAILABLE | (reply.authenticData ? dns.AUTHENTIC_DATA : 0) | (query.checkingDisabled ? dns.CHECKING_DISABLED : 0);
  return writer.finish({ id: query.id, flags, counts: [1, answers, authorities, additionals + (query.edns ? 1 : 0)] });
}

/** A reply that is only a header: to what cannot be read. */
export function encodeFailure(message: Uint8Array, rcode: 'FORMERR' | 'NOTIMP'): Buffer {
  const out = Buffer.alloc(headerBytes);
  out.set(message.subarray(0, 2));
  out[2] = 0x80 | ((message[2] ?? 0) & 0x79);
  out[3] = rcodeNumbers[rcode];
  return out;
}

/** The bytes of a question for another server. Keeps the id, EDNS and the flags of the query it is asked for. */
export function encodeQuestion(query: Query): Buffer {
  const writer = new Writer();
  writer.name(query.asked);
  writer.u16(typeNumber(query.type) ?? 0);
  writer.u16(classNumber(query.class));
  if (query.edns) {
    writer.u8(0);
    writer.u16(41);
    writer.u16(query.edns.size);
    writer.u16(0);
    writer.u16(query.edns.dnssecOk ? dns.DNSSEC_OK : 0);
    writer.u16(0);
  }
  const flags = (query.recursionDesired ? dns.RECURSION_DESIRED : 0) | (query.checkingDisabled ? dns.CHECKING_DISABLED : 0);
  return writer.finish({ id: query.id, flags, counts: [1, 0, 0, query.edns ? 1 : 0] });
}
