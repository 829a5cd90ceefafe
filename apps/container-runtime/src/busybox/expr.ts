import { type Applet, UsageError } from './applet.ts';
import { posixRegex } from './regex.ts';

const levels: readonly (readonly string[])[] = [['|'], ['&'], ['=', '==', '!=', '<', '<=', '>', '>='], ['+', '-'], ['*', '/', '%'], [':']];

function integer(text: string): bigint {
  if (!/^-?\d+$/.test(text)) throw new UsageError('non-numeric argument');
  return BigInt(text);
}

function match(text: string, pattern: string): string {
  const found = new RegExp(`^(?:${posixRegex(pattern, false)})`).exec(text);
  if (pattern.includes('\\(')) return found?.[1] ?? '';
  return String(found?.[0].length ?? 0);
}

function apply(operator: string, left: string, right: string): string {
  const empty = (text: string): boolean => text === '' || text === '0';
  const truth = (value: boolean): string => (value ? '1' : '0');
  switch (operator) {
    case '|': return empty(left) ? (empty(right) ? '0' : right) : left;
    case '&': return empty(left) || empty(right) ? '0' : left;
    case ':': return match(left, right);
    case '+': return String(integer(left) + integer(right));
    case '-': return String(integer(left) - integer(right));
    case '*': return String(integer(left) * integer(right));
    case '/':
    case '%': {
      if (integer(right) === 0n) throw new UsageError('division by zero');
      return String(operator === '/' ? integer(left) / integer(right) : integer(left) % integer(right));
    }
    default: {
      const numeric = /^-?\d+$/.test(left) && /^-?\d+$/.test(right);
      const [a, b] = numeric ? [BigInt(left), BigInt(right)] : [left, right];
      return truth({ '=': a === b, '==': a === b, '!=': a !== b, '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b }[operator] ?? false);
    }
  }
}

/** expr: exit code 1 when the result is empty or 0, 2 for bad expressions. */
export const expr: Applet = async (proc, args) => {
  let at = 0;
  const primary = (): string => {
    const word = args[at++];
    if (word === undefined) throw new UsageError('syntax error');
    if (word === '(') {
      const value = level(0);
      if (args[at++] !== ')') throw new UsageError('syntax error');
      return value;
    }
    if (word === 'length') return String([...primary()].length);
    if (word === 'match') return match(primary(), primary());
    if (word === 'substr') {
      const [text, from, length] = [primary(), Number(primary()), Number(primary())];
      return from > 0 ? text.slice(from - 1, from - 1 + length) : '';
    }
    if (word === 'index') {
      const [text, set] = [primary(), primary()];
      return String([...text].findIndex((c) => set.includes(c)) + 1);
    }
    return word;
  };
  const level = (n: number): string => {
    const operators = levels[n];
    if (!operators) return primary();
    let left = level(n + 1);
    while (operators.includes(args[at] ?? '')) {
      const operator = args[at++] as string;
      left = apply(operator, left, level(n + 1));
    }
    return left;
  };
  try {
    const result = level(0);
    if (at < args.length) throw new UsageError('syntax error');
    await proc.out(`${result}\n`);
    return result === '' || result === '0' ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await proc.err(`expr: ${error.message}\n`);
    return 2;
  }
};
