import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Conn, Endpoint } from '@orrery/vnet';
import { type HostListener, exposeOnHost } from './vnet-bridge.ts';

export interface ManagedNginxOptions {
  readonly host: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** For names without a certificate of their own; PEM. */
  readonly fallbackCertificate: { readonly cert: string; readonly key: string };
  dial(to: Endpoint): Promise<Conn>;
  /** Of nginx's own lines. */
  readonly log: (line: string) => void;
}

/** How long workers that were told to end may still use what leads to endpoints. */
const lingerMs = 30_000;
const startMs = 30_000;
const againMs = 1_000;

/** Whether the program is there. */
export function nginxInstalled(): boolean {
  return spawnSync('nginx', ['-v']).error === undefined;
}

async function freePort(host: string, wanted: number): Promise<number> {
  if (wanted !== 0) return wanted;
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const keyOf = ({ ip, port }: Endpoint): string => `${ip}:${port}`;

/** nginx as a child process with a directory of its own. Endpoints of the emulated network are led to it by listeners on this machine. */
export function managedNginx(options: ManagedNginxOptions) {
  const { host, fallbackCertificate, dial, log } = options;
  const dir = mkdtempSync(join(tmpdir(), 'orrery-nginx-'));
  // Workers are another user's where the master is root's.
  chmodSync(dir, 0o711);
  const ways = new Map<string, Promise<HostListener>>();
  const leaving = new Map<string, NodeJS.Timeout>();
  let ports = { http: 0, https: 0 };
  let child: ChildProcess | undefined;

  const write = (files: ReadonlyMap<string, string>): void => {
    for (const [path, text] of [['certs/default.pem', `${fallbackCertificate.cert.trimEnd()}\n${fallbackCertificate.key}`] as const, ...files]) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text, { mode: path.startsWith('passwords/') ? 0o644 : 0o600 });
    }
  };
  const start = async (): Promise<void> => {
    const started = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    started.stderr.on('data', (chunk: Buffer) => chunk.toString().split('\n').filter(Boolean).forEach(log));
    started.once('exit', (code) => {
      if (child !== started) return;
      log(`nginx ended with ${code ?? 'a signal'}; it is started again`);
      setTimeout(() => void (child === started && start().catch((error: Error) => log(error.message))), againMs).unref();
    });
    for (const end = performance.now() + startMs; !(await accepts(host, ports.http)); ) {
      if (started.exitCode !== null || performance.now() > end) throw new Error(`nginx does not listen on ${host}:${ports.http}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return {
    dir,
    user: process.getuid?.() === 0 ? 'nobody nogroup' : '',
    async reserve() {
      ports = { http: await freePort(host, options.httpPort), https: await freePort(host, options.httpsPort) };
      return { host, ...ports };
    },
    async reach(endpoint: Endpoint): Promise<string> {
      const key = keyOf(endpoint);
      clearTimeout(leaving.get(key));
      leaving.delete(key);
      const known = ways.get(key) ?? exposeOnHost({ host: '127.0.0.1', port: 0 }, () => dial(endpoint));
      ways.set(key, known);
      return (await known).endpoint;
    },
    keepOnly(endpoints: readonly Endpoint[]): void {
      const kept = new Set(endpoints.map(keyOf));
      for (const [key, way] of ways) {
        if (kept.has(key) || leaving.has(key)) continue;
        const close = (): void => {
          leaving.delete(key);
          ways.delete(key);
          way.then((listener) => listener.close(), () => undefined);
        };
        leaving.set(key, setTimeout(close, lingerMs).unref());
      }
    },
    async apply(files: ReadonlyMap<string, string>): Promise<void> {
      write(files);
      const test = spawnSync('nginx', ['-t', '-q', '-p', dir, '-c', join(dir, 'nginx.conf')], { encoding: 'utf8' });
      if (test.status !== 0) throw new Error(test.stderr.trim() || test.error?.message || 'nginx -t failed');
      if (!child || child.exitCode !== null) await start();
      else child.kill('SIGHUP');
    },
    async stop(): Promise<void> {
      const running = child;
      child = undefined;
      if (running && running.exitCode === null) {
        const ended = new Promise((resolve) => running.once('exit', resolve));
        running.kill('SIGTERM');
        await ended;
      }
      for (const timer of leaving.values()) clearTimeout(timer);
      for (const way of ways.values()) await way.then((listener) => listener.close(), () => undefined);
      ways.clear();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
