/**
 * Sets of field paths as server-side apply keeps them, in the form in which they are stored (`fieldsV1`). An element is
 * `f:NAME` for a field or map key, `k:{…}` for an item of a keyed list, `v:JSON` for a member of a set, `i:N` for a
 * position. An element is a member (a path ends there) when nothing is below it, or when `.` is. A set is never changed
 * once made, except by whoever is still building it: so what was read can be used as it is, and sets share their parts.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

export interface FieldSetBuilder {
  [element: string]: FieldSetBuilder;
}

export type FieldPath = readonly string[];

/** The element that says that a path ends where others go on. */
export const here = '.';

export const emptyFieldSet: FieldSet = Object.freeze({});
const leaf = emptyFieldSet as FieldSetBuilder;

export function newFieldSet(): FieldSetBuilder {
  return {};
}

/** A set in which a path ends, for more to be put below. */
export function memberSet(): FieldSetBuilder {
  return { [here]: leaf };
}

export function insertPath(set: FieldSetBuilder, path: FieldPath): void {
  let at = set;
  const last = path.length - 1;
  for (let i = 0; i < last; i++) {
    const element = path[i] as string;
    let next = at[element];
    if (!next) at[element] = next = {};
    else if (isEmptySet(next)) at[element] = next = { [here]: leaf };
    at = next;
  }
  const element = path[last];
  if (element === undefined) return;
  const known = at[element];
  if (!known) at[element] = leaf;
  else if (!isEmptySet(known)) known[here] = leaf;
}

export function isEmptySet(set: FieldSet): boolean {
  for (const element in set) if (element !== here) return false;
  return true;
}

/** Does a path end at this element? */
export function isMember(set: FieldSet, element: string): boolean {
  const below = set[element];
  return below !== undefined && (below[here] !== undefined || isEmptySet(below));
}

/** The elements of a set, whether paths end there or go on. */
export function elementsOf(set: FieldSet): string[] {
  return Object.keys(set).filter((element) => element !== here);
}

/** Adds an element with what is below it, unless there is nothing to say about it. */
export function putElement(out: FieldSetBuilder, element: string, { member, below }: { member: boolean; below: FieldSet }): void {
  if (isEmptySet(below)) {
    if (member) out[element] = leaf;
    return;
  }
  if (member === (below[here] !== undefined)) {
    out[element] = below as FieldSetBuilder;
    return;
  }
  const { [here]: _, ...rest } = below as FieldSetBuilder;
  out[element] = member ? { [here]: leaf, ...rest } : rest;
}

/** Sorted, as stored, where both are. */
export function unionSets(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const out = newFieldSet();
  for (const element of elementsOfBoth(a, b)) {
    const [own, other] = [a[element], b[element]];
    if (own && other && own !== other && element !== here) putElement(out, element, { member: isMember(a, element) || isMember(b, element), below: unionSets(own, other) });
    else out[element] = (own ?? other) as FieldSetBuilder;
  }
  return out;
}

function elementsOfBoth(a: FieldSet, b: FieldSet): string[] {
  const elements = Object.keys(a);
  const count = elements.length;
  for (const element in b) if (a[element] === undefined) elements.push(element);
  return elements.length > count ? elements.sort() : elements;
}

export function intersectSets(a: FieldSet, b: FieldSet): FieldSet {
  const out = newFieldSet();
  for (const element of elementsOf(a)) {
    const other = b[element];
    if (other) putElement(out, element, { member: isMember(a, element) && isMember(b, element), below: intersectSets(a[element] as FieldSet, other) });
  }
  return out;
}

/** Do the sets share a path? */
export function intersects(a: FieldSet, b: FieldSet): boolean {
  for (const element in b) {
    const own = a[element];
    if (element === here || !own) continue;
    if (isMember(a, element) && isMember(b, element)) return true;
    if (intersects(own, b[element] as FieldSet)) return true;
  }
  return false;
}

/** Paths of `a` that are not themselves in `b`; what lies below a path of `b` stays. `a` itself where nothing goes. */
export function subtractSets(a: FieldSet, b: FieldSet): FieldSet {
  if (!intersects(a, b)) return a;
  const out = newFieldSet();
  for (const element of elementsOf(a)) {
    const [own, other] = [a[element] as FieldSet, b[element]];
    if (other) putElement(out, element, { member: isMember(a, element) && !isMember(b, element), below: subtractSets(own, other) });
    else out[element] = own as FieldSetBuilder;
  }
  return out;
}

/** Does `b` name a path of `a`, or one above it? */
function covers(a: FieldSet, b: FieldSet): boolean {
  for (const element in b) {
    const own = a[element];
    if (own && element !== here && (isMember(b, element) || covers(own, b[element] as FieldSet))) return true;
  }
  return false;
}

/** Paths of `a` that are neither in `b` nor below a path of `b`. `a` itself where nothing goes. */
export function subtractTrees(a: FieldSet, b: FieldSet): FieldSet {
  if (!covers(a, b)) return a;
  const out = newFieldSet();
  for (const element of elementsOf(a)) {
    const [own, other] = [a[element] as FieldSet, b[element]];
    if (!other) out[element] = own as FieldSetBuilder;
    else if (!isMember(b, element)) putElement(out, element, { member: isMember(a, element), below: subtractTrees(own, other) });
  }
  return out;
}

/** Are all paths of `a` in `b`? */
export function isSubset(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  for (const element in a) {
    if (element === here) continue;
    if (isMember(a, element) && !isMember(b, element)) return false;
    if (!isSubset(a[element] as FieldSet, b[element] ?? emptyFieldSet)) return false;
  }
  return true;
}

/** Every path: those that end here first, each level sorted. */
export function listPaths(set: FieldSet, prefix: FieldPath = []): FieldPath[] {
  const elements = elementsOf(set).sort();
  const own = elements.filter((element) => isMember(set, element)).map((element) => [...prefix, element]);
  const below = elements.flatMap((element) => listPaths(set[element] as FieldSet, [...prefix, element]));
  return [...own, ...below];
}

/** As stored: keys sorted, `.` first. The set itself where it is so already. */
export function encodeFieldSet(set: FieldSet): FieldSet {
  if (isEmptySet(set)) return emptyFieldSet;
  return isSorted(set) ? set : sorted(set);
}

function isSorted(set: FieldSet): boolean {
  let previous = '';
  for (const element in set) {
    if (element < previous) return false;
    previous = element;
    const below = set[element] as FieldSet;
    // What is empty but for `.` is written without it.
    if (below !== leaf && (isEmptySet(below) || !isSorted(below))) return false;
  }
  return true;
}

function sorted(set: FieldSet): FieldSet {
  const out = newFieldSet();
  for (const element of Object.keys(set).sort()) out[element] = encodeFieldSet(set[element] as FieldSet) as FieldSetBuilder;
  return out;
}

/** The JSON itself, as a set; undefined when it is none. */
export function decodeFieldSet(json: unknown): FieldSet | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  for (const [element, below] of Object.entries(json)) {
    if (element !== here && (!/^[fkvi]:/.test(element) || !decodeFieldSet(below))) return undefined;
  }
  return json as FieldSet;
}

/** `.spec.containers[name="a"].image`, as conflicts name a path. */
export function formatPath(path: FieldPath): string {
  return path.map(formatElement).join('');
}

function formatElement(element: string): string {
  const body = element.slice(2);
  switch (element[0]) {
    case 'k': {
      const keys = Object.entries(JSON.parse(body) as Record<string, unknown>);
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v':
      return `[=${body}]`;
    case 'i':
      return `[${body}]`;
    default:
      return `.${body}`;
  }
}
