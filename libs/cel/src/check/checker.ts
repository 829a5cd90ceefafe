import type { Environment } from '../environment.ts';
import { type Issue, IssueError } from '../issues.ts';
import { type Functions, type Overload, functionsOf } from '../library/index.ts';
import type { Bind, Call, Comprehension, Expression, Ident, ListExpression, MapExpression, Select, StructExpression } from '../syntax/ast.ts';
import { type CelType, boolType, displayType, dynType, errorType, intType, listType, mapType, optionalType } from '../types.ts';
import { type Named, constructible, lookup } from './names.ts';
import { operators } from './operators.ts';
import { Substitution, isDyn, isSame, mostGeneral, weightOf } from './unify.ts';

/** What checking found out about an expression and all its parts. */
export interface Checked {
  readonly types: ReadonlyMap<Expression, CelType>;
  /** Overloads that a call may run, and its arguments with the receiver first. */
  readonly calls: ReadonlyMap<Call, { readonly overloads: readonly Overload[]; readonly args: readonly Expression[] }>;
  /** Names that are the environment's; others are of macros. */
  readonly names: ReadonlyMap<Expression, Named>;
  readonly issues: readonly Issue[];
}

/** `a.b.c` as a name; undefined for anything else. */
function qualifiedName(expression: Expression): string | undefined {
  if (expression.kind === 'ident') return expression.name;
  if (expression.kind !== 'select' || expression.testOnly) return undefined;
  const base = qualifiedName(expression.operand);
  return base === undefined ? undefined : `${base}.${expression.field}`;
}

const isOptional = (type: CelType): type is Extract<CelType, { kind: 'opaque' }> => type.kind === 'opaque' && type.name === 'optional_type';
const unwrapped = (type: CelType): CelType => (isOptional(type) ? (type.parameters?.[0] ?? dynType) : type);

/** Types in one type at most. */
const maxTypeWeight = 10_000;

class Checker implements Checked {
  readonly types = new Map<Expression, CelType>();
  readonly calls = new Map<Call, { overloads: readonly Overload[]; args: readonly Expression[] }>();
  readonly names = new Map<Expression, Named>();
  readonly issues: Issue[] = [];
  private readonly env: Environment;
  private readonly functions: Functions;
  private readonly substitution = new Substitution();
  private locals: ReadonlyMap<string, CelType> = new Map();

  constructor(env: Environment) {
    this.env = env;
    this.functions = functionsOf(env.libraries);
  }

  check(root: Expression): this {
    this.visit(root);
    for (const [expression, type] of this.types) this.types.set(expression, this.substitution.resolve(type, true));
    return this;
  }

  private report(at: number, message: string): CelType {
    this.issues.push({ at, message });
    return errorType;
  }

  private visit(expression: Expression): CelType {
    // optMap has its target in two places.
    const known = this.types.get(expression);
    if (known) return known;
    const type = this.typeOf(expression);
    if (weightOf(type) > maxTypeWeight) throw new IssueError(expression.at, 'types are too complex');
    this.types.set(expression, type);
    return type;
  }

  private typeOf(expression: Expression): CelType {
    switch (expression.kind) {
      case 'literal':
        return expression.type;
      case 'ident':
        return this.ident(expression);
      case 'select':
        return this.select(expression);
      case 'call':
        return this.call(expression);
      case 'list':
        return this.list(expression);
      case 'map':
        return this.map(expression);
      case 'struct':
        return this.struct(expression);
      case 'comprehension':
        return this.comprehension(expression);
      case 'bind':
        return this.bind(expression);
    }
  }

  private shown(type: CelType): string {
    return displayType(this.substitution.resolve(type, true));
  }

  private ident(expression: Ident): CelType {
    const local = this.locals.get(expression.name);
    if (local) return local;
    const named = lookup(expression.name, this.env);
    if (!named) return this.report(expression.at, `undeclared reference to '${expression.name}' (in container '')`);
    this.names.set(expression, named);
    return named.type;
  }

  /** `a.b` may be one name with a dot. */
  private qualified(expression: Select): CelType | undefined {
    const name = expression.testOnly ? undefined : qualifiedName(expression);
    if (name === undefined || this.locals.has(name.split('.')[0] as string)) return undefined;
    const named = lookup(name, this.env);
    if (named) this.names.set(expression, named);
    return named?.type;
  }

