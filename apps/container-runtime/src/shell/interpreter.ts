import { collector } from '../process/open-file.ts';
import { createPipe } from '../process/pipe.ts';
import type { ChildProcess, Proc } from '../process/proc.ts';
import { ExecError } from '../process/process-table.ts';
import { endedTexts } from '../process/signals.ts';
import type { Command, List, Word } from './ast.ts';
import { type Builtin, builtins, specialBuiltins } from './builtins.ts';
import { type ExpansionContext, expandFields, expandPattern, expandText } from './expand.ts';
import { ExitJump, LoopJump, ReturnJump } from './jumps.ts';
import { matchesPattern } from './pattern.ts';
import { ShellSyntaxError } from './reader.ts';
import { RedirectError, redirect } from './redirect.ts';
import { ShellError, type ShellState } from './state.ts';
import { Traps } from './traps.ts';

/** Commands after which a script that never waits pauses, so that a busy loop cannot starve the other containers. */
const burst = 256;
const longestPauseMs = 20;
const maxDepth = 500;

/** Runs parsed scripts in a process, with that process's descriptors, directory and environment. */
export class Interpreter implements ExpansionContext {
  readonly proc: Proc;
  readonly state: ShellState;
  readonly traps: Traps;
  private commands = 0;
  private depth = 0;
  /** Above 0 where a failing command does not end a `set -e` script. */
  private tested = 0;

  constructor(proc: Proc, state: ShellState) {
    this.proc = proc;
    this.state = state;
    this.traps = new Traps(this);
  }

  async complain(message: string): Promise<void> {
    await this.proc.err(`${this.state.name}: ${message}\n`);
  }

  async list(list: List): Promise<number> {
    for (const { command, background } of list) {
      if (background) this.background(command);
      else await this.command(command);
      if (this.traps.pending) await this.traps.run();
    }
    return this.state.status;
  }

  /** A pause counts as computing: it costs CPU, and lasts the longer the less of it the container may use. */
  private compute(ms: number): Promise<void> {
    const { load } = this.proc.host;
    load.work(ms);
    return this.proc.sleep(Math.max(ms, load.backlogMs()));
  }

  /** A list whose failure is asked for, not fatal. */
  private async test(list: List): Promise<boolean> {
    this.tested++;
    try {
      return (await this.list(list)) === 0;
    } finally {
      this.tested--;
    }
  }

  async command(command: Command): Promise<number> {
    if (++this.depth > maxDepth) throw new ShellError('maximum nesting exceeded');
    try {
      const status = await this.dispatch(command);
      this.state.status = status;
      const judged = command.type === 'simple' || command.type === 'pipeline' || command.type === 'subshell';
      if (status !== 0 && judged && !this.tested && this.state.options.has('e') && !(command.type === 'pipeline' && command.negated)) throw new ExitJump(status);
      return status;
    } finally {
      this.depth--;
    }
  }

  private async dispatch(command: Command): Promise<number> {
    switch (command.type) {
      case 'simple':
        return this.simple(command);
      case 'pipeline':
        return this.pipeline(command.commands, command.negated);
      case 'and':
      case 'or': {
        const succeeded = await this.test([{ command: command.left, background: false }]);
        if (succeeded === (command.type === 'and')) return this.command(command.right);
        return this.state.status;
      }
      case 'function':
        this.state.functions.set(command.name, command.body);
        return 0;
      default:
        return this.redirected(command.redirects, () => this.compound(command));
    }
  }

  private async redirected(redirects: Parameters<typeof redirect>[1], run: () => Promise<number>): Promise<number> {
    if (!redirects.length) return run();
    let restore: () => void;
    try {
      restore = await redirect(this, redirects, this.state.options.has('C'));
    } catch (error) {
      if (!(error instanceof RedirectError)) throw error;
      await this.complain(error.message);
      return 1;
    }
    try {
      return await run();
    } finally {
      restore();
    }
  }

