import { type GrpcServer, grpcChannel, grpcServer } from '@orrery/rpc';
import { type Clock, createMetrics, seededRandom, silentLogger, sleepWith } from '@orrery/runtime';
import { type Conn, type Fabric, type NetStack, createFabric } from '@orrery/vnet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RemoteSwitchControl, controlTarget, createPeerLinks, linkService, remoteSwitchControl, switchControlService } from './index.ts';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  every: (ms, fn) => {
    const timer = setInterval(fn, ms);
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (ms, signal) => sleepWith(clock, ms, signal),
};
const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };

interface Process {
  readonly fabric: Fabric;
  readonly pod: NetStack;
  readonly server: GrpcServer;
  readonly endpoint: string;
  readonly links: ReturnType<typeof createPeerLinks>;
}

async function startProcess(node: string, nodeIp: string, podIp: string): Promise<Process> {
  const fabric = createFabric(env);
  const netSwitch = fabric.addSwitch({ node, nodeIp });
  const links = createPeerLinks({ fabric, clock, node, connect: (endpoint) => grpcChannel(endpoint) });
  const server = grpcServer([linkService(fabric, clock), switchControlService(controlTarget(netSwitch, links), { host: netSwitch.hostStack })]);
  const port = await server.listen('127.0.0.1:0');
  return { fabric, pod: netSwitch.attach({ ips: [podIp] }).stack, server, endpoint: `127.0.0.1:${port}`, links };
}

let a: Process;
let b: Process;

beforeEach(async () => {
  a = await startProcess('a', '10.240.0.1', '10.244.0.2');
  b = await startProcess('b', '10.240.0.2', '10.244.1.2');
  const peers = [
    { node: 'a', addresses: ['10.240.0.1', '10.244.0.0/24'], endpoint: a.endpoint },
    { node: 'b', addresses: ['10.240.0.2', '10.244.1.0/24'], endpoint: b.endpoint },
  ];
  a.links.setPeers(peers);
  b.links.setPeers(peers);
});
afterEach(async () => {
  for (const process of [a, b]) {
    process.links.close();
    await process.server.stop();
  }
});

function echoOn(stack: NetStack, port: number): void {
  const echo = async (conn: Conn): Promise<void> => {
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) await conn.write(bytes);
    await conn.closeWrite();
  };
  stack.listen({ ip: '', port }, (conn) => void echo(conn).catch(() => undefined));
}

async function readAll(conn: Conn): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) chunks.push(bytes);
  return Buffer.concat(chunks);
}

