import { FsError } from '../fs/fs-error.ts';
import { readAll, openPath } from '../process/files.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError, parseOptions } from './applet.ts';
import { posixRegex } from './regex.ts';

type Address = { readonly line: number } | { readonly last: true } | { readonly regex: RegExp } | { readonly first: number; readonly step: number } | { readonly plus: number };

interface Command {
  readonly from?: Address;
  readonly to?: Address;
  readonly negated: boolean;
  readonly name: string;
  readonly text: string;
  readonly regex?: RegExp;
  readonly replacement?: string;
  readonly flags?: string;
  readonly block?: Command[];
  /** State of a range: the line it ends at, or true until its end address matches. */
  active: boolean | number;
}

class Parser {
  private readonly text: string;
  private readonly extended: boolean;
  private at = 0;

  constructor(text: string, extended: boolean) {
    this.text = text;
    this.extended = extended;
  }

  parse(nested = false): Command[] {
    const commands: Command[] = [];
    for (;;) {
      this.skip(/[\s;]*/y);
      if (this.at >= this.text.length) {
        if (nested) throw new UsageError('unmatched {');
        return commands;
      }
      if (this.text[this.at] === '}') {
        if (!nested) throw new UsageError("unexpected '}'");
        this.at++;
        return commands;
      }
      commands.push(this.command());
    }
  }

  private skip(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  /** Text up to an unescaped delimiter, which is taken. */
  private until(delimiter: string): string {
    let out = '';
    for (; this.at < this.text.length; this.at++) {
      const c = this.text[this.at] as string;
      if (c === delimiter) {
        this.at++;
        return out;
      }
      if (c === '\\' && this.at + 1 < this.text.length) {
        const next = this.text[++this.at] as string;
        out += next === delimiter && delimiter !== '/' ? next : next === delimiter ? next : `\\${next}`;
      } else if (c === '[' && delimiter !== ']') {
        const set = /\[\^?\]?(?:\[:\w+:\]|[^\]])*\]/y;
        set.lastIndex = this.at;
        const whole = set.exec(this.text)?.[0];
        if (whole && !whole.includes('\n') && !whole.includes(delimiter)) {
          out += whole;
          this.at += whole.length - 1;
        } else out += c;
      } else out += c;
    }
    throw new UsageError(`unterminated address or pattern`);
  }

  private regex(source: string, flags = ''): RegExp {
    try {
      return new RegExp(posixRegex(source, this.extended), flags);
    } catch {
      throw new UsageError(`bad regex '${source}'`);
    }
  }

  private address(): Address | undefined {
    const number = this.skip(/\d+/y);
    if (number) {
      if (this.text[this.at] === '~') {
        this.at++;
        return { first: Number(number), step: Number(this.skip(/\d+/y)) };
      }
      return { line: Number(number) };
    }
    const c = this.text[this.at];
    if (c === '$') {
      this.at++;
      return { last: true };
    }
    if (c === '/' || c === '\\') {
      this.at += c === '/' ? 1 : 2;
      const source = this.until(c === '/' ? '/' : (this.text[this.at - 1] as string));
      return { regex: this.regex(source, this.skip(/I?/y) ? 'i' : '') };
    }
    return undefined;
  }

  private command(): Command {
    const from = this.address();
    let to: Address | undefined;
    if (from && this.skip(/\s*,\s*/y)) {
      const plus = this.skip(/\+\d+/y);
      to = plus ? { plus: Number(plus.slice(1)) } : this.address();
      if (!to) throw new UsageError('no address after comma');
    }
    this.skip(/\s*/y);
    const negated = this.skip(/!\s*/y) !== '';
    const name = this.text[this.at++] ?? '';
    const base = { ...(from ? { from } : {}), ...(to ? { to } : {}), negated, name, text: '', active: false };
    switch (name) {
      case '{':
        return { ...base, block: this.parse(true) };
      case 's': {
        const delimiter = this.text[this.at++] ?? '';
        const pattern = this.until(delimiter);
        const replacement = this.until(delimiter);
        const flags = this.skip(/[gpiIe0-9w]*/y);
        return { ...base, regex: this.regex(pattern, /[iI]/.test(flags) ? 'gi' : 'g'), replacement, flags };
      }
      case 'y': {
        const delimiter = this.text[this.at++] ?? '';
        const set = this.until(delimiter);
        return { ...base, text: set, replacement: this.until(delimiter) };
      }
      case 'a':
      case 'i':
      case 'c': {
        this.skip(/[ \t]*(?:\\\n)?[ \t]*/y);
        const text = this.skip(/(?:[^\n\\]|\\[^])*/y);
        return { ...base, text: text.replace(/\\([^])/g, '$1') };
      }
      case ':':
      case 'b':
      case 't':
      case 'T':
      case 'r':
      case 'w':
      case 'q':
      case 'Q':
        return { ...base, text: this.skip(/[ \t]*[^;\n}]*/y).trim() };
      default:
        if (!'dDpPnNhHgGxlF='.includes(name)) throw new UsageError(`unknown command: ${name}`);
        return base;
    }
  }
}