  private async compound(command: Exclude<Command, { type: 'simple' | 'pipeline' | 'and' | 'or' | 'function' }>): Promise<number> {
    switch (command.type) {
      case 'group':
        return command.body.length ? this.list(command.body) : 0;
      case 'subshell':
        return this.wait(this.subshell(command.body));
      case 'if': {
        for (const { condition, body } of command.clauses) if (await this.test(condition)) return this.body(body);
        return command.otherwise ? this.body(command.otherwise) : 0;
      }
      case 'loop': {
        let status = 0;
        await this.loop(async () => {
          if ((await this.test(command.condition)) === command.until) return false;
          status = await this.body(command.body);
          return true;
        });
        return status;
      }
      case 'for': {
        const values = command.words ? await this.fields(command.words) : [...this.state.positional];
        let [status, i] = [0, 0];
        await this.loop(async () => {
          if (i >= values.length) return false;
          this.state.set(command.name, values[i++] ?? '');
          status = await this.body(command.body);
          return true;
        });
        return status;
      }
      case 'case':
        return this.caseOf(command);
    }
  }

  private async body(list: List): Promise<number> {
    this.state.status = 0;
    return this.list(list);
  }

  /** Runs `round` until it says false, honouring break and continue. */
  private async loop(round: () => Promise<boolean>): Promise<void> {
    for (;;) {
      await this.breathe();
      try {
        if (!(await round())) return;
      } catch (error) {
        if (!(error instanceof LoopJump)) throw error;
        if (error.levels > 1) {
          error.levels--;
          throw error;
        }
        this.state.status = 0;
        if (error.kind === 'break') return;
      }
    }
  }

  private async caseOf(command: Extract<Command, { type: 'case' }>): Promise<number> {
    const subject = await expandText(this, command.subject);
    let falling = false;
    for (const { patterns, body, fallthrough } of command.items) {
      let hit = falling;
      for (const pattern of patterns) hit ||= matchesPattern(subject, await expandPattern(this, pattern));
      if (!hit) continue;
      const status = body.length ? await this.list(body) : 0;
      if (!fallthrough) return status;
      falling = true;
    }
    return falling ? this.state.status : 0;
  }

  private async fields(words: readonly Word[]): Promise<string[]> {
    const out: string[] = [];
    for (const word of words) out.push(...(await expandFields(this, word)));
    return out;
  }

  private async breathe(): Promise<void> {
    if (++this.commands % burst === 0) await this.compute(Math.min(longestPauseMs, this.commands / burst));
  }

  private async simple(command: Extract<Command, { type: 'simple' }>): Promise<number> {
    await this.breathe();
    const { state } = this;
    const before = state.status;
    const argv = await this.fields(command.words);
    const assigned: [string, string][] = [];
    const substituted = state.status;
    state.status = before;
    for (const { name, value } of command.assignments) assigned.push([name, await expandText(this, value)]);
    if (state.options.has('x')) await this.trace(assigned, argv);
    if (!argv.length) {
      const status = command.assignments.some(({ value }) => value.some((part) => part.type === 'command')) ? state.status : command.words.length ? substituted : 0;
      for (const [name, value] of assigned) state.set(name, value);
      return this.redirected(command.redirects, () => Promise.resolve(status));
    }
    return this.invoke(argv, assigned, command);
  }

