import { type Scope, evaluate, memberOf, unescapeField, withName } from './evaluate.ts';
import type { Expression } from './syntax.ts';
import { CelError, Optional } from './values.ts';

type Call = Extract<Expression, { type: 'call' }>;

/** A call whose arguments are not evaluated before it. */
export interface Macro {
  fits(call: Call): boolean;
  run(call: Call, scope: Scope): unknown;
}

function has({ args }: Call, scope: Scope): boolean {
  const [what] = args;
  if (what?.type !== 'select') throw new CelError('invalid argument to has() macro');
  const of = evaluate(what.of, scope);
  if (of instanceof Optional) return of.hasValue && memberOf(of.value, unescapeField(what.field)) !== undefined;
  return memberOf(of, unescapeField(what.field)) !== undefined;
}

function itemsOf(call: Call, scope: Scope): unknown[] {
  const range = evaluate(call.on as Expression, scope);
  if (Array.isArray(range)) return range as unknown[];
  if (range instanceof Map) return [...range.keys()] as unknown[];
  throw new CelError('no such overload');
}

/** The body of a comprehension for every item; an error waits whether another item decides. */
function each(call: Call, scope: Scope): { item: unknown; yields: () => unknown }[] {
  const [variable, body] = call.args;
  if (variable?.type !== 'name' || !body) throw new CelError('argument must be a simple name');
  return itemsOf(call, scope).map((item) => ({ item, yields: () => evaluate(body, withName(scope, variable.name, item)) }));
}

function isTrue(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
}

function quantified(call: Call, scope: Scope, decides: boolean): boolean {
  let failure: unknown;
  for (const { yields } of each(call, scope)) {
    try {
      if (isTrue(yields()) === decides) return decides;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return !decides;
}

function mapped(call: Call, scope: Scope): unknown[] {
  const [variable, second, third] = call.args;
  if (!third) return each(call, scope).map(({ yields }) => yields());
  const kept = each({ ...call, args: [variable as Expression, second as Expression] }, scope).filter(({ yields }) => isTrue(yields()));
  return kept.map(({ item }) => evaluate(third, withName(scope, (variable as Extract<Expression, { type: 'name' }>).name, item)));
}

function optionalMap(call: Call, scope: Scope): unknown {
  const value = evaluate(call.on as Expression, scope);
  const [variable, body] = call.args;
  if (!(value instanceof Optional) || variable?.type !== 'name' || !body) throw new CelError('no such overload');
  if (!value.hasValue) return value;
  const made = evaluate(body, withName(scope, variable.name, value.value));
  return call.name === 'optMap' ? new Optional(true, made) : made;
}

const onList = (sizes: readonly number[]) => (call: Call): boolean => call.on !== undefined && sizes.includes(call.args.length);

const macros: Readonly<Record<string, Macro>> = {
  has: { fits: (call) => !call.on && call.args.length === 1, run: has },
  all: { fits: onList([2]), run: (call, scope) => quantified(call, scope, false) },
  exists: { fits: onList([2]), run: (call, scope) => quantified(call, scope, true) },
  exists_one: { fits: onList([2]), run: (call, scope) => each(call, scope).filter(({ yields }) => isTrue(yields())).length === 1 },
  existsOne: { fits: onList([2]), run: (call, scope) => each(call, scope).filter(({ yields }) => isTrue(yields())).length === 1 },
  filter: { fits: onList([2]), run: (call, scope) => each(call, scope).filter(({ yields }) => isTrue(yields())).map(({ item }) => item) },
  map: { fits: onList([2, 3]), run: mapped },
  optMap: { fits: onList([2]), run: optionalMap },
  optFlatMap: { fits: onList([2]), run: optionalMap },
};

/** The macro that a call is; undefined when it is a function. */
export function macroOf(call: Call): Macro | undefined {
  const macro = Object.hasOwn(macros, call.name) ? macros[call.name] : undefined;
  return macro?.fits(call) ? macro : undefined;
}
