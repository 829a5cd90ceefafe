import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listenProxy, listenStreaming } from './streaming-server.ts';

const installed = (process.env['PATH'] ?? '')
  .split(':')
  .concat('/usr/lib/google-cloud-sdk/bin')
  .flatMap((dir) => {
    try {
      return readdirSync(dir).filter((name) => /^kubectl(\.1\.\d+)?$/.test(name)).map((name) => join(dir, name));
    } catch {
      return [];
    }
  });
/** Of several versions, those on both sides of the changes from SPDY to WebSocket (exec 1.30, port-forward 1.31). */
const telling = installed.filter((path) => /\.1\.(27|30|31|33)$/.test(path));
const kubectls = telling.length ? telling : installed.slice(0, 1);

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let backend: Listening;
let front: Listening;
beforeAll(async () => {
  backend = await listenStreaming();
  front = await listenProxy(backend.port);
});
afterAll(() => {
  front.close();
  backend.close();
});

function run(command: string, args: readonly string[], input: string | Buffer = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...process.env, HOME: '/nonexistent', KUBECONFIG: '/dev/null' } });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    // It may end before it has read all: what it printed says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

async function forward(kubectl: string, podPort: number): Promise<string> {
  const child = spawn(kubectl, [`--server=http://127.0.0.1:${front.port}`, 'port-forward', 'pod/p', `:${podPort}`], { env: { ...process.env, HOME: '/nonexistent', KUBECONFIG: '/dev/null' } });
  try {
    let log = '';
    const failed = new Promise<string>((resolve) => child.stderr.on('data', (data: Buffer) => /error/.test((log += data.toString())) && resolve(log)));
    const port = await new Promise<string>((resolve) => child.stdout.on('data', (data: Buffer) => resolve(/127\.0\.0\.1:(\d+)/.exec(data.toString())?.[1] ?? '')));
    const replies = Promise.all([1, 2, 3].map((n) => fetch(`http://127.0.0.1:${port}/${n}`).then((reply) => reply.text()))).then((all) => all.join(','));
    return await Promise.race([replies.catch(() => failed), failed]);
  } finally {
    child.kill();
  }
}

describe.runIf(kubectls.length > 0).each(kubectls)('%s', (kubectl) => {
  const kube = (args: readonly string[], input: string | Buffer = ''): Promise<Outcome> => run(kubectl, [`--server=http://127.0.0.1:${front.port}`, ...args], input);

  it('exec: output, exit code, stdin to its end, large output', async () => {
    expect(await kube(['exec', 'p', '--', 'both'])).toMatchObject({ code: 0, stdout: 'to stdout\n', stderr: 'to stderr\n' });
    expect(await kube(['exec', 'p', '--', 'exit', '3'])).toMatchObject({ code: 3 });
    expect(await kube(['exec', '-i', 'p', '--', 'cat'], 'over and back')).toMatchObject({ code: 0, stdout: 'over and back' });
    expect((await kube(['exec', 'p', '--', 'big', '3000000'])).stdout.length).toBe(3_000_000);
    const big = Buffer.alloc(1_000_000, 'y');
    expect((await kube(['exec', '-i', 'p', '--', 'cat'], big)).stdout.length).toBe(big.length);
  });

  it('attach', async () => {
    expect(await kube(['attach', 'p'])).toMatchObject({ code: 0 });
  });

  it('cp into the pod', async () => {
    const outcome = await kube(['cp', '/etc/hostname', 'p:/tmp/x']);
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stderr).toMatch(/received \d+/);
  });

  it('port-forward: connections and a refused one', async () => {
    expect(await forward(kubectl, 80)).toBe('hello,hello,hello');
    expect(await forward(kubectl, 81)).toMatch('connection refused');
  });

  it('exec with a terminal', async () => {
    const outcome = await run('script', ['-qec', `stty cols 91 rows 17; ${kubectl} --server=http://127.0.0.1:${front.port} exec -it p -- size`, '/dev/null']);
    expect(outcome.stdout).toMatch('size 91x17');
  });
});
