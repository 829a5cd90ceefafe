import { FsError } from '../fs/fs-error.ts';
import { UsageError } from '../busybox/applet.ts';
import { echo } from '../busybox/echo.ts';
import { newMode } from '../busybox/file-tools.ts';
import { printf } from '../busybox/printf.ts';
import { parseSignal, signals } from '../process/signals.ts';
import type { Interpreter } from './interpreter.ts';
import { ExitJump, LoopJump, ReturnJump } from './jumps.ts';
import { parseScript } from './parser.ts';
import { arithmetic } from './expand.ts';
import { ShellError } from './state.ts';
import { TestError, evaluateTest } from './test-command.ts';

/** What a mask leaves, as `u=rwx,g=rx,o=rx`. */
function symbolicMask(mask: number): string {
  return (['u', 'g', 'o'] as const).map((who, i) => `${who}=${[...'rwx'].filter((_, bit) => !(mask & (1 << (8 - 3 * i - bit)))).join('')}`).join(',');
}

async function umask(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { proc } = shell;
  const [mask] = args.filter((arg) => arg !== '-S');
  if (mask === undefined) await proc.out(`${args.includes('-S') ? symbolicMask(proc.umask) : proc.umask.toString(8).padStart(4, '0')}\n`);
  else if (/^[0-7]+$/.test(mask)) proc.umask = Number.parseInt(mask, 8) & 0o777;
  else {
    try {
      proc.umask = 0o777 & ~newMode(mask, { old: 0o777 & ~proc.umask, directory: true });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new ShellError(`umask: illegal mode: ${mask}`);
    }
  }
  return 0;
}

/** A command that the shell runs itself. */
export type Builtin = (shell: Interpreter, args: readonly string[], name: string) => Promise<number> | number;

const assignment = /^([A-Za-z_][A-Za-z0-9_]*)(?:=([^]*))?$/;

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function declare(shell: Interpreter, args: readonly string[], change: { exported?: boolean; readOnly?: boolean }): Promise<number> {
  const { state, proc } = shell;
  const names = args.filter((arg) => arg !== '-p');
  if (!names.length) {
    const word = change.exported ? 'export' : 'readonly';
    const chosen = [...state.variables].filter(([, v]) => (change.exported ? v.exported : v.readOnly)).sort();
    await proc.out(chosen.map(([name, { value }]) => `${word} ${name}=${quote(value)}\n`).join(''));
    return 0;
  }
  if (names[0] === '-n') {
    for (const name of names.slice(1)) if (state.get(name) !== undefined) state.set(name, state.get(name) ?? '', { exported: false });
    return 0;
  }
  for (const arg of names) {
    const [, name, value] = assignment.exec(arg) ?? [];
    if (!name) throw new ShellError(`${change.exported ? 'export' : 'readonly'}: ${arg}: bad variable name`);
    state.set(name, value ?? state.get(name) ?? '', change);
  }
  return 0;
}

async function setBuiltin(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { state, proc } = shell;
  if (!args.length) {
    await proc.out([...state.variables].sort().map(([name, { value }]) => `${name}=${quote(value)}\n`).join(''));
    return 0;
  }
  const apply = (option: string, on: boolean): void => void (on ? state.options.add(option) : state.options.delete(option));
  const long: Readonly<Record<string, string>> = { errexit: 'e', nounset: 'u', xtrace: 'x', noglob: 'f', noclobber: 'C', allexport: 'a', verbose: 'v', noexec: 'n', pipefail: 'pipefail' };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      state.positional = args.slice(i + 1);
      return 0;
    }
    if (!/^[-+]./.test(arg)) {
      state.positional = args.slice(i);
      return 0;
    }
    const on = arg.startsWith('-');
    for (const letter of arg.slice(1)) {
      if (letter !== 'o') apply(letter, on);
      else {
        const name = args[++i] ?? '';
        if (!long[name]) throw new ShellError(`set: illegal option ${arg.slice(0, 1)}o ${name}`);
        apply(long[name], on);
      }
    }
  }
  return 0;
}

