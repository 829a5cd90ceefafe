import type { Overload } from '../library/signature.ts';
import type { Expression } from '../syntax/ast.ts';
import type { CelType } from '../types.ts';
import { checkCost, listCost, maxFormatPattern, patternFactor, requirementCost, requirementFactor, textFactor } from './factors.ts';
import { type Range, plus, range, scaled, times, unbounded, union, unknown } from './range.ts';

/** An argument as estimates see it; the receiver of a member function is the first. */
export interface Argument {
  readonly expression: Expression;
  readonly type: CelType;
  readonly cost: Range;
  /** Unknown is anything. */
  readonly size: Range;
  /** The size of the members of a list. */
  readonly elementSize: Range;
}

export interface CallEstimate {
  /** Without that of the arguments, unless `isWhole`. */
  readonly cost: Range;
  readonly size?: Range;
  readonly isWhole?: boolean;
}

type Estimator = (args: readonly [Argument, Argument, Argument], call: { readonly count: number; readonly isMember: boolean; readonly id: string }) => CallEstimate;

const one = range(1);
const overText = (size: Range): Range => scaled(size, textFactor);
const first: Estimator = ([text]) => ({ cost: overText(text.size) });
const resized: Estimator = ([text]) => ({ cost: overText(text.size), size: text.size });
const pattern: Estimator = ([text, regex]) => ({ cost: times(overText(plus(text.size, one)), scaled(regex.size, patternFactor)) });
const selector: Estimator = ([, text]) => ({ cost: plus(range(listCost), overText(text.size), scaled(scaled(text.size, requirementFactor), requirementCost)) });
const setsOf = (factor: number): Estimator => ([a, b]) => ({ cost: plus(scaled(times(a.size, b.size), factor), one) });

const traversed: Estimator = ([target]) => {
  if (target.type.kind !== 'list') return { cost: overText(target.size) };
  const { element } = target.type;
  const each = element.kind === 'string' || element.kind === 'bytes' ? plus(one, overText(target.elementSize)) : one;
  return { cost: times(target.size, each) };
};

/** How often a text may be replaced, and how much of the rest stays. */
function replacements(size: number, from: { readonly shortest: number; readonly isSame: boolean }): { readonly count: number; readonly kept: number } {
  if (from.shortest === 0) return { count: Math.min(size + 1, unbounded), kept: size };
  return from.isSame ? { count: 0, kept: size } : { count: Math.ceil(size / from.shortest), kept: 0 };
}

const replace: Estimator = ([text, from, to]) => {
  const most = replacements(text.size.max, { shortest: from.size.min, isSame: to.size.max <= from.size.min });
  const least = replacements(text.size.min, { shortest: from.size.max, isSame: from.size.max <= to.size.min });
  const size = plus(times(range(least.count, most.count), to.size), range(least.kept, most.kept));
  return { cost: scaled(text.size, 2 * textFactor), size };
};

const split: Estimator = ([text, , limit], { count }) => {
  const most = count > 2 && limit.expression.kind === 'literal' && typeof limit.expression.value === 'bigint' ? limit.expression.value : undefined;
  return { cost: scaled(text.size, 2 * textFactor), size: range(0, most === undefined ? text.size.max : most < 0n ? unbounded : Number(most)) };
};

const join: Estimator = ([list, by], { count }) => {
  const texts = times(list.size, list.elementSize);
  const gaps = range(Math.max(0, list.size.min - 1), Math.max(0, list.size.max - 1));
  const size = count > 1 ? plus(texts, times(by.size, gaps)) : texts;
  return { cost: overText(size), size };
};

const find: Estimator = (args, call) => ({ ...pattern(args, call), size: range(0, args[0].size.max) });

const address = range(4, 16);
const inNetwork = (more: Range, text: string): Estimator => ([, other], { id }) => ({ cost: plus(overText(plus(address, address)), more, id === text ? overText(other.size) : range(0)) });

const smaller: Estimator = ([a, b]) => {
  const max = Math.min(a.size.max, b.size.max);
  return { cost: overText(range(max > 0 ? 1 : 0, max)) };
};

const equals: Estimator = (args, call) => {
  const [{ type: left }, { type: right }] = args;
  const isOpaque = left.kind === 'opaque' && left.name !== 'optional_type' && right.kind === 'opaque' && right.name === left.name;
  return isOpaque ? { cost: one } : smaller(args, call);
};

const logical: Estimator = ([left, right]) => ({ cost: range(left.cost.min, plus(left.cost, right.cost).max), isWhole: true });
const added: Estimator = ([a, b]) => ({ cost: overText(plus(a.size, b.size)), size: plus(a.size, b.size) });

