import { isRecord } from '../equality.ts';

/** Items of primitive lists are themselves, items of map lists are their merge key's value. */
function identity(item: unknown, mergeKey: string): unknown {
  return mergeKey !== '' && isRecord(item) ? item[mergeKey] : item;
}

export function sameItem(a: unknown, b: unknown, mergeKey: string): boolean {
  return identity(a, mergeKey) === identity(b, mergeKey);
}

/** Position in a list by identity: the first of equals. */
function positions(list: readonly unknown[], mergeKey: string): Map<unknown, number> {
  const map = new Map<unknown, number>();
  list.forEach((item, i) => {
    const id = identity(item, mergeKey);
    if (!map.has(id)) map.set(id, i);
  });
  return map;
}

/**
 * Items named by `order` come in its order; the others keep their order, and stand before a named item where the
 * object had them before it.
 */
export function mergeInOrder(options: { merged: readonly unknown[]; order: readonly unknown[]; before: readonly unknown[]; mergeKey: string }): unknown[] {
  const { merged, order, before, mergeKey } = options;
  const wanted = positions(order, mergeKey);
  const had = positions(before, mergeKey);
  const at = (map: Map<unknown, number>, item: unknown): number => map.get(identity(item, mergeKey)) ?? -1;
  const named = merged.filter((item) => at(wanted, item) >= 0).sort((a, b) => at(wanted, a) - at(wanted, b));
  const others = merged.filter((item) => at(wanted, item) < 0).sort((a, b) => at(had, a) - at(had, b));
  const out: unknown[] = [];
  let i = 0;
  for (const item of named) {
    const limit = at(had, item);
    while (i < others.length && limit >= 0 && at(had, others[i]) >= 0 && at(had, others[i]) < limit) out.push(others[i++]);
    out.push(item);
  }
  return [...out, ...others.slice(i)];
}

/** The order a patch without `$setElementOrder` implies: its own. */
export function mergeOrdered(options: { merged: readonly unknown[]; change: readonly unknown[]; before: readonly unknown[]; mergeKey: string }): unknown[] {
  const { merged, change, before, mergeKey } = options;
  return mergeInOrder({ merged, order: change, before, mergeKey });
}
