import type { Checked } from '../check/checker.ts';
import { codePoints } from '../library/standard.ts';
import type { Bind, Call, Comprehension, Expression, Fold, ListExpression, MapExpression, Select } from '../syntax/ast.ts';
import { type CelType, dynType } from '../types.ts';
import { type Argument, estimateCall } from './call-estimates.ts';
import { listCost, mapCost, structCost } from './factors.ts';
import { type Range, plus, range, times, unbounded, union, unknown } from './range.ts';

/** Sizes of the members of a list or map. */
interface Entry {
  readonly isList: boolean;
  readonly key: Range;
  readonly value: Range;
}

interface Estimate {
  readonly cost: Range;
  /** What is known from the expression itself. */
  readonly size?: Range | undefined;
  readonly entry?: Entry | undefined;
  /** The declared type that a path of fields and members from a variable leads to: has sizes that are declared. */
  readonly declared?: CelType | undefined;
}

const free = range(0);
const one = range(1);
const scalars = new Set<CelType['kind']>(['bool', 'int', 'uint', 'double', 'timestamp', 'duration']);
const measured = new Set<CelType['kind']>(['string', 'bytes', 'list', 'map', 'dyn']);

/** As upstream: a declared type without a size of its own has none. */
function declaredSize(type: CelType): Range {
  return range(0, type.maxElements ?? (measured.has(type.kind) ? unbounded : 0));
}

const isScalar = (type: CelType): boolean => scalars.has(type.kind) || (type.kind === 'opaque' && type.name === 'optional_type' && type.parameters?.[0] !== undefined && isScalar(type.parameters[0]));

/** What the condition of upstream's loop takes for a member, what its result takes, and what it starts from. */
const folds: Readonly<Record<Fold, { readonly loop: number; readonly result: number; readonly start: number }>> = {
  all: { loop: 2, result: 1, start: 0 },
  exists: { loop: 3, result: 1, start: 0 },
  existsOne: { loop: 0, result: 2, start: 0 },
  map: { loop: 0, result: 1, start: listCost },
  filter: { loop: 0, result: 1, start: listCost },
  transformMap: { loop: 0, result: 1, start: mapCost },
  transformMapEntry: { loop: 0, result: 1, start: mapCost },
};

class Estimator {
  private readonly checked: Checked;
  private readonly estimates = new Map<Expression, Estimate>();
  private locals: ReadonlyMap<string, Estimate> = new Map();

  constructor(checked: Checked) {
    this.checked = checked;
  }

  visit(expression: Expression): Estimate {
    // optMap has its target in two places.
    let estimate = this.estimates.get(expression);
    if (!estimate) this.estimates.set(expression, (estimate = this.estimateOf(expression)));
    return estimate;
  }

  private estimateOf(expression: Expression): Estimate {
    switch (expression.kind) {
      case 'literal':
        return { cost: free, size: literalSize(expression.value) };
      case 'ident':
        return this.name(expression, expression.name);
      case 'select':
        return this.select(expression);
      case 'call':
        return this.call(expression);
      case 'list':
        return this.list(expression);
      case 'map':
        return this.map(expression);
      case 'struct':
        return { cost: plus(range(structCost), ...expression.fields.map(({ value }) => this.visit(value).cost)) };
      case 'comprehension':
        return this.comprehension(expression);
      case 'bind':
        return this.bind(expression);
    }
  }

  private typeOf(expression: Expression): CelType {
    return this.checked.types.get(expression) ?? dynType;
  }

  private sizeOf(expression: Expression, { size, declared }: Estimate): Range | undefined {
    if (size) return size;
    if (declared) return declaredSize(declared);
    return isScalar(this.typeOf(expression)) ? one : undefined;
  }

  private name(expression: Expression, name: string): Estimate {
    const named = this.checked.names.get(expression);
    if (named) return { cost: one, ...(named.kind === 'variable' ? { declared: named.type } : { size: free }) };
    const local = this.locals.get(name);
    return { cost: one, size: local?.declared ? undefined : local?.size, entry: local?.entry, declared: local?.declared };
  }

  private select(expression: Select): Estimate {
    if (this.checked.names.has(expression)) return this.name(expression, '');
    const operand = this.visit(expression.operand);
    if (expression.testOnly) return { cost: operand.cost };
    const kind = this.typeOf(expression.operand).kind;
    const own = kind === 'map' || kind === 'object' || kind === 'parameter' ? one : free;
    const declared = operand.declared?.kind === 'object' ? operand.declared.fields.get(expression.field)?.type : undefined;
    return { cost: plus(operand.cost, own), declared };
  }

  private argument(expression: Expression): Argument & { readonly estimate: Estimate } {
    const estimate = this.visit(expression);
    const { declared } = estimate;
    const element = declared?.kind === 'list' ? declaredSize(declared.element) : unknown;
    return { expression, type: this.typeOf(expression), cost: estimate.cost, size: this.sizeOf(expression, estimate) ?? unknown, elementSize: element, estimate };
  }

