import { readAll } from '../process/files.ts';
import type { Proc, Program } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { List } from './ast.ts';
import { Interpreter, runLast, settle } from './interpreter.ts';
import { ExitJump, LoopJump, ReturnJump } from './jumps.ts';
import { parseScript } from './parser.ts';
import { ShellSyntaxError } from './reader.ts';
import { ShellError, ShellState } from './state.ts';

function freshState(proc: Proc, argv0 = 'sh'): ShellState {
  const state = new ShellState();
  for (const [name, value] of proc.env) if (/^[A-Za-z_]\w*$/.test(name)) state.set(name, value, { exported: true });
  state.set('PWD', proc.cwd, { exported: true });
  state.set('OPTIND', '1');
  if (state.get('PATH') === undefined) state.set('PATH', '/sbin:/usr/sbin:/bin:/usr/bin');
  if (state.get('HOME') === undefined) state.set('HOME', proc.cred.uid === 0 ? '/root' : '/', { exported: true });
  state.shellPid = proc.pid;
  state.name = argv0.replace(/^-/, '');
  return state;
}

interface Invocation {
  readonly command?: string;
  readonly file?: string;
  readonly interactive: boolean;
}

function parseArguments(argv: readonly string[], state: ShellState): Invocation {
  let [i, wantsCommand, interactive] = [1, false, false];
  for (; i < argv.length && /^[-+]./.test(argv[i] as string); i++) {
    const arg = argv[i] as string;
    if (arg === '--') {
      i++;
      break;
    }
    if (arg.startsWith('--')) continue;
    for (const letter of arg.slice(1)) {
      if (letter === 'c') wantsCommand = true;
      else if (letter === 'i') interactive = true;
      else if (letter === 'o') {
        const long = argv[++i];
        if (long === 'pipefail') state.options.add('pipefail');
        else if (long === 'errexit') state.options.add('e');
        else if (long === 'nounset') state.options.add('u');
      } else if (letter !== 'l' && letter !== 's') {
        if (arg.startsWith('-')) state.options.add(letter);
        else state.options.delete(letter);
      }
    }
  }
  const rest = argv.slice(i);
  if (wantsCommand) {
    state.name = rest[1] ?? state.name;
    state.positional = rest.slice(2);
    if (rest[0] === undefined) throw new ShellError('-c requires an argument');
    return { command: rest[0], interactive };
  }
  if (rest[0] !== undefined) {
    state.name = rest[0];
    state.positional = rest.slice(1);
    return { file: rest[0], interactive };
  }
  return { interactive };
}

async function runScript(shell: Interpreter, text: string): Promise<number> {
  let list: List;
  try {
    list = parseScript(text);
  } catch (error) {
    if (!(error instanceof ShellSyntaxError)) throw error;
    await shell.complain(error.line > 1 && text.trimEnd().includes('\n') ? `line ${error.line}: ${error.message}` : error.message);
    return 2;
  }
  if (shell.state.options.has('n')) return 0;
  const status = await settle(shell, async () => {
    const only = list.length === 1 && !list[0]?.background ? list[0]?.command : undefined;
    return only?.type === 'simple' ? runLast(shell, only) : shell.list(list);
  });
  return shell.traps.atExit(status);
}

const home = (path: string, directory: string | undefined): string => {
  if (!directory || directory === '/') return path;
  return path === directory ? '~' : path.startsWith(`${directory}/`) ? `~${path.slice(directory.length)}` : path;
};

async function readLine(proc: Proc): Promise<string | undefined> {
  let line = '';
  for (;;) {
    const bytes = await proc.read(0);
    if (!bytes) return line || undefined;
    line += Buffer.from(bytes).toString();
    if (line.endsWith('\n')) return line;
  }
}

