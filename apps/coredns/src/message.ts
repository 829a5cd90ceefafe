import type { Answer } from 'dns-packet';

export type RecordType = 'A' | 'AAAA' | 'SRV' | 'CNAME' | 'PTR' | 'TXT' | 'SOA' | 'NS' | 'ANY' | (string & {});

export type Rcode = 'NOERROR' | 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'NOTIMP' | 'REFUSED' | 'BADVERS';

/** By the number on the wire; those above 15 need EDNS. */
export const rcodeNumbers: Readonly<Record<Rcode, number>> = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 };

export function rcodeOfNumber(value: number): Rcode | undefined {
  return (Object.keys(rcodeNumbers) as Rcode[]).find((name) => rcodeNumbers[name] === value);
}

export interface Question {
  /** Without the dot at its end; '' is the root. */
  readonly name: string;
  readonly type: RecordType;
}

export type Transport = 'udp' | 'tcp';

/** One question as it goes through the plugins. */
export interface Query {
  readonly id: number;
  /** As it was asked, without the dot at its end; '' is the root. Answers repeat it. */
  readonly asked: string;
  /** The same in lower case: what is compared. */
  readonly name: string;
  readonly type: RecordType;
  readonly class: string;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  /** Present when the client speaks EDNS. */
  readonly edns: { readonly size: number; readonly dnssecOk: boolean } | undefined;
  readonly transport: Transport;
  readonly client: { readonly ip: string; readonly port: number };
  /** Bytes of the message. */
  readonly size: number;
}

/** What is said to a question. NXDOMAIN: no such name. NOERROR without answers: the name has no record of that type. */
export interface Reply {
  readonly rcode: Rcode;
  readonly answers: readonly Answer[];
  readonly additionals: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly authoritative: boolean;
  /** Something was left out already: by an upstream. */
  readonly truncated?: boolean;
  readonly authenticData?: boolean;
  /** No datagram may be bigger, whatever the client takes. */
  readonly maxSize?: number;
  /** Nothing is sent at all. */
  readonly dropped?: boolean;
}

/** Asks whoever comes next. Rejects with an Error whose message the `errors` plugin logs; the client gets SERVFAIL then. */
export type Handler = (query: Query) => Promise<Reply>;

/** A reply without records. */
export function bare(rcode: Rcode): Reply {
  return { rcode, answers: [], additionals: [], authorities: [], authoritative: false };
}

/** The query with another name or type, as a plugin asks on. */
export function withQuestion(query: Query, question: { readonly name?: string; readonly type?: RecordType }): Query {
  const asked = question.name ?? query.asked;
  return { ...query, asked, name: asked.toLowerCase(), type: question.type ?? query.type };
}

/** `example.org.`: names as they are printed. */
export function absolute(name: string): string {
  return `${name}.`;
}
