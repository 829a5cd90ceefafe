import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import * as dns from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { type Upstream, createDnsServer, listenOn } from './server.ts';
import type { Question, Reply } from './zone/records.ts';

const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };

function reply(answers: Reply['answers'], more: Partial<Reply> = {}): Reply {
  return { rcode: 'NOERROR', answers, additionals: [], authorities: [], authoritative: true, ...more };
}

const a = (name: string, data: string): dns.Answer => ({ name, type: 'A', ttl: 30, data });
const many = Array.from({ length: 40 }, (_, i) => a('many.test', `10.0.0.${i}`));

function resolve({ name }: Question): Reply | undefined {
  if (name === 'one.test') return reply([a('one.test', '10.0.0.1')]);
  if (name === 'two.test') return reply([a('two.test', '10.0.0.1'), a('two.test', '10.0.0.2')]);
  if (name === 'many.test') return reply(many);
  if (name === 'inside.test') return reply([{ name, type: 'CNAME', ttl: 30, data: 'one.test' }], { chase: 'one.test' });
  if (name === 'outside.test') return reply([{ name, type: 'CNAME', ttl: 30, data: 'example.org' }], { chase: 'example.org' });
  return name.endsWith('.test') ? reply([], { rcode: 'NXDOMAIN' }) : undefined;
}

const upstream: Upstream = {
  query(message) {
    const { id = 0, questions = [] } = dns.decode(Buffer.from(message));
    if (questions[0]?.name === 'broken.org') return Promise.reject(new Error('timeout'));
    return Promise.resolve(dns.encode({ type: 'response', id, questions, answers: [a(questions[0]?.name ?? '', '192.0.2.7')] }));
  },
};

function query(name: string, more: Partial<dns.Packet> = {}): Buffer {
  return dns.encode({ type: 'query', id: 7, flags: dns.RECURSION_DESIRED, questions: [{ name, type: 'A' }], ...more });
}

async function ask(name: string, transport: 'udp' | 'tcp' = 'udp', options: { upstream?: Upstream; packet?: Partial<dns.Packet> } = {}) {
  const server = createDnsServer({ env, resolve, upstream: options.upstream });
  const bytes = await server.answer(query(name, options.packet), transport);
  const decoded = dns.decode(Buffer.from(bytes ?? [])) as dns.DecodedPacket & { rcode: string };
  return { bytes: bytes?.length ?? 0, decoded, addresses: (decoded.answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : '')) };
}

describe('the server', () => {
  it('answers with the question, its id and authority', async () => {
    const { decoded, addresses } = await ask('one.test');
    expect([decoded.id, decoded.flag_aa, decoded.flag_rd, decoded.flag_ra, decoded.questions?.[0]?.name]).toEqual([7, true, true, true, 'one.test']);
    expect(addresses).toEqual(['10.0.0.1']);
  });

  it('says NXDOMAIN and REFUSED', async () => {
    expect((await ask('nope.test')).decoded.rcode).toBe('NXDOMAIN');
    expect((await ask('example.org')).decoded.rcode).toBe('REFUSED');
  });

  it('forwards other zones, and says SERVFAIL when nobody answers', async () => {
    expect((await ask('example.org', 'udp', { upstream })).addresses).toEqual(['192.0.2.7']);
    expect((await ask('broken.org', 'udp', { upstream })).decoded.rcode).toBe('SERVFAIL');
  });

  it('adds the address behind a CNAME, from inside and from outside', async () => {
    expect((await ask('inside.test')).addresses).toEqual(['one.test', '10.0.0.1']);
    expect((await ask('outside.test', 'udp', { upstream })).addresses).toEqual(['example.org', '192.0.2.7']);
    expect((await ask('outside.test')).addresses).toEqual(['example.org']);
  });

  it('truncates what does not fit into UDP, and sends it whole over TCP or with room by EDNS', async () => {
    const cut = await ask('many.test');
    expect([cut.decoded.flag_tc, cut.addresses.length, cut.bytes <= 512]).toEqual([true, 0, true]);
    expect((await ask('many.test', 'tcp')).addresses).toHaveLength(40);
    const edns: dns.Answer = { type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };
    expect((await ask('many.test', 'udp', { packet: { additionals: [edns] } })).addresses).toHaveLength(40);
  });

  it('takes turns with the order of addresses', async () => {
    const server = createDnsServer({ env, resolve, upstream: undefined });
    const first = new Set<string>();
    for (let i = 0; i < 4; i++) {
      const [answer] = dns.decode(Buffer.from((await server.answer(query('two.test'), 'udp')) ?? [])).answers ?? [];
      if (answer && 'data' in answer) first.add(String(answer.data));
    }
    expect(first.size).toBe(2);
  });

  it.each([Buffer.from('garbage'), Buffer.alloc(0), Buffer.alloc(3, 255)])('stays silent for what is no query', async (bytes) => {
    expect(await createDnsServer({ env, resolve, upstream: undefined }).answer(bytes, 'udp')).toBeUndefined();
  });

  it('serves both protocols of a network namespace, several messages on one connection', async () => {
    const node = createFabric(env).addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
    const close = listenOn(createDnsServer({ env, resolve, upstream: undefined }), node.attach({ ips: ['10.240.0.53'] }).stack, { port: 53, onError: () => undefined });
    const at = { ip: '10.240.0.53', port: 53 };
    const byUdp = await new Promise<Uint8Array>((done) => node.hostStack.udp({ ip: '', port: 0 }, done).send(query('one.test'), at));
    expect(dns.decode(Buffer.from(byUdp)).answers).toHaveLength(1);
    const conn = await node.hostStack.dial(at);
    const framed = (message: Buffer): Buffer => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
    await conn.write(Buffer.concat([framed(query('one.test')), framed(query('many.test'))]));
    await conn.closeWrite();
    const chunks: Uint8Array[] = [];
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) chunks.push(bytes);
    const all = Buffer.concat(chunks);
    const firstLength = all.readUInt16BE(0);
    expect(dns.decode(all.subarray(2, 2 + firstLength)).answers).toHaveLength(1);
    expect(dns.decode(all.subarray(4 + firstLength)).answers).toHaveLength(40);
    close();
  });
});