  private select(expression: Select): CelType {
    const whole = this.qualified(expression);
    if (whole) return whole;
    const operand = this.substitution.resolve(this.visit(expression.operand));
    const field = this.field(unwrapped(operand), expression.field, expression.at);
    if (expression.testOnly) return boolType;
    return isOptional(operand) ? optionalType(field) : field;
  }

  private field(type: CelType, name: string, at: number): CelType {
    switch (type.kind) {
      case 'map':
        return type.value;
      case 'object': {
        const found = type.fields.get(name)?.type ?? (type.open ? dynType : undefined);
        return found ?? this.report(at, `undefined field '${name}'`);
      }
      case 'parameter':
        this.substitution.assign([dynType], [type]);
        return dynType;
      default:
        return isDyn(type) ? dynType : this.report(at, `type '${this.shown(type)}' does not support field selection`);
    }
  }

  private call(expression: Call): CelType {
    if (expression.name === '_?._') return this.optionalSelect(expression);
    const { target } = expression;
    const prefix = target && qualifiedName(target);
    const namespaced = prefix === undefined ? undefined : `${prefix}.${expression.name}`;
    const isNamespaced = namespaced !== undefined && this.functions.has(namespaced);
    const name = isNamespaced ? namespaced : expression.name;
    const overloads = operators.get(name) ?? this.functions.get(name);
    const args = target && !isNamespaced ? [target, ...expression.args] : expression.args;
    const types = args.map((arg) => this.visit(arg));
    if (!overloads) return this.report(expression.at, `undeclared reference to '${name}' (in container '')`);
    return this.resolve(expression, { name, overloads, args, types, isMember: target !== undefined && !isNamespaced });
  }

