import type { List, Parameter, Word, WordPart } from './ast.ts';
import { Reader } from './reader.ts';

const nameAt = /[A-Za-z_][A-Za-z0-9_]*/y;
const parameterName = /[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]/y;
const parameterOperator = /:?[-=?+]|##?|%%?|\/\/?|:/y;
/** Characters that end an unquoted word. */
const wordEnd = /[\s;&|<>()]/;

/** Parses a script that ends at `end` (`)` of `$(`). */
export type ParseUntil = (reader: Reader, end: ')') => List;

function literal(text: string, quoted: boolean): WordPart {
  return { type: 'literal', text, quoted };
}

/** Collects literal characters into as few parts as possible. */
class Parts {
  readonly parts: WordPart[] = [];
  private text = '';
  private quoted = false;

  add(text: string, quoted: boolean): void {
    if (this.text && this.quoted !== quoted) this.flush();
    this.quoted = quoted;
    this.text += text;
  }

  push(part: WordPart): void {
    this.flush();
    this.parts.push(part);
  }

  flush(): WordPart[] {
    if (this.text) this.parts.push(literal(this.text, this.quoted));
    this.text = '';
    return this.parts;
  }
}

function backquoted(reader: Reader, parse: (text: string) => List, inDouble: boolean): List {
  let text = '';
  for (;;) {
    if (reader.done) reader.fail('syntax error: unterminated backquoted string', true);
    const c = reader.next();
    if (c === '`') return parse(text);
    if (c === '\\' && (/[\\$`]/.test(reader.peek()) || (inDouble && reader.peek() === '"'))) text += reader.next();
    else text += c;
  }
}

/** Words and what is inside them. The script parser is handed in, as command substitutions hold scripts. */
export class WordParser {
  private readonly parseUntil: ParseUntil;
  private readonly parseText: (text: string) => List;

  constructor(parseUntil: ParseUntil, parseText: (text: string) => List) {
    this.parseUntil = parseUntil;
    this.parseText = parseText;
  }

  /** The word at the cursor; undefined when there is none. */
  word(reader: Reader): Word | undefined {
    const start = reader.position;
    const out = new Parts();
    if (reader.peek() === '~') {
      const user = reader.match(/~[A-Za-z0-9_.-]*(?=[/\s;&|<>()]|$)/y);
      if (user) out.push({ type: 'tilde', user: user.slice(1), quoted: false });
    }
    while (!reader.done && !wordEnd.test(reader.peek())) this.piece(reader, out);
    return reader.position === start ? undefined : out.flush();
  }

  /** Text with expansions but no word boundaries: here-documents (quote characters stay) and arithmetic. */
  text(source: string): Word {
    const reader = new Reader(source);
    const out = new Parts();
    while (!reader.done) {
      if (reader.peek() === '\\' && /[\\$`\n]/.test(reader.peek(1))) {
        reader.next();
        const escaped = reader.next();
        if (escaped !== '\n') out.add(escaped, true);
      } else if (!this.dollar(reader, out, true)) out.add(reader.next(), true);
    }
    return out.flush();
  }

  private piece(reader: Reader, out: Parts): void {
    const c = reader.peek();
    if (c === '\\') {
      reader.next();
      if (reader.peek() === '\n') reader.next();
      else out.add(reader.done ? '\\' : reader.next(), true);
    } else if (c === "'") {
      reader.next();
      const end = reader.text.indexOf("'", reader.position);
      if (end < 0) {
        reader.position = reader.text.length;
        reader.fail('syntax error: unterminated quoted string', true);
      }
      out.push(literal(reader.text.slice(reader.position, end), true));
      reader.position = end + 1;
    } else if (c === '"') {
      reader.next();
      this.doubleQuoted(reader, out);
    } else if (c === '$' && reader.peek(1) === "'") {
      reader.position += 2;
      out.push(literal(this.ansiQuoted(reader), true));
    } else if (!this.dollar(reader, out, false)) out.add(reader.next(), false);
  }

  private ansiQuoted(reader: Reader): string {
    const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', e: '\x1b', f: '\f', v: '\v', '\\': '\\', "'": "'", '"': '"' };
    let text = '';
    for (;;) {
      if (reader.done) reader.fail('syntax error: unterminated quoted string', true);
      const c = reader.next();
      if (c === "'") return text;
      if (c !== '\\') text += c;
      else {
        const code = reader.match(/x[0-9a-fA-F]{1,2}|[0-7]{1,3}/y);
        if (code) text += String.fromCharCode(code.startsWith('x') ? Number.parseInt(code.slice(1), 16) : Number.parseInt(code, 8));
        else {
          const escaped = reader.next();
          text += escapes[escaped] ?? `\\${escaped}`;
        }
      }
    }
  }

  private doubleQuoted(reader: Reader, out: Parts): void {
    out.push(literal('', true));
    for (;;) {
      if (reader.done) reader.fail('syntax error: unterminated quoted string', true);
      const c = reader.peek();
      if (c === '"') {
        reader.next();
        return;
      }
      if (c === '\\') {
        reader.next();
        const escaped = reader.next();
        if (escaped === '\n') continue;
        out.add(/[\\$`"]/.test(escaped) ? escaped : `\\${escaped}`, true);
      } else if (!this.dollar(reader, out, true)) out.add(reader.next(), true);
    }
  }

  /** Takes an expansion at the cursor; false when there is none. */
  private dollar(reader: Reader, out: Parts, quoted: boolean): boolean {
    if (reader.take('`')) {
      out.push({ type: 'command', list: backquoted(reader, this.parseText, quoted), quoted });
      return true;
    }
    if (reader.peek() !== '$') return false;
    if (reader.at('$((') && this.arithmetic(reader, out, quoted)) return true;
    if (reader.take('$(')) {
      out.push({ type: 'command', list: this.parseUntil(reader, ')'), quoted });
      return true;
    }
    if (reader.take('${')) {
      out.push({ type: 'parameter', parameter: this.braced(reader, quoted), quoted });
      return true;
    }
    reader.next();
    const name = reader.match(nameAt) || reader.match(/[0-9]|[@*#?$!-]/y);
    if (!name) {
      reader.position--;
      return false;
    }
    out.push({ type: 'parameter', parameter: { name }, quoted });
    return true;
  }

  private arithmetic(reader: Reader, out: Parts, quoted: boolean): boolean {
    const start = reader.position;
    let depth = 0;
    for (let i = start + 3; i < reader.text.length; i++) {
      const c = reader.text[i];
      if (c === '(') depth++;
      else if (c === ')' && depth > 0) depth--;
      else if (c === ')') {
        if (reader.text[i + 1] !== ')') return false;
        const expression = this.text(reader.text.slice(start + 3, i));
        reader.position = i + 2;
        out.push({ type: 'arithmetic', expression, quoted });
        return true;
      }
    }
    return reader.fail('syntax error: unterminated arithmetic', true);
  }

  private braced(reader: Reader, quoted: boolean): Parameter {
    if (reader.peek() === '#' && reader.peek(1) !== '}') {
      reader.next();
      const name = reader.match(parameterName);
      if (!name || !reader.take('}')) return reader.fail('syntax error: bad substitution');
      return { name, operator: 'length' };
    }
    const name = reader.match(parameterName);
    if (!name) reader.fail('syntax error: bad substitution');
    if (reader.take('}')) return { name };
    const operator = reader.match(parameterOperator);
    if (!operator) reader.fail('syntax error: bad substitution');
    const stop = operator.startsWith('/') ? '/' : operator === ':' ? ':' : '';
    const argument = this.bracedWord(reader, { quoted, stop });
    const argument2 = stop && reader.take(stop) ? this.bracedWord(reader, { quoted, stop: '' }) : undefined;
    if (!reader.take('}')) reader.fail("syntax error: missing '}'", true);
    return { name, operator, argument, argument2 };
  }

  private bracedWord(reader: Reader, { quoted, stop }: { quoted: boolean; stop: string }): Word {
    const out = new Parts();
    while (reader.peek() !== '}' && !(stop && reader.peek() === stop)) {
      if (reader.done) reader.fail("syntax error: missing '}'", true);
      if (quoted && reader.peek() === "'") out.add(reader.next(), true);
      else if (quoted && reader.peek() !== '"' && reader.peek() !== '\\') {
        if (!this.dollar(reader, out, true)) out.add(reader.next(), false);
      } else this.piece(reader, out);
    }
    return out.flush();
  }
}
