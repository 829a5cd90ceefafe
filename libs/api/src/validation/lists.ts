import type { FieldPath } from './field-path.ts';

export interface ListLimits {
  readonly at: FieldPath;
  /** Most items; beyond it the items are not looked at. */
  readonly max?: number;
}

type Check<T> = (item: T, at: FieldPath) => void;

/** Checks every item unless there are too many. */
export function checkItems<T>(items: readonly T[] | undefined, { at, max = Number.POSITIVE_INFINITY }: ListLimits, check: Check<T>): void {
  const list = items ?? [];
  if (list.length > max) return at.tooMany(list.length, max);
  for (const [i, item] of list.entries()) check(item, at.at(i));
}

/** Checks every item, then that no two have the same key. */
export function checkSet<T>(items: readonly T[] | undefined, limits: ListLimits & { readonly key: (item: T) => string }, check: Check<T>): void {
  const list = items ?? [];
  checkItems(list, limits, check);
  if (list.length > (limits.max ?? Number.POSITIVE_INFINITY)) return;
  const seen = new Set<string>();
  for (const [i, item] of list.entries()) {
    const key = limits.key(item);
    if (seen.has(key)) limits.at.at(i).duplicate(key);
    seen.add(key);
  }
}

/** Keys are reported at the map itself, values at their key. */
export function checkMap<T>(map: Readonly<Record<string, T>> | undefined, limits: ListLimits, checks: { readonly key: Check<string>; readonly value?: Check<T> }): void {
  const entries = Object.entries(map ?? {});
  const { at, max = Number.POSITIVE_INFINITY } = limits;
  if (entries.length > max) return at.tooMany(entries.length, max);
  for (const [key, value] of entries) {
    checks.key(key, at);
    checks.value?.(value, at.at(key));
  }
}
