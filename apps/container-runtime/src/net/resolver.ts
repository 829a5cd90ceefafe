import dnsPacket from 'dns-packet';
import { type Conn, type Endpoint, NetError, parseIp } from '@orrery/vnet';
import type { Proc } from '../process/proc.ts';

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly ndots: number;
  readonly attempts: number;
  readonly timeoutMs: number;
}

/** Why a name has no address. `temporary`: no server answered. */
export class ResolveError extends Error {
  readonly kind: 'not found' | 'temporary';

  constructor(kind: 'not found' | 'temporary', name: string) {
    super(kind === 'not found' ? `bad address '${name}'` : `bad address '${name}': temporary failure in name resolution`);
    this.name = 'ResolveError';
    this.kind = kind;
  }
}

/** Reads /etc/resolv.conf as musl and glibc do; missing options have their defaults. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  let [ndots, attempts, timeoutMs] = [1, 2, 5000];
  for (const line of text.split('\n')) {
    const [key, ...values] = line.trim().split(/\s+/);
    if (key === 'nameserver' && values[0]) nameservers.push(values[0]);
    else if (key === 'search' || key === 'domain') search = values;
    else if (key === 'options') {
      for (const option of values) {
        const [name, value = ''] = option.split(':');
        if (name === 'ndots') ndots = Math.min(15, Number(value) || 0);
        if (name === 'attempts') attempts = Math.max(1, Math.min(5, Number(value) || 2));
        if (name === 'timeout') timeoutMs = 1000 * Math.max(1, Math.min(30, Number(value) || 5));
      }
    }
  }
  return { nameservers, search, ndots, attempts, timeoutMs };
}

export function readResolvConf(proc: Proc): ResolvConf {
  return parseResolvConf(proc.fs.exists('/etc/resolv.conf') ? proc.fs.readText('/etc/resolv.conf') : '');
}

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'SRV' | 'TXT' | 'NS' | 'SOA' | 'MX' | 'ANY';

interface Query {
  readonly name: string;
  readonly type: RecordType;
  readonly server: Endpoint;
  readonly timeoutMs: number;
  /** Over TCP instead of UDP. */
  readonly tcp?: boolean;
}

/** Sends one question over TCP; undefined when the server cannot be reached or says nothing in time. */
async function dnsQueryTcp(proc: Proc, request: dnsPacket.Packet, { server, timeoutMs }: Query): Promise<dnsPacket.DecodedPacket | undefined> {
  let conn: Conn | undefined;
  const timer = proc.clock.after(timeoutMs, () => conn?.close());
  try {
    conn = await proc.net.dial(server, { timeoutMs });
    await conn.write(dnsPacket.streamEncode(request));
    let received = Buffer.alloc(0);
    while (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) {
      const bytes = await proc.until(conn.read());
      if (!bytes) return undefined;
      received = Buffer.concat([received, bytes]);
    }
    return dnsPacket.streamDecode(received) as dnsPacket.DecodedPacket;
  } catch (error) {
    if (error instanceof NetError) return undefined;
    throw error;
  } finally {
    timer.cancel();
    conn?.close();
  }
}

/** Sends one question and waits for its answer; undefined when none comes in time. */
export function dnsQuery(proc: Proc, query: Query): Promise<dnsPacket.DecodedPacket | undefined> {
  const id = 1 + proc.random.int(65535);
  const question: dnsPacket.Packet = { type: 'query', id, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type: query.type as 'A', name: query.name }] };
  if (query.tcp) return dnsQueryTcp(proc, question, query);
  const request = dnsPacket.encode(question);
  return new Promise((resolve) => {
    const finish = (answer: dnsPacket.DecodedPacket | undefined): void => {
      timer.cancel();
      forget();
      socket.close();
      resolve(answer);
    };
    const timer = proc.clock.after(query.timeoutMs, () => finish(undefined));
    const forget = proc.onExit(() => finish(undefined));
    const socket = proc.net.udp({ ip: '', port: 0 }, (bytes) => {
      const answer = dnsPacket.decode(Buffer.from(bytes));
      if (answer.id === id) finish(answer);
    });
    socket.send(request, query.server);
  });
}

/** Names to try in turn, by `search` and `ndots`. */
export function candidates(name: string, conf: ResolvConf): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = conf.search.map((domain) => `${name}.${domain.replace(/\.$/, '')}`);
  const dots = name.split('.').length - 1;
  return dots >= conf.ndots ? [name, ...searched] : [...searched, name];
}

interface HostEntry {
  readonly ip: string;
  /** The canonical name first. */
  readonly names: readonly string[];
}

/** Lines of /etc/hosts that have a name. */
function hostEntries(proc: Proc, name: string): HostEntry[] {
  if (!proc.fs.exists('/etc/hosts')) return [];
  return proc.fs.readText('/etc/hosts').split('\n').flatMap((line): HostEntry[] => {
    const [ip, ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    return ip && names.includes(name) ? [{ ip, names }] : [];
  });
}

/** The first of them. */
export const hostEntry = (proc: Proc, name: string): HostEntry | undefined => hostEntries(proc, name)[0];

type Outcome = { readonly addresses: string[] } | 'not found' | 'silent';

async function ask(proc: Proc, name: string, conf: ResolvConf): Promise<Outcome> {
  const wants = proc.net.stack.ips.some((ip) => ip.includes(':')) ? (['A', 'AAAA'] as const) : (['A'] as const);
  for (let attempt = 0; attempt < conf.attempts; attempt++) {
    for (const server of conf.nameservers) {
      const answers = await Promise.all(wants.map((type) => dnsQuery(proc, { name, type, server: { ip: server, port: 53 }, timeoutMs: conf.timeoutMs })));
      if (answers.every((answer) => answer === undefined)) continue;
      const addresses = answers.flatMap((answer) => (answer?.answers ?? []).flatMap((a) => (a.type === 'A' || a.type === 'AAAA' ? [a.data] : [])));
      return addresses.length ? { addresses } : 'not found';
    }
  }
  return 'silent';
}

/** Addresses of a name as getaddrinfo finds them. Rejects with ResolveError. */
export async function lookupName(proc: Proc, name: string): Promise<string[]> {
  if (parseIp(name)) return [name];
  const local = hostEntries(proc, name).map(({ ip }) => ip);
  if (local.length) return local;
  if (name === 'localhost') return ['127.0.0.1'];
  const conf = readResolvConf(proc);
  if (!conf.nameservers.length) throw new ResolveError('temporary', name);
  for (const candidate of candidates(name, conf)) {
    const outcome = await ask(proc, candidate, conf);
    if (outcome === 'silent') throw new ResolveError('temporary', name);
    if (outcome !== 'not found') return outcome.addresses;
  }
  throw new ResolveError('not found', name);
}
