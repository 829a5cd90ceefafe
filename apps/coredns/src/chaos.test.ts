import { ConfigMaps, EndpointSlices, Namespaces, Services } from '@orrery/api';
import type { Service } from '@orrery/api/types';
import { createFakeApi, createFaultedApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { type NetStack, createFabric } from '@orrery/vnet';
import * as dns from 'dns-packet';
import { expect, it } from 'vitest';
import { createCoreDns } from './component.ts';
import { coreDnsSchema, defaultCorefile } from './config.ts';
import { type Answered, said } from './testing/ask.ts';

/** The Corefile is looked at every 45 s at most; an informer comes back within 20 s, and within 20 more where its revision is too old by then. */
const healedMs = 90_000;
const own = '10.240.0.53';
const config = resolveConfig(coreDnsSchema, [{}]);
const corefileKey = { namespace: 'kube-system', name: 'coredns' };

const service = (name: string, clusterIP: string): Service => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] } });

function world(seed: number) {
  const [clock, random] = [new VirtualClock(), seededRandom(seed)];
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const truth = createFakeApi({ clock, random });
  truth.seed(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
  truth.seed(Services, service('stable', '10.96.0.7'));
  const link = createFaultedApi({ truth, clock, random, user: 'system:coredns' });
  const fabric = createFabric(env);
  const node = fabric.addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
  const net = node.attach({ ips: [own] }).stack;
  const begin = () => createCoreDns(env, { api: link.api, net, replica: '0' }, config);
  /** What is answered within a time, in one line. */
  const ask = async (name: string, withinMs = 0): Promise<string> => {
    let answer = 'silence';
    const socket = node.hostStack.udp({ ip: '', port: 0 }, (bytes) => (answer = said(dns.decode(Buffer.from(bytes)) as Answered)));
    socket.send(dns.encode({ type: 'query', id: random.int(65_536), questions: [{ name, type: 'A' }] }), { ip: own, port: 53 });
    await clock.advance(withinMs);
    socket.close();
    return answer;
  };
  const write = async (Corefile: string): Promise<void> => void (await truth.update(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: corefileKey, data: { Corefile } }));
  return { clock, random, truth, link, node, begin, ask, write };
}

/** Time passes until the work is done. */
async function ended(clock: VirtualClock, work: Promise<unknown>, withinMs = healedMs): Promise<void> {
  let done = false;
  work.then(() => (done = true), () => (done = true));
  await clock.until(() => done, withinMs);
  await work;
}

const corefile = (version: number): string => `${defaultCorefile(config)}\nexample.org:53 {\n hosts {\n  192.0.2.${version} v.example.org\n }\n reload\n}\n`;
const wrong = ['.:53 {\n bogus\n}', 'nonsense {', 'a.org:53 {\n whoami\n}\na.org:53 {\n whoami\n}', 'cluster.local:53 {\n kubernetes {\n  pods sometimes\n }\n}'];

it.each([1, 2, 3, 4, 5, 6])('seed %i: while the API server and the Corefile fail what is known is answered, and nothing else; afterwards all is as it should be', async (seed) => {
  const { clock, random, truth, link, begin, ask, write } = world(seed);
  const component = begin();
  await component.start();
  await write(corefile(1));
  await clock.advance(healedMs);
  const names = ['s0', 's1', 's2'];
  const ever = new Map(names.map((name) => [name, new Set(['NXDOMAIN'])]));
  let [version, address] = [1, 10];
  for (let round = 0; round < 3; round++) {
    const ends = [
      () => link.strike({ verb: 'api-error', code: [429, 500, 503][random.int(3)] as number, percent: 70 }),
      () => link.strike({ verb: 'watch-drop', delayMs: 900 }),
      () => link.strike({ verb: 'watch-delay', delayMs: 1 + random.int(9_000) }),
      () => link.strike({ verb: 'stale-reads' }),
      () => link.strike({ verb: 'partition', delayMs: 3_000 }),
    ].filter(() => random.int(2)).map((strike) => strike());
    link.doubled = random.int(2) / 2;
    for (let step = 0; step < 10; step++) {
      const name = names[random.int(3)] as string;
      const known = truth.find(Services, name, 'default');
      if (known) await truth.delete(Services, { namespace: 'default', name });
      if (!known || random.int(2)) {
        ever.get(name)?.add(`10.96.1.${++address}`);
        await truth.create(Services, service(name, `10.96.1.${address}`));
      }
      if (random.int(3) === 0) await write(random.int(2) ? corefile(++version) : (wrong[random.int(wrong.length)] as string));
      if (random.int(8) === 0) truth.compact();
      if (random.int(8) === 0) clock.jump(random.int(3_600_000));
      await clock.advance(random.int(20_000));
      expect(await ask('stable.default.svc.cluster.local')).toBe('10.96.0.7');
      for (const one of names) expect([...(ever.get(one) ?? [])]).toContain(await ask(`${one}.default.svc.cluster.local`));
      const shown = await ask('v.example.org');
      expect(Number(/^192\.0\.2\.(\d+)$/.exec(shown)?.[1]), shown).toBeLessThanOrEqual(version);
    }
    for (const end of ends) end();
    link.doubled = 0;
    await write(corefile(++version));
    await clock.advance(healedMs);
    expect(await ask('v.example.org')).toBe(`192.0.2.${version}`);
    for (const one of names) expect(await ask(`${one}.default.svc.cluster.local`)).toBe(truth.find(Services, one, 'default')?.spec?.clusterIP ?? 'NXDOMAIN');
    expect(component.ready()).toBe(true);
  }
  await ended(clock, component.stop());
});

