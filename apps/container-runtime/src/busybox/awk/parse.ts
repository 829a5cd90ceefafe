import { UsageError } from '../applet.ts';

export type Expression =
  | { readonly type: 'number'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'regex'; readonly source: string }
  | { readonly type: 'variable'; readonly name: string }
  | { readonly type: 'field'; readonly index: Expression }
  | { readonly type: 'element'; readonly name: string; readonly subscript: readonly Expression[] }
  | { readonly type: 'in'; readonly subscript: readonly Expression[]; readonly name: string }
  | { readonly type: 'assign'; readonly operator: string; readonly target: Expression; readonly value: Expression }
  | { readonly type: 'step'; readonly by: 1 | -1; readonly prefix: boolean; readonly target: Expression }
  | { readonly type: 'unary'; readonly operator: string; readonly operand: Expression }
  | { readonly type: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'ternary'; readonly condition: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly type: 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly type: 'getline'; readonly target?: Expression; readonly file?: Expression };

export type Statement =
  | { readonly type: 'block'; readonly body: readonly Statement[] }
  | { readonly type: 'expression'; readonly expression: Expression }
  | { readonly type: 'print' | 'printf'; readonly args: readonly Expression[]; readonly to?: { readonly append: boolean; readonly file: Expression } | undefined }
  | { readonly type: 'if'; readonly condition: Expression; readonly yes: Statement; readonly no?: Statement | undefined }
  | { readonly type: 'while'; readonly condition: Expression; readonly body: Statement; readonly after: boolean }
  | { readonly type: 'for'; readonly init?: Statement | undefined; readonly condition?: Expression | undefined; readonly step?: Statement | undefined; readonly body: Statement }
  | { readonly type: 'forIn'; readonly variable: string; readonly array: string; readonly body: Statement }
  | { readonly type: 'jump'; readonly kind: 'next' | 'exit' | 'break' | 'continue' | 'return'; readonly value?: Expression | undefined }
  | { readonly type: 'delete'; readonly name: string; readonly subscript?: readonly Expression[] | undefined };

export interface Rule {
  readonly when: 'BEGIN' | 'END' | 'pattern';
  readonly pattern?: Expression | undefined;
  readonly end?: Expression | undefined;
  readonly body?: Statement | undefined;
}

export interface AwkProgram {
  readonly rules: readonly Rule[];
  readonly functions: ReadonlyMap<string, { readonly parameters: readonly string[]; readonly body: Statement }>;
}

interface Token {
  readonly kind: 'number' | 'string' | 'regex' | 'name' | 'call' | 'operator' | 'newline' | 'end';
  readonly text: string;
}

const operators = ['**=', '&&', '||', '++', '--', '+=', '-=', '*=', '/=', '%=', '^=', '**', '==', '<=', '>=', '!=', '!~', '>>', '{', '}', '(', ')', '[', ']', ';', ',', '+', '-', '*', '/', '%', '^', '!', '<', '>', '|', '?', ':', '~', '$', '='];
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"', '/': '/', a: '\x07', b: '\b', f: '\f', v: '\v' };

