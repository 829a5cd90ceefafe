import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NetError } from '@orrery/vnet';
import { afterEach, expect, it } from 'vitest';
import { appendState } from './append-state.ts';
import { folderContents } from './folder-contents.ts';
import { exposeHttpOnHost } from './http-balancer.ts';
import { dialHost } from './vnet-bridge.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function target(): Promise<number> {
  const server = createServer((message, response) => {
    let body = '';
    message.on('data', (chunk: Buffer) => (body += chunk.toString()));
    message.on('end', () => response.writeHead(201, 'Made', { 'x-from': 'target', 'transfer-encoding': 'chunked' }).end(`${message.method ?? ''} ${message.url ?? ''} ${String(message.headers['x-forwarded-for'])} ${body}`));
  });
  server.on('upgrade', (_message, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return (server.address() as { port: number }).port;
}

function ask(endpoint: string, options: { method?: string; body?: string; headers?: Record<string, string> } = {}): Promise<{ status: number; text: string; from: unknown }> {
  const [host, port] = endpoint.split(':');
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path: '/a?b=1', method: options.method ?? 'GET', headers: { connection: 'close', ...options.headers } }, (reply) => {
      let text = '';
      reply.on('data', (chunk: Buffer) => (text += chunk.toString()));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, from: reply.headers['x-from'] }));
    });
    asked.on('error', reject);
    asked.end(options.body);
  });
}

it('sends each request where it is told and says who asked', async () => {
  const port = await target();
  let refusing = false;
  const listener = await exposeHttpOnHost({ host: '127.0.0.1', port: 0 }, () => (refusing ? Promise.reject(new NetError('ECONNREFUSED', 'no target')) : dialHost({ host: '127.0.0.1', port })));
  closing.push(() => listener.close());
  expect(await ask(listener.endpoint, { method: 'POST', body: 'hello', headers: { 'x-forwarded-for': '192.0.2.1' } })).toEqual({ status: 201, text: 'POST /a?b=1 192.0.2.1, 127.0.0.1 hello', from: 'target' });
  refusing = true;
  expect(await ask(listener.endpoint)).toMatchObject({ status: 503, text: '503 Service Unavailable\n' });
});

it('passes upgrades', async () => {
  const port = await target();
  const listener = await exposeHttpOnHost({ host: '127.0.0.1', port: 0 }, () => dialHost({ host: '127.0.0.1', port }));
  closing.push(() => listener.close());
  const socket = connect(Number(listener.endpoint.split(':')[1]), '127.0.0.1');
  closing.push(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
  let got = '';
  await new Promise<void>((resolve) =>
    socket.on('data', (chunk: Buffer) => {
      const before = got;
      got += chunk.toString();
      if (!before.includes('\r\n\r\n') && got.includes('\r\n\r\n')) socket.write('ping');
      if (got.endsWith('ping')) resolve();
    }),
  );
  expect(got).toMatch(/^HTTP\/1\.1 101 [^]*ping$/);
});

it('keeps a state that grows, and folders that are whole or not there', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-state-'));
  closing.push(() => rmSync(dir, { recursive: true }));
  const state = appendState(join(dir, 'state'));
  expect(await state.load()).toBeUndefined();
  await state.replace('a\n');
  await state.append('b\n');
  expect(await state.load()).toBe('a\nb\n');
  const folders = folderContents(join(dir, 'disks'));
  await folders.create('one', '');
  writeFileSync(join(folders.path('one'), 'file'), 'content');
  await folders.create('two', 'one');
  await folders.create('two', 'one');
  await folders.remove('one');
  expect([existsSync(folders.path('one')), readFileSync(join(folders.path('two'), 'file'), 'utf8')]).toEqual([false, 'content']);
});
