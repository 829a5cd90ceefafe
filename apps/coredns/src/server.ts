import type { Env } from '@orrery/runtime';
import { latencyBuckets } from '@orrery/runtime';
import type { Conn, NetStack } from '@orrery/vnet';
import * as dns from 'dns-packet';
import type { Question, Reply } from './zone/records.ts';

/** Asks a name server elsewhere; rejects when none answers. Bytes in and out are whole DNS messages. */
export interface Upstream {
  query(message: Uint8Array): Promise<Uint8Array>;
}

export interface DnsServerOptions {
  readonly env: Env;
  /** Answers from the cluster, or undefined for names of other zones. */
  readonly resolve: (question: Question) => Reply | undefined;
  readonly upstream: Upstream | undefined;
}

const plainUdpBytes = 512;
const maxUdpBytes = 1232;

/** dns-packet gives the rcode as a bit field of `flags`. */
const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** Turns a whole DNS message into its reply; the one place behind UDP, TCP and tests. */
export interface DnsServer {
  /** Undefined: not a query, say nothing. */
  answer(message: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined>;
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const at = list.length ? by % list.length : 0;
  return [...list.slice(at), ...list.slice(0, at)];
}

function isOpt(record: dns.Answer): record is dns.OptAnswer {
  return record.type === 'OPT';
}

interface Composed {
  readonly query: dns.DecodedPacket;
  readonly reply: Reply;
}

/** Encodes; over UDP a reply that does not fit is cut and marked truncated, so that the client asks by TCP. */
function encode({ query, reply }: Composed, transport: 'udp' | 'tcp'): Uint8Array {
  const opt = query.additionals?.find(isOpt);
  const limit = transport === 'tcp' ? 65_535 : Math.min(maxUdpBytes, Math.max(plainUdpBytes, opt?.udpPayloadSize ?? plainUdpBytes));
  const edns: dns.Answer[] = opt ? [{ type: 'OPT', name: '.', udpPayloadSize: maxUdpBytes, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }] : [];
  const flags =
    rcodes[reply.rcode] | (reply.authoritative ? dns.AUTHORITATIVE_ANSWER : 0) | (query.flag_rd ? dns.RECURSION_DESIRED : 0) | dns.RECURSION_AVAILABLE;
  const base = { type: 'response' as const, id: query.id ?? 0, questions: query.questions ?? [] };
  const whole = dns.encode({ ...base, flags, answers: [...reply.answers], authorities: [...reply.authorities], additionals: [...reply.additionals, ...edns] });
  if (whole.length <= limit) return whole;
  const lean = dns.encode({ ...base, flags, answers: [...reply.answers], authorities: [...reply.authorities], additionals: edns });
  if (lean.length <= limit) return lean;
  return dns.encode({ ...base, flags: flags | dns.TRUNCATED_RESPONSE, answers: [], authorities: [], additionals: edns });
}

const failure = (rcode: Reply['rcode']): Reply => ({ rcode, answers: [], additionals: [], authorities: [], authoritative: false });

export function createDnsServer(options: DnsServerOptions): DnsServer {
  const { env, resolve, upstream } = options;
  const requests = env.metrics.counter('coredns_dns_requests_total', 'Counter of DNS requests made per zone, protocol and family.');
  const responses = env.metrics.counter('coredns_dns_responses_total', 'Counter of response status codes.');
  const seconds = env.metrics.histogram('coredns_dns_request_duration_seconds', 'Histogram of the time (in seconds) each request took.', latencyBuckets);
  let turn = 0;

  const forward = async (message: Uint8Array): Promise<Uint8Array | Reply> => {
    if (!upstream) return failure('REFUSED');
    try {
      return await upstream.query(message);
    } catch (error) {
      env.log.debug('upstream does not answer', { error });
      return failure('SERVFAIL');
    }
  };
  /** Adds the addresses of an ExternalName's target, from the cluster or from upstream. */
  const chase = async (question: Question, reply: Reply, target: string): Promise<Reply> => {
    const inside = resolve({ name: target, type: question.type });
    if (inside) return { ...reply, answers: [...reply.answers, ...inside.answers] };
    const asked = dns.encode({ type: 'query', id: 0, flags: dns.RECURSION_DESIRED, questions: [{ name: target, type: question.type as dns.RecordType }] });
    const outside = await forward(asked);
    if (!(outside instanceof Uint8Array)) return reply;
    return { ...reply, answers: [...reply.answers, ...(dns.decode(Buffer.from(outside)).answers ?? [])] };
  };
  const compose = async (query: dns.DecodedPacket, message: Uint8Array): Promise<Uint8Array | Reply> => {
    const [asked] = query.questions ?? [];
    if (!asked) return failure('REFUSED');
    const question: Question = { name: asked.name, type: asked.type };
    const reply = resolve(question);
    if (!reply) return forward(message);
    const full = reply.chase === undefined ? reply : await chase(question, reply, reply.chase);
    return full.answers.length > 1 && reply.chase === undefined ? { ...full, answers: rotate(full.answers, turn++) } : full;
  };

  return {
    async answer(message, transport) {
      let query: dns.DecodedPacket;
      try {
        query = dns.decode(Buffer.from(message));
      } catch (error) {
        env.log.debug('not a DNS message', { error });
        return undefined;
      }
      if (query.type !== 'query') return undefined;
      const began = env.clock.monotonic();
      requests.inc({ proto: transport, family: '1', server: 'dns://:53', zone: '.', type: query.questions?.[0]?.type ?? '' });
      const reply = await compose(query, message);
      seconds.observe((env.clock.monotonic() - began) / 1000);
      if (reply instanceof Uint8Array) return reply;
      responses.inc({ server: 'dns://:53', zone: '.', rcode: reply.rcode });
      return encode({ query, reply }, transport);
    },
  };
}

/** Reads length-prefixed messages from a stream and answers them in order. */
export async function serveTcp(server: DnsServer, conn: Conn): Promise<void> {
  let pending = Buffer.alloc(0);
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = await server.answer(pending.subarray(2, end), 'tcp');
      pending = pending.subarray(end);
      if (!reply) return conn.close();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      await conn.write(Buffer.concat([length, reply]));
    }
  }
  conn.close();
}

/** Listens on port 53 of a network namespace, both protocols; returns how to stop. */
export function listenOn(server: DnsServer, net: NetStack, options: { port: number; onError: (error: unknown) => void }): () => void {
  const { port, onError } = options;
  const socket = net.udp({ ip: '', port }, (bytes, from) => {
    server.answer(bytes, 'udp').then((reply) => reply && socket.send(reply, from), onError);
  });
  const listener = net.listen({ ip: '', port }, (conn) => {
    serveTcp(server, conn).catch((error: unknown) => {
      conn.close();
      onError(error);
    });
  });
  return () => {
    socket.close();
    listener.close();
  };
}
