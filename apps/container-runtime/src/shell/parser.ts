import type { Assignment, Command, List, ListItem, Redirect, Word } from './ast.ts';
import { Reader, ShellSyntaxError } from './reader.ts';
import { WordParser } from './word-parser.ts';

const reserved = new Set(['if', 'then', 'else', 'elif', 'fi', 'do', 'done', 'case', 'esac', 'while', 'until', 'for', '{', '}', '!', 'in', 'function']);
const redirectAt = /([0-9]+)?(<<<|<<-|<<|<&|<>|>>|>&|>\||<|>)|&>>?/y;

interface PendingHereDoc {
  readonly delimiter: string;
  readonly quoted: boolean;
  readonly stripTabs: boolean;
  readonly target: { word: Word };
}

/** The plain text of a word without expansions; undefined when it has any or is quoted. */
function plain(word: Word | undefined): string | undefined {
  if (!word || word.length !== 1) return undefined;
  const part = word[0];
  return part?.type === 'literal' && !part.quoted ? part.text : undefined;
}

class Parser {
  private readonly reader: Reader;
  private readonly words: WordParser;
  private pending: PendingHereDoc[] = [];

  constructor(reader: Reader) {
    this.reader = reader;
    this.words = new WordParser(
      (inner) => {
        const list = new Parser(inner).listUntil([], ')');
        if (!inner.take(')')) inner.fail("syntax error: unexpected end of file (expecting \")\")", true);
        return list;
      },
      (text) => parseScript(text),
    );
  }

  private skipBlank(): void {
    const { reader } = this;
    for (;;) {
      reader.match(/[ \t\r]+/y);
      if (reader.take('\\\n')) continue;
      if (reader.peek() === '#') reader.match(/[^\n]*/y);
      return;
    }
  }

  private skipNewlines(): void {
    for (;;) {
      this.skipBlank();
      if (this.reader.peek() !== '\n') return;
      this.newline();
    }
  }

  private newline(): void {
    this.reader.next();
    const docs = this.pending;
    this.pending = [];
    for (const doc of docs) this.hereDocBody(doc);
  }

  private hereDocBody(doc: PendingHereDoc): void {
    const { reader } = this;
    let body = '';
    for (;;) {
      if (reader.done) {
        // As shells do, the end of the script ends the document too; when typed in, more is to come.
        throw new ShellSyntaxError('syntax error: unterminated here-document', reader.line, true);
      }
      const raw = reader.match(/[^\n]*/y);
      const ended = reader.done;
      reader.next();
      const line = doc.stripTabs ? raw.replace(/^\t+/, '') : raw;
      if (line === doc.delimiter) break;
      body += `${line}\n`;
      if (ended) reader.fail('syntax error: unterminated here-document', true);
    }
    doc.target.word = doc.quoted ? [{ type: 'literal', text: body, quoted: true }] : this.words.text(body);
  }

  /** The reserved word or operator word at the cursor, not taken. */
  private peekWord(): string | undefined {
    this.skipBlank();
    const start = this.reader.position;
    const text = this.reader.match(/[a-z]+|[{}!]/y);
    const end = this.reader.peek();
    this.reader.position = start;
    return reserved.has(text) && (end === '' || /[\s;&|<>()]/.test(end)) ? text : undefined;
  }

  private takeWord(word: string): boolean {
    if (this.peekWord() !== word) return false;
    this.reader.position += word.length;
    return true;
  }

  private expectWord(word: string): void {
    this.skipNewlines();
    if (!this.takeWord(word)) this.unexpected(` (expecting "${word}")`);
  }

  private unexpected(expecting = ''): never {
    const { reader } = this;
    this.skipBlank();
    if (reader.done) return reader.fail(`syntax error: unexpected end of file${expecting}`, true);
    const token = reader.peek() === '\n' ? 'newline' : reader.match(/;;|&&|\|\||[;&|()<>]|[^\s;&|()<>]+/y);
    throw new ShellSyntaxError(`syntax error: unexpected ${token === 'newline' ? token : `"${token}"`}${expecting}`, reader.line);
  }

