import { FsError } from '../fs/fs-error.ts';
import { openPath } from '../process/files.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Proc } from '../process/proc.ts';

/** A tool: its arguments without its name; the result is its exit code. */
export type Applet = (proc: Proc, args: readonly string[], name: string) => Promise<number>;

/** Bad usage; the message is printed behind the tool's name, the exit code is 1. */
export class UsageError extends Error {}

export interface Options {
  /** Flags that were given, by letter or long name. */
  readonly flags: ReadonlySet<string>;
  /** Values of options that take one, the last one given. */
  readonly values: ReadonlyMap<string, string>;
  /** All values of options that take one, in order. */
  readonly all: readonly (readonly [string, string])[];
  readonly operands: readonly string[];
}

/**
 * Reads options as getopt does. `spec` as for getopts: `n:` takes a value. `long` maps long names to letters (or to
 * `letter:` when they take a value). Options end at `--` or, with `posix`, at the first operand.
 */
export function parseOptions(args: readonly string[], spec: string, extra: { long?: Readonly<Record<string, string>>; posix?: boolean } = {}): Options {
  const flags = new Set<string>();
  const all: [string, string][] = [];
  const operands: string[] = [];
  const takes = (letter: string): boolean => spec[spec.indexOf(letter) + 1] === ':';
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      operands.push(...args.slice(i + 1));
      break;
    }
    if (arg.startsWith('--')) {
      const [name = '', inline] = arg.slice(2).split(/=(.*)/s);
      const mapped = extra.long?.[name];
      if (mapped === undefined) throw new UsageError(`unrecognized option '--${name}'`);
      if (mapped.endsWith(':')) {
        const value = inline ?? args[++i];
        if (value === undefined) throw new UsageError(`option '--${name}' requires an argument`);
        all.push([mapped.slice(0, -1), value]);
      } else flags.add(mapped);
    } else if (arg.startsWith('-') && arg !== '-') {
      for (let at = 1; at < arg.length; at++) {
        const letter = arg[at] as string;
        if (letter === ':' || !spec.includes(letter)) throw new UsageError(`unrecognized option: ${letter}`);
        if (!takes(letter)) {
          flags.add(letter);
          continue;
        }
        const value = at + 1 < arg.length ? arg.slice(at + 1) : args[++i];
        if (value === undefined) throw new UsageError(`option requires an argument: ${letter}`);
        all.push([letter, value]);
        break;
      }
    } else {
      operands.push(arg);
      if (extra.posix) {
        operands.push(...args.slice(i + 1));
        break;
      }
    }
  }
  return { flags, values: new Map(all), all, operands };
}

/** Runs the action for every file operand (`-` and none: stdin); failures are reported and give exit code 1. */
export async function eachInput(proc: Proc, operands: readonly string[], action: { name: string; run(file: OpenFile, label: string): Promise<void> }): Promise<number> {
  let status = 0;
  for (const operand of operands.length ? operands : ['-']) {
    let file: OpenFile | undefined;
    try {
      file = operand === '-' ? proc.fds.get(0)?.retain() : openPath(proc, operand, { read: true });
      if (!file) throw new FsError('EBADF');
      await action.run(file, operand);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`${action.name}: ${error.code === 'EISDIR' ? 'read error' : "can't open"} '${operand}': ${error.message}\n`.replace("read error '", "read error: '"));
      status = 1;
    } finally {
      file?.release();
    }
  }
  return status;
}

/** Runs an operation on each path; a failure is reported as `name: what 'path': reason`, or as `name: path: reason` where there is no `what`. */
export async function eachPath(proc: Proc, paths: readonly string[], action: { complaint: string; run(path: string, operand: string): void | Promise<void> }): Promise<number> {
  let status = 0;
  for (const operand of paths) {
    try {
      await action.run(proc.path(operand), operand);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`${action.complaint} ${action.complaint.endsWith(':') ? operand : `'${operand}'`}: ${error.message}\n`);
      status = 1;
    }
  }
  return status;
}

/** Seconds of `1.5`, `10s`, `2m`, `1h`, `1d`; throws UsageError. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(text);
  if (text === 'infinity' || text === 'inf') return Number.POSITIVE_INFINITY;
  if (!match) throw new UsageError(`invalid number '${text}'`);
  return Number(match[1]) * ({ s: 1, m: 60, h: 3600, d: 86400 }[match[2] ?? 's'] ?? 1);
}

export function parseInteger(text: string): number {
  if (!/^[-+]?\d+$/.test(text)) throw new UsageError(`invalid number '${text}'`);
  return Number(text);
}

/** Turns usage errors into a message and exit code 1. */
export function tool(run: Applet): Applet {
  return async (proc, args, name) => {
    try {
      return await run(proc, args, name);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      await proc.err(`${name}: ${error.message}\n`);
      return 1;
    }
  };
}