  private async trace(assigned: readonly [string, string][], argv: readonly string[]): Promise<void> {
    const quote = (text: string): string => (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
    await this.proc.err(`+ ${[...assigned.map(([name, value]) => `${name}=${quote(value)}`), ...argv.map(quote)].join(' ')}\n`);
  }

  private async invoke(argv: readonly string[], assigned: readonly [string, string][], command: Extract<Command, { type: 'simple' }>): Promise<number> {
    const { state } = this;
    const name = argv[0] as string;
    const special = specialBuiltins.get(name);
    const body = special ? undefined : state.functions.get(name);
    const builtin = special ?? (body ? undefined : builtins.get(name));
    if (!builtin && !body) return this.external(argv, new Map(assigned), command);
    if (special && name === 'exec') return this.execBuiltin(argv.slice(1), assigned, command);
    return this.redirected(command.redirects, () =>
      this.withVariables(assigned, special !== undefined, () => (body ? this.call(body, argv) : this.builtin(builtin as Builtin, argv))),
    );
  }

  /** Assignments before a special built-in stay; before others they last as long as the command. */
  private async withVariables(assigned: readonly [string, string][], stay: boolean, run: () => Promise<number>): Promise<number> {
    if (!assigned.length) return run();
    const { state } = this;
    const old = assigned.map(([name]) => [name, state.variables.get(name)] as const);
    for (const [name, value] of assigned) state.set(name, value, stay ? {} : { exported: true });
    try {
      return await run();
    } finally {
      if (!stay) {
        for (const [name, variable] of old) {
          if (variable) state.variables.set(name, variable);
          else state.variables.delete(name);
        }
      }
    }
  }

  private async builtin(builtin: Builtin, argv: readonly string[]): Promise<number> {
    return builtin(this, argv.slice(1), argv[0] as string);
  }

  private async call(body: Command, argv: readonly string[]): Promise<number> {
    const { state } = this;
    const outer = state.positional;
    state.positional = argv.slice(1);
    state.locals.push(new Map());
    try {
      return await this.command(body);
    } catch (error) {
      if (error instanceof ReturnJump) return error.code;
      throw error;
    } finally {
      state.leaveFunction();
      state.positional = outer;
    }
  }

  private async execBuiltin(argv: readonly string[], assigned: readonly [string, string][], command: Extract<Command, { type: 'simple' }>): Promise<number> {
    // The descriptors stay: what was replaced is let go instead of put back.
    const held = new Map(this.proc.fds);
    try {
      await redirect(this, command.redirects);
    } catch (error) {
      if (!(error instanceof RedirectError)) throw error;
      await this.complain(error.message);
      throw new ExitJump(1);
    }
    for (const [fd, file] of held) if (this.proc.fds.get(fd) !== file) file.release();
    for (const [name, value] of assigned) this.state.set(name, value);
    if (!argv.length) return 0;
    await this.replace(argv, new Map(assigned));
    return 0;
  }

  /** Becomes another program. */
  async replace(argv: readonly string[], extra: ReadonlyMap<string, string>): Promise<never> {
    try {
      return await this.proc.exec({ argv, env: new Map([...this.state.exported(), ...extra]) });
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      await this.complain(`exec: ${argv[0]}: ${error.message}`);
      throw new ExitJump(error.exitCode);
    }
  }

  private external(argv: readonly string[], extra: ReadonlyMap<string, string>, command: Extract<Command, { type: 'simple' }>): Promise<number> {
    return this.redirected(command.redirects, async () => {
      const child = await this.launch(argv, extra);
      return typeof child === 'number' ? child : this.wait(child);
    });
  }

  /** Starts a program; a number when it cannot be run. */
  async launch(argv: readonly string[], extra: ReadonlyMap<string, string>): Promise<ChildProcess | number> {
    try {
      return this.proc.spawn({ argv, env: new Map([...this.state.exported(), ...extra]), fds: this.proc.fds });
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      const found = this.proc.which(argv[0] as string);
      if (found && found !== 'denied') return this.script(found, argv);
      await this.complain(`${argv[0]}: ${error.message}`);
      return error.exitCode;
    }
  }

  /** An executable file without `#!` is a script for this shell. */
  private script(path: string, argv: readonly string[]): ChildProcess {
    return this.proc.spawn({ argv: ['sh', path, ...argv.slice(1)], env: this.state.exported(), fds: this.proc.fds });
  }

  async wait(child: ChildProcess): Promise<number> {
    const status = await this.proc.until(child.exited);
    const text = status > 128 ? endedTexts[status - 128] : undefined;
    if (text && !this.state.interactive && this.state.shellPid === this.proc.pid) await this.proc.err(`${text}\n`);
    return status;
  }

  /** Runs a list in a child process with a copy of the state. */
  subshell(list: List, fds = this.proc.fds): ChildProcess {
    const state = this.state.clone();
    const env = this.state.exported();
    return this.proc.spawn({ argv: this.proc.argv, env, fds, program: (proc) => runInSubshell(proc, state, list) });
  }

  private background(command: Command): void {
    const { state, proc } = this;
    const fds = new Map(proc.fds);
    const child = this.subshell([{ command, background: false }], fds);
    state.lastBackground = child.pid;
    state.jobs.push({ pid: child.pid, exited: child.exited, text: '' });
    const job = state.jobs.at(-1);
    void child.exited.then((code) => {
      if (job) job.code = code;
    });
    state.status = 0;
  }

  private async pipeline(commands: readonly Command[], negated: boolean): Promise<number> {
    const status = await (commands.length === 1 ? this.single(commands[0] as Command, negated) : this.piped(commands));
    if (!negated) return status;
    return status === 0 ? 1 : 0;
  }

  private async single(command: Command, negated: boolean): Promise<number> {
    if (negated) this.tested++;
    try {
      return await this.command(command);
    } finally {
      if (negated) this.tested--;
    }
  }

  private async piped(commands: readonly Command[]): Promise<number> {
    const children: ChildProcess[] = [];
    let input = this.proc.fds.get(0)?.retain();
    for (const [i, command] of commands.entries()) {
      const last = i === commands.length - 1;
      const pipe = last ? undefined : createPipe();
      const fds = new Map(this.proc.fds);
      if (input) fds.set(0, input);
      if (pipe) fds.set(1, pipe.writer);
      children.push(this.subshell([{ command, background: false }], fds));
      input?.release();
      pipe?.writer.release();
      input = pipe?.reader;
    }
    const statuses = await this.proc.until(Promise.all(children.map((child) => child.exited)));
    const failed = this.state.options.has('pipefail') ? statuses.findLast((status) => status !== 0) : undefined;
    return failed ?? statuses.at(-1) ?? 0;
  }

  async substitute(list: List): Promise<string> {
    const output = collector();
    const fds = new Map(this.proc.fds).set(1, output.file);
    const child = this.subshell(list, fds);
    this.state.status = await this.proc.until(child.exited);
    return output.text();
  }
}

/** Outcome of a list at the edge of a shell: jumps and errors become an exit code. */
export async function settle(interpreter: Interpreter, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ExitJump || error instanceof ReturnJump) return error.code;
    if (error instanceof LoopJump) return 0;
    if (error instanceof ShellError || error instanceof ShellSyntaxError) {
      await interpreter.complain(error.message);
      return 2;
    }
    throw error;
  }
}

