import { type CharClass, classOf, folded, holds, maxCode, negated, perlClass, posixClass, unicodeClass } from './classes.ts';

/** Not a pattern of RE2; the message is Go's. */
export class PatternError extends Error {}

export type Assertion = 'textStart' | 'textEnd' | 'lineStart' | 'lineEnd' | 'word' | 'notWord';

export type Node =
  | { readonly kind: 'class'; readonly chars: CharClass }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number; readonly isLazy: boolean };

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly U: boolean;
}

const maxRepeat = 1000;
const maxDepth = 1000;
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const assertions: Readonly<Record<string, Assertion>> = { A: 'textStart', z: 'textEnd', b: 'word', B: 'notWord' };

const problem = (what: string, where: string): PatternError => new PatternError(`error parsing regexp: ${what}: \`${where}\``);

/** How often the innermost part may come in all: Go allows a thousand. */
function repeatedness(node: Node): number {
  if (node.kind === 'repeat') return Math.max(1, node.max === Infinity ? node.min : node.max) * repeatedness(node.part);
  return node.kind === 'sequence' || node.kind === 'choice' ? Math.max(1, ...node.parts.map(repeatedness)) : 1;
}

class PatternParser {
  private readonly text: string;
  private readonly letters: readonly string[];
  private at = 0;
  private depth = 0;
  private flags: Flags = { i: false, m: false, s: false, U: false };

  constructor(text: string) {
    this.text = text;
    this.letters = [...text];
  }

  whole(): Node {
    const found = this.choice();
    if (this.at < this.letters.length) throw problem('unexpected )', this.text);
    return found;
  }

  private get next(): string | undefined {
    return this.letters[this.at];
  }

  private ahead(text: string): boolean {
    return [...text].every((letter, i) => this.letters[this.at + i] === letter);
  }

  private rest(from: number, to = this.letters.length): string {
    return this.letters.slice(from, to).join('');
  }

  private take(text: string): boolean {
    if (!this.ahead(text)) return false;
    this.at += [...text].length;
    return true;
  }

