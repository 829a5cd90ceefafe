/** An expression of the Common Expression Language, parsed. */
export type Expression =
  | { readonly type: 'literal'; readonly value: unknown }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'select'; readonly of: Expression; readonly field: string; readonly isOptional: boolean }
  | { readonly type: 'index'; readonly of: Expression; readonly at: Expression; readonly isOptional: boolean }
  | { readonly type: 'call'; readonly on: Expression | undefined; readonly name: string; readonly args: readonly Expression[] }
  | { readonly type: 'list'; readonly items: readonly Expression[] }
  | { readonly type: 'map'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly type: 'unary'; readonly operator: '!' | '-'; readonly of: Expression }
  | { readonly type: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'choice'; readonly test: Expression; readonly then: Expression; readonly otherwise: Expression };

export class CelSyntaxError extends Error {}

interface Token {
  readonly type: 'number' | 'text' | 'name' | 'operator' | 'end';
  readonly text: string;
  readonly value?: unknown;
}

const pattern =
  /\s+|\/\/[^\n]*|(?<text>[rRbB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))|(?<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?)|(?<name>[A-Za-z_]\w*)|(?<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()[\]{}])/y;

const escapes: Readonly<Record<string, string>> = { a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function unescape(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))/gs, (_whole, x?: string, u?: string, long?: string, octal?: string, c?: string) => {
    const code = x ?? u ?? long;
    if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    return escapes[c ?? ''] ?? c ?? '';
  });
}

function textValue(token: string): string {
  const [, prefix = '', quoted = ''] = /^([rRbB]*)(.*)$/s.exec(token) ?? [];
  if (/b/i.test(prefix)) throw new CelSyntaxError('bytes literals are not supported');
  const size = quoted.startsWith('"""') || quoted.startsWith("'''") ? 3 : 1;
  const inner = quoted.slice(size, -size);
  return /r/i.test(prefix) ? inner : unescape(inner);
}

function numberValue(token: string): bigint | number {
  if (/^0x|^\d+u?$/i.test(token)) return BigInt(token.replace(/u$/i, ''));
  return Number(token);
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < source.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(source);
    if (!match) throw new CelSyntaxError(`unexpected ${JSON.stringify(source.slice(at, at + 10))}`);
    const { text, number, name, operator } = match.groups ?? {};
    if (text !== undefined) tokens.push({ type: 'text', text, value: textValue(text) });
    else if (number !== undefined) tokens.push({ type: 'number', text: number, value: numberValue(number) });
    else if (name !== undefined) tokens.push({ type: 'name', text: name });
    else if (operator !== undefined) tokens.push({ type: 'operator', text: operator });
  }
  return [...tokens, { type: 'end', text: 'the end' }];
}

const levels: readonly (readonly string[])[] = [['||'], ['&&'], ['==', '!=', '<', '<=', '>', '>=', 'in'], ['+', '-'], ['*', '/', '%']];
const constants = new Map<string, unknown>([['true', true], ['false', false], ['null', null]]);

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(source: string) {
    this.tokens = tokensOf(source);
  }

  whole(): Expression {
    const expression = this.expression();
    if (this.peek.type !== 'end') throw new CelSyntaxError(`unexpected ${this.peek.text}`);
    return expression;
  }

  private get peek(): Token {
    return this.tokens[this.at] as Token;
  }

  private is(text: string): boolean {
    return (this.peek.type === 'operator' || this.peek.type === 'name') && this.peek.text === text;
  }

  private take(text: string): boolean {
    if (!this.is(text)) return false;
    this.at += 1;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) throw new CelSyntaxError(`expected ${text}, found ${this.peek.text}`);
  }

  private expression(): Expression {
    const test = this.binary(0);
    if (!this.take('?')) return test;
    const then = this.binary(0);
    this.expect(':');
    return { type: 'choice', test, then, otherwise: this.expression() };
  }

  private binary(level: number): Expression {
    const operators = levels[level];
    if (!operators) return this.unary();
    let left = this.binary(level + 1);
    for (let operator = operators.find((one) => this.is(one)); operator; operator = operators.find((one) => this.is(one))) {
      this.at += 1;
      left = { type: 'binary', operator, left, right: this.binary(level + 1) };
    }
    return left;
  }

  private unary(): Expression {
    for (const operator of ['!', '-'] as const) if (this.take(operator)) return { type: 'unary', operator, of: this.unary() };
    return this.member();
  }

  private member(): Expression {
    let of = this.primary();
    for (;;) {
      if (this.take('.')) {
        const isOptional = this.take('?');
        const field = this.identifier();
        of = this.is('(') ? { type: 'call', on: of, name: field, args: this.args() } : { type: 'select', of, field, isOptional };
      } else if (this.take('[')) {
        const isOptional = this.take('?');
        const at = this.expression();
        this.expect(']');
        of = { type: 'index', of, at, isOptional };
      } else return of;
    }
  }

  private identifier(): string {
    const { type, text } = this.peek;
    if (type !== 'name') throw new CelSyntaxError(`expected a name, found ${text}`);
    this.at += 1;
    return text;
  }

  private args(): Expression[] {
    this.expect('(');
    return this.upTo(')');
  }

  private upTo(end: string): Expression[] {
    const items: Expression[] = [];
    while (!this.take(end)) {
      items.push(this.expression());
      if (!this.is(end)) this.expect(',');
    }
    return items;
  }

  private entries(): (readonly [Expression, Expression])[] {
    const entries: (readonly [Expression, Expression])[] = [];
    while (!this.take('}')) {
      const key = this.expression();
      this.expect(':');
      entries.push([key, this.expression()]);
      if (!this.is('}')) this.expect(',');
    }
    return entries;
  }

  private primary(): Expression {
    const { type, text, value } = this.peek;
    if (type === 'text' || type === 'number') {
      this.at += 1;
      return { type: 'literal', value };
    }
    if (this.take('(')) {
      const inner = this.expression();
      this.expect(')');
      return inner;
    }
    if (this.take('[')) return { type: 'list', items: this.upTo(']') };
    if (this.take('{')) return { type: 'map', entries: this.entries() };
    const name = this.identifier();
    if (constants.has(text)) return { type: 'literal', value: constants.get(text) };
    return this.is('(') ? { type: 'call', on: undefined, name, args: this.args() } : { type: 'name', name };
  }
}

/** Throws CelSyntaxError. */
export function parseCel(source: string): Expression {
  return new Parser(source).whole();
}

/** Every expression within one, itself included. */
export function* partsOf(expression: Expression): Iterable<Expression> {
  yield expression;
  for (const part of directParts(expression)) yield* partsOf(part);
}

function directParts(expression: Expression): readonly Expression[] {
  switch (expression.type) {
    case 'select':
    case 'unary':
      return [expression.of];
    case 'index':
      return [expression.of, expression.at];
    case 'call':
      return expression.on ? [expression.on, ...expression.args] : expression.args;
    case 'list':
      return expression.items;
    case 'map':
      return expression.entries.flat();
    case 'binary':
      return [expression.left, expression.right];
    case 'choice':
      return [expression.test, expression.then, expression.otherwise];
    default:
      return [];
  }
}
