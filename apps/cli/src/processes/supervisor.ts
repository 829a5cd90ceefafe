import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../user-error.ts';

/** One component as a process of its own. */
export interface ProcessSpec {
  /** Names the process, its log and its pid in the state: `kubelet-node-1`. */
  readonly name: string;
  /** An app of this repository, run from its bundle or its source; or a program on PATH with `external`. */
  readonly app: string;
  readonly external?: boolean;
  readonly args: readonly string[];
}

interface Supervised {
  readonly spec: ProcessSpec;
  child: ChildProcess | undefined;
  restarts: number;
  /** Will start it again. */
  pending: NodeJS.Timeout | undefined;
  startedMs: number;
  /** Nobody wants it started again. */
  stopping: boolean;
  /** It was ready once: from now on it is started again when it ends. */
  wasReady: boolean;
}

const firstDelayMs = 100;
const longestDelayMs = 5_000;
/** After this long a process counts as well, and its next restart is quick again. */
const stableMs = 10_000;

/** The bundle beside our own, or the source when we run from source. */
function programOf(app: string): string {
  const here = fileURLToPath(import.meta.url);
  const bundled = join(dirname(here), '..', app, 'main.js');
  if (existsSync(bundled)) return bundled;
  const source = join(dirname(here), '../../..', app, 'src/main.ts');
  if (existsSync(source)) return source;
  throw new UserError(`${app} is not built: run \`npm run build\``);
}

/** Ends a program that cannot know when this process is gone: a shell that waits for the end of a pipe of ours. */
function guard(program: ChildProcess): void {
  if (program.pid === undefined) return;
  const shell = spawn('sh', ['-c', 'cat >/dev/null; kill "$1"', 'guard', String(program.pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.on('error', () => undefined);
  shell.stdin?.on('error', () => undefined);
  shell.unref();
  program.once('exit', () => shell.kill('SIGKILL'));
}

/**
 * Starts processes, restarts those that end unasked (100 ms, doubling to 5 s), stops them in reverse order. Children end
 * by themselves when this process is gone.
 */
export interface Supervisor {
  /** Resolves when the process says it is ready; rejects with the end of its log if it ends before. */
  start(spec: ProcessSpec, signal: AbortSignal): Promise<void>;
  pids(): Readonly<Record<string, number>>;
  /** Ends a process in order and starts it from the program there is now; resolves when it is ready. */
  restart(name: string, signal: AbortSignal): Promise<void>;
  /** Ends a process in order; it stays away until `release`, which starts it again. */
  standDown(name: string): Promise<{ readonly spec: ProcessSpec; release(): void }>;
  stopAll(): Promise<void>;
}

export function createSupervisor(options: { logsDir: string; onChange: () => void; note: (text: string) => void }): Supervisor {
  const { logsDir, onChange, note } = options;
  const running: Supervised[] = [];
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const logOf = (name: string): string => join(logsDir, `${name}.log`);
  const tail = (name: string): string => readFileSync(logOf(name), 'utf8').trimEnd().split('\n').slice(-8).join('\n');

  const launch = (supervised: Supervised): ChildProcess => {
    const { spec } = supervised;
    const log = openSync(logOf(spec.name), 'a', 0o600);
    const [command, args] = spec.external ? [spec.app, spec.args] : [process.execPath, [...process.execArgv, programOf(spec.app), ...spec.args]];
    const child = spawn(command, args, { stdio: spec.external ? ['ignore', log, log] : ['ignore', log, log, 'ipc'], env });
    closeSync(log);
    if (spec.external) guard(child);
    supervised.child = child;
    supervised.startedMs = performance.now();
    child.on('error', (error) => note(`${spec.name}: ${error.message}`));
    child.on('exit', (code, signal) => {
      if (supervised.stopping || !supervised.wasReady) return;
      if (performance.now() - supervised.startedMs > stableMs) supervised.restarts = 0;
      const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** supervised.restarts++);
      note(`${spec.name} ended (${signal ?? `exit code ${code ?? '?'}`}), starting it again in ${delay} ms`);
      supervised.pending = setTimeout(() => {
        if (supervised.stopping) return;
        launch(supervised);
        onChange();
      }, delay);
    });
    return child;
  };

  const whenReady = (supervised: Supervised, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = launch(supervised);
      const { name, external } = supervised.spec;
      const ready = (): void => {
        supervised.wasReady = true;
        resolve();
      };
      if (external) return ready();
      child.on('message', ready);
      child.once('exit', () => {
        reject(new UserError(`${name} did not start; the end of ${logOf(name)}:\n${tail(name)}`));
      });
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });

  const stop = (supervised: Supervised): Promise<void> =>
    new Promise((resolve) => {
      const { child } = supervised;
      supervised.stopping = true;
      clearTimeout(supervised.pending);
      if (!child || child.exitCode !== null || child.signalCode !== null) return resolve();
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.kill('SIGTERM');
    });

  const named = (name: string): Supervised => {
    const found = running.find(({ spec }) => spec.name === name);
    if (!found) throw new UserError(`there is no process ${name}; there are: ${running.map(({ spec }) => spec.name).join(', ')}`);
    if (found.stopping) throw new UserError(`${name} is being stopped, or has stood down for another`);
    return found;
  };

  return {
    async restart(name, signal) {
      const supervised = named(name);
      await stop(supervised);
      if (signal.aborted) return;
      supervised.stopping = false;
      await whenReady(supervised, signal);
      onChange();
    },
    async standDown(name) {
      const supervised = named(name);
      note(`${name} stands down for another`);
      await stop(supervised);
      onChange();
      return {
        spec: supervised.spec,
        release() {
          if (!running.includes(supervised)) return;
          note(`${name} is back`);
          supervised.stopping = false;
          launch(supervised);
          onChange();
        },
      };
    },
    async start(spec, signal) {
      const supervised: Supervised = { spec, child: undefined, restarts: 0, pending: undefined, startedMs: 0, stopping: false, wasReady: false };
      running.push(supervised);
      await whenReady(supervised, signal);
      onChange();
    },
    pids: () => Object.fromEntries(running.flatMap(({ spec, child }) => (child?.pid === undefined ? [] : [[spec.name, child.pid]]))),
    async stopAll() {
      for (const supervised of running) supervised.stopping = true;
      for (const supervised of running.splice(0).reverse()) await stop(supervised);
    },
  };
}