function substitute(text: string, command: Command): string | undefined {
  const { regex = /(?:)/g, replacement = '', flags = '' } = command;
  const nth = Number(/\d+/.exec(flags)?.[0] ?? 1);
  const global = flags.includes('g');
  let count = 0;
  let changed = false;
  const out = text.replace(regex, (...args) => {
    const groups = args.slice(0, args.findIndex((arg) => typeof arg === 'number')) as (string | undefined)[];
    count++;
    if (count < nth || (count > nth && !global)) return groups[0] ?? '';
    changed = true;
    return replacement.replace(/\\([0-9&nt\\/]|\n|.)|&/g, (all, code?: string) => {
      if (all === '&') return groups[0] ?? '';
      if (code === 'n') return '\n';
      if (code === 't') return '\t';
      return code && /\d/.test(code) ? (groups[Number(code)] ?? '') : (code ?? '');
    });
  });
  return changed ? out : undefined;
}

class Editor {
  private readonly proc: Proc;
  private readonly commands: readonly Command[];
  private readonly quiet: boolean;
  private readonly input: readonly string[];
  private readonly write: (text: string) => Promise<void>;
  private index = 0;
  private pattern = '';
  private hold = '';
  private after: string[] = [];
  private replaced = false;
  quitCode: number | undefined;

  constructor(options: { proc: Proc; commands: readonly Command[]; quiet: boolean; input: readonly string[]; write: (text: string) => Promise<void> }) {
    this.proc = options.proc;
    this.commands = options.commands;
    this.quiet = options.quiet;
    this.input = options.input;
    this.write = options.write;
  }

  async run(): Promise<void> {
    while (this.index < this.input.length && this.quitCode === undefined) {
      this.pattern = this.input[this.index++] as string;
      let outcome: string | undefined;
      do outcome = await this.execute(this.commands);
      while (outcome === 'restart');
      if (outcome !== 'delete' && outcome !== 'quit silently' && !this.quiet) await this.write(`${this.pattern}\n`);
      for (const text of this.after.splice(0)) await this.write(text);
    }
  }

  private matches(address: Address): boolean {
    if ('line' in address) return this.index === address.line;
    if ('last' in address) return this.index === this.input.length;
    if ('regex' in address) return address.regex.test(this.pattern);
    if ('first' in address) return address.step === 0 ? this.index === address.first : this.index >= address.first && (this.index - address.first) % address.step === 0;
    return false;
  }

  private selected(command: Command): boolean {
    const { from, to } = command;
    if (!from) return true;
    if (!to) return this.matches(from);
    if (command.active === false) {
      if (!this.matches(from)) return false;
      if ('line' in to) command.active = to.line > this.index ? to.line : false;
      else if ('plus' in to) command.active = to.plus > 0 ? this.index + to.plus : false;
      else command.active = true;
      return true;
    }
    if (typeof command.active === 'number') {
      const inside = this.index <= command.active;
      if (this.index >= command.active) command.active = false;
      return inside;
    }
    if (this.matches(to)) command.active = false;
    return true;
  }