  /** A list up to one of the reserved words (not taken), a closing character or the end. */
  listUntil(words: readonly string[], close = ''): List {
    const items: ListItem[] = [];
    const { reader } = this;
    for (;;) {
      this.skipNewlines();
      if (reader.done || (close && reader.peek() === close) || reader.at(';;') || reader.at(';&')) return items;
      const word = this.peekWord();
      if (word && words.includes(word)) return items;
      const command = this.andOr();
      this.skipBlank();
      const background = reader.peek() === '&' && !reader.at('&&') && reader.take('&');
      items.push({ command, background });
      if (background) continue;
      if (reader.at(';;') || reader.at(';&')) return items;
      if (reader.take(';') || reader.peek() === '\n' || reader.done || (close && reader.peek() === close)) continue;
      this.unexpected();
    }
  }

  private andOr(): Command {
    let left = this.pipeline();
    for (;;) {
      this.skipBlank();
      const type = this.reader.take('&&') ? 'and' : this.reader.take('||') ? 'or' : undefined;
      if (!type) return left;
      this.skipNewlines();
      left = { type, left, right: this.pipeline() };
    }
  }

  private pipeline(): Command {
    let negated = false;
    while (this.takeWord('!')) negated = !negated;
    const commands = [this.command()];
    for (;;) {
      this.skipBlank();
      if (this.reader.at('||') || !this.reader.take('|')) break;
      this.skipNewlines();
      commands.push(this.command());
    }
    const first = commands[0] as Command;
    return commands.length === 1 && !negated ? first : { type: 'pipeline', commands, negated };
  }

