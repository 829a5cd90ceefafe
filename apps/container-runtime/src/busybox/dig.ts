import type dnsPacket from 'dns-packet';
import { parseIp } from '@orrery/vnet';
import { type RecordType, candidates, dnsQuery, readResolvConf } from '../net/resolver.ts';
import type { Proc, Program } from '../process/proc.ts';
import { reverseName } from './nslookup.ts';

const types: readonly string[] = ['A', 'AAAA', 'ANY', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'];

interface Request {
  readonly name: string;
  readonly type: RecordType;
  readonly server: string;
  readonly port: number;
  readonly tcp: boolean;
  readonly search: boolean;
  readonly tries: number;
  readonly timeoutMs: number;
  /** Sections to print; `short` prints the data of answers alone. */
  readonly show: { readonly short: boolean; readonly comments: boolean; readonly question: boolean; readonly answer: boolean; readonly stats: boolean };
}

const dotted = (name: string): string => (name.endsWith('.') ? name : `${name}.`);

/** The data of a record as a zone file has it. */
function dataOf(answer: dnsPacket.Answer): string {
  switch (answer.type) {
    case 'A':
    case 'AAAA':
      return answer.data;
    case 'CNAME':
    case 'PTR':
    case 'NS':
      return dotted(answer.data);
    case 'SRV':
      return `${answer.data.priority ?? 0} ${answer.data.weight ?? 0} ${answer.data.port} ${dotted(answer.data.target)}`;
    case 'MX':
      return `${answer.data.preference ?? 0} ${dotted(answer.data.exchange)}`;
    case 'TXT':
      return [answer.data].flat().map((part) => JSON.stringify(part.toString())).join(' ');
    case 'SOA': {
      const { mname, rname, serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0 } = answer.data;
      return `${dotted(mname)} ${dotted(rname)} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    default:
      return '';
  }
}

function line(answer: dnsPacket.Answer): string {
  const { name, type } = answer as { name: string; type: string };
  return `${dotted(name)}\t\t${(answer as { ttl?: number }).ttl ?? 0}\tIN\t${type}\t${dataOf(answer)}\n`;
}

/** Reads dig's arguments; a text is what it complains about. */
function parse(proc: Proc, args: readonly string[]): Request | string {
  const conf = readResolvConf(proc);
  let [name, type, server, port] = ['', 'A', conf.nameservers[0] ?? '127.0.0.1', 53];
  const on = new Map<string, boolean>();
  let [tries, seconds] = [3, 5];
  let all: boolean | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const option = /^\+(no)?([a-z]+)(?:=(\d+))?$/.exec(arg);
    if (option?.[2] === 'tries') tries = Number(option[3]);
    else if (option?.[2] === 'retry') tries = Number(option[3]) + 1;
    else if (option?.[2] === 'time' || option?.[2] === 'timeout') seconds = Number(option[3]);
    else if (option?.[2] === 'all') {
      all = !option[1];
      on.clear();
    } else if (option?.[2]) on.set(option[2], !option[1]);
    else if (arg.startsWith('+')) return `Invalid option: ${arg}`;
    else if (arg.startsWith('@')) server = arg.slice(1);
    else if (arg === '-p') port = Number(args[++i]);
    else if (arg === '-t') type = (args[++i] ?? '').toUpperCase();
    else if (arg === '-x') [name, type] = [reverseName(args[++i] ?? ''), 'PTR'];
    else if (arg === '-4' || arg === '-6') continue;
    else if (arg.startsWith('-')) return `Invalid option: ${arg}`;
    else if (types.includes(arg.toUpperCase()) && name !== '') type = arg.toUpperCase();
    else if (arg.toUpperCase() !== 'IN') name = arg;
  }
  if (!types.includes(type)) return `Warning, ignoring invalid type ${type}`;
  const shown = (section: string): boolean => on.get(section) ?? all ?? true;
  return {
    name: name || '.', type: (name ? type : 'NS') as RecordType, server, port, tries, timeoutMs: seconds * 1000,
    tcp: (on.get('tcp') ?? on.get('vc')) === true,
    search: on.get('search') === true,
    show: { short: on.get('short') === true, comments: shown('comments'), question: shown('question'), answer: shown('answer'), stats: shown('stats') },
  };
}

const rcodeOf = (packet: dnsPacket.DecodedPacket): string => (packet as unknown as { rcode: string }).rcode;

async function ask(proc: Proc, request: Request): Promise<{ name: string; answer: dnsPacket.DecodedPacket | undefined }> {
  const { search, tries, type, tcp, timeoutMs, port } = request;
  const [ip = ''] = parseIp(request.server) ? [request.server] : await proc.net.lookup(request.server);
  const names = search ? candidates(request.name, readResolvConf(proc)) : [request.name.replace(/(.)\.$/, '$1')];
  let last: { name: string; answer: dnsPacket.DecodedPacket | undefined } = { name: request.name, answer: undefined };
  for (const name of names) {
    let answer: dnsPacket.DecodedPacket | undefined;
    for (let attempt = 0; attempt < tries && !answer; attempt++) answer = await dnsQuery(proc, { name, type, server: { ip, port }, timeoutMs, tcp });
    last = { name, answer };
    if (!answer || answer.answers?.length) break;
  }
  return last;
}

/** dig: a query to a name server and the sections of the answer that are asked for. */
export const dig: Program = async (proc) => {
  const request = parse(proc, proc.argv.slice(1));
  if (typeof request === 'string') {
    await proc.err(`;; ${request}\n`);
    if (request.startsWith('Invalid')) return 1;
    return 0;
  }
  const { show } = request;
  const { name, answer } = await ask(proc, request);
  if (!answer) {
    await proc.out(`;; connection timed out; no servers could be reached\n`);
    return 9;
  }
  const answers = answer.answers ?? [];
  if (show.short) {
    await proc.out(answers.map((one) => `${dataOf(one)}\n`).join(''));
    return 0;
  }
  const parts = [
    show.comments ? `\n; <<>> DiG 9.18 <<>> ${proc.argv.slice(1).join(' ')}\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: ${rcodeOf(answer)}, id: ${answer.id ?? 0}\n;; flags: qr${answer.flag_aa ? ' aa' : ''} rd${answer.flag_ra ? ' ra' : ''}; QUERY: 1, ANSWER: ${answers.length}, AUTHORITY: ${answer.authorities?.length ?? 0}, ADDITIONAL: ${answer.additionals?.length ?? 0}\n\n` : '',
    show.question ? `;; QUESTION SECTION:\n;${dotted(name)}\t\tIN\t${request.type}\n\n` : '',
    show.answer && answers.length ? `${show.comments ? ';; ANSWER SECTION:\n' : ''}${answers.map(line).join('')}${show.comments ? '\n' : ''}` : '',
    show.stats ? `;; Query time: 0 msec\n;; SERVER: ${request.server}#${request.port}(${request.server}) (${request.tcp ? 'TCP' : 'UDP'})\n\n` : '',
  ];
  await proc.out(parts.join(''));
  return 0;
};
