import { celCompare, celEqual } from '../eval/equality.ts';
import { CelError, CelList, type CelValue, Steps, typeNameOf } from '../values.ts';
import { type Definition, library } from './signature.ts';

const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

function slice(list: CelList, start: bigint, end: bigint): CelList {
  const where = `cannot slice(${start}, ${end})`;
  if (start < 0n || end < 0n) throw new CelError(`${where}, negative indexes not supported`);
  if (start > end) throw new CelError(`${where}, start index must be less than or equal to end index`);
  if (end > BigInt(list.size)) throw new CelError(`${where}, list is length ${list.size}`);
  return new CelList(list.values().slice(Number(start), Number(end)));
}

function flattened(list: CelList, depth: bigint, steps: Steps): CelValue[] {
  steps.take(list.size);
  return list.values().flatMap((item) => (item instanceof CelList && depth > 0n ? flattened(item, depth - 1n, steps) : [item]));
}

function flatten(list: CelList, depth = 1n): CelList {
  if (depth < 0n) throw new CelError('level must be non-negative');
  return new CelList(flattened(list, depth, new Steps()));
}

function distinct(list: CelList): CelList {
  const plain = new Set<CelValue>();
  const others: CelValue[] = [];
  return new CelList(list.values().filter((item) => {
    // Texts and truths equal nothing but themselves, which sets know.
    if (typeof item === 'string' || typeof item === 'boolean') return !plain.has(item) && plain.add(item).size > 0;
    return !others.some((other) => celEqual(item, other)) && others.push(item) > 0;
  }));
}

/** The order of keys: all of one type that has an order. */
function inOrder(keys: readonly CelValue[]): number[] {
  const types = new Set(keys.map(typeNameOf));
  if (types.size > 1) throw new CelError('list elements must have the same type');
  if (keys.length === 1) celCompare(keys[0] as CelValue, keys[0] as CelValue);
  return keys.map((_key, i) => i).sort((a, b) => celCompare(keys[a] as CelValue, keys[b] as CelValue));
}

function sort(list: CelList): CelList {
  const items = list.values();
  return new CelList(inOrder(items).map((i) => items[i]));
}

/** What `list.sortBy(x, key)` stands for. */
function sortByKeys(list: CelList, keys: CelList): CelList {
  if (list.size !== keys.size) throw new CelError(`@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.size} and ${keys.size} elements respectively`);
  const items = list.values();
  return new CelList(inOrder(keys.values()).map((i) => items[i]));
}

const range = (count: bigint): CelList => new CelList(Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i)));
const perType = (make: (type: string) => string, run: Definition[1]): Definition[] => comparable.map((type) => [make(type), run]);

/** The lists extension, version 3; its `sortBy` is a macro. */
export const listExtension = library({
  slice: [['list(T).(int, int) list(T)', slice]],
  flatten: [
    ['list(list(T)).() list(T)', (list: CelList) => flatten(list)],
    ['list(dyn).(int) list(dyn)', flatten],
  ],
  distinct: [['list(T).() list(T)', distinct]],
  reverse: [['list(T).() list(T)', (list: CelList) => new CelList(list.values().toReversed())]],
  sort: perType((type) => `list(${type}).() list(${type})`, sort),
  '@sortByAssociatedKeys': perType((type) => `list(T).(list(${type})) list(T)`, sortByKeys),
  'lists.range': [['(int) list(int)', range]],
});
