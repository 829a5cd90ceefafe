import { type Env, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { beforeEach, expect, test } from 'vitest';
import { type Fabric, createFabric } from './fabric.ts';
import type { Conn, Endpoint, NetStack } from './net.ts';
import type { ServiceRule } from './rules.ts';
import type { VnetSwitch } from './switch.ts';

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes ? Buffer.from(bytes).toString() : undefined);
const bytes = (s: string): Uint8Array => Buffer.from(s);

let clock: VirtualClock;
let env: Env;
let fabric: Fabric;
let a: VnetSwitch;
let b: VnetSwitch;

beforeEach(() => {
  clock = new VirtualClock();
  env = { clock, random: seededRandom(7), log: silentLogger, metrics: createMetrics() };
  fabric = createFabric(env);
  a = fabric.addSwitch({ node: 'a', nodeIp: '10.240.0.11', podCidr: '10.244.1.0/24' });
  b = fabric.addSwitch({ node: 'b', nodeIp: '10.240.0.12', podCidr: '10.244.2.0/24' });
});

/** A server that answers each connection with its name and what it saw. */
function serve(stack: NetStack, name: string, port = 80): void {
  stack.listen({ ip: '', port }, (conn) => {
    void conn.write(bytes(`${name} ${conn.remote.ip}`)).then(() => conn.closeWrite());
  });
}

async function ask(from: NetStack, to: Endpoint): Promise<string> {
  const conn = await from.dial(to);
  let out = '';
  for (let chunk = await conn.read(); chunk; chunk = await conn.read()) out += text(chunk);
  conn.close();
  return out;
}

const rule = (over: Partial<ServiceRule> & Pick<ServiceRule, 'backends'>): ServiceRule => ({
  match: { ip: '10.96.0.50', port: 80, protocol: 'TCP' },
  service: 'default/web:http',
  whenEmpty: 'refuse',
  ...over,
});

test('pods reach pods on the same and on other nodes, nodes and themselves', async () => {
  const p1 = a.attach({ ips: ['10.244.1.2'] }).stack;
  const p2 = a.attach({ ips: ['10.244.1.3'] }).stack;
  const p3 = b.attach({ ips: ['10.244.2.2'] }).stack;
  for (const [stack, name] of [[p1, 'p1'], [p2, 'p2'], [p3, 'p3'], [b.hostStack, 'hostb']] as const) serve(stack, name);
  expect(await ask(p1, { ip: '10.244.1.3', port: 80 })).toBe('p2 10.244.1.2');
  expect(await ask(p1, { ip: '10.244.2.2', port: 80 })).toBe('p3 10.244.1.2');
  expect(await ask(p1, { ip: '10.240.0.12', port: 80 })).toBe('hostb 10.244.1.2');
  expect(await ask(a.hostStack, { ip: '10.244.2.2', port: 80 })).toBe('p3 10.240.0.11');
  expect(await ask(p1, { ip: '127.0.0.1', port: 80 })).toBe('p1 127.0.0.1');
  expect(await ask(p1, { ip: '10.244.1.2', port: 80 })).toBe('p1 10.244.1.2');
});