/** Reads commands with a prompt. ^C gives a new line, ^D or `exit` ends. */
async function interactive(shell: Interpreter): Promise<number> {
  const { proc, state } = shell;
  state.interactive = true;
  proc.onSignal(signals.TERM, 'ignore');
  const prompt = (): string => state.get('PS1')?.replace('\\w', home(proc.cwd, state.get('HOME'))).replace('\\$', proc.cred.uid === 0 ? '#' : '$').replace('\\h', proc.host.hostname) ?? `${home(proc.cwd, state.get('HOME'))} ${proc.cred.uid === 0 ? '#' : '$'} `;
  let pending = '';
  proc.onSignal(signals.INT, () => {
    pending = '';
    if (reading) void proc.out(prompt());
  });
  let reading = false;
  for (;;) {
    await proc.out(pending ? '> ' : prompt());
    reading = true;
    const line = await readLine(proc);
    reading = false;
    if (line === undefined) {
      await proc.out('\n');
      return shell.traps.atExit(state.status);
    }
    pending += line;
    try {
      const list = parseScript(pending);
      pending = '';
      await shell.list(list);
    } catch (error) {
      if (error instanceof ShellSyntaxError && error.incomplete) continue;
      pending = '';
      if (error instanceof ExitJump) return shell.traps.atExit(error.code);
      if (error instanceof ShellSyntaxError || error instanceof ShellError) {
        await shell.complain(error.message);
        state.status = 2;
      } else if (!(error instanceof LoopJump || error instanceof ReturnJump)) throw error;
    }
  }
}

/** The shell: `sh -c script`, `sh file`, a script on stdin, or interactive on a terminal. */
export const sh: Program = (proc) => shell(proc, proc.argv);

/** The shell with other arguments than the process's own (`busybox sh -c …`). */
export async function shell(proc: Proc, argv: readonly string[]): Promise<number> {
  const state = freshState(proc, argv[0]);
  const interpreter = new Interpreter(proc, state);
  try {
    const invocation = parseArguments(argv, state);
    if (invocation.command !== undefined) return await runScript(interpreter, invocation.command);
    if (invocation.file !== undefined) {
      const path = proc.path(invocation.file);
      if (proc.fs.tryStat(path)?.kind !== 'file') {
        await proc.err(`${argv[0] ?? 'sh'}: can't open '${invocation.file}': No such file or directory\n`);
        return 127;
      }
      return await runScript(interpreter, proc.fs.readText(path));
    }
    const stdin = proc.fds.get(0);
    if (invocation.interactive || stdin?.isTty) return await interactive(interpreter);
    return await scriptFromInput(interpreter);
  } catch (error) {
    if (!(error instanceof ShellError)) throw error;
    await interpreter.complain(error.message);
    return 2;
  }
}

/** Commands on a pipe are run as soon as they are complete, so that a client may type them one by one. */
async function scriptFromInput(shell: Interpreter): Promise<number> {
  const { proc } = shell;
  const stdin = proc.fds.get(0);
  if (!stdin) return 0;
  let pending = '';
  for (;;) {
    const line = await oneLine(proc);
    pending += line ?? '';
    if (line === undefined && pending === '') return shell.traps.atExit(shell.state.status);
    let list: List | undefined;
    try {
      list = parseScript(pending);
    } catch (error) {
      if (!(error instanceof ShellSyntaxError)) throw error;
      if (line !== undefined && error.incomplete) continue;
      await shell.complain(error.message);
      return 2;
    }
    pending = '';
    const parsed = list;
    let ended = false;
    const status = await settle(shell, async () => {
      try {
        return await shell.list(parsed);
      } catch (error) {
        ended = true;
        throw error;
      }
    });
    if (ended) return shell.traps.atExit(status);
    if (line === undefined) {
      await readAll(proc, stdin);
      return shell.traps.atExit(status);
    }
  }
}

/** Byte by byte, so that what follows is left for the commands. */
async function oneLine(proc: Proc): Promise<string | undefined> {
  const bytes: number[] = [];
  for (;;) {
    const byte = (await proc.read(0, 1))?.[0];
    if (byte === undefined) return bytes.length ? `${Buffer.from(bytes).toString()}\n` : undefined;
    bytes.push(byte);
    if (byte === 10) return Buffer.from(bytes).toString();
  }
}
