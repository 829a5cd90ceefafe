import { type Server, type Socket, connect, createServer } from 'node:net';
import { eventually } from '@orrery/testkit';
import { VirtualClock, createLogger } from '@orrery/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { type Balancer, type Health, createBalancer, inOrder } from './balancer.ts';

const canReusePorts = process.platform === 'linux';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that greets with its name and answers every chunk with it. */
async function greeter(name: string): Promise<{ address: string; stop: () => void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write(name));
    socket.write(name);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  closers.push(stop);
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, stop };
}

interface Client {
  readonly socket: Socket;
  said(): string;
  isClosed(): boolean;
}

async function client(port: number): Promise<Client> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  let closed = false;
  socket.on('data', (bytes) => (said += String(bytes)));
  socket.on('error', () => undefined);
  socket.on('close', () => (closed = true));
  closers.push(() => socket.destroy());
  await eventually(() => said !== '' || closed, { what: 'a greeting', withinMs: 60_000, everyMs: 2 });
  return { socket, said: () => said, isClosed: () => closed };
}

interface Setup {
  readonly balancer: Balancer;
  readonly port: number;
  readonly health: Record<string, Health>;
  readonly servers: Awaited<ReturnType<typeof greeter>>[];
  tick(): Promise<void>;
  /** What happens while a server that is away is asked. */
  readonly whileAsked: (() => Promise<void>)[];
  /** Another one beside it, on the same port. */
  beside(): Promise<Balancer>;
}

async function setup(): Promise<Setup> {
  const servers = [await greeter('a'), await greeter('b')];
  const health: Record<string, Health> = Object.fromEntries(servers.map(({ address }) => [address, 'ready']));
  const clock = new VirtualClock();
  const log = createLogger({ now: () => 0, level: 'error', write: () => undefined });
  const whileAsked: (() => Promise<void>)[] = [];
  const asked = new Set<Promise<unknown>>();
  const ask = async (server: string): Promise<Health> => {
    if (health[server] === 'away') for (const happens of whileAsked) await happens();
    return health[server] ?? 'away';
  };
  const check = (server: string): Promise<Health> => {
    const answer = ask(server);
    asked.add(answer);
    return answer;
  };
  const tick = async (): Promise<void> => {
    await clock.advance(1_000);
    for (const answer of asked) await answer;
  };
  const listening = async (at: number): Promise<{ balancer: Balancer; port: number }> => {
    const balancer = createBalancer({ listen: `127.0.0.1:${at}`, servers: servers.map(({ address }) => address), check, reusePort: canReusePorts, clock, log });
    closers.push(() => balancer.stop());
    return { balancer, port: await balancer.start() };
  };
  const { balancer, port } = await listening(0);
  return { balancer, port, health, servers, tick, whileAsked, beside: async () => (await listening(port)).balancer };
}

describe('balancer', () => {
  it('gives connections to the servers in turn, and to the next when one refuses', async () => {
    const { port, servers } = await setup();
    expect([(await client(port)).said(), (await client(port)).said()].sort()).toEqual(['a', 'b']);
    servers[0]?.stop();
    for (let i = 0; i < 3; i++) expect((await client(port)).said()).toBe('b');
  });

  it('leaves one that is not ready the connections it has, and gives it no new ones', async () => {
    const { port, servers, health, tick } = await setup();
    const first = await client(port);
    const isA = first.said() === 'a';
    health[servers[isA ? 0 : 1]?.address ?? ''] = 'unready';
    await tick();
    for (let i = 0; i < 3; i++) expect((await client(port)).said()).toBe(isA ? 'b' : 'a');
    first.socket.write('still there?');
    await eventually(() => first.said().length === 2, { what: 'the answer of the one that stops', withinMs: 60_000, everyMs: 2 });
  });

  it('cuts the connections of one that hangs at the second missed answer, if another is ready', async () => {
    const { port, servers, health, tick } = await setup();
    const clients = [await client(port), await client(port)];
    for (const { address } of servers) health[address] = 'away';
    for (let i = 0; i < 3; i++) await tick();
    expect(clients.map((one) => one.isClosed())).toEqual([false, false]);
    const [a = clients[0], b = clients[1]] = [...clients].sort((x, y) => x.said().localeCompare(y.said()));
    health[servers[1]?.address ?? ''] = 'ready';
    await tick();
    await eventually(() => a?.isClosed() === true, { what: 'the connection to the one that hangs is cut', withinMs: 60_000, everyMs: 2 });
    expect(b?.isClosed()).toBe(false);
    expect((await client(port)).said()).toBe('b');
  });

  it('leaves one that does not answer its questions, but others, their connections', async () => {
    const { servers, port, health, tick, whileAsked } = await setup();
    const clients = [await client(port), await client(port)];
    const slow = clients.find((one) => one.said() === 'a');
    health[servers[0]?.address ?? ''] = 'away';
    whileAsked.push(async () => {
      const length = slow?.said().length ?? 0;
      slow?.socket.write('go on');
      await eventually(() => (slow?.said().length ?? 0) > length, { what: 'an answer meanwhile', withinMs: 60_000, everyMs: 2 });
    });
    for (let i = 0; i < 3; i++) await tick();
    for (let i = 0; i < 3; i++) expect((await client(port)).said()).toBe('b');
    expect(slow?.isClosed()).toBe(false);
  });

  it.runIf(canReusePorts)('is replaced by another beside it: keeps what it has until that ends, and new connections go to the other', async () => {
    const { balancer, port, beside, tick } = await setup();
    const old = await client(port);
    await beside();
    let isDrained = false;
    const drained = balancer.drain().then(() => (isDrained = true));
    for (let i = 0; i < 8; i++) expect((await client(port)).said()).toMatch(/^[ab]$/);
    old.socket.write('still there?');
    await eventually(() => old.said().length === 2, { what: 'an answer over the old connection', withinMs: 60_000, everyMs: 2 });
    await tick();
    expect([isDrained, old.isClosed()]).toEqual([false, false]);
    old.socket.end();
    await drained;
  });

  it('orders by health, then by connections', () => {
    const backend = (health: Health, size: number) => ({ health, open: { size } });
    expect(inOrder([backend('away', 0), backend('ready', 2), backend('unready', 0), backend('ready', 1)])).toEqual([backend('ready', 1), backend('ready', 2), backend('unready', 0), backend('away', 0)]);
  });
});
