import { type Issue, IssueError } from '../issues.ts';
import { boolType, nullType } from '../types.ts';
import type { Call, Expression, MapEntry, StructField } from './ast.ts';
import { type Token, tokensOf } from './lexer.ts';
import { literalOf } from './literals.ts';
import { expandMacro } from './macros.ts';

/** cel-go's limits: depth of nesting, and code points of a source. */
const maxDepth = 250;
const maxCodePoints = 100_000;

const reserved = new Set(['as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while']);
const words = new Set(['in', 'true', 'false', 'null']);
const startOfExpression = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
const relations = new Set(['<', '<=', '>=', '>', '==', '!=', 'in']);

export interface ParseOptions {
  /** `cel.bind` is known. */
  readonly bindings?: boolean;
}

class Parser {
  private readonly tokens: readonly Token[];
  private readonly options: ParseOptions;
  private index = 0;
  private depth = 0;

  constructor(tokens: readonly Token[], options: ParseOptions) {
    this.tokens = tokens;
    this.options = options;
  }

  whole(): Expression {
    const found = this.expression();
    if (this.next.kind === 'end') return found;
    const isAlone = this.tokens[this.index + 1]?.kind === 'end';
    throw this.problem(`${isAlone ? 'extraneous' : 'mismatched'} input '${this.next.text}' expecting <EOF>`);
  }

  private get next(): Token {
    return this.tokens[this.index] as Token;
  }

  private problem(what: string): IssueError {
    return new IssueError(this.next.at, `Syntax error: ${what}`);
  }

  private advance(): Token {
    const token = this.next;
    this.index += 1;
    return token;
  }

  private is(text: string): boolean {
    const { kind } = this.next;
    return (kind === 'operator' || kind === 'name') && this.next.text === text;
  }

  private take(text: string): Token | undefined {
    return this.is(text) ? this.advance() : undefined;
  }

  private expect(text: string): Token {
    const token = this.take(text);
    if (token) return token;
    throw this.problem(this.next.kind === 'end' ? `missing '${text}' at '<EOF>'` : `mismatched input '${this.next.text}' expecting '${text}'`);
  }

  private deeper<T>(run: () => T): T {
    this.depth += 1;
    this.checkDepth(this.depth);
    const result = run();
    this.depth -= 1;
    return result;
  }

  private checkDepth(depth: number): void {
    if (depth > maxDepth) throw new IssueError(-1, `expression recursion limit exceeded: ${maxDepth}`);
  }

  expression(): Expression {
    return this.deeper(() => {
      const condition = this.logical('||');
      const mark = this.take('?');
      if (!mark) return condition;
      const yes = this.logical('||');
      this.expect(':');
      return { kind: 'call', at: mark.at, name: '_?_:_', args: [condition, yes, this.expression()] };
    });
  }

  private logical(operator: '||' | '&&'): Expression {
    const operand = (): Expression => (operator === '||' ? this.logical('&&') : this.relation());
    const terms = [operand()];
    const marks: Token[] = [];
    for (let mark = this.take(operator); mark; mark = this.take(operator)) {
      marks.push(mark);
      terms.push(operand());
    }
    return balanced({ name: `_${operator}_`, terms, marks, from: 0, to: marks.length });
  }

  private chain(operators: ReadonlySet<string>, operand: () => Expression): Expression {
    let left = operand();
    for (let length = this.depth + 1; (this.next.kind === 'operator' || this.is('in')) && operators.has(this.next.text); length += 1) {
      this.checkDepth(length);
      const { text, at } = this.advance();
      left = { kind: 'call', at, name: text === 'in' ? '@in' : `_${text}_`, args: [left, operand()] };
    }
    return left;
  }

  private relation(): Expression {
    return this.chain(relations, () => this.chain(new Set(['+', '-']), () => this.chain(new Set(['*', '/', '%']), () => this.unary())));
  }

  private unary(): Expression {
    const sign = this.next;
    if (sign.kind !== 'operator' || (sign.text !== '!' && sign.text !== '-')) return this.member();
    let count = 0;
    while (this.take(sign.text)) count += 1;
    this.checkDepth(this.depth + 1);
    const isNegativeNumber = sign.text === '-' && count % 2 === 1 && ['int', 'double'].includes(this.next.kind);
    const operand = this.member(isNegativeNumber);
    if (count % 2 === 0 || isNegativeNumber) return operand;
    return { kind: 'call', at: sign.at, name: sign.text === '!' ? '!_' : '-_', args: [operand] };
  }

  private member(isNegative = false): Expression {
    let found = this.primary(isNegative);
    for (let length = this.depth + 1; ; length += 1) {
      this.checkDepth(length);
      const mark = this.take('.') ?? this.take('[');
      if (!mark) return found;
      found = mark.text === '.' ? this.selected(found, mark) : this.indexed(found, mark);
    }
  }

  private selected(operand: Expression, dot: Token): Expression {
    const isOptional = this.take('?') !== undefined;
    const field = this.identifier();
    if (isOptional) return { kind: 'call', at: dot.at, name: '_?._', args: [operand, { kind: 'literal', at: field.at, ...literalOf({ ...field, kind: 'string', text: `"${field.text}"` }) }] };
    const open = this.take('(');
    if (open) return this.macroOr({ kind: 'call', at: open.at, name: field.text, target: operand, args: this.list(')') });
    return { kind: 'select', at: dot.at, operand, field: field.text, testOnly: false };
  }

  private indexed(operand: Expression, bracket: Token): Expression {
    const isOptional = this.take('?') !== undefined;
    const index = this.expression();
    this.expect(']');
    return { kind: 'call', at: bracket.at, name: isOptional ? '_[?_]' : '_[_]', args: [operand, index] };
  }

