import type dnsPacket from 'dns-packet';
import { formatEndpoint, parseIp } from '@orrery/vnet';
import { type RecordType, candidates, dnsQuery, readResolvConf } from '../net/resolver.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError } from './applet.ts';

/** The name of an address's PTR record. */
export function reverseName(ip: string): string {
  const parsed = parseIp(ip);
  if (parsed?.family === 4) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
  return `${(parsed?.value ?? 0n).toString(16).padStart(32, '0').split('').reverse().join('.')}.ip6.arpa`;
}

function record(answer: dnsPacket.Answer): string {
  const { name } = answer as { name: string };
  switch (answer.type) {
    case 'A':
    case 'AAAA':
      return `Name:\t${name}\nAddress: ${answer.data}\n`;
    case 'CNAME':
      return `${name}\tcanonical name = ${answer.data}\n`;
    case 'PTR':
      return `${name}\tname = ${answer.data}\n`;
    case 'SRV':
      return `${name}\tservice = ${answer.data.priority ?? 0} ${answer.data.weight ?? 0} ${answer.data.port} ${answer.data.target}\n`;
    case 'TXT':
      return `${name}\ttext = "${[answer.data].flat().map(String).join('')}"\n`;
    case 'NS':
      return `${name}\tnameserver = ${answer.data}\n`;
    case 'MX':
      return `${name}\tmail exchanger = ${answer.data.preference ?? 0} ${answer.data.exchange}\n`;
    case 'SOA':
      return `${name}\n\torigin = ${answer.data.mname}\n\tmail addr = ${answer.data.rname}\n\tserial = ${answer.data.serial ?? 0}\n`;
    default:
      return '';
  }
}

interface Asked {
  readonly name: string;
  readonly type: RecordType;
  readonly answer: dnsPacket.DecodedPacket | undefined;
}

const rcodeOf = (packet: dnsPacket.DecodedPacket): string => (packet as unknown as { rcode: string }).rcode;

async function ask(proc: Proc, names: readonly string[], options: { types: readonly RecordType[]; server: string; port: number; timeoutMs: number; attempts: number }): Promise<Asked[]> {
  const { types, server, port, timeoutMs, attempts } = options;
  let asked: Asked[] = [];
  for (const name of names) {
    asked = await Promise.all(
      types.map(async (type) => {
        let answer: dnsPacket.DecodedPacket | undefined;
        for (let attempt = 0; attempt < attempts && !answer; attempt++) answer = await dnsQuery(proc, { name, type, server: { ip: server, port }, timeoutMs });
        return { name, type, answer };
      }),
    );
    if (asked.some(({ answer }) => !answer || rcodeOf(answer) !== 'NXDOMAIN')) return asked;
  }
  return asked;
}

/** nslookup of busybox: a real query to the pod's name server, answers as it prints them. */
export const nslookup: Applet = async (proc, args) => {
  const types: RecordType[] = [];
  const words: string[] = [];
  let port = 53;
  for (const arg of args) {
    const type = /^-(?:type|query|querytype|q)=(\w+)$/i.exec(arg)?.[1];
    if (type) types.push(type.toUpperCase() as RecordType);
    else if (/^-p(?:ort)?=\d+$/.test(arg)) port = Number(arg.split('=')[1]);
    else if (!arg.startsWith('-')) words.push(arg);
  }
  const [name, given] = words;
  if (name === undefined) throw new UsageError('missing name\nUsage: nslookup [-type=QUERY_TYPE] HOST [DNS_SERVER]');
  const conf = readResolvConf(proc);
  const server = given ? ((await proc.net.lookup(given))[0] ?? given) : (conf.nameservers[0] ?? '127.0.0.1');
  const reverse = parseIp(name) !== undefined;
  const wanted: RecordType[] = types.length ? types : reverse ? ['PTR'] : ['A', 'AAAA'];
  const names = reverse ? [reverseName(name)] : candidates(name, conf);
  const asked = await ask(proc, names, { types: wanted, server, port, timeoutMs: conf.timeoutMs, attempts: conf.attempts });
  if (asked.every(({ answer }) => !answer)) {
    await proc.err(';; connection timed out; no servers could be reached\n\n');
    return 1;
  }
  await proc.out(`Server:\t\t${server}\nAddress:\t${formatEndpoint({ ip: server, port })}\n\n`);
  let failed = false;
  for (const { name: full, answer } of asked) {
    if (!answer) continue;
    const code = rcodeOf(answer);
    const records = answer.answers ?? [];
    if (code !== 'NOERROR') {
      await proc.out(`** server can't find ${full}: ${code}\n\n`);
      failed = true;
    } else await proc.out(`${records.map(record).join('')}${records.length ? '\n' : ''}`);
  }
  if (!failed && asked.every(({ answer }) => !answer?.answers?.length)) {
    await proc.out(`*** Can't find ${name}: No answer\n\n`);
    return 1;
  }
  return failed ? 1 : 0;
};