  private command(): Command {
    this.skipBlank();
    if (this.reader.peek() === '(') return this.group('subshell');
    switch (this.peekWord()) {
      case 'if':
        return this.ifCommand();
      case 'while':
      case 'until':
        return this.loop();
      case 'for':
        return this.forCommand();
      case 'case':
        return this.caseCommand();
      case '{':
        return this.group('group');
      case 'function': {
        this.takeWord('function');
        this.skipBlank();
        const name = this.reader.match(/[^\s()]+/y);
        this.skipBlank();
        if (this.reader.take('(') && !this.reader.match(/[ \t]*\)/y)) this.unexpected();
        return this.functionBody(name);
      }
      case undefined:
        return this.simple();
      default:
        return this.unexpected();
    }
  }

  private redirects(): Redirect[] {
    const out: Redirect[] = [];
    for (;;) {
      this.skipBlank();
      if (!this.redirect(out)) return out;
    }
  }

  private group(type: 'group' | 'subshell'): Command {
    let body: List;
    if (type === 'group') {
      this.takeWord('{');
      body = this.listUntil(['}']);
      this.expectWord('}');
    } else {
      this.reader.next();
      body = this.listUntil([], ')');
      this.skipNewlines();
      if (!this.reader.take(')')) this.unexpected(' (expecting ")")');
    }
    return { type, body, redirects: this.redirects() };
  }

  private ifCommand(): Command {
    this.takeWord('if');
    const clauses: { condition: List; body: List }[] = [];
    let otherwise: List | undefined;
    do {
      const condition = this.listUntil(['then']);
      this.expectWord('then');
      clauses.push({ condition, body: this.listUntil(['elif', 'else', 'fi']) });
    } while (this.takeWord('elif'));
    if (this.takeWord('else')) otherwise = this.listUntil(['fi']);
    this.expectWord('fi');
    return { type: 'if', clauses, otherwise, redirects: this.redirects() };
  }

  private doBody(): List {
    this.expectWord('do');
    const body = this.listUntil(['done']);
    this.expectWord('done');
    return body;
  }

  private loop(): Command {
    const until = !this.takeWord('while') && this.takeWord('until');
    const condition = this.listUntil(['do']);
    const body = this.doBody();
    return { type: 'loop', until, condition, body, redirects: this.redirects() };
  }

  private forCommand(): Command {
    this.takeWord('for');
    this.skipBlank();
    const name = this.reader.match(/[A-Za-z_][A-Za-z0-9_]*/y);
    if (!name) this.unexpected();
    this.skipNewlines();
    let words: Word[] | undefined;
    if (this.takeWord('in')) {
      words = [];
      for (;;) {
        this.skipBlank();
        const word = this.words.word(this.reader);
        if (!word) break;
        words.push(word);
      }
    }
    this.skipBlank();
    this.reader.take(';');
    const body = this.doBody();
    return { type: 'for', name, words, body, redirects: this.redirects() };
  }

  private caseCommand(): Command {
    this.takeWord('case');
    this.skipBlank();
    const subject = this.words.word(this.reader) ?? this.unexpected();
    this.expectWord('in');
    const items: { patterns: Word[]; body: List; fallthrough: boolean }[] = [];
    for (;;) {
      this.skipNewlines();
      if (this.takeWord('esac')) break;
      this.reader.take('(');
      const patterns: Word[] = [];
      do {
        this.skipBlank();
        patterns.push(this.words.word(this.reader) ?? this.unexpected());
        this.skipBlank();
      } while (this.reader.take('|'));
      if (!this.reader.take(')')) this.unexpected(' (expecting ")")');
      const body = this.listUntil(['esac']);
      this.skipNewlines();
      const fallthrough = this.reader.take(';&');
      if (!fallthrough && !this.reader.take(';;') && this.peekWord() !== 'esac') this.unexpected(' (expecting ";;")');
      items.push({ patterns, body, fallthrough });
    }
    return { type: 'case', subject, items, redirects: this.redirects() };
  }

  private functionBody(name: string): Command {
    this.skipNewlines();
    return { type: 'function', name, body: this.command() };
  }

  private simple(): Command {
    const { reader } = this;
    const { line } = reader;
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    for (;;) {
      this.skipBlank();
      if (this.redirect(redirects)) continue;
      if (!words.length) {
        const assigned = reader.match(/[A-Za-z_][A-Za-z0-9_]*=/y);
        if (assigned) {
          assignments.push({ name: assigned.slice(0, -1), value: this.words.word(reader) ?? [] });
          continue;
        }
      }
      const word = this.words.word(reader);
      if (!word) break;
      words.push(word);
      if (words.length === 1 && plain(word) === '[[') this.extendedTest(words);
      const name = words.length === 1 && !assignments.length ? plain(word) : undefined;
      if (name && reader.match(/[ \t]*\([ \t]*\)/y)) return this.functionBody(name);
    }
    if (!words.length && !assignments.length && !redirects.length) this.unexpected();
    return { type: 'simple', assignments, words, redirects, line };
  }

  /** Between `[[` and `]]` the operators are plain words. */
  private extendedTest(words: Word[]): void {
    while (plain(words.at(-1)) !== ']]') {
      this.skipBlank();
      const operator = this.reader.match(/&&|\|\||[()<>]/y);
      const word: Word | undefined = operator ? [{ type: 'literal', text: operator, quoted: true }] : this.words.word(this.reader);
      if (!word) this.unexpected(' (expecting "]]")');
      else words.push(word);
    }
  }

  private redirect(out: Redirect[]): boolean {
    const { reader } = this;
    const found = reader.match(redirectAt);
    if (!found) return false;
    if (found.startsWith('&')) {
      this.skipBlank();
      const target = this.words.word(reader) ?? this.unexpected();
      out.push({ fd: 1, operator: found === '&>>' ? '>>' : '>', target }, { fd: 2, operator: '>&', target: [{ type: 'literal', text: '1', quoted: false }] });
      return true;
    }
    const digits = /^[0-9]*/.exec(found)?.[0] ?? '';
    const operator = found.slice(digits.length);
    const fd = digits ? Number(digits) : operator.startsWith('<') ? 0 : 1;
    this.skipBlank();
    const target = this.words.word(reader) ?? this.unexpected();
    if (operator === '<<' || operator === '<<-') {
      const delimiter = target.map((part) => (part.type === 'literal' ? part.text : '')).join('');
      const doc = { word: [] as Word };
      this.pending.push({ delimiter, quoted: target.some((part) => part.quoted), stripTabs: operator === '<<-', target: doc });
      out.push({ fd, operator: '<<', get target() { return doc.word; } });
      return true;
    }
    out.push({ fd, operator: operator as Redirect['operator'], target });
    return true;
  }

  finish(): void {
    this.skipNewlines();
    if (this.pending.length) this.reader.fail('syntax error: unterminated here-document', true);
    if (!this.reader.done) this.unexpected();
  }
}

/** Parses a whole script. Throws ShellSyntaxError. */
export function parseScript(text: string, firstLine = 1): List {
  const reader = new Reader(text.endsWith('\n') ? text : `${text}\n`, firstLine);
  const parser = new Parser(reader);
  const list = parser.listUntil([]);
  parser.finish();
  return list;
}