  private resolve(expression: Call, call: { name: string; overloads: readonly Overload[]; args: readonly Expression[]; types: readonly CelType[]; isMember: boolean }): CelType {
    const { name, args, types, isMember } = call;
    const fitting: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of call.overloads) {
      if (overload.isMember !== isMember || overload.parameters.length !== types.length) continue;
      const [returned, ...parameters] = this.substitution.instantiate([overload.result, ...overload.parameters]) as [CelType, ...CelType[]];
      if (!this.substitution.assign(types, parameters)) continue;
      fitting.push(overload);
      const type = this.substitution.resolve(returned);
      result = result === undefined || isSame(result, type) ? type : dynType;
    }
    this.calls.set(expression, { overloads: fitting, args });
    if (result) return result;
    const shown = types.map((type) => this.shown(type));
    const signature = isMember ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`;
    return this.report(expression.at, `found no matching overload for '${name}' applied to '${signature}'`);
  }

  /** `operand.?field`. */
  private optionalSelect(expression: Call): CelType {
    const [operand, field] = expression.args as [Expression, Expression];
    const type = unwrapped(this.substitution.resolve(this.visit(operand)));
    this.visit(field);
    this.calls.set(expression, { overloads: [], args: expression.args });
    return optionalType(this.field(type, field.kind === 'literal' ? String(field.value) : '', field.at));
  }

  /** The type of members that came before and one more; literals hold members of one type. */
  private joined(before: CelType | undefined, type: CelType, at: number): CelType {
    if (!before) return type;
    if (this.substitution.assign([before], [type])) return mostGeneral(before, type);
    return this.report(at, `expected type '${this.shown(before)}' but found '${this.shown(type)}'`);
  }

  private inner(expression: Expression, isOptionalEntry: boolean): CelType {
    const type = this.substitution.resolve(this.visit(expression));
    if (!isOptionalEntry) return type;
    if (isOptional(type) || isDyn(type)) return unwrapped(type);
    return this.report(expression.at, `expected type 'optional_type(${this.shown(type)})' but found '${this.shown(type)}'`);
  }

  private list({ elements, optionals }: ListExpression): CelType {
    let element: CelType | undefined;
    for (const [i, one] of elements.entries()) element = this.joined(element, this.inner(one, optionals.has(i)), one.at);
    return listType(element ?? this.substitution.fresh());
  }

  private map({ entries }: MapExpression): CelType {
    let key: CelType | undefined;
    let value: CelType | undefined;
    for (const entry of entries) {
      key = this.joined(key, this.visit(entry.key), entry.key.at);
      value = this.joined(value, this.inner(entry.value, entry.isOptional), entry.value.at);
    }
    return mapType(key ?? this.substitution.fresh(), value ?? this.substitution.fresh());
  }

  private struct(expression: StructExpression): CelType {
    const type = constructible(expression.typeName, this.env);
    for (const { name, value, at, isOptional: optional } of expression.fields) {
      const given = this.inner(value, optional);
      const wanted = type && (type.fields.get(name)?.type ?? (type.open ? dynType : undefined));
      if (type && !wanted) this.report(at, `undefined field '${name}'`);
      else if (wanted && !this.substitution.assign([given], [wanted])) this.report(at, `expected type of field '${name}' is '${this.shown(wanted)}' but provided type is '${this.shown(given)}'`);
    }
    return type ?? this.report(expression.at, `undeclared reference to '${expression.typeName}' (in container '')`);
  }

  /** Types of the one or two variables that go over a range. */
  private variables(range: CelType, at: number): { readonly single: CelType; readonly index: CelType; readonly value: CelType } {
    switch (range.kind) {
      case 'list':
        return { single: range.element, index: intType, value: range.element };
      case 'map':
        return { single: range.key, index: range.key, value: range.value };
      case 'parameter':
        this.substitution.assign([range], [dynType]);
        break;
      default:
        if (!isDyn(range)) this.report(at, `expression of type '${this.shown(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`);
    }
    return { single: dynType, index: dynType, value: dynType };
  }

  private within<T>(added: readonly (readonly [string, CelType])[], run: () => T): T {
    const outer = this.locals;
    this.locals = new Map([...outer, ...added]);
    const result = run();
    this.locals = outer;
    return result;
  }

  private comprehension(expression: Comprehension): CelType {
    const { range, variable, second, condition, body } = expression;
    const ranged = this.substitution.resolve(this.visit(range));
    const types = this.variables(ranged, range.at);
    const added: (readonly [string, CelType])[] = second === undefined ? [[variable, types.single]] : [[variable, types.index], [second, types.value]];
    return this.within(added, () => {
      if (condition) this.mustBeBool(expression, condition, this.visit(condition));
      return this.folded(expression, this.substitution.resolve(this.visit(body)), types);
    });
  }

  private mustBeBool(expression: Comprehension, part: Expression, type: CelType, operator = '_?_:_'): void {
    if (this.substitution.assign([type], [boolType])) return;
    const accumulated = { all: 'bool', exists: 'bool', existsOne: 'int' }[expression.fold as string];
    const shown = this.shown(type);
    const signature = operator === '_?_:_' ? `(${shown}, ${accumulated ?? 'list(dyn)'}, ${accumulated ?? 'list(dyn)'})` : `(bool, ${shown})`;
    this.report(expression.at, `found no matching overload for '${operator}' applied to '${signature}'`);
  }

  private folded(expression: Comprehension, body: CelType, types: { readonly single: CelType; readonly index: CelType }): CelType {
    switch (expression.fold) {
      case 'all':
      case 'exists':
        this.mustBeBool(expression, expression.body, body, expression.fold === 'all' ? '_&&_' : '_||_');
        return boolType;
      case 'existsOne':
        this.mustBeBool(expression, expression.body, body);
        return boolType;
      case 'filter':
        this.mustBeBool(expression, expression.body, body);
        return listType(types.single);
      case 'map':
        return listType(body);
      case 'transformMap':
        return mapType(types.index, body);
      case 'transformMapEntry':
        return body.kind === 'map' || isDyn(body) ? (body.kind === 'map' ? mapType(body.key, body.value) : dynType) : this.report(expression.at, `found no matching overload for 'cel.@mapInsert' applied to '(map(dyn, dyn), ${this.shown(body)})'`);
    }
  }

  private bind({ variable, value, body }: Bind): CelType {
    const type = this.visit(value);
    return this.within([[variable, type]], () => this.visit(body));
  }
}

/** Checks the types of a whole expression. Throws IssueError for types beyond measure. */
export function checkExpression(root: Expression, env: Environment): Checked {
  return new Checker(env).check(root);
}

