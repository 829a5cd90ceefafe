/** A malformed expression or a division by zero. */
export class ArithmeticError extends Error {}

export interface ArithmeticScope {
  get(name: string): string;
  set(name: string, value: string): void;
}

const token = /\s*(?:(0[xX][0-9a-fA-F]+|[0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|(<<=|>>=|\*\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&^|]=|[-+*/%&^|<>!~?:=(),]))/y;

const binaryLevels: readonly (readonly string[])[] = [['||'], ['&&'], ['|'], ['^'], ['&'], ['==', '!='], ['<', '<=', '>', '>='], ['<<', '>>'], ['+', '-'], ['*', '/', '%']];

const wrap = (value: bigint): bigint => BigInt.asIntN(64, value);

function parseNumber(text: string): bigint {
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  return BigInt(text);
}

function apply(operator: string, a: bigint, b: bigint): bigint {
  const truth = (value: boolean): bigint => (value ? 1n : 0n);
  switch (operator) {
    case '||': return truth(a !== 0n || b !== 0n);
    case '&&': return truth(a !== 0n && b !== 0n);
    case '|': return a | b;
    case '^': return a ^ b;
    case '&': return a & b;
    case '==': return truth(a === b);
    case '!=': return truth(a !== b);
    case '<': return truth(a < b);
    case '<=': return truth(a <= b);
    case '>': return truth(a > b);
    case '>=': return truth(a >= b);
    case '<<': return wrap(a << (b & 63n));
    case '>>': return a >> (b & 63n);
    case '+': return wrap(a + b);
    case '-': return wrap(a - b);
    case '*': return wrap(a * b);
    case '**': return wrap(a ** b);
    default:
      if (b === 0n) throw new ArithmeticError('divide by zero');
      return operator === '/' ? wrap(a / b) : a % b;
  }
}

class Evaluator {
  private readonly tokens: string[] = [];
  private position = 0;
  private readonly scope: ArithmeticScope;
  /** Above 0 in the branch not taken: assignments there have no effect. */
  private skipping = 0;

  constructor(text: string, scope: ArithmeticScope) {
    this.scope = scope;
    for (token.lastIndex = 0; token.lastIndex < text.trimEnd().length; ) {
      const found = token.exec(text);
      if (!found) throw new ArithmeticError('arithmetic syntax error');
      this.tokens.push(found[1] ?? found[2] ?? found[3] ?? '');
    }
  }

  private peek(): string {
    return this.tokens[this.position] ?? '';
  }

  private take(...wanted: string[]): string | undefined {
    const found = wanted.includes(this.peek()) ? this.peek() : undefined;
    if (found !== undefined) this.position++;
    return found;
  }

  evaluate(): bigint {
    if (!this.tokens.length) return 0n;
    const value = this.comma();
    if (this.position < this.tokens.length) throw new ArithmeticError('arithmetic syntax error');
    return value;
  }

  private comma(): bigint {
    let value = this.assignment();
    while (this.take(',')) value = this.assignment();
    return value;
  }

  private assignment(): bigint {
    const name = this.peek();
    const operator = this.tokens[this.position + 1] ?? '';
    if (/^[A-Za-z_]/.test(name) && /^(?:<<|>>|[-+*/%&^|])?=$/.test(operator)) {
      this.position += 2;
      const right = this.assignment();
      const value = operator === '=' ? right : apply(operator.slice(0, -1), this.variable(name), right);
      return this.store(name, value);
    }
    return this.ternary();
  }

  private skip<T>(when: boolean, run: () => T): T {
    if (when) this.skipping++;
    try {
      return run();
    } finally {
      if (when) this.skipping--;
    }
  }

  private ternary(): bigint {
    const condition = this.binary(0);
    if (!this.take('?')) return condition;
    const yes = this.skip(condition === 0n, () => this.assignment());
    if (!this.take(':')) throw new ArithmeticError('arithmetic syntax error');
    const no = this.skip(condition !== 0n, () => this.assignment());
    return condition !== 0n ? yes : no;
  }

  private binary(level: number): bigint {
    const operators = binaryLevels[level];
    if (!operators) return this.power();
    let left = this.binary(level + 1);
    for (let operator = this.take(...operators); operator; operator = this.take(...operators)) {
      const decided = (operator === '&&' && left === 0n) || (operator === '||' && left !== 0n);
      const right = this.skip(decided, () => this.binary(level + 1));
      left = this.skipping && (operator === '/' || operator === '%') && right === 0n ? 0n : apply(operator, left, right);
    }
    return left;
  }

  private power(): bigint {
    const base = this.unary();
    return this.take('**') ? apply('**', base, this.power()) : base;
  }

  private unary(): bigint {
    const step = this.take('++', '--');
    if (step) {
      const name = this.tokens[this.position++] ?? '';
      return this.store(name, this.variable(name) + (step === '++' ? 1n : -1n));
    }
    const operator = this.take('!', '~', '-', '+');
    if (operator === '!') return this.unary() === 0n ? 1n : 0n;
    if (operator === '~') return ~this.unary();
    if (operator === '-') return wrap(-this.unary());
    if (operator === '+') return this.unary();
    return this.primary();
  }

  private primary(): bigint {
    if (this.take('(')) {
      const value = this.comma();
      if (!this.take(')')) throw new ArithmeticError('arithmetic syntax error');
      return value;
    }
    const text = this.tokens[this.position++] ?? '';
    if (/^[0-9]/.test(text)) return wrap(parseNumber(text));
    if (!/^[A-Za-z_]/.test(text)) throw new ArithmeticError('arithmetic syntax error');
    const value = this.variable(text);
    const step = this.take('++', '--');
    if (step) this.store(text, value + (step === '++' ? 1n : -1n));
    return value;
  }

  private variable(name: string): bigint {
    const text = this.scope.get(name).trim();
    if (text === '') return 0n;
    return evaluateArithmetic(text, this.scope);
  }

  private store(name: string, value: bigint): bigint {
    if (!this.skipping) this.scope.set(name, String(wrap(value)));
    return value;
  }
}

/** Evaluates a shell arithmetic expression in 64 bits. Throws ArithmeticError. */
export function evaluateArithmetic(text: string, scope: ArithmeticScope): bigint {
  if (/^\s*-?[0-9]+\s*$/.test(text) && !/^\s*-?0[0-9]/.test(text)) return wrap(BigInt(text.trim()));
  return new Evaluator(text, scope).evaluate();
}
