import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { type CommandOptions, type CommandResult, runCommand } from './command.ts';

export interface KubectlProgram {
  /** `1.32`, or `default` when the name does not tell. */
  readonly version: string;
  readonly path: string;
  /** Of its version, as it says itself: 32. */
  readonly minor: number;
}

function minorOf(path: string): number {
  const { stdout } = spawnSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  return Number.parseInt((JSON.parse(stdout) as { clientVersion: { minor: string } }).clientVersion.minor, 10);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Every kubectl on PATH, `kubectl` itself first, then versioned ones (`kubectl.1.27`) beside it, lowest first. */
export function findKubectls(): KubectlProgram[] {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  const main = directories.map((dir) => join(dir, 'kubectl')).find(isExecutable);
  if (!main) return [];
  const beside = new Set([...directories, dirname(realpathSync(main))]);
  const versioned = [...beside].flatMap((dir) => {
    try {
      return readdirSync(dir).flatMap((file) => {
        const version = /^kubectl[.-]v?(\d+\.\d+(?:\.\d+)?)$/.exec(file)?.[1];
        return version && isExecutable(join(dir, file)) ? [{ version, path: join(dir, file) }] : [];
      });
    } catch {
      return [];
    }
  });
  const unique = new Map(versioned.map((program) => [program.version, program]));
  const ordered = [...unique.values()].sort((a, b) => a.version.localeCompare(b.version, undefined, { numeric: true }));
  return [{ version: 'default', path: main }, ...ordered].map((program) => ({ ...program, minor: minorOf(program.path) }));
}

export interface Kubectl {
  /** Runs and returns whatever comes. */
  run(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Standard output of a run that must succeed; otherwise rejects with the command and what it printed. */
  ok(args: readonly string[], options?: CommandOptions): Promise<string>;
}

/** kubectl against one cluster. `home` keeps its discovery cache apart. */
export function kubectlFor(options: { program: string; kubeconfig: string; home: string }): Kubectl {
  const env = { KUBECONFIG: options.kubeconfig, HOME: options.home };
  const run = (args: readonly string[], more: CommandOptions = {}): Promise<CommandResult> => runCommand(options.program, args, { ...more, env: { ...env, ...more.env } });
  return {
    run,
    async ok(args, more) {
      const { code, stdout, stderr } = await run(args, more);
      if (code !== 0) throw new Error(`kubectl ${args.join(' ')} exited with ${code}\n${stdout}${stderr}`);
      return stdout;
    },
  };
}
