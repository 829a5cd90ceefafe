import type { Packet, Question } from 'dns-packet';
import { createLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { type Surroundings, asker, instanceOf, said, testEnv } from '../testing/ask.ts';
import type { ExchangeOptions, UpstreamAddress } from '../world.ts';

const block = (...lines: string[]): string => `.:53 {\n${lines.join('\n')}\n}`;
const a = (name: string, data: string, ttl = 60): Partial<Packet> => ({ answers: [{ name, type: 'A', ttl, data }] });
const soa = { name: 'x', type: 'SOA' as const, ttl: 60, data: { mname: 'ns.x', rname: 'h.x', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 20 } };

async function started(corefile: string, around: Surroundings = {}) {
  const env = around.env ?? testEnv();
  const instance = instanceOf(corefile, { ...around, env });
  await instance.start();
  return { ask: asker(instance, env), instance };
}

/** A server elsewhere that counts what it is asked and can be taken away. */
function elsewhere() {
  const asked: string[] = [];
  const state = { down: new Set<string>(), reply: (question: Question, to: UpstreamAddress) => a(question.name, to.ip) as Partial<Packet> };
  const upstream = (to: UpstreamAddress, question: Question, how: ExchangeOptions): Partial<Packet> => {
    asked.push(`${to.ip} ${question.name} ${question.type} ${how.transport}`);
    if (state.down.has(to.ip)) throw new Error(`read udp ${to.ip}:53: i/o timeout`);
    return state.reply(question, to);
  };
  return { asked, state, upstream };
}

describe('forward', () => {
  const to = (options: string): string => block(`forward . 10.0.0.1 10.0.0.2:54 {\n${options}\n}`);
  it('takes servers in turn, in order, or by chance', async () => {
    const { upstream } = elsewhere();
    const turns = async (policy: string): Promise<string[]> => {
      const { ask } = await started(to(`policy ${policy}`), { upstream });
      const out: string[] = [];
      for (let i = 0; i < 12; i++) out.push(said(await ask('a.org')));
      return out;
    };
    expect((await turns('round_robin')).slice(0, 4)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.2']);
    expect(new Set(await turns('sequential'))).toEqual(new Set(['10.0.0.1']));
    expect(new Set(await turns('random'))).toEqual(new Set(['10.0.0.1', '10.0.0.2']));
  });

  it('asks the next when one does not answer, leaves it alone once it is down, and takes it back', async () => {
    const env = testEnv();
    const { upstream, state, asked } = elsewhere();
    const { ask } = await started(to('policy sequential'), { upstream, env });
    state.down.add('10.0.0.1');
    expect(said(await ask('a.org'))).toBe('10.0.0.2');
    await env.clock.advance(1_600);
    asked.length = 0;
    expect(said(await ask('b.org'))).toBe('10.0.0.2');
    expect(asked.filter((one) => one.startsWith('10.0.0.1 b.org'))).toEqual([]);
    state.down.clear();
    await env.clock.advance(600);
    expect(said(await ask('c.org'))).toBe('10.0.0.1');
  });

  it.each([
    ['force_tcp', 'udp', 'tcp'],
    ['prefer_udp', 'tcp', 'udp'],
    ['max_fails 3', 'tcp', 'tcp'],
  ] as const)('%s: a client of %s is forwarded by %s', async (option, transport, wanted) => {
    const { upstream, asked } = elsewhere();
    const { ask } = await started(to(option), { upstream });
    await ask('a.org', 'A', { transport });
    expect(asked[0]?.split(' ')[3]).toBe(wanted);
  });

  it('leaves out zones, limits what runs at once, and reads resolv.conf', async () => {
    const { upstream } = elsewhere();
    const files = { '/etc/resolv.conf': '# x\nnameserver 10.0.0.9\nsearch a b\n' };
    const { ask } = await started(block('forward . /etc/resolv.conf {\nexcept inside.org\nmax_concurrent 1\n}', 'whoami'), { upstream, files });
    expect(said(await ask('a.org'))).toBe('10.0.0.9');
    expect((await ask('x.inside.org'))?.additionals).toHaveLength(2);
    const both = await Promise.all([ask('b.org'), ask('c.org')]);
    expect(both.map(said).sort()).toEqual(['10.0.0.9', 'REFUSED']);
  });
});

describe('cache', () => {
  it('keeps replies for their time, counting down, and absence for the time of the SOA', async () => {
    const env = testEnv();
    const { upstream, asked, state } = elsewhere();
    const { ask } = await started(block('cache 30', 'forward . 10.0.0.1'), { upstream, env });
    const ttl = async (name: string): Promise<number | undefined> => ((await ask(name))?.answers?.[0] as { ttl?: number } | undefined)?.ttl;
    expect(await ttl('a.org')).toBe(30);
    await env.clock.advance(10_000);
    expect(await ttl('A.org')).toBe(20);
    expect(asked).toHaveLength(1);
    await env.clock.advance(20_001);
    expect(await ttl('a.org')).toBe(30);
    expect(asked).toHaveLength(2);
    state.reply = () => ({ flags: 3, authorities: [soa] });
    expect(said(await ask('none.org'))).toBe('NXDOMAIN');
    await env.clock.advance(19_000);
    expect(said(await ask('none.org'))).toBe('NXDOMAIN');
    expect(asked).toHaveLength(3);
    await env.clock.advance(2_000);
    await ask('none.org');
    expect(asked).toHaveLength(4);
  });

  it('keeps nothing of zones for which it is disabled', async () => {
    const { upstream, asked } = elsewhere();
    const { ask } = await started(block('cache 30 {\ndisable success a.org\n}', 'forward . 10.0.0.1'), { upstream });
    for (const name of ['x.a.org', 'x.a.org', 'b.org', 'b.org']) await ask(name);
    expect(asked).toHaveLength(3);
  });

  it('fetches again what is asked often before it ends', async () => {
    const env = testEnv();
    const { upstream, asked } = elsewhere();
    const { ask } = await started(block('cache 100 {\nprefetch 2 1m 20%\n}', 'forward . 10.0.0.1'), { upstream: (to, q, how) => ({ ...upstream(to, q, how), ...a(q.name, to.ip, 100) }), env });
    await ask('a.org');
    await env.clock.advance(70_000);
    await ask('a.org');
    await env.clock.advance(15_000);
    await ask('a.org');
    expect(asked).toHaveLength(2);
    await env.clock.advance(50_000);
    expect(((await ask('a.org'))?.answers?.[0] as { ttl?: number }).ttl).toBe(50);
  });

  it('serves what is stale while nobody answers', async () => {
    const env = testEnv();
    const { upstream, state } = elsewhere();
    const { ask } = await started(block('cache 10 {\nserve_stale 1h\n}', 'forward . 10.0.0.1'), { upstream, env });
    await ask('a.org');
    state.down.add('10.0.0.1');
    await env.clock.advance(60_000);
    expect(await ask('a.org')).toMatchObject({ rcode: 'NOERROR', answers: [{ ttl: 0, data: '10.0.0.1' }] });
    await env.clock.advance(3_700_000);
    expect(said(await ask('a.org'))).toBe('SERVFAIL');
  });

  it('keeps no more than its capacity', async () => {
    const { upstream, asked } = elsewhere();
    const { ask } = await started(block('cache {\nsuccess 2\n}', 'forward . 10.0.0.1'), { upstream });
    for (const name of ['a.org', 'b.org', 'c.org', 'a.org']) await ask(name);
    expect(asked).toHaveLength(4);
  });
});

describe('rewrite', () => {
  const through = async (rule: string, name: string, type = 'A') => {
    const { upstream, asked } = elsewhere();
    const { ask } = await started(block(rule, 'forward . 10.0.0.1'), { upstream });
    const reply = await ask(name, type);
    return { asked: asked[0]?.split(' ').slice(1, 3).join(' '), answer: reply?.answers?.[0]?.name, question: reply?.questions?.[0]?.name };
  };
  it.each<[rule: string, name: string, asked: string, answer: string]>([
    ['rewrite name a.org b.org', 'a.org', 'b.org A', 'a.org'],
    ['rewrite name exact a.org b.org', 'x.a.org', 'x.a.org A', 'x.a.org'],
    ['rewrite name prefix old. new.', 'old.a.org', 'new.a.org A', 'new.a.org'],
    ['rewrite name prefix old. new. answer auto', 'old.a.org', 'new.a.org A', 'old.a.org'],
    ['rewrite name suffix .a.org .b.org answer auto', 'x.a.org', 'x.b.org A', 'x.a.org'],
    ['rewrite name substring svc pod', 'x.svc.org', 'x.pod.org A', 'x.pod.org'],
    ['rewrite name regex (.*)\\.a\\.org {1}.default.svc.cluster.local answer name (.*)\\.default\\.svc\\.cluster\\.local {1}.a.org', 'x.a.org', 'x.default.svc.cluster.local A', 'x.a.org'],
    ['rewrite stop {\nname regex (.*)\\.a\\.org {1}.b.org\nanswer name (.*)\\.b\\.org {1}.a.org\n}', 'x.a.org', 'x.b.org A', 'x.a.org'],
    ['rewrite type AAAA A', 'a.org', 'a.org A', 'a.org'],
    ['rewrite continue name a.org b.org\nrewrite name b.org c.org', 'a.org', 'c.org A', 'a.org'],
    ['rewrite name a.org b.org\nrewrite name b.org c.org', 'a.org', 'b.org A', 'a.org'],
  ])('%s', async (rule, name, asked, answer) => expect(await through(rule, name, rule.includes('AAAA') ? 'AAAA' : 'A')).toEqual({ asked, answer, question: name }));

  it('sets times to live', async () => {
    const { upstream } = elsewhere();
    const { ask } = await started(block('rewrite ttl suffix a.org 5-15', 'forward . 10.0.0.1'), { upstream });
    expect((await ask('x.a.org'))?.answers).toMatchObject([{ ttl: 15 }]);
    expect((await ask('x.b.org'))?.answers).toMatchObject([{ ttl: 60 }]);
  });
});

describe('hosts', () => {
  const files = { '/etc/hosts': '127.0.0.1 localhost\n10.1.1.1 One.test uno.test # comment\nfd00::1 one.test\n' };
  it.each([
    ['one.test', 'A', '10.1.1.1'],
    ['one.test', 'AAAA', 'fd00::1'],
    ['ONE.test', 'MX', 'NODATA'],
    ['inline.test', 'A', '10.2.2.2'],
    ['1.1.1.10.in-addr.arpa', 'PTR', 'one.test | uno.test'],
    ['none.test', 'A', 'SERVFAIL'],
    ['none.fall.test', 'A', '192.0.2.1'],
  ])('%s %s is %s', async (name, type, wanted) => {
    const { ask } = await started(block('hosts {\n10.2.2.2 inline.test\nfallthrough fall.test\n}', 'forward . 192.0.2.1'), { files, upstream: elsewhere().upstream });
    expect(said(await ask(name, type))).toBe(wanted);
  });
  it('reads its file again', async () => {
    const env = testEnv();
    const changing: Record<string, string> = { '/etc/hosts': '10.1.1.1 a.test' };
    const { ask } = await started(block('hosts'), { files: changing, env });
    changing['/etc/hosts'] = '10.1.1.2 a.test';
    expect(said(await ask('a.test'))).toBe('10.1.1.1');
    await env.clock.advance(5_000);
    expect(said(await ask('a.test'))).toBe('10.1.1.2');
  });
});

describe('template', () => {
  it.each([
    ['template IN A org {\nmatch ^ip-(?P<a>\\d+)-(?P<b>\\d+)[.]\nanswer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ .Group.b }}"\nfallthrough\n}', 'ip-1-2.org', 'A', '10.0.1.2'],
    ['template IN ANY bad {\nrcode NXDOMAIN\n}', 'x.bad', 'AAAA', 'NXDOMAIN'],
    ['template IN MX org {\nanswer "{{ .Name }} 60 IN MX 10 mail.{{ .Zone }}"\n}', 'x.org', 'MX', '[object Object]'],
    ['template IN A org {\nmatch ^(.*)[.]org[.]$\nanswer "{{ .Name }} IN CNAME {{ index .Match 1 }}.com."\n}', 'x.org', 'A', 'x.com | 192.0.2.1'],
    ['template IN A org {\nanswer "{{ .Name }} 60 IN A not-an-address"\n}', 'x.org', 'A', 'SERVFAIL'],
  ])('%s', async (text, name, type, wanted) => {
    const { ask } = await started(block(text, 'forward . 192.0.2.1'), { upstream: elsewhere().upstream });
    expect(said(await ask(name, type))).toBe(wanted);
  });
});

describe('the rest', () => {
  it('logs lines in its format, of its classes', async () => {
    const logged: string[] = [];
    const env = { ...testEnv(), log: createLogger({ now: () => 0, write: (record) => void logged.push(record.message) }) };
    const { ask } = await started(block('log . {\nclass denial error\n}', 'errors', 'template IN A ok {\nanswer "{{ .Name }} A 10.0.0.1"\n}', 'forward . 10.0.0.1'), { env });
    await ask('a.ok');
    await ask('Gone.org', 'MX', { edns: 1232 });
    expect(logged).toEqual(['10.244.0.9:4242 - 7 "MX IN Gone.org. udp 37 false 1232" SERVFAIL qr,rd,ra 37 0s', '2 Gone.org. MX: plugin/forward: 10.0.0.1 does not answer']);
  });

  it('finds loops', async () => {
    const env = testEnv();
    const reasons: string[] = [];
    const server: { ask?: ReturnType<typeof asker> } = {};
    const upstream = async (_to: UpstreamAddress, { name, type }: Question): Promise<Partial<Packet>> => ((await server.ask?.(name, type)) ?? {}) && {};
    const instance = instanceOf(block('loop', 'forward . 10.0.0.1'), { env, upstream, fatal: (reason) => void reasons.push(reason) });
    server.ask = asker(instance, env);
    await instance.start();
    await env.clock.advance(10);
    expect(reasons).toEqual([expect.stringMatching(/^Loop \(10\.244\.0\.9:4242 -> \.\) detected for zone "\.", see https:/)]);
  });

  it.each([
    ['acl {\nblock type A net 10.244.0.0/16\n}', 'A', 'REFUSED'],
    ['acl {\nallow net 10.244.0.9\nblock\n}', 'A', '10.0.0.1'],
    ['acl {\nfilter type AAAA\n}', 'AAAA', 'NODATA'],
    ['acl {\ndrop net *\n}', 'A', 'silence'],
    ['any', 'ANY', '[object Object]'],
    ['local', 'A', '10.0.0.1'],
  ])('%s', async (line, type, wanted) => {
    const { ask } = await started(block(line, 'forward . 10.0.0.1'), { upstream: elsewhere().upstream });
    expect(said(await ask('a.org', type))).toBe(wanted);
  });

  it('takes turns with the order of addresses', async () => {
    const { ask } = await started(block('loadbalance', 'hosts {\n10.0.0.1 a.org\n10.0.0.2 a.org\n}'));
    const first = new Set<string>();
    for (let i = 0; i < 20; i++) first.add(said(await ask('a.org')).split(' ')[0] ?? '');
    expect(first.size).toBe(2);
  });
});
