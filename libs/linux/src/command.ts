import { spawn } from 'node:child_process';

/** A command that failed: its exit code and what it said. */
export class CommandError extends Error {
  readonly command: string;
  /** Undefined when it could not be started, as when it is not installed. */
  readonly code: number | undefined;
  readonly stderr: string;

  constructor(options: { command: string; code: number | undefined; stderr: string }) {
    super(`${options.command}: ${options.stderr.trim() || `exit code ${options.code ?? 'none'}`}`);
    this.name = 'CommandError';
    this.command = options.command;
    this.code = options.code;
    this.stderr = options.stderr;
  }
}

/** Runs programs, here or in another network namespace. */
export interface Shell {
  /** Resolves with what the program printed; rejects with CommandError. */
  run(command: string, args: readonly string[], input?: string): Promise<string>;
}

/** With `enter` every program is started by that command, as `nsenter --net=…`. */
export function createShell(options: { enter?: readonly string[] } = {}): Shell {
  const { enter = [] } = options;
  return {
    run(command, args, input) {
      const [program = command, ...rest] = [...enter, command, ...args];
      return new Promise((resolve, reject) => {
        const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
        child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
        child.on('error', (error) => reject(new CommandError({ command, code: undefined, stderr: error.message })));
        // The program may end before it has read all; its exit code tells more than EPIPE.
        child.stdin.on('error', () => undefined);
        child.on('close', (code) => {
          const stderr = Buffer.concat(err).toString();
          if (code === 0) resolve(Buffer.concat(out).toString());
          else reject(new CommandError({ command, code: code ?? undefined, stderr }));
        });
        child.stdin.end(input ?? '');
      });
    },
  };
}

/** Why a command does not work on this machine; undefined when it does. */
export async function whyNot(shell: Shell, command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    await shell.run(command, args);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (error.code === undefined) return `${command} is not installed`;
    return error.message;
  }
}
