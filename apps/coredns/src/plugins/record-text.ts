import { parseIp } from '@orrery/vnet';
import type { Answer } from 'dns-packet';

const bare = (name: string): string => name.replace(/\.$/, '');
const number = (text: string | undefined): number => {
  if (!/^\d+$/.test(text ?? '')) throw new Error(`bad number ${JSON.stringify(text)}`);
  return Number(text);
};

function words(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((match) => match[1]?.replace(/\\(.)/g, '$1') ?? match[2] ?? '');
}

function address(text: string | undefined, family: 4 | 6): string {
  if (parseIp(text ?? '')?.family !== family) throw new Error(`bad ${family === 4 ? 'A A' : 'AAAA AAAA'}: ${JSON.stringify(text)}`);
  return text ?? '';
}

/** Data by type; throws for what is not of the form. */
const readers: Readonly<Record<string, (data: readonly string[]) => unknown>> = {
  A: ([ip]) => address(ip, 4),
  AAAA: ([ip]) => address(ip, 6),
  CNAME: ([name = '']) => bare(name),
  NS: ([name = '']) => bare(name),
  PTR: ([name = '']) => bare(name),
  DNAME: ([name = '']) => bare(name),
  TXT: (texts) => texts,
  MX: ([preference, exchange = '']) => ({ preference: number(preference), exchange: bare(exchange) }),
  SRV: ([priority, weight, port, target = '']) => ({ priority: number(priority), weight: number(weight), port: number(port), target: bare(target) }),
  SOA: ([mname = '', rname = '', serial, refresh, retry, expire, minimum]) => ({
    mname: bare(mname), rname: bare(rname), serial: number(serial), refresh: number(refresh), retry: number(retry), expire: number(expire), minimum: number(minimum),
  }),
  CAA: ([flags, tag = '', value = '']) => ({ flags: number(flags), tag, value }),
  HINFO: ([cpu = '', os = '']) => ({ cpu, os }),
};

/** A record in the form of zone files: `NAME [TTL] [CLASS] TYPE DATA`. Parentheses only join lines. Throws an Error that says what is wrong. */
export function parseRecord(text: string): Answer {
  const [name = '', ...rest] = words(text.replace(/[()]/g, ' '));
  let ttl = 3600;
  while (/^\d+$/.test(rest[0] ?? '') || rest[0] === 'IN' || rest[0] === 'CH') {
    const word = rest.shift() ?? '';
    if (/^\d+$/.test(word)) ttl = Number(word);
  }
  const [type = '', ...data] = rest;
  const read = readers[type.toUpperCase()];
  if (!read) throw new Error(`not a record type: ${JSON.stringify(type)}`);
  if (!data.length) throw new Error(`${type} without data`);
  return { name: bare(name), type: type.toUpperCase(), ttl, data: read(data) } as Answer;
}
