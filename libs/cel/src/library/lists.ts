import { celCompare, celEqual } from '../eval/equality.ts';
import { durationOf, int, unsigned } from '../eval/numbers.ts';
import { CelDuration, CelError, CelList, CelOptional, CelUint, type CelValue, typeNameOf } from '../values.ts';
import { findAll } from '../regex/index.ts';
import { type Definition, library } from './signature.ts';

const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

const perType = (types: readonly string[], result: (type: string) => string, run: (list: CelList) => CelValue): Definition[] => types.map((type) => [`list(${type}).() ${result(type)}`, run]);

function isSorted(list: CelList): boolean {
  const items = list.values();
  return items.every((item, i) => i === 0 || !(celCompare(items[i - 1] as CelValue, item) > 0));
}

const extreme = (name: string, sign: number) => (list: CelList): CelValue => {
  const items = list.values();
  if (!items.length) throw new CelError(`${name} called on empty list`);
  return items.reduce((best, item) => (celCompare(item, best) * sign > 0 ? item : best));
};

function sum(zero: CelValue, add: (a: never, b: never) => CelValue): (list: CelList) => CelValue {
  const type = typeNameOf(zero);
  return (list) =>
    list.values().reduce((total, item) => {
      // Of a list of any type this is the first to be tried.
      if (typeNameOf(item) !== type) throw new CelError('no such overload');
      return (add as (a: CelValue, b: CelValue) => CelValue)(total, item);
    }, zero);
}

function indexOf(list: CelList, wanted: CelValue): bigint {
  return BigInt(list.values().findIndex((item) => celEqual(item, wanted)));
}

function lastIndexOf(list: CelList, wanted: CelValue): bigint {
  return BigInt(list.values().findLastIndex((item) => celEqual(item, wanted)));
}

const found = (list: CelList, index: number): CelOptional => new CelOptional(list.size ? list.at(index) : undefined);

/** Kubernetes' lists and regex, and the ends of lists that come with optionals. */
export const listsLibrary = library({
  isSorted: perType(comparable, () => 'bool', isSorted),
  min: perType(comparable, (type) => type, extreme('min', -1)),
  max: perType(comparable, (type) => type, extreme('max', 1)),
  sum: [
    ['list(int).() int', sum(0n, int.add)],
    ['list(uint).() uint', sum(new CelUint(0n), (a: CelUint, b: CelUint) => unsigned(a.value + b.value))],
    ['list(double).() double', sum(0, (a: number, b: number) => a + b)],
    ['list(duration).() duration', sum(new CelDuration(0n), (a: CelDuration, b: CelDuration) => durationOf(a.ns + b.ns))],
  ],
  indexOf: [['list(T).(T) int', indexOf]],
  lastIndexOf: [['list(T).(T) int', lastIndexOf]],
  first: [['list(T).() optional(T)', (list: CelList) => found(list, 0)]],
  last: [['list(T).() optional(T)', (list: CelList) => found(list, list.size - 1)]],
  find: [['string.(string) string', (text: string, pattern: string) => findAll(pattern, text, 1)[0] ?? '']],
  findAll: [
    ['string.(string) list(string)', (text: string, pattern: string) => new CelList(findAll(pattern, text))],
    ['string.(string, int) list(string)', (text: string, pattern: string, limit: bigint) => new CelList(findAll(pattern, text, limit < 0n ? Infinity : Number(limit)))],
  ],
});

const subset = (outer: CelList, inner: CelList): boolean => {
  const items = outer.values();
  return inner.values().every((wanted) => items.some((item) => celEqual(item, wanted)));
};

export const setsLibrary = library({
  'sets.contains': [['(list(T), list(T)) bool', subset]],
  'sets.equivalent': [['(list(T), list(T)) bool', (a: CelList, b: CelList) => subset(a, b) && subset(b, a)]],
  'sets.intersects': [
    ['(list(T), list(T)) bool', (a: CelList, b: CelList) => {
      const items = b.values();
      return a.values().some((item) => items.some((other) => celEqual(item, other)));
    }],
  ],
});
