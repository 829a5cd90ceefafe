import { createFabric } from '@orrery/vnet';
import * as dns from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asker, instanceOf, opt, said, testEnv } from '../testing/ask.ts';
import { createAnswerer } from './answerer.ts';
import { listenDns, listenHttp } from './listen.ts';
import { readQuery } from './read.ts';
import { encodeReply } from './wire.ts';

const many = Array.from({ length: 80 }, (_, i) => `10.0.0.${i} many.test`).join('\n');
const corefile = `test:53 {\n hosts /hosts test {\n 10.1.1.1 one.test\n }\n bufsize 1232\n}\nother.test:53 {\n template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.9"\n }\n}\n.:1053 {\n whoami\n}`;
const around = { files: { '/hosts': many } };
const ready = async (): Promise<ReturnType<typeof instanceOf>> => {
  const instance = instanceOf(corefile, around);
  await instance.start();
  return instance;
};
const query = (name: string, more: Partial<dns.Packet> = {}): Buffer => dns.encode({ type: 'query', id: 7, flags: dns.RECURSION_DESIRED, questions: [{ name, type: 'A' }], ...more });
const from = { transport: 'udp' as const, client: { ip: '10.0.0.1', port: 1 } };

describe('the server', () => {
  it('chooses the block by port and longest zone, and refuses other names', async () => {
    const ask = asker(await ready());
    expect(said(await ask('one.test'))).toBe('10.1.1.1');
    expect(said(await ask('x.other.test'))).toBe('192.0.2.9');
    expect(said(await ask('example.org'))).toBe('REFUSED');
    expect(said(await ask('one.test', 'A', { class: 'CH' }))).toBe('REFUSED');
    const who = await ask('example.org', 'A', { port: 1053, client: '10.9.9.9' });
    expect(who?.additionals).toMatchObject([{ type: 'A', data: '10.9.9.9' }, { name: '_udp.example.org', type: 'SRV', data: { port: 4242 } }]);
  });

  it('gives what fits and says that there is more; all of it over TCP or with room', async () => {
    const ask = asker(await ready());
    const cut = await ask('many.test');
    // 12 header, 15 question, 16 a record with its name compressed
    expect([cut?.flag_tc, cut?.answers?.length]).toEqual([true, Math.floor((512 - 27) / 16)]);
    expect((await ask('many.test', 'A', { transport: 'tcp' }))?.answers).toHaveLength(80);
    const roomy = await ask('many.test', 'A', { edns: 4096 });
    expect([roomy?.flag_tc, roomy?.answers?.length]).toEqual([true, Math.floor((1232 - 27 - 11) / 16)]);
    expect(roomy?.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 4096 }]);
  });

  it.each([
    ['garbage', Buffer.from('garbage'), undefined],
    ['nothing', Buffer.alloc(0), undefined],
    ['a response', Buffer.from([0, 7, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0]), undefined],
    ['no question', Buffer.from([0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 'FORMERR'],
    ['half a question', Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 97]), 'FORMERR'],
    ['an update', Buffer.from([0, 7, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0]), 'NOTIMP'],
    ['EDNS version 1', query('one.test', { additionals: [{ ...opt(1232), ednsVersion: 1 } as dns.Answer] }), 'NOERROR'],
  ])('%s', async (_what, bytes, rcode) => {
    const instance = await ready();
    const reply = await createAnswerer({ env: testEnv(), port: 53, current: () => instance }).answer(bytes, from);
    expect(reply && (dns.decode(Buffer.from(reply)) as unknown as { rcode: string }).rcode).toBe(rcode);
    // The high bits of BADVERS (16) are in OPT.
    if (_what.startsWith('EDNS')) expect(dns.decode(Buffer.from(reply ?? [])).additionals).toMatchObject([{ type: 'OPT', extendedRcode: 1 }]);
  });

  it('serves both protocols of a network namespace, several messages on one connection', async () => {
    const env = testEnv();
    const node = createFabric(env).addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
    const instance = await ready();
    const close = listenDns(createAnswerer({ env, port: 53, current: () => instance }), node.attach({ ips: ['10.240.0.53'] }).stack, { ip: '', port: 53, onError: () => undefined });
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
    const first = all.readUInt16BE(0);
    expect(dns.decode(all.subarray(2, 2 + first)).answers).toHaveLength(1);
    expect(dns.decode(all.subarray(4 + first)).answers).toHaveLength(80);
    close();
  });

  it('serves health, readiness and metrics over HTTP', async () => {
    const env = testEnv();
    const instance = instanceOf('.:53 {\n health\n ready\n prometheus\n whoami\n}', { env });
    await asker(instance, env)('a.test');
    const node = createFabric(env).addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
    const get = async (port: number, path: string): Promise<string> => {
      const close = listenHttp(node.hostStack, { ip: '', port, onError: () => undefined }, (wanted) => instance.http.find((one) => one.address.port === port && one.path === wanted));
      const conn = await node.hostStack.dial({ ip: '10.240.0.11', port });
      await conn.write(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
      let text = '';
      for (let bytes = await conn.read(); bytes; bytes = await conn.read()) text += Buffer.from(bytes).toString();
      close();
      return text;
    };
    expect(await get(8080, '/health')).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\nOK$/);
    expect(await get(8181, '/ready')).toMatch(/\r\n\r\nOK$/);
    expect(await get(9153, '/nope')).toMatch(/^HTTP\/1.1 404 /);
    expect(await get(9153, '/metrics')).toContain('coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="",zone="."} 1');
  });
});

describe('the wire', () => {
  const label = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
  const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
  it('is read back as it was written, names shared or not, and is never longer than allowed', () => {
    fc.assert(
      fc.property(name, fc.array(fc.tuple(name, name, fc.nat(255)), { maxLength: 60 }), fc.constantFrom(undefined, 512, 900, 4096), (asked, records, size) => {
        const read = readQuery(query(asked, size ? { additionals: [opt(size)] } : {}), from);
        if (read === 'silent' || !('query' in read)) throw new Error('not read');
        const answers = records.map(([owner, target, i]): dns.Answer => (i % 3 === 0 ? { name: owner, type: 'CNAME', ttl: i, data: target } : i % 3 === 1 ? { name: owner, type: 'A', ttl: i, data: `10.0.0.${i}` } : { name: owner, type: 'SRV', ttl: i, data: { priority: 1, weight: 2, port: i, target } }));
        const bytes = encodeReply(read.query, { rcode: 'NOERROR', answers, authorities: [], additionals: [], authoritative: true });
        expect(bytes.length).toBeLessThanOrEqual(Math.max(512, size ?? 512));
        const back = dns.decode(Buffer.from(bytes));
        const got = (back.answers ?? []).map((one) => [one.name, one.type, (one as { data?: unknown }).data]);
        expect(got).toEqual(answers.slice(0, got.length).map((one) => [one.name, one.type, (one as { data?: unknown }).data]));
        expect(back.flag_tc).toBe(got.length < answers.length);
      }),
      { numRuns: 200 },
    );
  });
  it('never fails on any bytes', async () => {
    const instance = await ready();
    const answerer = createAnswerer({ env: testEnv(), port: 53, current: () => instance });
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (bytes) => void (await answerer.answer(bytes, from))), { numRuns: 500 });
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.nat(255), async (at, value) => {
        const bytes = query('one.test', { additionals: [opt(1232)] });
        bytes[at % bytes.length] = value;
        await answerer.answer(bytes, from);
      }),
      { numRuns: 500 },
    );
  });
});
