import { encodeFieldSet, type FieldSet, intersectSets, isEmptySet, isSubset, subtractSets, subtractTrees, unionSets } from './field-set.ts';

type Operation = (a: FieldSet, b: FieldSet) => FieldSet;

/** An operation whose results are kept as long as both sets live: sets are shared by objects alike, so the same two meet again and again. */
function remembered(operation: Operation): Operation {
  const results = new WeakMap<FieldSet, WeakMap<FieldSet, FieldSet>>();
  return (a, b) => {
    let ofA = results.get(a);
    if (!ofA) results.set(a, (ofA = new WeakMap()));
    let result = ofA.get(b);
    if (!result) ofA.set(b, (result = operation(a, b)));
    return result;
  };
}

/** What leaves nothing out need not be remembered. */
const unlessEmpty = (operation: Operation): Operation => (a, b) => (isEmptySet(a) || isEmptySet(b) ? a : operation(a, b));

/** `unionSets`; one set that says no more than the other is that other one. */
export const union: Operation = ((operation: Operation): Operation => (a, b) => (isEmptySet(a) ? b : isEmptySet(b) || a === b ? a : operation(a, b)))(
  remembered((a, b) => (isSubset(a, b) ? b : isSubset(b, a) ? a : unionSets(a, b))),
);

/** `intersectSets`. */
export const intersection = remembered(intersectSets);

/** `subtractSets`. */
export const subtraction = unlessEmpty(remembered(subtractSets));

/** `subtractTrees`. */
export const treeSubtraction = unlessEmpty(remembered(subtractTrees));

const encodings = new WeakMap<FieldSet, FieldSet>();

/** `encodeFieldSet`: the same set always gives the same object, of which it is the encoding too. */
export function encoding(set: FieldSet): FieldSet {
  let json = encodings.get(set);
  if (!json) {
    json = encodeFieldSet(set);
    encodings.set(set, json);
    encodings.set(json, json);
  }
  return json;
}
