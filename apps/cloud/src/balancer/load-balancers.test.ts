import { VirtualClock } from '@orrery/runtime';
import { type Conn, connPair } from '@orrery/vnet';
import { describe, expect, it } from 'vitest';
import { fakeNetwork, memoryState, startCloud, testEnv } from '../testing/cloud-harness.ts';
import { createHealthChecks } from './health.ts';
import { createMeter } from './metered-conn.ts';
import { createTargetScheduler } from './scheduler.ts';

const targets = [{ address: '10.240.0.11', port: 30080 }, { address: '10.240.0.12', port: 30080 }];
const http = { name: 'http', protocol: 'TCP', port: 80, targets };
const from = (ip: string) => ({ ip, port: 50_000 });
const pair = () => connPair({ client: from('10.0.0.1'), clientRemote: from('10.0.0.2'), server: from('10.0.0.2') });

describe('load balancers', () => {
  it('listen on an address of their own and try every target', async () => {
    const net = fakeNetwork();
    const { balancers } = await startCloud(net);
    const a = await balancers.ensure({ name: 'a', listeners: [http] });
    const b = await balancers.ensure({ name: 'b', listeners: [{ ...http, protocol: 'HTTP' }], internal: true });
    expect([a.address, b.address, b.internal]).toEqual(['127.77.0.1', '127.77.255.254', true]);
    expect([...net.open.keys()]).toEqual(['127.77.0.1:80', 'http 127.77.255.254:80']);
    await expect(net.connect('127.77.0.1:80')).rejects.toThrow('refused');
    expect(net.dialled).toEqual(['10.240.0.11:30080', '10.240.0.12:30080']);
  });

  it('pass datagrams to the targets in turn, and a client with persistence to the same', async () => {
    const net = fakeNetwork();
    const { balancers, clock } = await startCloud(net);
    const dns = { ...http, protocol: 'UDP', port: 53 };
    await balancers.ensure({ name: 'a', listeners: [dns] });
    const pick = () => net.connect('udp 127.77.0.1:53');
    expect([await pick(), await pick()]).toEqual(targets.map(({ address, port }) => ({ ip: address, port })));
    await balancers.ensure({ name: 'a', listeners: [{ ...dns, persistenceSeconds: 60 }] });
    const first = await pick();
    expect([await pick(), await pick()]).toEqual([first, first]);
    await clock.advance(61_000);
    expect(new Set([JSON.stringify(await pick()), JSON.stringify(await net.connect('udp 127.77.0.1:53', from('127.0.0.9')))]).size).toBe(2);
  });

  it('tell targets of TCP who asks, but ask themselves for HTTP and for the sake of health', async () => {
    const net = fakeNetwork({ answer: () => Promise.resolve(pair().client) });
    const { balancers, clock } = await startCloud(net);
    await balancers.ensure({ name: 'a', listeners: [http, { ...http, name: 'web', protocol: 'HTTP', port: 81 }] });
    await net.connect('127.77.0.1:80', from('192.168.7.9'));
    await net.connect('http 127.77.0.1:81', from('192.168.7.9'));
    expect(net.clients.splice(0)).toEqual(['192.168.7.9', undefined]);
    await balancers.ensure({ name: 'a', listeners: [{ ...http, healthCheck: { type: 'TCP', intervalMs: 1000 } }] });
    await clock.advance(3_000);
    expect([...new Set(net.clients)]).toEqual([undefined]);
  });

  it('let in only the clients they were told to', async () => {
    const net = fakeNetwork();
    const { balancers } = await startCloud(net);
    await balancers.ensure({ name: 'a', listeners: [http], sourceRanges: ['10.0.0.0/8'] });
    await expect(net.connect('127.77.0.1:80', from('127.0.0.1'))).rejects.toThrow('127.0.0.1 may not use this load balancer');
    await expect(net.connect('127.77.0.1:80', from('::ffff:10.1.2.3'))).rejects.toThrow('refused');
  });

  it('fall back to another port where the machine refuses theirs, and say why when nothing is allowed', async () => {
    const refusing = await startCloud(fakeNetwork({ deny: (_host, port) => port === 80 }));
    expect((await refusing.balancers.ensure({ name: 'a', listeners: [http] })).listeners?.[0]?.hostEndpoint).toBe('127.77.0.1:40001');
    const closed = await startCloud(fakeNetwork({ deny: () => true }));
    expect((await closed.balancers.ensure({ name: 'a', listeners: [http] })).listeners?.[0]).toMatchObject({ hostEndpoint: '', error: 'listen EACCES 127.0.0.1:0' });
  });

  it('share one address and bind elsewhere, so that a container can publish its ports', async () => {
    const { balancers } = await startCloud({ config: { sharedAddress: '127.0.0.1', listenHost: '0.0.0.0' } });
    expect(await balancers.ensure({ name: 'a', listeners: [{ ...http, port: 8000 }] })).toMatchObject({ address: '127.0.0.1', listeners: [{ hostEndpoint: '0.0.0.0:8000', error: '' }] });
  });

  it('follow changes and go away', async () => {
    const net = fakeNetwork();
    const { balancers } = await startCloud(net);
    await balancers.ensure({ name: 'a', listeners: [http] });
    await balancers.ensure({ name: 'a', listeners: [{ ...http, port: 81 }] });
    expect([...net.open.keys()]).toEqual(['127.77.0.1:81']);
    await balancers.ensure({ name: 'a', listeners: [{ ...http, port: 81, protocol: 'HTTP' }] });
    expect([...net.open.keys()]).toEqual(['http 127.77.0.1:81']);
    await balancers.delete({ name: 'a' });
    expect(net.open.size).toBe(0);
    await expect(balancers.get({ name: 'a' })).rejects.toMatchObject({ code: 5 });
    await expect(balancers.delete({ name: 'a' })).resolves.toEqual({});
  });

  it('of a user serve several owners and outlive them', async () => {
    const net = fakeNetwork();
    const { balancers } = await startCloud(net);
    await expect(balancers.ensure({ name: 'mine', owner: 'x', mustExist: true })).rejects.toMatchObject({ code: 5 });
    await balancers.create({ name: 'mine', specification: 'lb.large', bandwidthMbps: 10 });
    await balancers.ensure({ name: 'mine', owner: 'x', listeners: [http], mustExist: true, specification: 'lb.small' });
    await expect(balancers.ensure({ name: 'mine', owner: 'y', listeners: [http], mustExist: true })).rejects.toMatchObject({ code: 9, message: 'listener TCP/80 of load balancer mine belongs to x' });
    const both = await balancers.ensure({ name: 'mine', owner: 'y', listeners: [{ ...http, port: 81 }], mustExist: true });
    expect(both).toMatchObject({ specification: 'lb.large', bandwidthMbps: 10, userCreated: true, listeners: [{ owner: 'x' }, { owner: 'y' }] });
    await balancers.delete({ name: 'mine', owner: 'x' });
    await balancers.delete({ name: 'mine', owner: 'y' });
    expect(await balancers.get({ name: 'mine' })).toMatchObject({ listeners: [] });
    await balancers.delete({ name: 'mine' });
    expect((await balancers.list({})).loadBalancers).toEqual([]);
  });

  it('keep their address over a restart, also those of the first version', async () => {
    const state = memoryState(JSON.stringify({ version: 1, loadBalancers: [{ name: 'old', address: '127.77.0.7', listeners: [http] }] }, null, 2));
    const first = await startCloud({ state });
    expect(await first.balancers.ensure({ name: 'old', owner: 'u', listeners: [http] })).toMatchObject({ address: '127.77.0.7', listeners: [{ owner: 'u' }] });
    await first.balancers.ensure({ name: 'y', owner: 'v', listeners: [http] });
    const again = fakeNetwork();
    const second = await startCloud({ state, ...again });
    expect((await second.balancers.get({ name: 'y' })).address).toBe('127.77.0.1');
    expect([...again.open.keys()]).toEqual(['127.77.0.7:80', '127.77.0.1:80']);
  });

  it.each([
    [{ name: 'b', address: '127.77.0.9' }, 9, 'address 127.77.0.9 is taken'],
    [{ name: 'c', address: '8.8.8.8' }, 9, 'address 8.8.8.8 is not of this cloud'],
    [{ name: '' }, 3, 'name is required'],
    [{ name: 'd', specification: 'huge' }, 3, 'specification: huge is none of lb.small, lb.medium, lb.large'],
    [{ name: 'd', listeners: [{ port: 0 }] }, 3, 'listeners[0].port: 0 is not between 1 and 65535'],
    [{ name: 'd', listeners: [{ port: 1, protocol: 'SCTP' }] }, 3, 'listeners[1].protocol: SCTP is none of TCP, UDP, HTTP'],
    [{ name: 'd', listeners: [{ port: 1, scheduler: 'best' }] }, 3, 'listeners[1].scheduler: best is none of rr, wrr, wlc, sch'],
    [{ name: 'd', listeners: [{ port: 1, sourceRanges: ['x'] }] }, 3, 'listeners[1].source_ranges: x is no CIDR'],
    [{ name: 'd', listeners: [{ port: 1 }, { port: 1, protocol: 'HTTP' }] }, 3, 'listeners: TCP/1 is there twice'],
  ])('refuse %j', async (request, code, message) => {
    const { balancers } = await startCloud();
    await balancers.ensure({ name: 'a', listeners: [], address: '127.77.0.9' });
    await expect(balancers.ensure(request)).rejects.toMatchObject({ code, message });
  });

  it('count connections until they end, and take no more than their specification allows', async () => {
    const net = fakeNetwork({ answer: () => Promise.resolve(pair().client) });
    const { balancers } = await startCloud(net);
    await balancers.ensure({ name: 'a', listeners: [http] });
    const health = async () => (await balancers.get({ name: 'a' })).listeners?.[0]?.health?.map(({ connections }) => connections);
    const conns = (await Promise.all(Array.from({ length: 5000 }, () => net.connect('127.77.0.1:80')))) as Conn[];
    expect(await health()).toEqual([2500, 2500]);
    await expect(net.connect('127.77.0.1:80')).rejects.toThrow('has 5000 connections, which is all it takes');
    conns[0]?.close();
    conns[0]?.close();
    expect(await health()).toEqual([2499, 2500]);
    await expect(net.connect('127.77.0.1:80')).resolves.toBeDefined();
  });
});


