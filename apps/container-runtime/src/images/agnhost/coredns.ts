import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { type Conn, type Endpoint, formatEndpoint, parseIp } from '@orrery/vnet';
import type { Proc, Program } from '../../process/proc.ts';
import { forever } from './forever.ts';

const ttl = 3600;
/** Accepted, and of no consequence here. */
const quiet = new Set(['errors', 'log', 'reload', 'loadbalance', 'minimal', 'bufsize']);

class CorefileError extends Error {}

interface Corefile {
  readonly port: number;
  readonly logs: boolean;
  /** Addresses by name, in lower case without the last dot. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
}

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** One server block of the plugins `hosts`, `log` and `errors`, as upstream's tests of DNS write it: `.:53 { hosts { 1.1.1.1 name } }`. */
function parse(text: string, readText: (path: string) => string): Corefile {
  const hosts = new Map<string, string[]>();
  let [port, logs, depth] = [53, false, 0];
  const entry = ([ip = '', ...names]: readonly string[]): void => {
    if (!parseIp(ip)) return;
    for (const name of names) hosts.set(bare(name), [...(hosts.get(bare(name)) ?? []), ip]);
  };
  for (const line of text.split('\n').map((one) => one.replace(/#.*/, '').trim())) {
    const words = line.split(/\s+/).filter((word) => word !== '' && word !== '{');
    if (line === '}') depth--;
    else if (depth === 0 && line.endsWith('{')) port = Number(/:(\d+)$/.exec(words[0] ?? '')?.[1] ?? 53);
    else if (depth === 1 && words[0] === 'hosts') {
      const [file] = words.slice(1);
      if (file) for (const own of readText(file).split('\n')) entry(own.trim().split(/\s+/));
    } else if (depth === 1 && words[0] !== undefined) {
      if (!quiet.has(words[0])) throw new CorefileError(`Error during parsing: Unknown directive '${words[0]}'`);
      if (words[0] === 'log') logs = true;
    } else if (depth === 2) entry(words);
    if (line.endsWith('{')) depth++;
  }
  return { port, logs, hosts };
}

/** What the plugin `hosts` answers; a name it does not have is SERVFAIL, as it has no SOA to deny it with. */
function replyTo(query: Packet, { hosts }: Corefile): Packet & { readonly rcode: string } {
  const [question] = query.questions ?? [];
  const found = question && hosts.get(bare(question.name));
  const family = question?.type === 'A' ? 4 : question?.type === 'AAAA' ? 6 : 0;
  const answers = (found ?? []).filter((ip) => parseIp(ip)?.family === family).map((data): Answer => ({ type: family === 6 ? 'AAAA' : 'A', name: question?.name ?? '', ttl, data }));
  const flags = dnsPacket.AUTHORITATIVE_ANSWER | ((query.flags ?? 0) & dnsPacket.RECURSION_DESIRED) | (found ? 0 : 2);
  return { type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], answers, rcode: found ? 'NOERROR' : 'SERVFAIL' };
}

/** CoreDNS as agnhost has it, `/coredns -conf FILE`: as much of it as tests need that bring a DNS server of their own. */
export const coredns: Program = async (proc: Proc) => {
  const args = proc.argv.slice(1);
  const path = args[args.indexOf('-conf') + 1] ?? 'Corefile';
  let corefile: Corefile;
  try {
    corefile = parse(proc.fs.readText(path), (file) => proc.fs.readText(file));
  } catch (error) {
    await proc.err(error instanceof CorefileError ? `${path}: ${error.message}\n` : `loading Caddyfile via flag: open ${path}: no such file or directory\n`);
    return 1;
  }
  const { port, logs } = corefile;
  const answer = async (bytes: Uint8Array, from: Endpoint, protocol: 'udp' | 'tcp'): Promise<Uint8Array> => {
    const query = dnsPacket.decode(Buffer.from(bytes));
    const { rcode, ...reply } = replyTo(query, corefile);
    const out = dnsPacket.encode(reply);
    const [{ type = '', name = '' } = {}] = query.questions ?? [];
    if (logs) await proc.out(`[INFO] ${formatEndpoint(from)} - ${query.id ?? 0} "${type} IN ${bare(name)}. ${protocol} ${bytes.length} false 512" ${rcode} qr,aa,rd ${out.length} 0.0001s\n`);
    return out;
  };
  const serve = async (conn: Conn): Promise<void> => {
    let held = Buffer.alloc(0);
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
      held = Buffer.concat([held, bytes]);
      for (let length = held.length < 2 ? Infinity : held.readUInt16BE(0); held.length >= length + 2; length = held.length < 2 ? Infinity : held.readUInt16BE(0)) {
        const out = await answer(held.subarray(2, length + 2), conn.remote, 'tcp');
        held = held.subarray(length + 2);
        await conn.write(Buffer.concat([Buffer.from([out.length >> 8, out.length & 255]), out]));
      }
    }
    conn.close();
  };
  const socket = proc.net.udp({ ip: '', port }, (bytes, from) => {
    // What is no question, or comes when the container ends, gets no answer.
    answer(bytes, from, 'udp').then((out) => socket.send(out, from), () => undefined);
  });
  proc.net.listen({ ip: '', port }, (conn) => void serve(conn).catch(() => conn.close()));
  await proc.out(`.:${port}\nCoreDNS-1.12.1\nlinux/amd64\n`);
  return forever(proc);
};