const numberOf = (expression: Expression): number | undefined => (expression.kind === 'literal' && typeof expression.value === 'bigint' ? Number(expression.value) : undefined);

/** A list is made of so many items. */
const allocated = (size: Range): CallEstimate => ({ cost: plus(range(listCost + 1), size), size });
const quadratic: Estimator = ([list]) => ({ cost: plus(range(listCost + 1), times(list.size, list.size)), size: list.size });

const byFunction: Readonly<Record<string, Estimator>> = {
  check: () => ({ cost: range(checkCost) }),
  fieldSelector: selector, labelSelector: selector,
  isSorted: traversed, sum: traversed, max: traversed, min: traversed, indexOf: traversed, lastIndexOf: traversed,
  url: resized, 'jsonpatch.escapeKey': resized, lowerAscii: resized, upperAscii: resized, substring: resized, trim: resized,
  replace, split, join, find, findAll: find,
  cidr: first, isIP: first, isCIDR: first, quantity: first, isQuantity: first, semver: first, isSemver: first,
  ip: (args, call) => (call.isMember ? { cost: one } : first(args, call)),
  'ip.isCanonical': ([text]) => ({ cost: scaled(text.size, 2 * textFactor) }),
  containsIP: inNetwork(range(0), 'cidr_contains_ip_string'),
  containsCIDR: inNetwork(plus(overText(address), one), 'cidr_contains_cidr_string'),
  validate: ([, text]) => ({ cost: scaled(overText(text.size), maxFormatPattern * patternFactor) }),
  slice: ([list, start, end]) => {
    const [from, to] = [numberOf(start.expression), numberOf(end.expression)];
    return allocated(from === undefined || to === undefined ? range(0, list.size.max) : range(Math.max(0, to - from)));
  },
  flatten: ([list]) => ({ ...allocated(list.size), size: range(0, unbounded) }),
  reverse: ([list]) => allocated(list.size),
  distinct: quadratic, sort: quadratic, '@sortByAssociatedKeys': quadratic,
  'lists.range': ([count]) => {
    const known = numberOf(count.expression);
    return allocated(known === undefined ? unknown : range(Math.max(0, known)));
  },
  'sets.contains': setsOf(1), 'sets.intersects': setsOf(1), 'sets.equivalent': setsOf(2),
};

const byOverload: Readonly<Record<string, Estimator>> = {
  string_format: ([text, values]) => ({ cost: overText(text.size), size: plus(text.size, values.size) }),
  strings_quote: ([text]) => ({ cost: overText(text.size), size: plus(scaled(text.size, 2), range(2)) }),
  string_to_bytes: ([text]) => ({ cost: overText(text.size), size: range(text.size.min, Math.min(unbounded, text.size.max * 4)) }),
  bytes_to_string: ([text]) => ({ cost: overText(text.size), size: range(Math.floor(text.size.min / 4), text.size.max) }),
  starts_with_string: ([, part]) => ({ cost: overText(part.size) }),
  ends_with_string: ([, part]) => ({ cost: overText(part.size) }),
  in_list: ([, list]) => ({ cost: list.size }),
  // The plain function has no receiver to measure.
  matches: (args, call) => (call.isMember ? pattern(args, call) : { cost: one }),
  contains_string: ([text, part]) => ({ cost: times(overText(text.size), overText(part.size)) }),
  logical_and: logical, logical_or: logical,
  conditional: ([condition, yes, no]) => ({ cost: plus(condition.cost, union(yes.cost, no.cost)), size: union(yes.size, no.size), isWhole: true }),
  add_string: added, add_bytes: added,
  add_list: ([a, b]) => ({ cost: one, size: plus(a.size, b.size) }),
  less_string: smaller, less_bytes: smaller, less_equals_string: smaller, less_equals_bytes: smaller, greater_string: smaller, greater_bytes: smaller, greater_equals_string: smaller, greater_equals_bytes: smaller,
  equals, not_equals: smaller,
};

/** What a call by one overload takes. */
export function estimateCall(overload: Overload, args: readonly Argument[], isMember: boolean): CallEstimate {
  const { id, name } = overload;
  const estimator = Object.hasOwn(byFunction, name) ? byFunction[name] : Object.hasOwn(byOverload, id) ? byOverload[id] : undefined;
  if (!estimator) return { cost: one };
  const nobody: Argument = { expression: { kind: 'literal', at: 0, value: null, type: overload.result }, type: overload.result, cost: range(0), size: unknown, elementSize: unknown };
  return estimator([args[0] ?? nobody, args[1] ?? nobody, args[2] ?? nobody], { count: args.length, isMember, id });
}