describe('schedulers', () => {
  const three = [{ address: 'a', weight: 50 }, { address: 'b', weight: 100 }, { address: 'c', weight: 0 }];
  const taken = (name: string, clients: readonly string[]) => {
    const scheduler = createTargetScheduler(() => name);
    return clients.map((client) => scheduler.order(three, client)[0]?.address).join('');
  };
  const same = Array.from({ length: 6 }, () => 'x');
  it('rr takes turns, wrr by weight, and none takes weight 0', () => {
    expect(taken('rr', same)).toBe('ababab');
    expect(taken('', same)).toBe('babbab');
  });
  it('wlc takes the one with the fewest connections for its weight', () => {
    const scheduler = createTargetScheduler(() => 'wlc');
    const picks = same.map(() => {
      const [first] = scheduler.order(three, 'x');
      if (first) scheduler.opened(first);
      return first?.address;
    });
    expect(picks.join('')).toBe('babbab');
  });
  it('sch keeps a client with its target, also when others go', () => {
    const scheduler = createTargetScheduler(() => 'sch');
    const many = Array.from({ length: 10 }, (_, i) => ({ address: `t${i}` }));
    const clients = Array.from({ length: 400 }, (_, i) => `10.0.${i % 7}.${i}`);
    const before = clients.map((client) => scheduler.order(many, client)[0]?.address);
    const after = clients.map((client) => scheduler.order(many.slice(1), client)[0]?.address);
    expect(clients.filter((_, i) => before[i] !== after[i] && before[i] !== 't0')).toEqual([]);
    const counts = many.map(({ address }) => before.filter((one) => one === address).length);
    expect(Math.min(...counts)).toBeGreaterThan(15);
  });
});

