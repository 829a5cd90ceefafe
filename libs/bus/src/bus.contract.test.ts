import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bus, createInMemoryBus, createNatsBus, subjectMatches } from './index.ts';

const hasNats = (() => {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const clock = { sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) };

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

test.each([
  ['a.b', 'a.b', true],
  ['a.*', 'a.b', true],
  ['a.*', 'a.b.c', false],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['*.b', 'a.b', true],
  ['a.b', 'a', false],
])('%s matches %s: %s', (pattern, subject, expected) => expect(subjectMatches(pattern, subject)).toBe(expected));

describe.each([{ name: 'memory' }, ...(hasNats ? [{ name: 'nats' }] : [])])('the $name bus', ({ name }) => {
  let server: ChildProcess | undefined;
  let open: () => Bus = createInMemoryBus;
  let shared: Bus;
  beforeAll(async () => {
    if (name !== 'nats') return;
    const port = await freePort();
    server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    open = () => createNatsBus({ url: `nats://127.0.0.1:${port}`, clock, reconnectWaitMs: 20 });
  });
  beforeAll(async () => {
    shared = open();
    await until(() => shared.connected());
  });
  afterAll(async () => {
    await shared.close();
    server?.kill();
  });

  test('delivers in order, with headers, to every subscriber whose subject matches', async () => {
    const seen: string[] = [];
    const note = (who: string) => shared.subscribe(who, (m) => seen.push(`${who} ${m.subject} ${Buffer.from(m.payload).toString()} ${m.headers['seq'] ?? ''}`));
    const subscriptions = [note('feed.pods.n1'), note('feed.*.n1'), note('feed.>')];
    for (let i = 0; i < 3; i++) shared.publish('feed.pods.n1', Buffer.from(`m${i}`), { seq: String(i) });
    shared.publish('other.pods', Buffer.from('x'));
    await until(() => seen.length === 9);
    for (const who of ['feed.pods.n1', 'feed.*.n1', 'feed.>']) {
      expect(seen.filter((line) => line.startsWith(`${who} `))).toEqual([0, 1, 2].map((i) => `${who} feed.pods.n1 m${i} ${i}`));
    }
    for (const subscription of subscriptions) subscription.unsubscribe();
    const last: string[] = [];
    shared.subscribe('feed.done', () => last.push('done'));
    shared.publish('feed.done', Buffer.from('x'));
    await until(() => last.length === 1);
    expect(seen).toHaveLength(9);
  });

  test('is not connected after close, and publishing then does nothing', async () => {
    const bus = open();
    await until(() => bus.connected());
    await bus.close();
    await bus.close();
    bus.publish('a', Buffer.from('x'));
    expect(bus.connected()).toBe(false);
  });
});

test('a bus whose server never comes can be closed', async () => {
  const failures: Error[] = [];
  const bus = createNatsBus({ url: `nats://127.0.0.1:${await freePort()}`, clock, reconnectWaitMs: 5, onError: (error) => failures.push(error) });
  await until(() => failures.length > 1);
  expect(bus.connected()).toBe(false);
  await bus.close();
});

test('the loss of the bus is told, and what is published meanwhile is lost', async () => {
  const bus = createInMemoryBus();
  const seen: unknown[] = [];
  bus.onConnection((connected) => seen.push(connected));
  bus.subscribe('a', (m) => seen.push(Buffer.from(m.payload).toString()));
  bus.setConnected(false);
  bus.publish('a', Buffer.from('lost'));
  bus.setConnected(true);
  bus.publish('a', Buffer.from('kept'));
  await until(() => seen.length === 3);
  expect(seen).toEqual([false, true, 'kept']);
});
