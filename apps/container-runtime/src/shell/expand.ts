import { resolvePath } from '../fs/vfs.ts';
import type { Proc } from '../process/proc.ts';
import { ArithmeticError, evaluateArithmetic } from './arithmetic.ts';
import type { List, Parameter, Word } from './ast.ts';
import { globPaths } from './glob.ts';
import { matchesPattern, patternSource, quotePattern } from './pattern.ts';
import { ShellError, type ShellState } from './state.ts';

export interface ExpansionContext {
  readonly proc: Proc;
  readonly state: ShellState;
  /** Output of a command substitution, and its status in `state.status`. */
  substitute(list: List): Promise<string>;
}

/** A field under construction: its text, and the same with quoted characters escaped for globbing. */
interface Field {
  text: string;
  pattern: string;
  wild: boolean;
  /** Something quoted is in it, so it stays even when empty. */
  keep: boolean;
}

const blank = (): Field => ({ text: '', pattern: '', wild: false, keep: false });

class FieldBuilder {
  readonly fields: Field[] = [];
  private current: Field | undefined;
  private readonly separators: string;

  constructor(separators: string) {
    this.separators = separators;
  }

  add(text: string, quoted: boolean): void {
    this.current ??= blank();
    this.current.text += text;
    this.current.pattern += quoted ? quotePattern(text) : text;
    if (quoted) this.current.keep = true;
    else if (/[*?[]/.test(text)) this.current.wild = true;
  }

  /** Ends the field so that what follows starts a new one. */
  breakField(): void {
    if (this.current) this.fields.push(this.current);
    this.current = undefined;
  }

  /** Adds the result of an unquoted expansion: split at IFS characters. */
  split(text: string): void {
    const blanks = [...this.separators].filter((c) => /[ \t\n]/.test(c)).join('');
    const isBlank = (c: string): boolean => blanks.includes(c);
    let i = 0;
    while (i < text.length) {
      const c = text[i] as string;
      if (!this.separators.includes(c)) {
        this.add(c === '\\' ? '\\' : c, c === '\\');
        if (c === '\\' && this.current) this.current.keep = true;
        i++;
        continue;
      }
      let hard = !isBlank(c);
      i++;
      while (i < text.length && (isBlank(text[i] as string) || (!hard && this.separators.includes(text[i] as string)))) {
        if (!isBlank(text[i] as string)) hard = true;
        i++;
      }
      if (hard) this.current ??= { ...blank(), keep: true };
      this.breakField();
    }
  }

  finish(): Field[] {
    this.breakField();
    return this.fields;
  }
}

function special(context: ExpansionContext, name: string): string | undefined {
  const { state } = context;
  switch (name) {
    case '?': return String(state.status);
    case '$': return String(state.shellPid);
    case '#': return String(state.positional.length);
    case '!': return state.lastBackground === undefined ? undefined : String(state.lastBackground);
    case '-': return [...state.options].filter((option) => option.length === 1).join('') + (state.interactive ? 'i' : '');
    case '0': return state.name;
    case '@':
    case '*': return state.positional.length ? state.positional.join(name === '*' ? (state.get('IFS') ?? ' ').slice(0, 1) : ' ') : undefined;
    case 'RANDOM': return state.get('RANDOM') ?? String(context.proc.random.int(32768));
    default: return /^[0-9]+$/.test(name) ? state.positional[Number(name) - 1] : state.get(name);
  }
}

function arithmeticScope(state: ShellState): { get(name: string): string; set(name: string, value: string): void } {
  return { get: (name) => state.get(name) ?? '', set: (name, value) => state.set(name, value) };
}

export function arithmetic(state: ShellState, text: string): bigint {
  try {
    return evaluateArithmetic(text, arithmeticScope(state));
  } catch (error) {
    if (error instanceof ArithmeticError) throw new ShellError(error.message);
    throw error;
  }
}

function removeMatch(value: string, pattern: string, operator: string): string {
  const shortest = operator.length === 1;
  if (operator.startsWith('#')) {
    return value.replace(new RegExp(`^(?:${patternSource(pattern, { shortest })})`, 'u'), '');
  }
  // Suffixes: the shortest starts last, so try starts from the end, or from the front for the longest.
  for (let i = 0; i <= value.length; i++) {
    const start = shortest ? value.length - i : i;
    if (matchesPattern(value.slice(start), pattern)) return value.slice(0, start);
  }
  return value;
}

async function applyOperator(context: ExpansionContext, parameter: Parameter, value: string): Promise<string> {
  const { operator = '', argument = [], argument2 } = parameter;
  if (operator === 'length') return String([...value].length);
  if (operator.startsWith('#') || operator.startsWith('%')) return removeMatch(value, await expandPattern(context, argument), operator);
  if (operator.startsWith('/')) {
    const pattern = await expandPattern(context, argument);
    const replacement = argument2 ? await expandText(context, argument2) : '';
    if (pattern === '') return value;
    return value.replace(new RegExp(patternSource(pattern), operator === '//' ? 'gu' : 'u'), () => replacement);
  }
  const offset = Number(arithmetic(context.state, await expandText(context, argument)));
  const start = offset < 0 ? Math.max(0, value.length + offset) : offset;
  if (!argument2) return value.slice(start);
  const length = Number(arithmetic(context.state, await expandText(context, argument2)));
  return length < 0 ? value.slice(start, value.length + length) : value.slice(start, start + length);
}

type ParameterResult = { readonly text: string } | { readonly word: Word } | { readonly fields: readonly string[] };

/** `${x:-word}` and the like yield the word itself, so that its own quoting counts. */
async function parameterResult(context: ExpansionContext, parameter: Parameter): Promise<ParameterResult> {
  const { state } = context;
  const { name, operator = '', argument = [] } = parameter;
  const value = special(context, name);
  const missing = value === undefined || (operator.startsWith(':') && operator.length === 2 && value === '');
  const kind = /^:?[-=?+]$/.test(operator) ? operator.at(-1) : undefined;
  if (kind === '+') return missing ? { text: '' } : { word: argument };
  if (kind && missing) {
    if (kind === '-') return { word: argument };
    const text = await expandText(context, argument);
    if (kind === '?') throw new ShellError(`${name}: ${text || 'parameter not set'}`);
    state.set(name, text);
    return { text };
  }
  if (value === undefined && state.options.has('u') && !'@*'.includes(name)) throw new ShellError(`${name}: parameter not set`);
  if (name === '@' && (kind || !operator)) return { fields: state.positional };
  if (name === '*' && !operator) return { text: value ?? '' };
  if ((name === '@' || name === '*') && operator === 'length') return { text: String(state.positional.length) };
  return { text: kind || !operator ? (value ?? '') : await applyOperator(context, parameter, value ?? '') };
}

function homeOf(context: ExpansionContext, user: string): string | undefined {
  const { state, proc } = context;
  if (user === '') return state.get('HOME') ?? '/root';
  const passwd = proc.fs.exists('/etc/passwd') ? proc.fs.readText('/etc/passwd') : '';
  return passwd.split('\n').map((line) => line.split(':')).find(([name]) => name === user)?.[5];
}

async function build(context: ExpansionContext, word: Word, builder: FieldBuilder): Promise<void> {
  for (const part of word) {
    switch (part.type) {
      case 'literal':
        builder.add(part.text, part.quoted);
        break;
      case 'tilde':
        builder.add(homeOf(context, part.user) ?? `~${part.user}`, true);
        break;
      case 'command': {
        const text = (await context.substitute(part.list)).replace(/\n+$/, '');
        if (part.quoted) builder.add(text, true);
        else builder.split(text);
        break;
      }
      case 'arithmetic': {
        const text = String(arithmetic(context.state, await expandText(context, part.expression)));
        if (part.quoted) builder.add(text, true);
        else builder.split(text);
        break;
      }
      case 'parameter': {
        const result = await parameterResult(context, part.parameter);
        if ('word' in result) await build(context, part.quoted ? result.word.map((inner) => ({ ...inner, quoted: true }) as typeof inner) : result.word, builder);
        else if ('fields' in result) addFields(builder, result.fields, part.quoted);
        else if (part.quoted) builder.add(result.text, true);
        else builder.split(result.text);
      }
    }
  }
}

function addFields(builder: FieldBuilder, fields: readonly string[], quoted: boolean): void {
  fields.forEach((field, i) => {
    if (i > 0) builder.breakField();
    if (quoted) builder.add(field, true);
    else builder.split(field);
  });
}

/** A word of a command: expanded, split and globbed. */
export async function expandFields(context: ExpansionContext, word: Word): Promise<string[]> {
  const only = word.length === 1 ? word[0] : undefined;
  if (only?.type === 'literal' && (only.quoted || !/[*?[]/.test(only.text))) return [only.text];
  const builder = new FieldBuilder(context.state.get('IFS') ?? ' \t\n');
  await build(context, word, builder);
  // "$@" without parameters is no field at all, though quoted.
  const vanishes = !context.state.positional.length && word.some((part) => part.type === 'parameter' && part.parameter.name === '@');
  const out: string[] = [];
  for (const field of builder.finish()) {
    if (field.text === '' && (!field.keep || vanishes)) continue;
    const paths = field.wild && !context.state.options.has('f') ? globPaths(context.proc.fs, field.pattern, (path) => resolvePath(context.proc.cwd, path)) : [];
    out.push(...(paths.length ? paths : [field.text]));
  }
  return out;
}

/** One string: no splitting, no globbing (assignments, here-documents, redirect targets). */
export async function expandText(context: ExpansionContext, word: Word): Promise<string> {
  const builder = new FieldBuilder('');
  await build(context, word, builder);
  return builder.finish().map((field) => field.text).join(' ');
}

/** A pattern whose quoted characters are escaped (case, `${x#pattern}`). */
export async function expandPattern(context: ExpansionContext, word: Word): Promise<string> {
  const builder = new FieldBuilder('');
  await build(context, word, builder);
  return builder.finish().map((field) => field.pattern).join(' ');
}
