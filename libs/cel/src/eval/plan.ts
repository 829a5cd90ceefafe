import { authorizerOf } from '../check/names.ts';
import type { Checked } from '../check/checker.ts';
import { callCost } from '../cost/runtime.ts';
import { listCost, mapCost, structCost } from '../cost/factors.ts';
import type { Environment } from '../environment.ts';
import { requestResourceOf } from '../library/authorizers.ts';
import type { Overload } from '../library/index.ts';
import type { Bind, Call, Comprehension, Expression, ListExpression, MapExpression, Select, StructExpression } from '../syntax/ast.ts';
import type { CelType } from '../types.ts';
import { CelError, CelList, CelOpaque, CelOptional, CelTypeValue, type CelValue, LiteralMap, type MapKey, fromJson, mapKey } from '../values.ts';
import { hasMember, member, optionalMember } from './access.ts';
import { planFold } from './folds.ts';
import type { Step } from './frame.ts';
import { bool, fits, noOverload, planEquality, planLogical, taken } from './operators.ts';

const attributes = new Set<Expression['kind']>(['ident', 'select']);
const isAttribute = (expression: Expression): boolean => attributes.has(expression.kind) || (expression.kind === 'call' && ['_[_]', '_?._', '_[?_]', '_?_:_'].includes(expression.name));

class Planner {
  /** Slots taken by variables of the environment; macros' come after. */
  readonly variables = new Map<string, number>();
  slots = 0;
  private readonly steps = new Map<Expression, Step>();
  private readonly checked: Checked;
  private readonly env: Environment;
  private locals: ReadonlyMap<string, number> = new Map();

  constructor(checked: Checked, env: Environment) {
    this.checked = checked;
    this.env = env;
  }

  private take(): number {
    this.slots += 1;
    return this.slots - 1;
  }

  plan(expression: Expression): Step {
    // optMap has its target in two places.
    let step = this.steps.get(expression);
    if (!step) this.steps.set(expression, (step = this.stepOf(expression)));
    return step;
  }

  private stepOf(expression: Expression): Step {
    switch (expression.kind) {
      case 'literal':
        return () => expression.value;
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
        return this.struct(expression);
      case 'comprehension':
        return this.comprehension(expression);
      case 'bind':
        return this.bind(expression);
    }
  }

  private name(expression: Expression, name: string): Step {
    const named = this.checked.names.get(expression);
    if (named?.kind === 'type') {
      const value = new CelTypeValue(named.typeName);
      return () => value;
    }
    if (named) return this.variable(named.name, named.type);
    const slot = this.locals.get(name) as number;
    return (frame) => {
      frame.charge(1);
      return frame.slots[slot] as CelValue;
    };
  }

  private variable(name: string, type: CelType): Step {
    let slot = this.variables.get(name);
    if (slot === undefined) this.variables.set(name, (slot = this.take()));
    const at = slot;
    const authorizer = authorizerOf(name, this.env.variables);
    const load = (bindings: Readonly<Record<string, unknown>>): CelValue | undefined => {
      if (Object.hasOwn(bindings, name)) return fromJson(bindings[name], type);
      const owner = authorizer === undefined ? undefined : bindings[authorizer];
      return owner instanceof CelOpaque ? requestResourceOf(owner) : undefined;
    };
    return (frame) => {
      frame.charge(1);
      const known = frame.slots[at];
      if (known !== undefined) return known;
      const value = load(frame.bindings);
      if (value === undefined) throw new CelError(`no such attribute(s): ${name}`);
      frame.slots[at] = value;
      return value;
    };
  }

  private select(expression: Select): Step {
    if (this.checked.names.has(expression)) return this.name(expression, '');
    const { field } = expression;
    const operand = this.plan(expression.operand);
    if (expression.testOnly) return (frame) => hasMember(operand(frame), field);
    const cost = isAttribute(expression.operand) ? 1 : 2;
    return (frame) => {
      const of = operand(frame);
      frame.charge(cost);
      return member(of, field);
    };
  }

  private call(expression: Call): Step {
    const { overloads, args } = this.checked.calls.get(expression) as { overloads: readonly Overload[]; args: readonly Expression[] };
    const steps = args.map((arg) => this.plan(arg));
    const [first, second, third] = steps as [Step, Step, Step];
    switch (expression.name) {
      case '_&&_':
        return planLogical(first, second, false);
      case '_||_':
        return planLogical(first, second, true);
      case '_?_:_':
        return (frame) => (bool(first(frame)) ? second(frame) : third(frame));
      case '_==_':
      case '_!=_':
        return planEquality(first, second, expression.name === '_==_');
      case '_[_]':
      case '_?._':
      case '_[?_]':
        return this.index(expression, first, second);
      case 'orValue':
      case 'or':
        return this.fallback(overloads, first, second) ?? this.function(expression.name, overloads, steps);
      default:
        return this.function(overloads[0]?.name ?? expression.name, overloads, steps);
    }
  }

  private index(expression: Call, operand: Step, key: Step): Step {
    const get = expression.name === '_[_]' ? member : optionalMember;
    const [container, at] = expression.args as [Expression, Expression];
    // A name as key is charged when it is read.
    const cost = (isAttribute(container) ? 0 : 1) + (isAttribute(at) ? 0 : 1);
    return (frame) => {
      const of = operand(frame);
      const at = key(frame);
      frame.charge(cost);
      return get(of, at);
    };
  }

