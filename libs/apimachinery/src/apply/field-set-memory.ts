import { emptyFieldSet, encodeFieldSet, type FieldSet, intersects, intersectSets, isEmptySet, isSubset, subtractSets, subtractTrees, unionSets } from './field-set.ts';

/** `unionSets`; when one set says no more than the other it is that other one. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a) || isSubset(a, b)) return b;
  return isEmptySet(b) || isSubset(b, a) ? a : unionSets(a, b);
}

/** `intersectSets`. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return intersects(a, b) ? intersectSets(a, b) : emptyFieldSet;
}

const owned = new WeakMap<FieldSet, WeakMap<FieldSet, WeakMap<FieldSet, FieldSet>>>();

function within<V extends object>(map: WeakMap<FieldSet, V>, key: FieldSet, make: () => V): V {
  let found = map.get(key);
  if (!found) map.set(key, (found = make()));
  return found;
}

/**
 * What the creator of an object owns of what was added: all but what his request may not change, and what is nobody's. Objects that look
 * alike share their sets, so it is worked out once for all of them.
 */
export function ownedByCreator(added: FieldSet, { ignored, unowned }: { ignored: FieldSet; unowned: FieldSet }): FieldSet {
  const work = (): FieldSet => subtractSets(subtractTrees(added, ignored), unowned);
  // What is not frozen is one object's own and does not come again.
  if (!Object.isFrozen(added)) return work();
  return within(within(within(owned, added, () => new WeakMap()), ignored, () => new WeakMap()), unowned, work);
}

const encodings = new WeakMap<FieldSet, FieldSet>();

/** `encodeFieldSet`, frozen: so that it is known for what it is when it comes back. */
export function encoding(set: FieldSet): FieldSet {
  return Object.isFrozen(set) ? within(encodings, set, () => Object.freeze(encodeFieldSet(set))) : Object.freeze(encodeFieldSet(set));
}

/** Was this JSON of a set made, or checked, here? Neither sets nor their JSON ever change. */
export const isKnown = (json: object): json is FieldSet => Object.isFrozen(json);