  private macroOr(call: Call): Expression {
    return expandMacro(call, this.options) ?? call;
  }

  private identifier(): Token {
    const token = this.next;
    if (token.kind !== 'name' || words.has(token.text)) throw this.problem(`${token.kind === 'end' ? 'mismatched input' : 'no viable alternative at input'} '${token.kind === 'end' ? token.text : `.${token.text}`}'${token.kind === 'end' ? ' expecting IDENTIFIER' : ''}`);
    return this.advance();
  }

  private list(end: string): Expression[] {
    const items: Expression[] = [];
    if (this.take(end)) return items;
    do items.push(this.expression());
    while (this.take(','));
    this.expect(end);
    return items;
  }

  /** `[a, ?b,]` after the bracket. */
  private listLiteral(at: number): Expression {
    const elements: Expression[] = [];
    const optionals = new Set<number>();
    while (!this.is(']')) {
      if (this.take('?')) optionals.add(elements.length);
      elements.push(this.expression());
      if (!this.take(',')) break;
    }
    this.expect(']');
    return { kind: 'list', at, elements, optionals };
  }

  private mapLiteral(at: number): Expression {
    const entries: MapEntry[] = [];
    while (!this.is('}')) {
      const isOptional = this.take('?') !== undefined;
      const key = this.expression();
      const colon = this.expect(':');
      entries.push({ at: colon.at, key, value: this.expression(), isOptional });
      if (!this.take(',')) break;
    }
    this.expect('}');
    return { kind: 'map', at, entries };
  }

  private structLiteral(typeName: string, at: number): Expression {
    const fields: StructField[] = [];
    while (!this.is('}')) {
      const isOptional = this.take('?') !== undefined;
      const { text: name } = this.identifier();
      const colon = this.expect(':');
      fields.push({ at: colon.at, name, value: this.expression(), isOptional });
      if (!this.take(',')) break;
    }
    this.expect('}');
    return { kind: 'struct', at, typeName, fields };
  }

  private primary(isNegative: boolean): Expression {
    const token = this.next;
    if (token.kind !== 'name' && token.kind !== 'operator' && token.kind !== 'end') {
      this.advance();
      return { kind: 'literal', at: token.at, ...literalOf(token, isNegative) };
    }
    if (this.take('(')) {
      const inner = this.expression();
      this.expect(')');
      return inner;
    }
    if (this.take('[')) return this.listLiteral(token.at);
    if (this.take('{')) return this.mapLiteral(token.at);
    if (token.kind === 'name' && words.has(token.text) && token.text !== 'in') {
      this.advance();
      return { kind: 'literal', at: token.at, ...(token.text === 'null' ? { value: null, type: nullType } : { value: token.text === 'true', type: boolType }) };
    }
    return this.named(token);
  }

  /** A name, a call or a struct: `a.b.C{…}` reads on while names follow dots. */
  private named(start: Token): Expression {
    const dot = this.take('.');
    const token = this.next;
    if (token.kind !== 'name' || token.text === 'in') throw this.problem(`mismatched input '${token.text}' expecting ${dot ? 'IDENTIFIER' : startOfExpression}`);
    const end = this.structNameEnd();
    if (end !== undefined) {
      const typeName = this.tokens.slice(this.index, end).map(({ text }) => text).join('');
      this.index = end + 1;
      return this.structLiteral(typeName, this.tokens[end]?.at ?? start.at);
    }
    this.advance();
    if (reserved.has(token.text)) throw new IssueError(token.at, `reserved identifier: ${token.text}`);
    const open = this.take('(');
    if (open) return this.macroOr({ kind: 'call', at: open.at, name: token.text, args: this.list(')') });
    return { kind: 'ident', at: start.at, name: token.text };
  }

  /** The index of the brace, when a struct's name starts here. */
  private structNameEnd(): number | undefined {
    for (let i = this.index; this.tokens[i]?.kind === 'name'; i += 2) {
      const after = this.tokens[i + 1];
      if (after?.kind !== 'operator') return undefined;
      if (after.text === '{') return i + 1;
      if (after.text !== '.') return undefined;
    }
    return undefined;
  }
}

/** Long chains of && and || as a balanced tree: depth stays small. */
function balanced(chain: { readonly name: string; readonly terms: readonly Expression[]; readonly marks: readonly Token[]; readonly from: number; readonly to: number }): Expression {
  const { name, terms, marks, from, to } = chain;
  if (from === to) return terms[from] as Expression;
  const middle = (from + to - 1) >> 1;
  const at = marks[middle]?.at ?? 0;
  return { kind: 'call', at, name, args: [balanced({ ...chain, to: middle }), balanced({ ...chain, from: middle + 1 })] };
}

export type Parsed = { readonly root: Expression; readonly issues?: undefined } | { readonly issues: readonly Issue[]; readonly root?: undefined };

/** Parses a source and expands its macros: every piece that is no token is told of, and the first thing that does not fit. */
export function parse(source: string, options: ParseOptions = {}): Parsed {
  const size = source.length > maxCodePoints ? [...source].length : source.length;
  if (size > maxCodePoints) return { issues: [{ at: -1, message: `expression code point size exceeds limit: size: ${size}, limit ${maxCodePoints}` }] };
  const { tokens, issues } = tokensOf(source);
  try {
    const root = new Parser(tokens, options).whole();
    return issues.length ? { issues } : { root };
  } catch (error) {
    if (error instanceof IssueError) return { issues: [...issues, { at: error.at, message: error.message }] };
    throw error;
  }
}
