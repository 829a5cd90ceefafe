import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { realClock } from '@orrery/node-io';
import type { Clock, Timer } from '@orrery/runtime';
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
  pending: Timer | undefined;
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
/** So long a process may take to end in order, and so long all of them together: whoever asked this program to end waits no longer than 20 s. */
const graceMs = 10_000;
const graceOfAllMs = 15_000;

export interface SupervisorOptions {
  readonly logsDir: string;
  /** Called when a process was started, or has gone. */
  readonly onChange: () => void;
  readonly note: (text: string) => void;
  readonly clock?: Clock;
  /** Starts a process whose output goes to the file of that descriptor. */
  readonly launch?: (spec: ProcessSpec, log: number) => ChildProcess;
}

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
  /** Ends a process for good; one that there is not is no error. */
  end(name: string): Promise<void>;
  stopAll(): Promise<void>;
}

/** Without what Node would tell every child to trust. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  return env;
}

function launchProcess({ app, args, external }: ProcessSpec, log: number): ChildProcess {
  if (!external) return spawn(process.execPath, [...process.execArgv, programOf(app), ...args], { stdio: ['ignore', log, log, 'ipc'], env: environment() });
  const child = spawn(app, args, { stdio: ['ignore', log, log], env: environment() });
  guard(child);
  return child;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { logsDir, onChange, note, clock = realClock } = options;
  const running: Supervised[] = [];
  const logOf = (name: string): string => join(logsDir, `${name}.log`);
  const tail = (name: string): string => readFileSync(logOf(name), 'utf8').trimEnd().split('\n').slice(-8).join('\n');

  const startAgain = (supervised: Supervised, why: string): void => {
    if (supervised.stopping || !supervised.wasReady) return;
    if (clock.monotonic() - supervised.startedMs > stableMs) supervised.restarts = 0;
    const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** supervised.restarts++);
    note(`${supervised.spec.name} ended (${why}), starting it again in ${delay} ms`);
    supervised.pending = clock.after(delay, () => {
      if (supervised.stopping) return;
      try {
        launch(supervised);
        onChange();
      } catch (error) {
        // Its program is being built anew, the directory of logs is away: neither is a reason for all others to end.
        startAgain(supervised, (error as Error).message);
      }
    });
  };
  const launch = (supervised: Supervised): ChildProcess => {
    const { spec } = supervised;
    const log = openSync(logOf(spec.name), 'a', 0o600);
    const child = (options.launch ?? launchProcess)(spec, log);
    closeSync(log);
    supervised.child = child;
    supervised.startedMs = clock.monotonic();
    child.on('error', (error) => {
      note(`${spec.name}: ${error.message}`);
      // What was never a process has no end of its own: no memory, or too many processes, for the moment.
      if (child.pid === undefined) startAgain(supervised, error.message);
    });
    child.on('exit', (code, signal) => startAgain(supervised, signal ?? `exit code ${code ?? '?'}`));
    return child;
  };

  const whenReady = (supervised: Supervised, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const child = launch(supervised);
      const { name, external } = supervised.spec;
      const ready = (): void => {
        supervised.wasReady = true;
        resolve();
      };
      const failed = (why: string): void => reject(new UserError(`${name} did not start (${why}); the end of ${logOf(name)}:\n${tail(name)}`));
      child.once('error', (error) => failed(error.message));
      if (external) return void (child.pid !== undefined && ready());
      child.on('message', ready);
      child.once('exit', (code, killedBy) => failed(killedBy ?? `exit code ${code ?? '?'}`));
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });

  const stop = (supervised: Supervised, patienceMs = graceMs): Promise<void> =>
    new Promise((resolve) => {
      const { child, spec } = supervised;
      supervised.stopping = true;
      supervised.pending?.cancel();
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve();
      const timer = clock.after(patienceMs, () => {
        note(`${spec.name} does not end, and is killed`);
        child.kill('SIGKILL');
      });
      child.once('exit', () => {
        timer.cancel();
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
    async end(name) {
      const at = running.findIndex(({ spec }) => spec.name === name);
      const [supervised] = at < 0 ? [] : running.splice(at, 1);
      if (!supervised) return;
      await stop(supervised);
      onChange();
    },
    async stopAll() {
      for (const supervised of running) supervised.stopping = true;
      const endMs = clock.monotonic() + graceOfAllMs;
      for (const supervised of running.splice(0).reverse()) await stop(supervised, Math.max(0, Math.min(graceMs, endMs - clock.monotonic())));
    },
  };
}
