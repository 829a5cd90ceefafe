import { isRecord } from '../equality.ts';

/** Items of primitive lists are themselves, items of map lists are their merge key's value. */
function identity(item: unknown, mergeKey: string): unknown {
  return mergeKey !== '' && isRecord(item) ? item[mergeKey] : item;
}

export function sameItem(a: unknown, b: unknown, mergeKey: string): boolean {
  return identity(a, mergeKey) === identity(b, mergeKey);
}

/** Lists up to this long are searched; of longer ones a table is made. */
const fewItems = 16;

/** Position of an item in a list by identity: of the first of equals; -1 for none. */
function positions(list: readonly unknown[], mergeKey: string): (item: unknown) => number {
  if (list.length <= fewItems) return (item) => list.findIndex((other) => sameItem(other, item, mergeKey));
  const map = new Map<unknown, number>();
  for (const [i, item] of list.entries()) {
    const id = identity(item, mergeKey);
    if (!map.has(id)) map.set(id, i);
  }
  return (item) => map.get(identity(item, mergeKey)) ?? -1;
}

/** The same items in the same places, in so far as lists say who is who. */
function isSameOrder(a: readonly unknown[], b: readonly unknown[], mergeKey: string): boolean {
  return a.length === b.length && a.every((item, i) => sameItem(item, b[i], mergeKey));
}

/**
 * Items named by `order` come in its order; the others keep their order, and stand before a named item where the
 * object had them before it.
 */
export function mergeInOrder(options: { merged: readonly unknown[]; order: readonly unknown[]; before: readonly unknown[]; mergeKey: string }): readonly unknown[] {
  const { merged, order, before, mergeKey } = options;
  if (isSameOrder(merged, order, mergeKey)) return merged;
  const wanted = positions(order, mergeKey);
  const had = positions(before, mergeKey);
  const named: { item: unknown; at: number }[] = [];
  const others: { item: unknown; at: number }[] = [];
  for (const item of merged) {
    const at = wanted(item);
    if (at >= 0) named.push({ item, at });
    else others.push({ item, at: had(item) });
  }
  const byPlace = (a: { at: number }, b: { at: number }): number => a.at - b.at;
  named.sort(byPlace);
  others.sort(byPlace);
  const out: unknown[] = [];
  let i = 0;
  for (const { item } of named) {
    const limit = had(item);
    for (let other = others[i]; other && other.at >= 0 && other.at < limit; other = others[i]) {
      out.push(other.item);
      i++;
    }
    out.push(item);
  }
  for (; i < others.length; i++) out.push(others[i]?.item);
  return out;
}

/** The order a patch without `$setElementOrder` implies: its own. */
export function mergeOrdered(options: { merged: readonly unknown[]; change: readonly unknown[]; before: readonly unknown[]; mergeKey: string }): readonly unknown[] {
  const { merged, change, before, mergeKey } = options;
  return mergeInOrder({ merged, order: change, before, mergeKey });
}