export function unescapeString(text: string): string {
  return text.replace(/\\([0-7]{1,3}|[^])/g, (_, code: string) => (/^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : (escapes[code] ?? `\\${code}`)));
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  while (at < source.length) {
    if (match(/(?:[ \t\r]|\\\r?\n)+|#[^\n]*/y)) continue;
    if (match(/\n/y)) {
      tokens.push({ kind: 'newline', text: '\n' });
      continue;
    }
    const previous = tokens.at(-1);
    const operand = previous && (['number', 'string', 'name'].includes(previous.kind) || [')', ']', '$', '++', '--'].includes(previous.text));
    const regex = operand ? undefined : match(/\/(?:[^\\/\n[]|\\.|\[\^?\]?[^\]\n]*\])+\//y);
    if (regex) {
      tokens.push({ kind: 'regex', text: regex.slice(1, -1).replace(/\\\//g, '/') });
      continue;
    }
    const number = match(/0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y);
    const text = number ?? match(/"(?:[^"\\]|\\[^])*"/y);
    if (text !== undefined) {
      tokens.push(number ? { kind: 'number', text } : { kind: 'string', text: unescapeString(text.slice(1, -1)) });
      continue;
    }
    const name = match(/[A-Za-z_]\w*/y);
    if (name) {
      tokens.push({ kind: source[at] === '(' ? 'call' : 'name', text: name });
      continue;
    }
    const operator = operators.find((op) => source.startsWith(op, at));
    if (!operator) throw new UsageError(`cmd. line: syntax error at ${JSON.stringify(source.slice(at, at + 10))}`);
    at += operator.length;
    tokens.push({ kind: 'operator', text: operator });
  }
  tokens.push({ kind: 'newline', text: '\n' }, { kind: 'end', text: '' });
  return tokens;
}

const keywords = new Set(['if', 'else', 'while', 'for', 'do', 'print', 'printf', 'next', 'exit', 'break', 'continue', 'return', 'delete', 'getline', 'in', 'function', 'func', 'BEGIN', 'END']);

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;
  /** Inside `print …` a bare `>` is a redirection. */
  private noGreater = false;
  private noIn = false;

  constructor(source: string) {
    this.tokens = tokenize(source);
  }

  private peek(): Token {
    return this.tokens[this.at] as Token;
  }

  private is(text: string): boolean {
    const token = this.peek();
    return token.text === text && token.kind !== 'string' && token.kind !== 'regex';
  }

  private take(...texts: string[]): string | undefined {
    const found = texts.find((text) => this.is(text));
    if (found !== undefined) this.at++;
    return found;
  }

  private expect(text: string): void {
    if (this.take(text) === undefined) throw new UsageError(`cmd. line: syntax error at or near ${this.peek().text || 'end of program'}`);
  }

  private newlines(): void {
    while (this.peek().kind === 'newline') this.at++;
  }

  private terminators(): void {
    while (this.peek().kind === 'newline' || this.is(';')) this.at++;
  }

  program(): AwkProgram {
    const rules: Rule[] = [];
    const functions = new Map<string, { parameters: string[]; body: Statement }>();
    for (this.terminators(); this.peek().kind !== 'end'; this.terminators()) {
      if (this.take('function', 'func')) {
        const name = (this.tokens[this.at++] as Token).text;
        this.expect('(');
        const parameters: string[] = [];
        while (!this.take(')')) {
          parameters.push((this.tokens[this.at++] as Token).text);
          this.take(',');
        }
        this.newlines();
        functions.set(name, { parameters, body: this.block() });
      } else {
        const when = (this.take('BEGIN', 'END') ?? 'pattern') as Rule['when'];
        const pattern = when === 'pattern' && !this.is('{') ? this.expression() : undefined;
        const end = pattern && this.take(',') ? this.expression() : undefined;
        rules.push({ when, pattern, end, body: this.is('{') ? this.block() : undefined });
      }
    }
    return { rules, functions };
  }

  private block(): Statement {
    this.expect('{');
    const body: Statement[] = [];
    for (this.terminators(); !this.take('}'); this.terminators()) body.push(this.statement());
    return { type: 'block', body };
  }

  private simpleOrBlock(): Statement {
    this.newlines();
    if (this.take(';')) return { type: 'block', body: [] };
    return this.is('{') ? this.block() : this.statement();
  }

  private statement(): Statement {
    if (this.is('{')) return this.block();
    if (this.take('if')) {
      this.expect('(');
      const condition = this.expression();
      this.expect(')');
      const yes = this.simpleOrBlock();
      const back = this.at;
      this.terminators();
      if (this.take('else')) return { type: 'if', condition, yes, no: this.simpleOrBlock() };
      this.at = back;
      return { type: 'if', condition, yes };
    }
    if (this.take('while')) {
      this.expect('(');
      const condition = this.expression();
      this.expect(')');
      return { type: 'while', condition, body: this.simpleOrBlock(), after: false };
    }
    if (this.take('do')) {
      const body = this.simpleOrBlock();
      this.terminators();
      this.expect('while');
      this.expect('(');
      const condition = this.expression();
      this.expect(')');
      return { type: 'while', condition, body, after: true };
    }
    return this.take('for') ? this.forStatement() : this.simple();
  }

  private forStatement(): Statement {
    this.expect('(');
    const [a, b, c, d] = this.tokens.slice(this.at, this.at + 4);
    if (a?.kind === 'name' && b?.text === 'in' && c?.kind === 'name' && d?.text === ')') {
      this.at += 4;
      return { type: 'forIn', variable: a.text, array: c.text, body: this.simpleOrBlock() };
    }
    const init = this.is(';') ? undefined : this.simple();
    this.expect(';');
    const condition = this.is(';') ? undefined : this.expression();
    this.expect(';');
    const step = this.is(')') ? undefined : this.simple();
    this.expect(')');
    return { type: 'for', init, condition, step, body: this.simpleOrBlock() };
  }

  private simple(): Statement {
    const jump = this.take('next', 'exit', 'break', 'continue', 'return');
    if (jump) {
      const ends = this.peek().kind === 'newline' || this.is(';') || this.is('}');
      return { type: 'jump', kind: jump as 'next', value: ends ? undefined : this.expression() };
    }
    if (this.take('delete')) {
      const name = (this.tokens[this.at++] as Token).text;
      return { type: 'delete', name, subscript: this.take('[') ? this.subscript() : undefined };
    }
    const print = (this.peek().kind === 'call' || this.peek().kind === 'name') && (this.is('print') || this.is('printf')) ? (this.tokens[this.at++] as Token).text : undefined;
    if (!print) return { type: 'expression', expression: this.expression() };
    this.noGreater = true;
    const args = this.printArguments();
    this.noGreater = false;
    const redirect = this.take('>>', '>');
    const to = redirect ? { append: redirect === '>>', file: this.concatenation() } : undefined;
    return { type: print as 'print', args, to };
  }

  private printArguments(): Expression[] {
    if (this.peek().kind === 'newline' || this.is(';') || this.is('}') || this.is('>') || this.is('>>')) return [];
    const start = this.at;
    // print (a, b) > file: the parentheses hold the list.
    if (this.take('(')) {
      const outer = this.noGreater;
      this.noGreater = false;
      const list = [this.expression()];
      while (this.take(',')) list.push(this.expression());
      this.noGreater = outer;
      if (this.take(')') && (this.peek().kind === 'newline' || [';', '}', '>', '>>'].some((text) => this.is(text)))) return list;
      this.at = start;
    }
    const list = [this.expression()];
    while (this.take(',')) {
      this.newlines();
      list.push(this.expression());
    }
    return list;
  }

  private subscript(): Expression[] {
    const list = [this.expression()];
    while (this.take(',')) list.push(this.expression());
    this.expect(']');
    return list;
  }

  expression(): Expression {
    const left = this.ternary();
    const operator = this.take('=', '+=', '-=', '*=', '/=', '%=', '^=', '**=');
    if (!operator) return left;
    if (!['variable', 'field', 'element'].includes(left.type)) throw new UsageError('cmd. line: syntax error: bad assignment');
    this.newlines();
    return { type: 'assign', operator: operator.slice(0, -1), target: left, value: this.expression() };
  }

  private ternary(): Expression {
    const condition = this.or();
    if (!this.take('?')) return condition;
    const yes = this.expression();
    this.expect(':');
    return { type: 'ternary', condition, yes, no: this.expression() };
  }

  private chain(next: () => Expression, ...texts: string[]): Expression {
    let left = next();
    for (let operator = this.take(...texts); operator; operator = this.take(...texts)) {
      this.newlines();
      left = { type: 'binary', operator, left, right: next() };
    }
    return left;
  }

  private or(): Expression {
    return this.chain(() => this.chain(() => this.membership(), '&&'), '||');
  }

  private membership(): Expression {
    let left = this.matching();
    while (!this.noIn && this.take('in')) left = { type: 'in', subscript: [left], name: (this.tokens[this.at++] as Token).text };
    return left;
  }

  private matching(): Expression {
    return this.chain(() => this.comparison(), '~', '!~');
  }

  private comparison(): Expression {
    const left = this.concatenation();
    const operator = this.noGreater ? this.take('<', '<=', '==', '!=', '>=') : this.take('<', '<=', '==', '!=', '>', '>=');
    return operator ? { type: 'binary', operator, left, right: this.concatenation() } : left;
  }

  private startsOperand(): boolean {
    const { kind, text } = this.peek();
    if (kind === 'number' || kind === 'string' || kind === 'call') return true;
    if (kind === 'name') return !keywords.has(text);
    return kind === 'operator' && ['$', '!', '(', '-', '+', '++', '--'].includes(text) && !(text === '!' && this.tokens[this.at + 1]?.text === '~');
  }

  private concatenation(): Expression {
    let left = this.additive();
    while (this.startsOperand() && !this.is('-') && !this.is('+')) left = { type: 'binary', operator: ' ', left, right: this.additive() };
    return left;
  }

  private additive(): Expression {
    return this.chain(() => this.chain(() => this.unary(), '*', '/', '%'), '+', '-');
  }

  private unary(): Expression {
    const operator = this.take('!', '-', '+');
    if (operator) return { type: 'unary', operator, operand: this.unary() };
    const base = this.postfix();
    return this.take('^', '**') ? { type: 'binary', operator: '^', left: base, right: this.unary() } : base;
  }

  private postfix(): Expression {
    const prefix = this.take('++', '--');
    if (prefix) return { type: 'step', by: prefix === '++' ? 1 : -1, prefix: true, target: this.primary() };
    const target = this.primary();
    if (!['variable', 'field', 'element'].includes(target.type)) return target;
    const suffix = this.take('++', '--');
    return suffix ? { type: 'step', by: suffix === '++' ? 1 : -1, prefix: false, target } : target;
  }

  private primary(): Expression {
    const token = this.tokens[this.at++] as Token;
    switch (token.kind) {
      case 'number':
        return { type: 'number', value: Number(token.text) };
      case 'string':
        return { type: 'string', value: token.text };
      case 'regex':
        return { type: 'regex', source: token.text };
      case 'call':
        return this.call(token.text);
      case 'name':
        return this.name(token.text);
      default:
    }
    if (token.text === '$') return { type: 'field', index: this.is('++') || this.is('--') ? this.postfix() : this.primary() };
    if (token.text === '(') {
      const outer = this.noGreater;
      this.noGreater = false;
      const list = [this.expression()];
      while (this.take(',')) list.push(this.expression());
      this.expect(')');
      this.noGreater = outer;
      if (list.length > 1) {
        this.expect('in');
        return { type: 'in', subscript: list, name: (this.tokens[this.at++] as Token).text };
      }
      return list[0] as Expression;
    }
    throw new UsageError(`cmd. line: syntax error at or near ${token.text === '\n' ? 'end of line' : token.text || 'end of program'}`);
  }

  private call(name: string): Expression {
    this.expect('(');
    const outer = this.noGreater;
    this.noGreater = false;
    const args: Expression[] = [];
    this.newlines();
    while (!this.take(')')) {
      args.push(this.expression());
      this.take(',');
      this.newlines();
    }
    this.noGreater = outer;
    return { type: 'call', name, args };
  }

  private name(name: string): Expression {
    if (name === 'getline') {
      const target = this.peek().kind === 'name' || this.is('$') ? this.primary() : undefined;
      const file = this.take('<') ? this.primary() : undefined;
      return { type: 'getline', ...(target ? { target } : {}), ...(file ? { file } : {}) };
    }
    if (name === 'length') return { type: 'call', name, args: [] };
    if (this.take('[')) return { type: 'element', name, subscript: this.subscript() };
    return { type: 'variable', name };
  }
}

/** Parses an awk program; throws UsageError. */
export function parseAwk(source: string): AwkProgram {
  return new Parser(source).program();
}