it('it starts and joins its Service through a server that fails or answers after the fact, leaves while that is gone, and comes back', async () => {
  const { clock, truth, link, begin, ask, write } = world(2);
  const ends = [link.strike({ verb: 'api-error', code: 500, when: 'after', percent: 60, selector: { verbs: ['write'] } }), link.strike({ verb: 'api-error', code: 503, percent: 60 })];
  const first = begin();
  await ended(clock, first.start(), 300_000);
  await clock.until(() => first.ready() && truth.objects(EndpointSlices).length > 0, 300_000);
  expect([first.ready(), await ask('stable.default.svc.cluster.local')]).toEqual([true, '10.96.0.7']);
  expect(truth.objects(EndpointSlices).map(({ endpoints }) => endpoints?.[0]?.addresses)).toEqual([[own]]);
  for (const end of ends) end();
  const heal = link.strike({ verb: 'partition', delayMs: 5_000 });
  await ended(clock, first.stop());
  const second = begin();
  // As CoreDNS does, it serves after a while, and says that it does not know instead of that there is nothing.
  await ended(clock, second.start(), 20_000);
  expect([second.ready(), await ask('stable.default.svc.cluster.local'), await ask('example.org')]).toEqual([false, 'SERVFAIL', 'REFUSED']);
  await clock.advance(60_000);
  expect(await ask('nobody.default.svc.cluster.local')).toBe('SERVFAIL');
  await write(corefile(7));
  heal();
  await clock.until(() => second.ready() && truth.objects(EndpointSlices).length > 0, healedMs);
  await clock.advance(healedMs);
  expect([await ask('v.example.org'), await ask('nobody.default.svc.cluster.local')]).toEqual(['192.0.2.7', 'NXDOMAIN']);
  expect([second.ready(), await ask('stable.default.svc.cluster.local')]).toEqual([true, '10.96.0.7']);
  expect(truth.objects(EndpointSlices)).toHaveLength(1);
  await second.stop();
});

/** A server elsewhere; what it is asked while it hangs is never answered. */
function upstream(net: NetStack, address: string): { hangs: boolean } {
  const state = { hangs: false };
  const socket = net.udp({ ip: '', port: 53 }, (bytes, from) => {
    const { id = 0, questions = [] } = dns.decode(Buffer.from(bytes));
    const answers = questions.map(({ name }) => ({ type: 'A' as const, name, ttl: 20, data: address }));
    if (!state.hangs) socket.send(dns.encode({ type: 'response', id, questions, answers }), from);
  });
  return state;
}

it('upstreams that hang: the other is asked, what is cached goes on, all gone is SERVFAIL in time, and soon after they are back they are used', async () => {
  const { clock, node, begin, ask, write, truth } = world(3);
  const servers = ['10.244.0.2', '10.244.0.3'];
  const [one, other] = servers.map((ip) => upstream(node.attach({ ips: [ip] }).stack, ip)) as [{ hangs: boolean }, { hangs: boolean }];
  truth.seed(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: corefileKey, data: { Corefile: '' } });
  await write(`.:53 {\n forward . ${servers.join(' ')} {\n  policy sequential\n }\n cache {\n  serve_stale 1h\n }\n}`);
  const component = begin();
  await component.start();
  expect(await ask('known.org')).toBe(servers[0]);
  one.hangs = true;
  expect(await ask('a.org', 2_100)).toBe(servers[1]);
  await clock.advance(5_000);
  expect(await ask('b.org'), 'left alone by then').toBe(servers[1]);
  other.hangs = true;
  expect(await ask('c.org', 5_000)).toBe('SERVFAIL');
  await clock.advance(60_000);
  expect([await ask('known.org'), await ask('b.org')]).toEqual(servers);
  expect(await ask('d.org', 7_000)).toBe('SERVFAIL');
  [one.hangs, other.hangs] = [false, false];
  await clock.advance(2_000);
  expect(await ask('e.org')).toBe(servers[0]);
  await component.stop();
});