async function cd(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { state, proc } = shell;
  const target = args.find((arg) => arg !== '-P' && arg !== '-L' && arg !== '--') ?? state.get('HOME') ?? '/root';
  const wanted = target === '-' ? (state.get('OLDPWD') ?? proc.cwd) : target;
  try {
    const path = proc.path(wanted);
    if (proc.fs.stat(path).kind !== 'directory') throw new FsError('ENOTDIR', path);
    if (!proc.fs.access(path, 'x')) throw new FsError('EACCES', path);
    state.set('OLDPWD', proc.cwd);
    proc.cwd = path;
    state.set('PWD', path);
    if (target === '-') await proc.out(`${path}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await shell.complain(`cd: can't cd to ${wanted}: ${error.message}`);
    return 1;
  }
}

async function readLine(shell: Interpreter, options: { raw: boolean; timeoutMs?: number | undefined; count?: number | undefined }): Promise<{ text: string; ended: boolean }> {
  const { proc } = shell;
  const bytes: number[] = [];
  for (;;) {
    const next = proc.read(0, 1);
    const got = options.timeoutMs === undefined ? await next : await Promise.race([next, proc.sleep(options.timeoutMs).then(() => 'timeout' as const)]);
    const byte = got === 'timeout' ? undefined : got?.[0];
    const text = (): string => Buffer.from(bytes).toString();
    if (byte === undefined) return { text: text(), ended: false };
    if (byte === 10) {
      if (!options.raw && bytes.at(-1) === 92) {
        bytes.pop();
        continue;
      }
      return { text: text(), ended: true };
    }
    bytes.push(byte);
    if (options.count !== undefined && bytes.length >= options.count) return { text: text(), ended: true };
  }
}

function splitFields(text: string, ifs: string, count: number): string[] {
  const blanks = [...ifs].filter((c) => ' \t\n'.includes(c)).join('');
  const trim = (value: string): string => {
    let [start, end] = [0, value.length];
    while (start < end && blanks.includes(value[start] as string)) start++;
    while (end > start && blanks.includes(value[end - 1] as string)) end--;
    return value.slice(start, end);
  };
  const out: string[] = [];
  let rest = trim(text);
  while (out.length < count - 1 && rest !== '') {
    const end = [...rest].findIndex((c) => ifs.includes(c));
    if (end < 0) break;
    out.push(rest.slice(0, end));
    let next = end;
    while (blanks.includes(rest[next] ?? 'x')) next++;
    if (!blanks.includes(rest[next] ?? ' ') && ifs.includes(rest[next] ?? 'x')) next++;
    while (blanks.includes(rest[next] ?? 'x')) next++;
    rest = rest.slice(next);
  }
  out.push(rest);
  return out;
}

async function read(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { state, proc } = shell;
  let [raw, i] = [false, 0];
  let timeoutMs: number | undefined;
  let count: number | undefined;
  for (; i < args.length && args[i]?.startsWith('-'); i++) {
    const arg = args[i] as string;
    if (arg === '-r') raw = true;
    else if (arg === '-t') timeoutMs = Number(args[++i]) * 1000;
    else if (arg === '-n') count = Number(args[++i]);
    else if (arg === '-p') await proc.err(args[++i] ?? '');
    else if (arg !== '-s') throw new ShellError(`read: illegal option ${arg}`);
  }
  const names = args.slice(i);
  const { text, ended } = await readLine(shell, { raw, timeoutMs, count });
  const clean = raw ? text : text.replace(/\\([^])/g, '$1');
  const values = names.length ? splitFields(clean, state.get('IFS') ?? ' \t\n', names.length) : [clean];
  (names.length ? names : ['REPLY']).forEach((name, n) => state.set(name, values[n] ?? ''));
  return ended ? 0 : 1;
}

async function wait(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { state, proc } = shell;
  const wanted = args.length ? args.map((arg) => state.jobs.find((job) => job.pid === Number(arg) || arg === '%1')) : [...state.jobs];
  if (args.length && wanted.some((job) => !job)) return 127;
  let status = 0;
  for (const job of wanted) {
    if (!job) continue;
    const trapped = shell.traps.next();
    const outcome = await proc.until(Promise.race([job.exited.then((code) => ({ code })), trapped.signal.then((signal) => ({ signal }))]));
    trapped.stop();
    if ('signal' in outcome) return 128 + outcome.signal;
    state.jobs = state.jobs.filter((other) => other !== job);
    status = outcome.code;
  }
  return args.length ? status : 0;
}

async function kill(shell: Interpreter, args: readonly string[]): Promise<number> {
  if (args[0] === '-l') {
    await shell.proc.out(`${Object.keys(signals).join(' ')}\n`);
    return 0;
  }
  let signal: number | undefined = signals.TERM;
  let rest = args;
  if (args[0] === '-s') {
    signal = parseSignal(args[1] ?? '');
    rest = args.slice(2);
  } else if (args[0]?.startsWith('-') && args[0] !== '--') {
    signal = parseSignal(args[0].slice(1));
    rest = args.slice(1);
  }
  if (signal === undefined) {
    await shell.complain(`kill: bad signal name '${args[0]?.slice(1) ?? ''}'`);
    return 1;
  }
  let status = 0;
  for (const pid of rest.filter((arg) => arg !== '--')) {
    const target = pid.startsWith('%') ? (shell.state.jobs.at(Number(pid.slice(1)) - 1)?.pid ?? Number.NaN) : Number(pid);
    if (Number.isNaN(target) || !shell.proc.kill(target, signal)) {
      await shell.complain(`can't kill pid ${pid}: No such process`);
      status = 1;
    }
  }
  return status;
}

async function describe(shell: Interpreter, args: readonly string[], verbose: boolean): Promise<number> {
  let status = 0;
  for (const name of args) {
    const found = shell.proc.which(name);
    if (shell.state.functions.has(name)) await shell.proc.out(verbose ? `${name} is a function\n` : `${name}\n`);
    else if (specialBuiltins.has(name) || builtins.has(name)) await shell.proc.out(verbose ? `${name} is a shell builtin\n` : `${name}\n`);
    else if (found && found !== 'denied') await shell.proc.out(verbose ? `${name} is ${found}\n` : `${found}\n`);
    else {
      if (verbose) await shell.proc.out(`${name}: not found\n`);
      status = 127;
    }
  }
  return status;
}

async function command(shell: Interpreter, args: readonly string[]): Promise<number> {
  if (args[0] === '-v' || args[0] === '-V') return describe(shell, args.slice(1), args[0] === '-V');
  const name = args[0];
  if (name === undefined) return 0;
  const builtin = specialBuiltins.get(name) ?? builtins.get(name);
  if (builtin) return builtin(shell, args.slice(1), name);
  const child = await shell.launch(args, new Map());
  return typeof child === 'number' ? child : shell.wait(child);
}

async function source(shell: Interpreter, args: readonly string[]): Promise<number> {
  const path = args[0] ?? '';
  const { proc } = shell;
  const candidates = path.includes('/') ? [path] : [...(shell.state.get('PATH') ?? '').split(':').map((dir) => `${dir}/${path}`), path];
  const found = candidates.find((candidate) => proc.fs.tryStat(proc.path(candidate))?.kind === 'file');
  if (!found) throw new ShellError(`.: can't open '${path}': No such file or directory`);
  try {
    return await shell.list(parseScript(proc.fs.readText(proc.path(found))));
  } catch (error) {
    if (error instanceof ReturnJump) return error.code;
    throw error;
  }
}

function statusArgument(shell: Interpreter, args: readonly string[], name: string): number {
  if (args[0] === undefined) return shell.state.status;
  if (!/^-?\d+$/.test(args[0])) throw new ShellError(`${name}: Illegal number: ${args[0]}`);
  return Number(args[0]) & 255;
}

function jump(kind: 'break' | 'continue'): Builtin {
  return (_shell, args) => {
    throw new LoopJump(kind, Number(args[0] ?? 1) || 1);
  };
}

async function trap(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { state, traps } = shell;
  if (!args.length) {
    await shell.proc.out([...state.traps].map(([name, action]) => `trap -- ${quote(action)} ${name}\n`).join(''));
    return 0;
  }
  const rest = args[0] === '--' ? args.slice(1) : args;
  const [action, conditions] = rest.length === 1 ? ['-', rest] : [rest[0] ?? '-', rest.slice(1)];
  for (const condition of conditions) {
    if (!traps.set(condition, action)) throw new ShellError(`trap: ${condition}: invalid signal specification`);
  }
  return 0;
}

async function getopts(shell: Interpreter, args: readonly string[]): Promise<number> {
  const { state } = shell;
  const [spec = '', name = 'opt', ...given] = args;
  const list = given.length ? given : state.positional;
  const index = Number(state.get('OPTIND') ?? '1') - 1;
  const offset = Number(state.get('_OPTOFF') ?? '1');
  const word = list[index];
  if (word === undefined || !/^-./.test(word) || word === '--') {
    state.set(name, '?');
    if (word === '--') state.set('OPTIND', String(index + 2));
    return 1;
  }
  const letter = word[offset] as string;
  const at = spec.indexOf(letter);
  const takes = at >= 0 && spec[at + 1] === ':';
  let nextIndex = index;
  let nextOffset = offset + 1;
  state.set(name, at >= 0 && letter !== ':' ? letter : '?');
  if (at < 0 && !spec.startsWith(':')) await shell.complain(`illegal option -${letter}`);
  if (takes) {
    const inline = word.slice(offset + 1);
    state.set('OPTARG', inline || list[index + 1] || '');
    nextIndex = index + (inline ? 1 : 2);
    nextOffset = 1;
  } else if (nextOffset >= word.length) {
    nextIndex = index + 1;
    nextOffset = 1;
  }
  state.set('OPTIND', String(nextIndex + 1));
  state.set('_OPTOFF', String(nextOffset));
  return 0;
}

async function test(shell: Interpreter, args: readonly string[], name: string): Promise<number> {
  let operands = args;
  if (name === '[' || name === '[[') {
    if (args.at(-1) !== (name === '[' ? ']' : ']]')) {
      await shell.complain(`${name}: missing ${name === '[' ? ']' : ']]'}`);
      return 2;
    }
    operands = args.slice(0, -1).map((arg) => (name === '[[' && arg === '&&' ? '-a' : name === '[[' && arg === '||' ? '-o' : arg));
  }
  try {
    return evaluateTest(shell.proc, operands) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof TestError)) throw error;
    await shell.complain(error.message);
    return 2;
  }
}