  private choice(): Node {
    if (++this.depth > maxDepth) throw problem('expression nests too deeply', this.text);
    const parts = [this.sequence()];
    while (this.take('|')) parts.push(this.sequence());
    this.depth -= 1;
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'choice', parts };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    let lastRepeat = '';
    while (this.next !== undefined && this.next !== '|' && this.next !== ')') {
      const from = this.at;
      const repeat = this.repetition();
      if (!repeat) {
        parts.push(...this.atom());
        lastRepeat = '';
        continue;
      }
      const written = this.rest(from, this.at);
      if (lastRepeat !== '') throw problem('invalid nested repetition operator', lastRepeat + written);
      const part = parts.pop();
      if (!part) throw problem('missing argument to repetition operator', written);
      const node: Node = { kind: 'repeat', part, ...repeat };
      if (repeatedness(node) > maxRepeat) throw problem('invalid repeat count', written);
      parts.push(node);
      lastRepeat = written;
    }
    return { kind: 'sequence', parts };
  }

  private repetition(): { min: number; max: number; isLazy: boolean } | undefined {
    const from = this.at;
    let bounds: readonly [number, number] | undefined;
    if (this.take('*')) bounds = [0, Infinity];
    else if (this.take('+')) bounds = [1, Infinity];
    else if (this.take('?')) bounds = [0, 1];
    else bounds = this.braces();
    if (!bounds) return undefined;
    const [min, max] = bounds;
    if (min > maxRepeat || (max !== Infinity && max > maxRepeat) || max < min) throw problem('invalid repeat count', this.rest(from, this.at));
    return { min, max, isLazy: this.take('?') !== this.flags.U };
  }

  /** `{2}`, `{2,}`, `{2,3}`; anything else in braces is text. */
  private braces(): readonly [number, number] | undefined {
    if (this.next !== '{') return undefined;
    const [whole, min, comma, max] = /^\{(\d+)(,(\d*))?\}/.exec(this.rest(this.at, this.at + 24)) ?? [];
    if (whole === undefined) return undefined;
    this.at += whole.length;
    return [Number(min), comma === undefined ? Number(min) : max === '' ? Infinity : Number(max)];
  }

  private one(chars: CharClass): Node {
    return { kind: 'class', chars: this.flags.i ? folded(chars) : chars };
  }

  private letter(point: number): Node {
    return this.one(classOf([point, point]));
  }

  /** One thing that may be repeated; none for flags. */
  private atom(): readonly Node[] {
    const letter = this.next as string;
    if (letter === '(') return this.group();
    if (letter === '[') return [this.one(this.bracket())];
    if (letter === '\\') return this.escaped();
    this.at += 1;
    if (letter === '.') return [{ kind: 'class', chars: this.flags.s ? classOf([0, maxCode]) : negated(classOf([10, 10])) }];
    if (letter === '^') return [{ kind: 'assert', what: this.flags.m ? 'lineStart' : 'textStart' }];
    if (letter === '$') return [{ kind: 'assert', what: this.flags.m ? 'lineEnd' : 'textEnd' }];
    return [this.letter(letter.codePointAt(0) ?? 0)];
  }

  private group(): readonly Node[] {
    const from = this.at;
    const outer = this.flags;
    this.at += 1;
    if (this.take('?') && !this.groupName(from)) {
      if (this.groupFlags(from)) return [];
    }
    const inner = this.choice();
    if (!this.take(')')) throw problem('missing closing )', this.text);
    this.flags = outer;
    return [inner];
  }

  private groupName(from: number): boolean {
    const opening = this.ahead('P<') ? 'P<' : this.ahead('<') ? '<' : undefined;
    if (opening === undefined) return false;
    const end = this.letters.indexOf('>', this.at);
    const name = this.rest(this.at + opening.length, Math.max(end, this.at));
    if (opening === '<' && /^<[=!]/.test(this.rest(this.at, this.at + 2))) throw problem('invalid or unsupported Perl syntax', this.rest(from, this.at + 2));
    if (end < 0 || !/^\w+$/.test(name)) throw problem('invalid named capture', end < 0 ? this.rest(from) : this.rest(from, end + 1));
    this.at = end + 1;
    return true;
  }

  /** True when they hold for what follows: `(?i)`; false when a group starts: `(?i:`. */
  private groupFlags(from: number): boolean {
    const [whole, on = '', minus, off = '', end] = /^([imsU]*)(-([imsU]+))?([:)])/.exec(this.rest(this.at, this.at + 16)) ?? [];
    if (whole === undefined || (minus === undefined && on === '' && end === ')')) throw problem(this.next === undefined ? 'missing argument to repetition operator' : 'invalid or unsupported Perl syntax', this.rest(from, this.at + 1));
    this.at += whole.length;
    const flags = { ...this.flags } as Record<string, boolean>;
    for (const flag of on) flags[flag] = true;
    for (const flag of off) flags[flag] = false;
    this.flags = flags as unknown as Flags;
    return end === ')';
  }

  private escaped(): readonly Node[] {
    const letter = this.letters[this.at + 1];
    if (letter === 'Q') return this.quoted();
    const what = letter === undefined || !Object.hasOwn(assertions, letter) ? undefined : assertions[letter];
    if (what) {
      this.at += 2;
      return [{ kind: 'assert', what }];
    }
    const chars = this.escapedClass();
    return [chars ? this.one(chars) : this.letter(this.escapedCode())];
  }

  private quoted(): readonly Node[] {
    this.at += 2;
    const parts: Node[] = [];
    while (this.next !== undefined && !this.take('\\E')) {
      parts.push(this.letter(this.next.codePointAt(0) ?? 0));
      this.at += 1;
    }
    return parts;
  }

  private escapedClass(): CharClass | undefined {
    const letter = this.letters[this.at + 1] ?? '';
    const simple = perlClass(letter);
    if (simple) this.at += 2;
    if (simple || (letter !== 'p' && letter !== 'P')) return simple;
    const [whole = '', negation, name, short] = /^\\[pP](?:\{(\^?)([^}]*)\}|(.))/u.exec(this.rest(this.at)) ?? [];
    const found = unicodeClass(name ?? short ?? '');
    if (!found) throw problem('invalid character class range', whole === '' ? this.rest(this.at) : whole);
    this.at += [...whole].length;
    return (letter === 'P') !== (negation === '^') ? negated(found) : found;
  }

  private escapedCode(): number {
    const written = this.rest(this.at, this.at + 12);
    if (written === '\\') throw problem('trailing backslash at end of expression', '');
    const [whole, long, hex, octal, letter] = /^\\(?:x\{([0-9a-fA-F]{1,8})\}|x([0-9a-fA-F]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2})|([^\w]|_|[afnrtv]))/u.exec(written) ?? [];
    const code = long ?? hex;
    const point = code !== undefined ? Number.parseInt(code, 16) : octal !== undefined ? Number.parseInt(octal, 8) : (controls[letter ?? ''] ?? letter?.codePointAt(0));
    if (whole === undefined || point === undefined || point > maxCode || (letter === '_')) throw problem('invalid escape sequence', written.slice(0, 2));
    this.at += [...whole].length;
    return point;
  }

  private bracket(): CharClass {
    const from = this.at;
    this.at += 1;
    const isNegated = this.take('^');
    const ranges: (readonly [number, number])[] = [];
    const inner: CharClass[] = [];
    for (let isFirst = true; isFirst || this.next !== ']'; isFirst = false) {
      if (this.next === undefined) throw problem('missing closing ]', this.rest(from));
      const named = this.posix() ?? (this.next === '\\' ? this.escapedClass() : undefined);
      if (named) inner.push(named);
      else ranges.push(this.range(from));
    }
    this.at += 1;
    const chars = inner.map((one) => (code: number): boolean => holds(one, code));
    return { ranges, properties: chars, isNegated };
  }

  private posix(): CharClass | undefined {
    const [whole, negation, name = ''] = /^\[:(\^?)(\w*):\]/.exec(this.rest(this.at, this.at + 16)) ?? [];
    if (whole === undefined) return undefined;
    const found = posixClass(name);
    if (!found) throw problem('invalid character class range', whole);
    this.at += whole.length;
    return negation === '^' ? negated(found) : found;
  }

  private range(start: number): readonly [number, number] {
    const from = this.at;
    const low = this.member(start);
    if (this.next !== '-' || this.letters[this.at + 1] === ']' || this.letters[this.at + 1] === undefined) return [low, low];
    this.at += 1;
    const high = this.member(start);
    if (high < low) throw problem('invalid character class range', this.rest(from, this.at));
    return [low, high];
  }

  private member(start: number): number {
    const letter = this.next;
    if (letter === undefined) throw problem('missing closing ]', this.rest(start));
    if (letter === '\\') return this.escapedCode();
    this.at += 1;
    return letter.codePointAt(0) ?? 0;
  }
}

/** A pattern in RE2's syntax: no look-around, no back-references. Throws PatternError. */
export function parsePattern(text: string): Node {
  return new PatternParser(text).whole();
}
