import type { NamedFormat } from '../library/formats.ts';
import type { Overload } from '../library/signature.ts';
import { codePoints } from '../library/standard.ts';
import { CelList, CelOpaque, type CelValue, Steps, isCelMap } from '../values.ts';
import { checkCost, listCost, patternFactor, requirementCost, requirementFactor, textFactor } from './factors.ts';

/** What a call takes, by what it is called with. */
export type CallCost = (args: readonly CelValue[]) => number;

/** As `size()` tells it; 1 for what has none. */
export function sizeOf(value: CelValue | undefined): number {
  if (typeof value === 'string') return codePoints(value);
  if (typeof value !== 'object' || value === null) return 1;
  if (value instanceof Uint8Array) return value.length;
  return value instanceof CelList || isCelMap(value) || value instanceof CelOpaque ? value.size : 1;
}

const overText = (size: number, factor = textFactor): number => Math.ceil(size * factor);

/** Of everything in a value. */
function traversal(value: CelValue, steps = new Steps()): number {
  if (typeof value === 'string') return Math.floor(Buffer.byteLength(value) * textFactor);
  if (value instanceof Uint8Array) return Math.floor(value.length * textFactor);
  steps.take();
  if (value instanceof CelList) return value.values().reduce<number>((sum, item) => sum + traversal(item, steps), 0);
  if (isCelMap(value)) return value.keys().reduce<number>((sum, key) => sum + traversal(key, steps) + traversal(value.find(key) ?? null, steps), 0);
  return 1;
}

const nothing: CallCost = () => 1;
const first: CallCost = ([text]) => overText(sizeOf(text));
const firstTwice: CallCost = ([text]) => overText(sizeOf(text) * 2);
const smaller: CallCost = ([a, b]) => overText(Math.min(sizeOf(a), sizeOf(b)));
const pattern: CallCost = ([text, regex]) => overText(1 + sizeOf(text)) * overText(sizeOf(regex), patternFactor);
const traversed: CallCost = ([list]) => traversal(list ?? null);
const product = (factor: number): CallCost => ([a, b]) => 1 + sizeOf(a) * sizeOf(b) * factor;
/** A list is made of so many items. */
const allocated = (items: number): number => 1 + listCost + items;
const quadratic: CallCost = ([list]) => allocated(sizeOf(list) ** 2);
const selector: CallCost = ([, text]) => listCost + overText(sizeOf(text)) + Math.ceil(sizeOf(text) * requirementFactor) * requirementCost;
const inNetwork = (more: number): CallCost => ([network, other]) => overText(2 * sizeOf(network)) + (more ? overText(sizeOf(network)) + 1 : 0) + (typeof other === 'string' ? overText(sizeOf(other)) : 0);

const joinedSize = (list: CelList, by: number): number => list.values().reduce<number>((sum, item) => sum + sizeOf(item), Math.max(0, list.size - 1) * by);

const byFunction: Readonly<Record<string, CallCost>> = {
  check: () => checkCost,
  fieldSelector: selector,
  labelSelector: selector,
  isSorted: traversed, sum: traversed, max: traversed, min: traversed, indexOf: traversed, lastIndexOf: traversed,
  url: first, lowerAscii: first, upperAscii: first, substring: first, trim: first, 'jsonpatch.escapeKey': first,
  replace: firstTwice, split: firstTwice, 'ip.isCanonical': firstTwice,
  join: ([list, by]) => overText(joinedSize(list as CelList, sizeOf(by ?? '')) * 2),
  find: pattern, findAll: pattern,
  cidr: first, isIP: first, isCIDR: first, ip: first, quantity: first, isQuantity: first, semver: first, isSemver: first,
  containsIP: inNetwork(0),
  containsCIDR: inNetwork(1),
  validate: ([format, text]) => overText(1 + sizeOf(text)) * overText(((format as CelOpaque).value as NamedFormat).regexSize, patternFactor),
  slice: ([, start, end]) => allocated(Math.max(0, Number(end) - Number(start))),
  flatten: ([list]) => allocated(sizeOf(list)),
  reverse: ([list]) => allocated(sizeOf(list)),
  distinct: quadratic, sort: quadratic, '@sortByAssociatedKeys': quadratic,
  'lists.range': ([count]) => allocated(Math.max(0, Number(count))),
  'sets.contains': product(1), 'sets.intersects': product(1), 'sets.equivalent': product(2),
};

const byOverload: Readonly<Record<string, CallCost>> = {
  cidr_ip: nothing,
  starts_with_string: first, ends_with_string: first, string_to_bytes: first, bytes_to_string: first, string_format: first, strings_quote: first,
  in_list: ([, list]) => sizeOf(list),
  less_string: smaller, less_bytes: smaller, less_equals_string: smaller, less_equals_bytes: smaller, greater_string: smaller, greater_bytes: smaller, greater_equals_string: smaller, greater_equals_bytes: smaller,
  add_string: ([a, b]) => overText(sizeOf(a) + sizeOf(b)),
  add_bytes: ([a, b]) => overText(sizeOf(a) + sizeOf(b)),
  matches: pattern,
  contains_string: ([text, part]) => overText(sizeOf(text)) * overText(sizeOf(part)),
};

/** Undefined when it always takes 1. */
export function callCost({ name, id }: Pick<Overload, 'name' | 'id'>): CallCost | undefined {
  if (Object.hasOwn(byOverload, id)) return byOverload[id] === nothing ? undefined : byOverload[id];
  return Object.hasOwn(byFunction, name) ? byFunction[name] : undefined;
}

/** Of `==` and `!=`. */
export function equalityCost(a: CelValue, b: CelValue): number {
  if ((typeof a !== 'object' && typeof a !== 'string') || a === null || a instanceof CelOpaque) return 1;
  return overText(Math.min(sizeOf(a), sizeOf(b)));
}