/** POSIX's special built-ins: found before functions, and their errors end a script. */
export const specialBuiltins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [':', () => 0],
  ['.', source],
  ['source', source],
  ['break', jump('break')],
  ['continue', jump('continue')],
  ['eval', (shell, args) => (args.length ? shell.list(parseScript(args.join(' '))) : 0)],
  ['exec', () => 0],
  ['exit', (shell, args) => { throw new ExitJump(statusArgument(shell, args, 'exit')); }],
  ['export', (shell, args) => declare(shell, args, { exported: true })],
  ['readonly', (shell, args) => declare(shell, args, { readOnly: true })],
  ['return', (shell, args) => { throw new ReturnJump(statusArgument(shell, args, 'return')); }],
  ['set', setBuiltin],
  ['shift', (shell, args) => {
    const count = Number(args[0] ?? 1);
    if (count > shell.state.positional.length) throw new ShellError("shift: can't shift that many");
    shell.state.positional = shell.state.positional.slice(count);
    return 0;
  }],
  ['trap', trap],
  ['unset', (shell, args) => {
    const functions = args[0] === '-f';
    for (const name of args.filter((arg) => arg !== '-f' && arg !== '-v')) {
      if (functions) shell.state.functions.delete(name);
      else shell.state.unset(name);
    }
    return 0;
  }],
]);