  private async execute(commands: readonly Command[]): Promise<string | undefined> {
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i] as Command;
      if (this.selected(command) === command.negated) continue;
      const outcome = await this.one(command);
      if (outcome?.startsWith('branch')) {
        const label = outcome.slice(7);
        if (label === '') return undefined;
        const target = commands.findIndex((c) => c.name === ':' && c.text === label);
        if (target < 0) return outcome;
        i = target;
      } else if (outcome) return outcome;
    }
    return undefined;
  }

  private async one(command: Command): Promise<string | undefined> {
    switch (command.name) {
      case '{':
        return this.execute(command.block ?? []);
      case 's': {
        const out = substitute(this.pattern, command);
        if (out === undefined) return undefined;
        this.pattern = out;
        this.replaced = true;
        if (command.flags?.includes('p')) await this.write(`${this.pattern}\n`);
        return undefined;
      }
      case 'y':
        this.pattern = [...this.pattern].map((c) => command.replacement?.[command.text.indexOf(c)] ?? c).join('');
        return undefined;
      case 'd':
        return 'delete';
      case 'D': {
        const end = this.pattern.indexOf('\n');
        if (end < 0) return 'delete';
        this.pattern = this.pattern.slice(end + 1);
        return 'restart';
      }
      case 'p':
        await this.write(`${this.pattern}\n`);
        return undefined;
      case 'P':
        await this.write(`${this.pattern.split('\n')[0] ?? ''}\n`);
        return undefined;
      case 'n':
        if (!this.quiet) await this.write(`${this.pattern}\n`);
        if (this.index >= this.input.length) return 'quit silently';
        this.pattern = this.input[this.index++] as string;
        return undefined;
      case 'N':
        if (this.index >= this.input.length) return undefined;
        this.pattern += `\n${this.input[this.index++] as string}`;
        return undefined;
      case 'h':
        this.hold = this.pattern;
        return undefined;
      case 'H':
        this.hold += `\n${this.pattern}`;
        return undefined;
      case 'g':
        this.pattern = this.hold;
        return undefined;
      case 'G':
        this.pattern += `\n${this.hold}`;
        return undefined;
      case 'x':
        [this.pattern, this.hold] = [this.hold, this.pattern];
        return undefined;
      default:
        return this.other(command);
    }
  }

  private async other(command: Command): Promise<string | undefined> {
    switch (command.name) {
      case '=':
        await this.write(`${this.index}\n`);
        return undefined;
      case 'a':
        this.after.push(`${command.text}\n`);
        return undefined;
      case 'i':
        await this.write(`${command.text}\n`);
        return undefined;
      case 'c':
        if (command.active === false || command.negated) await this.write(`${command.text}\n`);
        return 'delete';
      case 'r':
        if (this.proc.fs.exists(this.proc.path(command.text))) this.after.push(this.proc.fs.readText(this.proc.path(command.text)));
        return undefined;
      case 'w': {
        const ref = this.proc.fs.open(this.proc.path(command.text), { write: true, create: 0o666 & ~this.proc.umask });
        ref.append(Buffer.from(`${this.pattern}\n`));
        return undefined;
      }
      case 'q':
      case 'Q':
        this.quitCode = Number(command.text || 0);
        return command.name === 'q' ? 'quit' : 'quit silently';
      case 'b':
        return `branch ${command.text}`;
      case 't':
      case 'T': {
        const jump = this.replaced === (command.name === 't');
        this.replaced = false;
        return jump ? `branch ${command.text}` : undefined;
      }
      default:
        return undefined;
    }
  }
}

const linesOf = (text: string): string[] => (text === '' ? [] : (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n'));

export const sed: Applet = async (proc, args) => {
  const { flags, values, all, operands } = parseOptions(args.map((arg) => (/^-i./.test(arg) ? '-i' : arg)), 'nErisue:f:', { long: { quiet: 'n', 'regexp-extended': 'E', expression: 'e:', 'in-place': 'i' } });
  const scripts = all.filter(([o]) => o === 'e' || o === 'f').map(([o, text]) => (o === 'f' ? proc.fs.readText(proc.path(text)) : text));
  const files = scripts.length ? operands : operands.slice(1);
  if (!scripts.length) {
    if (operands[0] === undefined) throw new UsageError('no script');
    scripts.push(operands[0]);
  }
  const parse = (): Command[] => new Parser(scripts.join('\n'), flags.has('E') || flags.has('r')).parse();
  parse();
  const quiet = flags.has('n') || (values.get('e') ?? scripts[0] ?? '').startsWith('#n\n');
  let status = 0;
  const input: string[] = [];
  for (const name of files.length ? files : ['-']) {
    try {
      const file = name === '-' ? proc.fds.get(0)?.retain() : openPath(proc, name, { read: true });
      if (!file) continue;
      const list = linesOf((await readAll(proc, file)).toString());
      file.release();
      if (!flags.has('i')) {
        input.push(...list);
        continue;
      }
      let out = '';
      await new Editor({ proc, commands: parse(), quiet, input: list, write: async (text) => void (out += text) }).run();
      proc.fs.writeFile(proc.path(name), out);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`sed: ${name}: ${error.message}\n`);
      status = 1;
    }
  }
  if (flags.has('i')) return status;
  const editor = new Editor({ proc, commands: parse(), quiet, input, write: (text) => proc.out(text) });
  await editor.run();
  return editor.quitCode ?? status;
};