  private call(expression: Call): Estimate {
    const call = this.checked.calls.get(expression);
    const args = (call?.args ?? []).map((arg) => this.argument(arg));
    const argCosts = plus(...args.map(({ cost }) => cost));
    if (expression.name === 'dyn' && args[0]) return { ...args[0].estimate, size: args[0].size, declared: undefined, cost: plus(one, argCosts) };
    if (!call?.overloads.length) return { cost: plus(one, argCosts) };
    const estimates = call.overloads.map((overload) => estimateCall(overload, args, overload.isMember));
    const costs = estimates.map(({ cost, isWhole }) => (isWhole ? cost : plus(cost, argCosts)));
    const sizes = estimates.flatMap(({ size }) => (size ? [size] : []));
    const cost = costs.reduce(union);
    const size = sizes.length ? sizes.reduce(union) : undefined;
    return { ...this.memberOf(expression, args), cost, ...(size ? { size } : {}), ...this.entries(expression, args) };
  }

  /** What `list[i]` and `map[k]` lead to. */
  private memberOf(expression: Call, args: readonly { readonly estimate: Estimate }[]): Omit<Estimate, 'cost'> {
    const of = args[0]?.estimate;
    if (expression.name !== '_[_]' || !of) return {};
    const { declared, entry } = of;
    return { size: entry?.value, declared: declared?.kind === 'list' ? declared.element : declared?.kind === 'map' ? declared.value : undefined };
  }

  private entries(expression: Call, args: readonly { readonly estimate: Estimate }[]): { readonly entry?: Entry } {
    const [a, b] = expression.name === '_?_:_' ? [args[1], args[2]] : expression.name === '_+_' ? [args[0], args[1]] : [];
    const [left, right] = [a?.estimate.entry, b?.estimate.entry];
    return left && right ? { entry: { isList: left.isList, key: union(left.key, right.key), value: union(left.value, right.value) } } : {};
  }

  private list({ elements }: ListExpression): Estimate {
    const args = elements.map((element) => this.argument(element));
    const value = args.length ? args.map(({ size }) => size).reduce(union) : free;
    return { cost: plus(range(listCost), ...args.map(({ cost }) => cost)), size: range(elements.length), entry: { isList: true, key: one, value } };
  }

  private map({ entries }: MapExpression): Estimate {
    const keys = entries.map(({ key }) => this.argument(key));
    const values = entries.map(({ value }) => this.argument(value));
    const joined = (all: readonly Argument[]): Range => (all.length ? all.map(({ size }) => size).reduce(union) : free);
    return { cost: plus(range(mapCost), ...[...keys, ...values].map(({ cost }) => cost)), size: range(entries.length), entry: { isList: false, key: joined(keys), value: joined(values) } };
  }

  private within<T>(added: readonly (readonly [string, Estimate])[], run: () => T): T {
    const outer = this.locals;
    this.locals = new Map([...outer, ...added]);
    const result = run();
    this.locals = outer;
    return result;
  }

  private variables({ range: over, variable, second }: Comprehension, ranged: Estimate): (readonly [string, Estimate])[] {
    const { entry, declared } = ranged;
    const isList = (entry?.isList ?? this.typeOf(over).kind === 'list') === true;
    const value: Estimate = { cost: one, size: entry?.value, declared: declared?.kind === 'list' ? declared.element : declared?.kind === 'map' ? declared.value : undefined };
    const key: Estimate = { cost: one, size: entry?.key, declared: declared?.kind === 'map' ? declared.key : undefined };
    return second === undefined ? [[variable, isList ? value : key]] : [[variable, key], [second, value]];
  }

  private comprehension(expression: Comprehension): Estimate {
    const { fold, body, condition } = expression;
    const ranged = this.visit(expression.range);
    const count = this.sizeOf(expression.range, ranged) ?? unknown;
    return this.within(this.variables(expression, ranged), () => {
      const made = this.argument(body);
      const step = condition ? plus(this.visit(condition).cost, union(stepCost(fold, made.cost), one)) : stepCost(fold, made.cost);
      const { loop, result, start } = folds[fold];
      const cost = plus(ranged.cost, range(start + result), times(count, plus(range(loop), step)));
      if (start === 0) return { cost, size: one };
      if (fold !== 'map' && fold !== 'filter') return { cost, size: count };
      const item = fold === 'map' ? made.size : (this.itemSize(expression) ?? unknown);
      return { cost, size: count, entry: { isList: true, key: one, value: range(0, item.max) } };
    });
  }

  private itemSize({ variable }: Comprehension): Range | undefined {
    const item = this.locals.get(variable);
    return item?.size ?? (item?.declared && declaredSize(item.declared));
  }

  private bind({ variable, value, body }: Bind): Estimate {
    const made = this.argument(value);
    const bound: Estimate = { cost: one, size: made.estimate.declared ? undefined : made.size, entry: made.estimate.entry, declared: made.estimate.declared };
    const result = this.within([[variable, bound]], () => this.visit(body));
    return { ...result, cost: plus(range(listCost), made.cost, result.cost) };
  }
}

function stepCost(fold: Fold, body: Range): Range {
  switch (fold) {
    case 'all':
    case 'exists':
      return range(1, plus(one, body).max);
    case 'existsOne':
      return plus(body, range(1, 2));
    case 'map':
      return plus(body, range(listCost + 2));
    case 'filter':
      return plus(body, range(1, listCost + 3));
    case 'transformMap':
      return plus(body, range(3));
    case 'transformMapEntry':
      return plus(body, range(2));
  }
}

function literalSize(value: unknown): Range {
  if (typeof value === 'string') return range(codePoints(value));
  return range(value instanceof Uint8Array ? value.length : 1);
}

/** What an expression takes at least and at most by the sizes that types declare: cel-go's reckoning, unit for unit. */
export function estimateCost(root: Expression, checked: Checked): Range {
  return new Estimator(checked).visit(root).cost;
}