async function runInSubshell(proc: Proc, state: ShellState, list: List): Promise<number> {
  const interpreter = new Interpreter(proc, state);
  const only = list.length === 1 ? list[0]?.command : undefined;
  const status = await settle(interpreter, () => (only?.type === 'simple' ? runLast(interpreter, only) : interpreter.list(list)));
  return interpreter.traps.atExit(status);
}

/** A single external command takes the subshell's place, so that its pid is the one that signals reach. */
export async function runLast(interpreter: Interpreter, command: Extract<Command, { type: 'simple' }>): Promise<number> {
  const first = command.words[0];
  const name = first?.length === 1 && first[0]?.type === 'literal' ? first[0].text : undefined;
  const { state, proc } = interpreter;
  const replaceable = name !== undefined && !specialBuiltins.has(name) && !builtins.has(name) && !state.functions.has(name) && !state.options.has('x') && !command.redirects.length;
  const found = replaceable ? proc.which(name) : undefined;
  if (!found || found === 'denied' || command.assignments.length) return interpreter.command(command);
  const argv: string[] = [];
  for (const word of command.words) argv.push(...(await expandFields(interpreter, word)));
  try {
    return await proc.exec({ argv, env: state.exported() });
  } catch (error) {
    if (error instanceof ExecError) return interpreter.command(command);
    throw error;
  }
}
