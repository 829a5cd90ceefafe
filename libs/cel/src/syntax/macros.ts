import { IssueError } from '../issues.ts';
import type { Call, Comprehension, Expression, Fold } from './ast.ts';
import type { ParseOptions } from './parser.ts';

interface Target {
  readonly call: Call;
  readonly target: Expression;
}

const accumulators = new Set(['@result', '__result__']);

function variableOf(expression: Expression | undefined, what: string): string {
  if (expression?.kind !== 'ident') throw new IssueError(expression?.at ?? 0, what);
  if (accumulators.has(expression.name)) throw new IssueError(expression.at, 'iteration variable overwrites accumulator variable');
  return expression.name;
}

const simpleName = 'argument must be a simple name';

/** `range.fold(variable, body)`, or with a condition before the body. */
function single(fold: Fold, { call, target }: Target): Comprehension {
  const [name, first, second] = call.args;
  const variable = variableOf(name, simpleName);
  const common = { kind: 'comprehension', at: call.at, fold, range: target, variable } as const;
  return second ? { ...common, condition: first as Expression, body: second } : { ...common, body: first as Expression };
}

/** `range.fold(key, value, body)`, or with a condition before the body. */
function double(fold: Fold, { call, target }: Target): Comprehension {
  const [first, second, third, fourth] = call.args;
  const [variable, value] = [variableOf(first, simpleName), variableOf(second, simpleName)];
  if (variable === value) throw new IssueError(second?.at ?? call.at, `duplicate variable name: ${value}`);
  const common = { kind: 'comprehension', at: call.at, fold, range: target, variable, second: value } as const;
  return fourth ? { ...common, condition: third as Expression, body: fourth } : { ...common, body: third as Expression };
}

function has(call: Call): Expression {
  const [argument] = call.args;
  if (argument?.kind !== 'select' || argument.testOnly) throw new IssueError(argument?.at ?? call.at, 'invalid argument to has() macro');
  return { ...argument, at: call.at, testOnly: true };
}

/** `target.optMap(v, body)`: what the optional holds goes through the body. */
function optional({ call, target }: Target): Expression {
  const [name, body] = call.args;
  const variable = variableOf(name, `${call.name}() variable name must be a simple identifier`);
  const { at } = call;
  const value: Expression = { kind: 'call', at, name: 'value', target, args: [] };
  const bound: Expression = { kind: 'bind', at, variable, value, body: body as Expression };
  const wrapped: Expression = call.name === 'optMap' ? { kind: 'call', at, name: 'optional.of', args: [bound] } : bound;
  return { kind: 'call', at, name: '_?_:_', args: [{ kind: 'call', at, name: 'hasValue', target, args: [] }, wrapped, { kind: 'call', at, name: 'optional.none', args: [] }] };
}

const sortInput = '@__sortBy_input__';

/** `target.sortBy(x, key)`: the keys of all members, then the members in their order. */
function sortBy({ call, target }: Target): Expression {
  const { at } = call;
  const input: Expression = { kind: 'ident', at, name: sortInput };
  const [name, key] = call.args;
  const keys: Expression = { kind: 'comprehension', at, fold: 'map', range: input, variable: variableOf(name, simpleName), body: key as Expression };
  return { kind: 'bind', at, variable: sortInput, value: target, body: { kind: 'call', at, name: '@sortByAssociatedKeys', target: input, args: [keys] } };
}

const isIdent = (expression: Expression, name: string): boolean => expression.kind === 'ident' && expression.name === name;

function bind(call: Call): Expression {
  const [name, value, body] = call.args;
  return { kind: 'bind', at: call.at, variable: variableOf(name, 'cel.bind() variable names must be simple identifiers'), value: value as Expression, body: body as Expression };
}

type Macro = (target: Target) => Expression;

/** By name and number of arguments. */
const macros: Readonly<Record<string, Macro>> = {
  'all/2': (target) => single('all', target),
  'exists/2': (target) => single('exists', target),
  'exists_one/2': (target) => single('existsOne', target),
  'existsOne/2': (target) => single('existsOne', target),
  'map/2': (target) => single('map', target),
  'map/3': (target) => single('map', target),
  'filter/2': (target) => single('filter', target),
  'all/3': (target) => double('all', target),
  'exists/3': (target) => double('exists', target),
  'exists_one/3': (target) => double('existsOne', target),
  'existsOne/3': (target) => double('existsOne', target),
  'transformList/3': (target) => double('map', target),
  'transformList/4': (target) => double('map', target),
  'transformMap/3': (target) => double('transformMap', target),
  'transformMap/4': (target) => double('transformMap', target),
  'transformMapEntry/3': (target) => double('transformMapEntry', target),
  'transformMapEntry/4': (target) => double('transformMapEntry', target),
  'sortBy/2': sortBy,
  'optMap/2': optional,
  'optFlatMap/2': optional,
};

/** What a macro stands for; undefined when the call is a function's. Throws IssueError. */
export function expandMacro(call: Call, options: ParseOptions): Expression | undefined {
  const { target, args, name } = call;
  if (!target) return name === 'has' && args.length === 1 ? has(call) : undefined;
  if (options.bindings && name === 'bind' && args.length === 3 && isIdent(target, 'cel')) return bind(call);
  const key = `${name}/${args.length}`;
  return Object.hasOwn(macros, key) ? macros[key]?.({ call, target }) : undefined;
}