  /** `a.or(b)` and `a.orValue(b)` look at b only when a has nothing. */
  private fallback(overloads: readonly Overload[], left: Step, right: Step): Step | undefined {
    const [overload] = overloads;
    if (overloads.length !== 1 || overload?.accepts.length !== 2) return undefined;
    const isValue = overload.name === 'orValue';
    return (frame) => {
      const one = left(frame);
      frame.charge(1);
      if (!(one instanceof CelOptional)) throw new CelError('no such overload');
      if (one.value !== undefined) return isValue ? one.value : one;
      return right(frame);
    };
  }

  private function(name: string, overloads: readonly Overload[], args: readonly Step[]): Step {
    const [only] = overloads;
    if (overloads.length !== 1 || !only) return this.dispatched(name, overloads, args);
    const cost = callCost(only);
    return (frame) => {
      const values = new Array<CelValue>(args.length);
      for (let i = 0; i < args.length; i += 1) values[i] = (args[i] as Step)(frame);
      if (!fits(only, values)) throw noOverload(name, values);
      // First the cost, so that what is too much is not done.
      frame.charge(cost ? cost(values) : 1);
      return only.run(...values);
    };
  }

  /** Which overload runs is known only with the values. */
  private dispatched(name: string, overloads: readonly Overload[], args: readonly Step[]): Step {
    return (frame) => {
      const values = args.map((arg) => arg(frame));
      const overload = overloads.find((one) => fits(one, values));
      if (!overload) throw noOverload(name, values);
      frame.charge(callCost(overload)?.(values) ?? 1);
      return overload.run(...values);
    };
  }

  private list({ elements, optionals }: ListExpression): Step {
    if (!optionals.size && elements.every(({ kind }) => kind === 'literal')) {
      const value = new CelList(elements.map((element) => (element as Extract<Expression, { kind: 'literal' }>).value));
      return () => value;
    }
    const steps = elements.map((element) => this.plan(element));
    return (frame) => {
      const items: CelValue[] = [];
      for (const [i, step] of steps.entries()) {
        const item = step(frame);
        if (!optionals.has(i)) items.push(item);
        else if (!(item instanceof CelOptional)) throw new CelError('no such overload');
        else if (item.value !== undefined) items.push(item.value);
      }
      frame.charge(listCost);
      return new CelList(items);
    };
  }

  private map({ entries }: MapExpression): Step {
    const steps = entries.map(({ key, value, isOptional }) => ({ key: this.plan(key), value: this.plan(value), isOptional }));
    return (frame) => {
      const made = new Map<MapKey, readonly [CelValue, CelValue]>();
      for (const step of steps) {
        const key = step.key(frame);
        const value = taken(step.value(frame), step.isOptional);
        const known = mapKey(key);
        if (known === undefined || typeof key === 'number') throw new CelError('unsupported key type');
        if (value !== undefined) made.set(known, [key, value]);
      }
      frame.charge(mapCost);
      return new LiteralMap(made);
    };
  }

  private struct({ typeName, fields }: StructExpression): Step {
    const steps = fields.map(({ name, value, isOptional }) => ({ name, value: this.plan(value), isOptional }));
    const name = typeName.replace(/^\./, '');
    return (frame) => {
      const made = new Map<MapKey, readonly [CelValue, CelValue]>();
      for (const step of steps) {
        const value = taken(step.value(frame), step.isOptional);
        if (value !== undefined) made.set(step.name, [step.name, value]);
      }
      frame.charge(structCost);
      return new LiteralMap(made, name);
    };
  }

  private within<T>(added: readonly (readonly [string, number])[], run: () => T): T {
    const outer = this.locals;
    this.locals = new Map([...outer, ...added]);
    const result = run();
    this.locals = outer;
    return result;
  }

  private comprehension({ fold, range, variable, second, condition, body }: Comprehension): Step {
    const ranged = this.plan(range);
    const slot = this.take();
    const secondSlot = second === undefined ? undefined : this.take();
    const added: (readonly [string, number])[] = second === undefined || secondSlot === undefined ? [[variable, slot]] : [[variable, slot], [second, secondSlot]];
    return this.within(added, () => planFold({ fold, range: ranged, slot, second: secondSlot, condition: condition && this.plan(condition), body: this.plan(body) }));
  }

  private bind({ variable, value, body }: Bind): Step {
    const made = this.plan(value);
    const slot = this.take();
    const run = this.within([[variable, slot]], () => this.plan(body));
    return (frame) => {
      frame.slots[slot] = made(frame);
      return run(frame);
    };
  }
}

export interface Planned {
  readonly run: Step;
  readonly slots: number;
  /** Variables of the environment that it reads. */
  readonly references: ReadonlySet<string>;
}

/** Makes a checked expression ready to run. */
export function plan(root: Expression, checked: Checked, env: Environment): Planned {
  const planner = new Planner(checked, env);
  const run = planner.plan(root);
  return { run, slots: planner.slots, references: new Set(planner.variables.keys()) };
}
