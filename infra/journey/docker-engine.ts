import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, runCommand } from '@orrery/testkit';

/** A Docker engine to start containers on. */
export interface DockerEngine {
  /** Environment of docker and compose commands. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

async function answers(env: Readonly<Record<string, string>>): Promise<boolean> {
  return (await runCommand('docker', ['version', '--format', '{{.Server.Version}}'], { env, timeoutMs: 10_000 })).code === 0;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve())));
}

/** Ends the engine, and so its containers, when this process is killed: a shell that waits for the end of a pipe of ours. */
function guard(engine: ChildProcess): void {
  if (engine.pid === undefined) return;
  const shell = spawn('sh', ['-c', 'cat >/dev/null; kill "$1"', 'guard', String(engine.pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.on('error', () => undefined);
  shell.unref();
  engine.once('exit', () => shell.kill('SIGKILL'));
}

/** The engine that runs already, or one of our own with its data in a directory of its own. */
export async function startEngine(): Promise<DockerEngine> {
  if (await answers({})) return { env: {}, stop: () => Promise.resolve() };
  const dir = mkdtempSync(join(tmpdir(), 'orrery-docker-'));
  const env = { DOCKER_HOST: `unix://${dir}/docker.sock` };
  const log = openSync(join(dir, 'log'), 'a');
  const args = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--host', env.DOCKER_HOST, '--pidfile', join(dir, 'pid'), '--bridge', 'none'];
  const child = spawn('dockerd', args, { stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', () => undefined);
  guard(child);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended(child);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await eventually(() => answers(env), { what: 'the Docker engine answers', withinMs: 60_000, everyMs: 500 });
  } catch (error) {
    const tail = readFileSync(join(dir, 'log'), 'utf8').trimEnd().split('\n').slice(-10).join('\n');
    await stop();
    throw new Error(`no Docker engine runs, and none could be started:\n${tail}`, { cause: error });
  }
  return { env, stop };
}
