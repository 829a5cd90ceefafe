import { functions } from './functions.ts';
import { macroOf } from './macros.ts';
import type { Expression } from './syntax.ts';
import { CelError, Duration, Optional, Timestamp, celCompare, celEqual, isNumber } from './values.ts';

export interface Scope {
  readonly names: ReadonlyMap<string, unknown>;
  readonly budget: { left: number };
}

export function withName(scope: Scope, name: string, value: unknown): Scope {
  return { ...scope, names: new Map(scope.names).set(name, value) };
}

/** Property names that are no identifiers are spelled out. */
const spelled: Readonly<Record<string, string>> = { __underscores__: '__', __dot__: '.', __dash__: '-', __slash__: '/' };
const reserved = /^__(true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while)__$/;

export function unescapeField(name: string): string {
  const word = reserved.exec(name)?.[1];
  return word ?? name.replace(/__(?:underscores|dot|dash|slash)__/g, (found) => spelled[found] ?? found);
}

function bool(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
}

/** Errors give way to an operand that decides. */
function logical(expression: Extract<Expression, { type: 'binary' }>, scope: Scope): boolean {
  const decides = expression.operator === '||';
  let failure: unknown;
  for (const side of [expression.left, expression.right]) {
    try {
      if (bool(evaluate(side, scope)) === decides) return decides;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return !decides;
}

function divide(operator: string, a: bigint, b: bigint): bigint {
  if (b === 0n) throw new CelError(operator === '/' ? 'division by zero' : 'modulus by zero');
  return operator === '/' ? a / b : a % b;
}

function arithmetic(operator: string, a: unknown, b: unknown): unknown {
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    if (operator === '/' || operator === '%') return divide(operator, a, b);
    const result = operator === '+' ? a + b : operator === '-' ? a - b : a * b;
    if (BigInt.asIntN(64, result) !== result) throw new CelError('integer overflow');
    return result;
  }
  if (typeof a === 'number' && typeof b === 'number' && operator !== '%') return operator === '+' ? a + b : operator === '-' ? a - b : operator === '*' ? a * b : a / b;
  if (operator === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
  if (operator === '+' && Array.isArray(a) && Array.isArray(b)) return [...(a as unknown[]), ...(b as unknown[])];
  if (operator === '+' || operator === '-') {
    const sign = operator === '+' ? 1 : -1;
    if (a instanceof Timestamp && b instanceof Duration) return new Timestamp(a.ms + sign * b.ms);
    if (a instanceof Duration && b instanceof Duration) return new Duration(a.ms + sign * b.ms);
    if (a instanceof Timestamp && b instanceof Timestamp && sign < 0) return new Duration(a.ms - b.ms);
    if (a instanceof Duration && b instanceof Timestamp && sign > 0) return new Timestamp(a.ms + b.ms);
  }
  throw new CelError('no such overload');
}

function contains(item: unknown, within: unknown): boolean {
  if (Array.isArray(within)) return within.some((one) => celEqual(one, item));
  if (within instanceof Map) return within.has(item);
  throw new CelError('no such overload');
}

function binary(expression: Extract<Expression, { type: 'binary' }>, scope: Scope): unknown {
  const { operator } = expression;
  if (operator === '&&' || operator === '||') return logical(expression, scope);
  const a = evaluate(expression.left, scope);
  const b = evaluate(expression.right, scope);
  switch (operator) {
    case '==':
      return celEqual(a, b);
    case '!=':
      return !celEqual(a, b);
    case '<':
      return celCompare(a, b) < 0;
    case '<=':
      return celCompare(a, b) <= 0;
    case '>':
      return celCompare(a, b) > 0;
    case '>=':
      return celCompare(a, b) >= 0;
    case 'in':
      return contains(a, b);
    default:
      return arithmetic(operator, a, b);
  }
}

/** A member of a map or list; undefined when there is none. */
export function memberOf(of: unknown, key: unknown): unknown {
  if (of instanceof Map) return of.get(isNumber(key) ? Number(key) : key);
  if (Array.isArray(of) && isNumber(key)) return of[Number(key)] as unknown;
  throw new CelError('no such overload');
}

function member(of: unknown, key: unknown, isOptional: boolean): unknown {
  const inner = of instanceof Optional ? of.value : of;
  if (of instanceof Optional || isOptional) {
    const value = of instanceof Optional && !of.hasValue ? undefined : memberOf(inner, key);
    return value === undefined ? new Optional(false) : new Optional(true, value);
  }
  const value = memberOf(of, key);
  if (value === undefined) throw new CelError(Array.isArray(of) ? `index out of bounds: ${String(key)}` : `no such key: ${String(key)}`);
  return value;
}

function negative(value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'number') return -value;
  throw new CelError('no such overload');
}

function call(expression: Extract<Expression, { type: 'call' }>, scope: Scope): unknown {
  const { on, name, args } = expression;
  const macro = macroOf(expression);
  if (macro) return macro.run(expression, scope);
  const values = [...(on && !isNamespace(on) ? [evaluate(on, scope)] : []), ...args.map((arg) => evaluate(arg, scope))];
  const full = isNamespace(on) ? `${on.name}.${name}` : name;
  const run = Object.hasOwn(functions, full) ? functions[full] : undefined;
  if (!run) throw new CelError(`undeclared reference to '${name}'`);
  return run(...values);
}

/** `optional.of`, `sets.contains`: functions with a dot in their names. */
export function isNamespace(on: Expression | undefined): on is Extract<Expression, { type: 'name' }> {
  return on?.type === 'name' && (on.name === 'optional' || on.name === 'sets');
}

/** Throws CelError for what goes wrong while it runs. */
export function evaluate(expression: Expression, scope: Scope): unknown {
  if (--scope.budget.left < 0) throw new CelError('operation cancelled: actual cost limit exceeded');
  switch (expression.type) {
    case 'literal':
      return expression.value;
    case 'name': {
      const value = scope.names.get(expression.name);
      if (value === undefined) throw new CelError(`undeclared reference to '${expression.name}'`);
      return value;
    }
    case 'select':
      return member(evaluate(expression.of, scope), unescapeField(expression.field), expression.isOptional);
    case 'index':
      return member(evaluate(expression.of, scope), evaluate(expression.at, scope), expression.isOptional);
    case 'call':
      return call(expression, scope);
    case 'list':
      return expression.items.map((item) => evaluate(item, scope));
    case 'map':
      return new Map(expression.entries.map(([key, value]) => [evaluate(key, scope), evaluate(value, scope)]));
    case 'unary':
      return expression.operator === '!' ? !bool(evaluate(expression.of, scope)) : negative(evaluate(expression.of, scope));
    case 'binary':
      return binary(expression, scope);
    case 'choice':
      return evaluate(bool(evaluate(expression.test, scope)) ? expression.then : expression.otherwise, scope);
  }
}