it('health checks take a target out after three failures and in after three answers', async () => {
  const clock = new VirtualClock();
  let fine = false;
  const probe = { type: 'HTTP', port: 10256, path: '/healthz' };
  const dial = (): Promise<Conn> => {
    const { client: near, server: far } = pair();
    void far.read().then((bytes) => far.write(new TextEncoder().encode(new TextDecoder().decode(bytes).startsWith('GET /healthz ') && fine ? 'HTTP/1.1 200 OK\r\n\r\n' : 'HTTP/1.1 503 No\r\n\r\n')));
    return Promise.resolve(near);
  };
  const checks = createHealthChecks(testEnv(clock), dial);
  const [target = {}] = targets;
  checks.update(probe, targets);
  await clock.advance(3000);
  expect(checks.healthy(target)).toBe(true);
  await clock.advance(2000);
  expect(checks.healthy(target)).toBe(false);
  fine = true;
  await clock.advance(6000);
  expect(checks.healthy(target)).toBe(true);
  checks.close();
});

it('a meter lets pass what its rate allows', async () => {
  const clock = new VirtualClock();
  const meter = createMeter(clock, () => 8);
  const started = clock.monotonic();
  let done = 0;
  for (let i = 0; i < 20; i++) void meter.take(100_000).then(() => (done = clock.monotonic() - started));
  await clock.advance(5000);
  expect(done).toBe(1900);
});