describe('switches in two processes', () => {
  it('carry connections with half-close', async () => {
    echoOn(b.pod, 80);
    const conn = await a.pod.dial({ ip: '10.244.1.2', port: 80 });
    await conn.write(Buffer.from('hello'));
    await conn.closeWrite();
    expect((await readAll(conn)).toString()).toBe('hello');
  });

  it('carry a lot', async () => {
    echoOn(b.pod, 80);
    const conn = await a.pod.dial({ ip: '10.244.1.2', port: 80 });
    const sent = Buffer.alloc(3_000_000, 'x');
    const writing = conn.write(sent).then(() => conn.closeWrite());
    expect((await readAll(conn)).length).toBe(sent.length);
    await writing;
  });

  it('say why a connection fails', async () => {
    await expect(a.pod.dial({ ip: '10.244.1.2', port: 81 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(a.pod.dial({ ip: '10.244.1.99', port: 80 })).rejects.toMatchObject({ code: 'EHOSTUNREACH' });
  });

  it('carry datagrams there and back', async () => {
    const server = b.pod.udp({ ip: '', port: 53 }, (bytes, from) => server.send(Buffer.concat([Buffer.from('re: '), bytes]), from));
    const reply = await new Promise<string>((resolve) => {
      const socket = a.pod.udp({ ip: '', port: 0 }, (bytes) => resolve(Buffer.from(bytes).toString()));
      socket.send(Buffer.from('q'), { ip: '10.244.1.2', port: 53 });
    });
    expect(reply).toBe('re: q');
  });

  it('are programmed from outside', async () => {
    echoOn(b.pod, 80);
    const control = remoteSwitchControl(grpcChannel(a.endpoint), clock);
    await new Promise<void>((resolve) => control.onSession(resolve));
    await control.setServiceRules([{ match: { ip: '10.96.0.7', port: 8080, protocol: 'TCP' }, service: 'd/web', backends: [{ ip: '10.244.1.2', port: 80 }], whenEmpty: 'refuse' }]);
    const conn = await a.pod.dial({ ip: '10.96.0.7', port: 8080 });
    await conn.write(Buffer.from('x'));
    await conn.closeWrite();
    expect((await readAll(conn)).toString()).toBe('x');
    control.close();
  });

  it('take rules by service, policies and health ports from outside', async () => {
    const control = remoteSwitchControl(grpcChannel(a.endpoint), clock);
    await new Promise<void>((resolve) => control.onSession(resolve));
    echoOn(b.pod, 80);
    const rule = { match: { ip: '10.96.0.8', port: 80, protocol: 'TCP' }, service: 'd/web', backends: [], inside: [{ ip: '10.244.1.2', port: 80 }], whenEmpty: 'drop', sources: ['10.244.0.0/16'] } as const;
    await control.updateServices([{ layer: 'shared', full: true, services: new Map([['d/web', [rule]]]) }]);
    (await a.pod.dial({ ip: '10.96.0.8', port: 80 })).close();
    await control.setHealthPorts([{ port: 30999, namespace: 'd', service: 'web', localEndpoints: 0 }]);
    const probe = await b.pod.dial({ ip: '10.240.0.1', port: 30999 });
    await probe.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect((await readAll(probe)).toString()).toMatch(/^HTTP\/1\.1 503 [^]*"localEndpoints": 0/);
    const port = { protocol: 'TCP', from: 81, to: 90 } as const;
    await control.setPolicies({ rules: [{ peers: [{ cidr: '10.244.1.0/24', except: ['10.244.1.9/32'] }], ports: [port] }], pods: [{ ips: ['10.244.0.2'], egress: [0] }] });
    await expect(a.pod.dial({ ip: '10.244.1.2', port: 80 }, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await expect(a.pod.dial({ ip: '10.244.1.2', port: 81 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await control.setPolicies({ rules: [], pods: [] });
    await control.updateServices([{ layer: 'shared', full: false, services: new Map([['d/web', []]]) }]);
    await expect(a.pod.dial({ ip: '10.96.0.8', port: 80 })).rejects.toMatchObject({ code: 'EHOSTUNREACH' });
    control.close();
  });

  it('reset connections when the other process dies', async () => {
    echoOn(b.pod, 80);
    const conn = await a.pod.dial({ ip: '10.244.1.2', port: 80 });
    await b.server.stop();
    await expect(readAll(conn)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

it('answers on ports of a node from another process, for as long as that is there; who comes anew takes over', { timeout: 120_000 }, async () => {
  const ask = async (ip: string, port: number, path: string): Promise<string> => {
    const conn = await b.pod.dial({ ip, port });
    await conn.write(Buffer.from(`GET ${path}?x HTTP/1.1\r\n\r\n`));
    let text = '';
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) text += Buffer.from(bytes).toString();
    return text;
  };
  const serve = (name: string): RemoteSwitchControl => {
    const control = remoteSwitchControl(grpcChannel(a.endpoint), clock);
    control.servePages([{ ip: '', port: 10_256, pages: (path) => ({ status: 503, headers: { 'x-own': name }, body: `${name} ${path}` }) }]);
    return control;
  };
  const first = serve('first');
  await expect.poll(() => ask('10.240.0.1', 10_256, '/healthz').catch(String), { timeout: 60_000 }).toMatch(/^HTTP\/1.1 503 Service Unavailable\r\nx-own: first\r\n[^]*\r\n\r\nfirst \/healthz$/);
  const second = serve('second');
  await expect.poll(() => ask('10.240.0.1', 10_256, '/livez').catch(String), { timeout: 60_000 }).toMatch(/second \/livez$/);
  first.close();
  expect(await ask('10.240.0.1', 10_256, '/x')).toMatch(/second \/x$/);
  second.close();
  await expect.poll(() => ask('10.240.0.1', 10_256, '/x').catch(String), { timeout: 60_000 }).toContain('refused');
});