export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['[', test],
  ['[[', test],
  ['test', test],
  ['cd', cd],
  ['command', command],
  ['echo', async (shell, args) => echo(shell.proc, args)],
  ['false', () => 1],
  ['true', () => 0],
  ['getopts', getopts],
  ['hash', () => 0],
  ['jobs', async (shell) => {
    const running = shell.state.jobs.filter((job) => job.code === undefined);
    await shell.proc.out(running.map((job, i) => `[${i + 1}]${i === running.length - 1 ? '+' : '-'}  Running                    pid ${job.pid}\n`).join(''));
    return 0;
  }],
  ['kill', kill],
  ['let', (shell, args) => {
    let value = 0n;
    for (const arg of args) value = arithmetic(shell.state, arg);
    return value === 0n ? 1 : 0;
  }],
  ['local', (shell, args) => {
    if (!shell.state.locals.length) throw new ShellError('local: not in a function');
    for (const arg of args) {
      const [, name, value] = assignment.exec(arg) ?? [];
      if (!name) throw new ShellError(`local: ${arg}: bad variable name`);
      shell.state.makeLocal(name);
      shell.state.set(name, value ?? (shell.state.get(name) ?? ''));
    }
    return 0;
  }],
  ['printf', async (shell, args) => printf(shell.proc, args)],
  ['pwd', async (shell) => {
    await shell.proc.out(`${shell.proc.cwd}\n`);
    return 0;
  }],
  ['read', read],
  ['type', (shell, args) => describe(shell, args, true)],
  ['ulimit', async (shell, args) => {
    await shell.proc.out(args.includes('-n') ? '1048576\n' : 'unlimited\n');
    return 0;
  }],
  ['umask', umask],
  ['alias', () => 0],
  ['unalias', () => 0],
  ['times', async (shell) => {
    await shell.proc.out('0m0.00s 0m0.00s\n0m0.00s 0m0.00s\n');
    return 0;
  }],
  ['wait', wait],
]);