test('a balancer of this machine has an address of loopback: its service answers there, all else of loopback stays at home', async () => {
  const [client, web] = [a.attach({ ips: ['10.244.1.2'] }).stack, b.attach({ ips: ['10.244.2.2'] }).stack];
  serve(web, 'web', 8080);
  const answering = web.udp({ ip: '', port: 8081 }, (message, from) => answering.send(message, from));
  const balancer = '127.77.0.1';
  const backend = (port: number) => ({ backends: [{ ip: '10.244.2.2', port }] });
  await a.setServiceRules([rule({ match: { ip: balancer, port: 80, protocol: 'TCP' }, ...backend(8080) }), rule({ match: { ip: balancer, port: 80, protocol: 'UDP' }, ...backend(8081) })]);
  expect(await ask(client, { ip: balancer, port: 80 })).toBe('web 10.244.1.2');
  expect(await ask(a.hostStack, { ip: balancer, port: 80 })).toBe('web 10.240.0.11');
  await expect(client.dial({ ip: balancer, port: 81 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const heard = new Promise<string | undefined>((resolve) => {
    const socket = client.udp({ ip: '', port: 0 }, (message) => resolve(text(message)));
    socket.send(bytes('hostname'), { ip: balancer, port: 80 });
  });
  expect(await heard).toBe('hostname');
  serve(client, 'own');
  expect(await ask(client, { ip: balancer, port: 80 })).toBe('own 127.0.0.1');
});

test('who dials for a client beyond the network is seen as that client, unless a service hides clients', async () => {
  const balancer = a.attach({ ips: ['10.240.0.90'] }).stack;
  const web = b.attach({ ips: ['10.244.2.2'] }).stack;
  serve(web, 'web', 8080);
  const nodePort = (port: number, masquerade: boolean) => rule({ match: { nodePort: port, protocol: 'TCP' }, masquerade, backends: [{ ip: '10.244.2.2', port: 8080 }] });
  await b.setServiceRules([nodePort(30080, false), nodePort(30081, true)]);
  const source = { ip: '198.18.0.1', port: 50_000 };
  const through = async (port: number): Promise<string | undefined> => text(await (await balancer.dial({ ip: '10.240.0.12', port }, { source })).read());
  expect([await through(30080), await through(30081)]).toEqual(['web 198.18.0.1', 'web 10.240.0.12']);
  expect(text(await (await balancer.dial({ ip: '10.244.2.2', port: 8080 }, { source })).read())).toBe('web 198.18.0.1');
  expect((await balancer.dial({ ip: '10.244.2.2', port: 8080 }, { source })).local).toEqual(source);
});

test('refuses where nobody listens, reports no route where nobody lives', async () => {
  const p1 = a.attach({ ips: ['10.244.1.2'] });
  await expect(p1.stack.dial({ ip: '10.240.0.12', port: 81 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(p1.stack.dial({ ip: '10.244.2.77', port: 80 })).rejects.toMatchObject({ code: 'EHOSTUNREACH' });
  await expect(p1.stack.dial({ ip: '8.8.8.8', port: 80 })).rejects.toMatchObject({ code: 'EHOSTUNREACH' });
  p1.stack.listen({ ip: '127.0.0.1', port: 90 }, () => undefined);
  await expect(b.hostStack.dial({ ip: '10.244.1.2', port: 90 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(() => p1.stack.listen({ ip: '', port: 90 }, () => undefined)).toThrow(/already in use/);
  expect(() => p1.stack.listen({ ip: '1.2.3.4', port: 90 }, () => undefined)).toThrow(/cannot assign/);
  expect(() => b.attach({ ips: ['10.244.2.9', '10.244.1.2'] })).toThrow(/already attached/);
  b.attach({ ips: ['10.244.2.9'] });
  p1.detach();
  await expect(b.hostStack.dial({ ip: '10.244.1.2', port: 90 })).rejects.toMatchObject({ code: 'EHOSTUNREACH' });
});

test('half-close, full close, reset and loss of the stack', async () => {
  const server = a.attach({ ips: ['10.244.1.2'] });
  const client = b.attach({ ips: ['10.244.2.2'] }).stack;
  const accepted: Conn[] = [];
  server.stack.listen({ ip: '', port: 1 }, (conn) => void accepted.push(conn));
  const to = { ip: '10.244.1.2', port: 1 };
  const one = await client.dial(to);
  await one.write(bytes('x'));
  await one.closeWrite();
  expect(text(await accepted[0]?.read())).toBe('x');
  expect(await accepted[0]?.read()).toBeUndefined();
  await accepted[0]?.write(bytes('y'));
  accepted[0]?.close();
  expect(text(await one.read())).toBe('y');
  expect(await one.read()).toBeUndefined();
  const two = await client.dial(to);
  accepted[1]?.close(new Error('boom'));
  await expect(two.read()).rejects.toMatchObject({ code: 'ECONNRESET' });
  const three = await client.dial(to);
  accepted[2]?.close();
  await expect(three.write(bytes('z'))).rejects.toMatchObject({ code: 'EPIPE' });
  const four = await client.dial(to);
  server.detach();
  await expect(four.read()).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('a slow reader holds the writer back', async () => {
  const server = a.attach({ ips: ['10.244.1.2'] }).stack;
  let accepted: Conn | undefined;
  server.listen({ ip: '', port: 1 }, (conn) => void (accepted = conn));
  const conn = await a.hostStack.dial({ ip: '10.244.1.2', port: 1 });
  let done = 0;
  const writing = (async () => {
    for (let i = 0; i < 8; i++) {
      await conn.write(new Uint8Array(100_000));
      done++;
    }
  })();
  await clock.advance(0);
  expect(done).toBeLessThan(4);
  for (let i = 0; i < 8; i++) await accepted?.read();
  await writing;
  expect(done).toBe(8);
});

test('services: cluster address, node port from anywhere, affinity, empty, hairpin, source', async () => {
  const client = a.attach({ ips: ['10.244.1.2'] }).stack;
  const web1 = a.attach({ ips: ['10.244.1.3'] }).stack;
  const web2 = b.attach({ ips: ['10.244.2.3'] }).stack;
  serve(web1, 'web1', 8080);
  serve(web2, 'web2', 8080);
  const backends = [{ ip: '10.244.1.3', port: 8080 }, { ip: '10.244.2.3', port: 8080 }];
  const rules = [
    rule({ backends }),
    rule({ backends, match: { nodePort: 30080, protocol: 'TCP' } }),
    rule({ backends, match: { ip: '10.96.0.51', port: 80, protocol: 'TCP' }, affinitySeconds: 10 }),
    rule({ backends: [], match: { ip: '10.96.0.52', port: 80, protocol: 'TCP' } }),
    rule({ backends: [], match: { ip: '10.96.0.53', port: 80, protocol: 'TCP' }, whenEmpty: 'drop' }),
  ];
  await a.setServiceRules(rules);
  await b.setServiceRules(rules);
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) seen.add(await ask(client, { ip: '10.96.0.50', port: 80 }));
  expect([...seen].sort()).toEqual(['web1 10.244.1.2', 'web2 10.244.1.2']);
  expect(await ask(client, { ip: '10.240.0.12', port: 30080 })).toMatch(/^web/);
  expect(await ask(a.hostStack, { ip: '127.0.0.1', port: 30080 })).toMatch(/^web/);
  const sticky = new Set<string>();
  for (let i = 0; i < 10; i++) sticky.add(await ask(client, { ip: '10.96.0.51', port: 80 }));
  expect(sticky.size).toBe(1);
  await expect(client.dial({ ip: '10.96.0.52', port: 80 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const dropped = client.dial({ ip: '10.96.0.53', port: 80 }, { timeoutMs: 500 });
  const outcome = expect(dropped).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await clock.advance(600);
  await outcome;
  await a.setServiceRules([rule({ backends: [{ ip: '10.244.1.3', port: 8080 }] })]);
  expect(await ask(web1, { ip: '10.96.0.50', port: 80 })).toBe('web1 10.240.0.11');
  const conn = await client.dial({ ip: '10.96.0.50', port: 80 });
  expect(conn.remote).toEqual({ ip: '10.96.0.50', port: 80 });
});

test('node ports of both families, each at the address of its own; at any of a node that has but one', async () => {
  const six = fabric.addSwitch({ node: 'six', nodeIp: '10.240.0.13', secondIp: 'fd00:10:240:0::d' });
  const client = six.attach({ ips: ['10.244.3.2', 'fd01::2'] }).stack;
  const far = b.attach({ ips: ['10.244.2.3', 'fd01:0:0:1::3'] }).stack;
  serve(far, 'web', 8080);
  const socket = far.udp({ ip: '', port: 53 }, (message, from) => socket.send(bytes(`${from.ip} ${text(message)}`), from));
  const at4 = { backends: [{ ip: '10.244.2.3', port: 8080 }], masquerade: true };
  const at6 = { backends: [{ ip: 'fd01:0:0:1::3', port: 8080 }], masquerade: true };
  const rules = [
    rule({ ...at4, match: { nodePort: 30080, protocol: 'TCP' } }),
    rule({ ...at6, match: { nodePort: 30080, protocol: 'TCP', family: 6 } }),
    rule({ ...at4, match: { nodePort: 30084, protocol: 'TCP' } }),
    rule({ ...at6, match: { nodePort: 30086, protocol: 'TCP', family: 6 } }),
    rule({ backends: [{ ip: 'fd01:0:0:1::3', port: 53 }], masquerade: true, match: { nodePort: 30053, protocol: 'UDP', family: 6 } }),
  ];
  for (const net of [a, six]) await net.setServiceRules(rules);
  expect(await ask(client, { ip: '10.240.0.13', port: 30080 })).toBe('web 10.240.0.13');
  expect(await ask(client, { ip: 'fd00:10:240::d', port: 30080 })).toBe('web fd00:10:240::d');
  expect(await ask(six.hostStack, { ip: '::1', port: 30080 })).toBe('web fd00:10:240::d');
  await expect(client.dial({ ip: 'fd00:10:240::d', port: 30084 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(client.dial({ ip: '10.240.0.13', port: 30086 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await ask(client, { ip: '10.240.0.11', port: 30080 })).toBe('web 10.240.0.11');
  expect(await ask(client, { ip: '10.240.0.11', port: 30086 })).toBe('web 10.240.0.11');

  const heard: string[] = [];
  const asking = b.attach({ ips: ['10.244.2.9', 'fd01:0:0:1::9'] }).stack.udp({ ip: '', port: 0 }, (message, from) => void heard.push(`${from.ip} ${text(message)}`));
  asking.send(bytes('q'), { ip: 'fd00:10:240::d', port: 30053 });
  expect(heard).toEqual(['fd00:10:240::d fd00:10:240::d q']);
  six.close();
  await expect(a.hostStack.dial({ ip: 'fd00:10:240::d', port: 30080 })).rejects.toMatchObject({ code: 'EHOSTUNREACH' });
});

test('UDP: answers of a service come from its address, a flow keeps its backend, node ports relay', async () => {
  const client = a.attach({ ips: ['10.244.1.2'] }).stack;
  const got: string[] = [];
  for (const ip of ['10.244.1.3', '10.244.2.3']) {
    const stack = (ip.startsWith('10.244.1') ? a : b).attach({ ips: [ip] }).stack;
    const socket = stack.udp({ ip: '', port: 5353 }, (message, from) => socket.send(bytes(`${ip} ${text(message)}`), from));
  }
  const backends = [{ ip: '10.244.1.3', port: 5353 }, { ip: '10.244.2.3', port: 5353 }];
  const rules = [
    rule({ backends, match: { ip: '10.96.0.10', port: 53, protocol: 'UDP' } }),
    rule({ backends, match: { nodePort: 30053, protocol: 'UDP' }, masquerade: true }),
  ];
  await a.setServiceRules(rules);
  await b.setServiceRules(rules);
  const socket = client.udp({ ip: '', port: 0 }, (message, from) => void got.push(`${from.ip}:${from.port} ${text(message)}`));
  for (let i = 0; i < 4; i++) socket.send(bytes('q'), { ip: '10.96.0.10', port: 53 });
  expect(new Set(got).size).toBe(1);
  expect(got[0]).toMatch(/^10\.96\.0\.10:53 10\.244\.\d\.3 q$/);
  got.length = 0;
  socket.send(bytes('n'), { ip: '10.240.0.12', port: 30053 });
  expect(got).toHaveLength(1);
  expect(got[0]).toMatch(/^10\.240\.0\.12:30053 .* n$/);
  got.length = 0;
  await a.setServiceRules([rule({ backends: backends.slice(0, 1), match: { ip: '10.96.0.10', port: 53, protocol: 'UDP' } })]);
  socket.send(bytes('r'), { ip: '10.96.0.10', port: 53 });
  expect(got).toEqual(['10.96.0.10:53 10.244.1.3 r']);
});

test('partition hangs and heals, latency delays both ways, a node that is down times out', async () => {
  const server = b.attach({ ips: ['10.244.2.2'] }).stack;
  serve(server, 's');
  const echo: Conn[] = [];
  server.listen({ ip: '', port: 7 }, (conn) => void echo.push(conn));
  const client = a.attach({ ips: ['10.244.1.2'] }).stack;
  const open = await client.dial({ ip: '10.244.2.2', port: 7 });
  fabric.faults.partition('a', 'b');
  await open.write(bytes('late'));
  let arrived: string | undefined;
  void echo[0]?.read().then((chunk) => (arrived = text(chunk)));
  const dial = expect(client.dial({ ip: '10.244.2.2', port: 80 }, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await clock.advance(5000);
  await dial;
  expect(arrived).toBeUndefined();
  fabric.faults.heal('a', 'b');
  await clock.advance(1000);
  expect(arrived).toBe('late');
  fabric.faults.setLink('a', 'b', { latencyMs: 50 });
  const start = clock.now();
  let took = 0;
  void ask(client, { ip: '10.244.2.2', port: 80 }).then(() => (took = clock.now() - start));
  await clock.until(() => took > 0, 10_000, 10);
  expect(took).toBeGreaterThanOrEqual(100);
  fabric.faults.clear();
  fabric.faults.setNodeDown('b', true);
  const down = expect(client.dial({ ip: '10.240.0.12', port: 80 }, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await clock.advance(2000);
  await down;
});

test('one way alone can be cut: what is sent arrives, and no answer comes back', async () => {
  const server = b.attach({ ips: ['10.244.2.2'] }).stack;
  serve(server, 's');
  const served: Conn[] = [];
  server.listen({ ip: '', port: 7 }, (conn) => void served.push(conn));
  const heard = { a: 0, b: 0 };
  server.udp({ ip: '', port: 9 }, () => void heard.b++);
  const client = a.attach({ ips: ['10.244.1.2'] }).stack;
  client.udp({ ip: '', port: 9 }, () => void heard.a++);
  const open = await client.dial({ ip: '10.244.2.2', port: 7 });
  const read: { there?: string; back?: string } = {};
  fabric.faults.partition('b', 'a', true);
  await open.write(bytes('there'));
  void served[0]?.read().then((chunk) => (read.there = text(chunk)));
  await served[0]?.write(bytes('back'));
  void open.read().then((chunk) => (read.back = text(chunk)));
  client.udp({ ip: '', port: 0 }, () => undefined).send(bytes('x'), { ip: '10.244.2.2', port: 9 });
  server.udp({ ip: '', port: 0 }, () => undefined).send(bytes('x'), { ip: '10.244.1.2', port: 9 });
  const dial = expect(client.dial({ ip: '10.244.2.2', port: 80 }, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await clock.advance(2000);
  await dial;
  expect([read, heard]).toEqual([{ there: 'there' }, { a: 0, b: 1 }]);
  // Of two cuts one each way, one is left.
  fabric.faults.partition('a', 'b', true);
  fabric.faults.heal('b', 'a', true);
  await clock.advance(1000);
  expect(read.back).toBe('back');
  const cut = expect(client.dial({ ip: '10.244.2.2', port: 80 }, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await clock.advance(2000);
  await cut;
  fabric.faults.heal('a', 'b');
  expect(await ask(client, { ip: '10.244.2.2', port: 80 })).toBe('s 10.244.1.2');
});

test('a narrow link carries so many bytes a second, and drops datagrams that would wait long', async () => {
  const server = b.attach({ ips: ['10.244.2.2'] }).stack;
  let arrived = 0;
  server.listen({ ip: '', port: 7 }, (conn) => void (async () => {
    for (let chunk = await conn.read(); chunk; chunk = await conn.read()) arrived += chunk.length;
  })());
  let datagrams = 0;
  server.udp({ ip: '', port: 9 }, () => void datagrams++);
  const client = a.attach({ ips: ['10.244.1.2'] }).stack;
  const open = await client.dial({ ip: '10.244.2.2', port: 7 });
  fabric.faults.setLink('a', 'b', { bytesPerSecond: 10_000 });
  void (async () => {
    for (let i = 0; i < 100; i++) await open.write(new Uint8Array(1_000));
  })();
  await clock.advance(3_000);
  expect(arrived).toBe(30_000);
  const socket = client.udp({ ip: '', port: 0 }, () => undefined);
  socket.send(new Uint8Array(10), { ip: '10.244.2.2', port: 9 });
  await clock.advance(7_000);
  expect([arrived, datagrams]).toEqual([100_000, 0]);
  socket.send(new Uint8Array(1_000), { ip: '10.244.2.2', port: 9 });
  await clock.advance(99);
  expect(datagrams).toBe(0);
  await clock.advance(1);
  expect(datagrams).toBe(1);
});

test('what no switch owns goes to the host gateway', async () => {
  fabric.setHostGateway({
    dial: ({ to }) => (to.ip === '10.240.0.1' ? b.hostStack.dial({ ip: '127.0.0.1', port: to.port }) : Promise.reject(new Error('denied'))),
    datagram: (packet, reply) => reply(bytes(`pong ${packet.to.ip}`)),
  });
  serve(b.hostStack, 'api', 6443);
  const client = a.attach({ ips: ['10.244.1.2'] }).stack;
  await a.setServiceRules([rule({ match: { ip: '10.96.0.1', port: 443, protocol: 'TCP' }, backends: [{ ip: '10.240.0.1', port: 6443 }] })]);
  expect(await ask(client, { ip: '10.96.0.1', port: 443 })).toBe('api 127.0.0.1');
  await expect(client.dial({ ip: '1.1.1.1', port: 1 })).rejects.toThrow('denied');
  const got: string[] = [];
  const socket = client.udp({ ip: '', port: 0 }, (message, from) => void got.push(`${from.ip} ${text(message)}`));
  socket.send(bytes('ping'), { ip: '10.240.0.1', port: 123 });
  expect(got).toEqual(['10.240.0.1 pong 10.240.0.1']);
});

test('attaching thousands of stacks is cheap', () => {
  for (let i = 0; i < 5000; i++) {
    const x = fabric.addSwitch({ node: `n${i}`, nodeIp: `10.241.${i >> 8}.${i & 255}` });
    x.attach({ ips: [`10.245.${i >> 8}.${i & 255}`] });
  }
  expect(clock.pending).toBe(0);
});

test('tells its edge what listens, and sends it what no switch has', async () => {
  const open: string[] = [];
  const sent: string[] = [];
  const bordered = createFabric(env, {
    edge: {
      bound(protocol, ips, port) {
        const entry = `${protocol} ${ips.join()} ${port}`;
        open.push(entry);
        return () => void open.splice(open.indexOf(entry), 1);
      },
      dial: ({ from, to }) => Promise.reject(new Error(`${from.ip} to ${to.ip}:${to.port}`)),
      datagram: ({ from, to }) => void sent.push(`${from.ip}:${from.port} to ${to.ip}:${to.port}`),
    },
  });
  const node = bordered.addSwitch({ node: 'a', nodeIp: '10.240.0.11', podCidr: '10.244.1.0/24' });
  const pod = node.attach({ ips: ['10.244.1.2', 'fd00::2'] });
  const listener = pod.stack.listen({ ip: '', port: 80 }, () => undefined);
  pod.stack.listen({ ip: '127.0.0.1', port: 81 }, () => undefined);
  const socket = pod.stack.udp({ ip: '10.244.1.2', port: 53 }, () => undefined);
  node.hostStack.listen({ ip: '', port: 9100 }, () => undefined);
  expect(open).toEqual(['TCP 10.244.1.2,fd00::2 80', 'UDP 10.244.1.2 53', 'TCP 10.240.0.11 9100']);
  socket.send(bytes('hi'), { ip: '10.244.2.9', port: 5353 });
  expect(sent).toEqual(['10.244.1.2:53 to 10.244.2.9:5353']);
  await expect(pod.stack.dial({ ip: '10.244.2.9', port: 80 })).rejects.toThrow('10.244.1.2 to 10.244.2.9:80');
  listener.close();
  listener.close();
  expect(open).toEqual(['UDP 10.244.1.2 53', 'TCP 10.240.0.11 9100']);
  pod.detach();
  expect(open).toEqual(['TCP 10.240.0.11 9100']);
  node.close();
  expect(open).toEqual([]);
});
