import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dockerEngine } from './docker-engine.ts';

/** What the engine is asked, and what it answers by path. */
const asked: string[] = [];
let answers: Readonly<Record<string, { readonly code?: number; readonly body: string }>> = {};
let dir: string;
let server: Server;
let host: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'orrery-engine-'));
  asked.length = 0;
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      asked.push([request.method, decodeURIComponent(request.url ?? ''), body].filter(Boolean).join(' '));
      const { code = 200, body: answer = '' } = answers[(request.url ?? '').split('?')[0] ?? ''] ?? {};
      response.writeHead(code).end(answer);
    });
  });
  host = `unix://${join(dir, 'sock')}`;
  await new Promise<void>((resolve) => server.listen(join(dir, 'sock'), resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true });
});

it('asks in the words of the engine', async () => {
  answers = { '/containers/json': { body: '[{"Id":"abc","Labels":{"a":"b"},"State":"running"}]' }, '/containers/abc/exec': { body: '{"Id":"run"}' }, '/exec/run/start': { body: 'said' }, '/exec/run/json': { body: '{"ExitCode":3}' } };
  const engine = dockerEngine(host);
  expect(await engine.containers({ a: 'b' })).toEqual([{ id: 'abc', labels: { a: 'b' }, state: 'running' }]);
  await engine.pause('abc');
  await engine.unpause('abc');
  await engine.killAndStart('abc');
  await engine.restart('abc', 7);
  expect(await engine.exec('abc', ['ls'], 'root')).toEqual({ code: 3, output: 'said' });
  expect(asked).toEqual([
    'GET /containers/json?all=1&filters={"label":["a=b"]}',
    ...['pause', 'unpause', 'kill', 'wait', 'start', 'restart?t=7'].map((verb) => `POST /containers/abc/${verb}`),
    'POST /containers/abc/exec {"Cmd":["ls"],"User":"root","AttachStdout":true,"AttachStderr":true,"Tty":true}',
    'POST /exec/run/start {"Detach":false,"Tty":true}',
    'GET /exec/run/json',
  ]);
});

it('says what the engine says, and when there is none', async () => {
  answers = { '/containers/abc/pause': { code: 409, body: '{"message":"Container abc is not running"}' } };
  await expect(dockerEngine(host).pause('abc')).rejects.toThrow('the Docker engine: Container abc is not running');
  await expect(dockerEngine(`unix://${join(dir, 'none')}`).pause('abc')).rejects.toThrow(/the Docker engine at unix:.*none does not answer: connect ENOENT/);
  expect(() => dockerEngine('ssh://there')).toThrow('"ssh://there" is no address of a Docker engine such as unix:///var/run/docker.sock');
});
