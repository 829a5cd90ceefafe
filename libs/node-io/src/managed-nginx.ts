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
  /** Listen on other ports when these are in use. */
  readonly anyPortIfTaken: boolean;
  /** For names without a certificate of their own; PEM. */
  readonly fallbackCertificate: { readonly cert: string; readonly key: string };
  dial(to: Endpoint): Promise<Conn>;
  /** Of nginx's own lines. */
  readonly log: (line: string) => void;
}

/** How long workers that were told to end may still use what leads to endpoints. */
const lingerMs = 30_000;
/** How long, times `partTurns`, clients are told to part with workers before these must go. Who is silent for longer may lose a request that it sends at the very moment. */
const partMs = 50;
/** Several short waits: a process that stood still in one of them, and its clients with it, has the others. */
const partTurns = 6;
const startMs = 30_000;
const againMs = 1_000;

/** Whether the program is there. */
export function nginxInstalled(): boolean {
  return spawnSync('nginx', ['-v']).error === undefined;
}

/** A port that nothing listens on now, the wanted one if that is so. Rejects with EADDRINUSE when it is not and no other will do. */
async function freePort(host: string, wanted: number, another: boolean): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(wanted, host, resolve));
  } catch (error) {
    if (wanted === 0 || !another || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return freePort(host, 0, false);
  }
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

/** The first that takes a connection. Rejects as the last that was asked. */
async function dialFirst(candidates: readonly Endpoint[], dial: (to: Endpoint) => Promise<Conn>): Promise<Conn> {
  let failure: unknown = new Error('nobody to dial');
  for (const to of candidates) {
    try {
      return await dial(to);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

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
      ports = { http: await freePort(host, options.httpPort, options.anyPortIfTaken), https: await freePort(host, options.httpsPort, options.anyPortIfTaken) };
      return { host, ...ports };
    },
    async reach(key: string, candidates: () => readonly Endpoint[]): Promise<string> {
      clearTimeout(leaving.get(key));
      leaving.delete(key);
      const known = ways.get(key) ?? exposeOnHost({ host: '127.0.0.1', port: 0 }, () => dialFirst(candidates(), dial));
      ways.set(key, known);
      return (await known).endpoint;
    },
    keepOnly(keys: ReadonlySet<string>): void {
      for (const [key, way] of ways) {
        if (keys.has(key) || leaving.has(key)) continue;
        const close = (): void => {
          leaving.delete(key);
          ways.delete(key);
          way.then((listener) => listener.close(), () => undefined);
        };
        leaving.set(key, setTimeout(close, lingerMs).unref());
      }
    },
    async apply(files: ReadonlyMap<string, string>, leaving: string): Promise<void> {
      write(files);
      const test = spawnSync('nginx', ['-t', '-q', '-p', dir, '-c', join(dir, 'nginx.conf')], { encoding: 'utf8' });
      if (test.status !== 0) throw new Error(test.stderr.trim() || test.error?.message || 'nginx -t failed');
      if (!child || child.exitCode !== null) return start();
      const file = join(dir, leaving);
      writeFileSync(file, '');
      for (let turn = 0; turn < partTurns; turn++) await new Promise((resolve) => setTimeout(resolve, partMs));
      child?.kill('SIGHUP');
      setTimeout(() => rmSync(file, { force: true }), lingerMs).unref();
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
