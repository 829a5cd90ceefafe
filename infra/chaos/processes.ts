import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { type TestCluster, orreryProgram } from '@orrery/testkit';

/** What can be done to the processes of a cluster in the processes layout, by the names of `cluster.json`. */
export interface Processes {
  names(): string[];
  pid(name: string): number;
  signal(name: string, signal: NodeJS.Signals): void;
  /** Has a process stand down and runs it in another way in its place; `end` brings the first one back. */
  replace(name: string, how: Replacement): Promise<{ end(): Promise<void> }>;
}

export interface Replacement {
  /** Added to the arguments. */
  readonly args?: readonly string[];
  /** What the command line begins with, such as `nsenter …`. */
  readonly inside?: readonly string[];
  /** Called when the process has ended, before the other begins; and again the other way round. */
  readonly between?: () => Promise<void> | void;
  readonly betweenBack?: () => Promise<void> | void;
}

interface StoodDown {
  readonly app: string;
  readonly args: readonly string[];
  back(): void;
}

function standDown(socketPath: string, name: string): Promise<StoodDown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: `/stand-down/${name}`, method: 'POST' }, (response) => {
      response.once('data', (line: Buffer) => {
        const { error, app = '', args = [] } = JSON.parse(line.toString()) as { error?: string; app?: string; args?: string[] };
        if (error) reject(new Error(error));
        else resolve({ app, args, back: () => void call.destroy() });
      });
      // The cluster may end first.
      response.on('error', () => undefined);
    });
    call.on('error', reject);
    call.end();
  });
}

/** Starts a program of the cluster's build and waits until it says that it is ready. */
async function launch(app: string, args: readonly string[], inside: readonly string[] = []): Promise<ChildProcess> {
  const main = join(dirname(orreryProgram()), '..', app, 'main.js');
  const [command = '', ...words] = [...inside, process.execPath, main, ...args];
  const child = spawn(command, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${app} did not start:\n${said.join('')}`)));
    child.stderr?.on('data', (text: Buffer) => {
      said.push(text.toString());
      if (text.includes('"msg":"ready"')) resolve();
    });
  });
  return child;
}

export function processesOf(cluster: TestCluster): Processes {
  const pids = (): Record<string, number> => cluster.state().processes ?? {};
  const pid = (name: string): number => {
    const found = pids()[name];
    if (found === undefined) throw new Error(`there is no process ${name}: ${Object.keys(pids()).join(', ')}`);
    return found;
  };
  const socket = (): string => (JSON.parse(readFileSync(join(cluster.dataDir, 'cluster.json'), 'utf8')) as { processControl: string }).processControl;
  return {
    names: () => Object.keys(pids()),
    pid,
    signal: (name, signal) => void process.kill(pid(name), signal),
    async replace(name, { args = [], inside, between, betweenBack }) {
      const down = await standDown(socket(), name);
      await between?.();
      const child = await launch(down.app, [...down.args, ...args], inside).catch((error: unknown) => {
        down.back();
        throw error;
      });
      return {
        async end() {
          if (child.exitCode === null && child.signalCode === null) {
            const gone = once(child, 'exit');
            child.kill('SIGTERM');
            await gone;
          }
          await betweenBack?.();
          down.back();
        },
      };
    },
  };
}
