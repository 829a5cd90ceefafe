/**
 * Sets of field paths as server-side apply keeps them (`fieldsV1`). A path element is its serialized form: `f:NAME` for
 * a field or map key, `k:{…}` for an item of a keyed list, `v:JSON` for a member of a set, `i:N` for a position.
 * `members` are paths that end here, `children` go on below; an element may be both. Sets are never changed once made,
 * except by whoever is still building them.
 */
export interface FieldSet {
  readonly members: ReadonlySet<string>;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export interface FieldSetBuilder {
  readonly members: Set<string>;
  readonly children: Map<string, FieldSetBuilder>;
}

export type FieldPath = readonly string[];

export const emptyFieldSet: FieldSet = { members: new Set(), children: new Map() };

export function newFieldSet(): FieldSetBuilder {
  return { members: new Set(), children: new Map() };
}

export function insertPath(set: FieldSetBuilder, path: FieldPath): void {
  let at = set;
  for (let i = 0; i < path.length - 1; i++) {
    const element = path[i] ?? '';
    let next = at.children.get(element);
    if (!next) at.children.set(element, (next = newFieldSet()));
    at = next;
  }
  const last = path.at(-1);
  if (last !== undefined) at.members.add(last);
}

export function hasPath(set: FieldSet, path: FieldPath): boolean {
  let at: FieldSet | undefined = set;
  for (const element of path.slice(0, -1)) at = at?.children.get(element);
  return at?.members.has(path.at(-1) ?? '') ?? false;
}

export function isEmptySet(set: FieldSet): boolean {
  return set.members.size === 0 && set.children.size === 0;
}

/** Children kept only where something is in them. */
function setOf(members: Iterable<string>, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { members: new Set(members), children: new Map([...children].filter(([, child]) => !isEmptySet(child))) };
}

export function unionSets(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const own = children.get(element);
    children.set(element, own ? unionSets(own, child) : child);
  }
  return setOf([...a.members, ...b.members], children);
}

export function intersectSets(a: FieldSet, b: FieldSet): FieldSet {
  const members = [...a.members].filter((element) => b.members.has(element));
  const children = [...a.children].map(([element, child]) => [element, intersectSets(child, b.children.get(element) ?? emptyFieldSet)] as const);
  return setOf(members, children);
}

/** Do the sets share a path? */
export function intersects(a: FieldSet, b: FieldSet): boolean {
  for (const element of b.members) if (a.members.has(element)) return true;
  for (const [element, child] of b.children) {
    const own = a.children.get(element);
    if (own && intersects(own, child)) return true;
  }
  return false;
}

/** Paths of `a` that are not themselves in `b`; what lies below a path of `b` stays. `a` itself where nothing goes. */
export function subtractSets(a: FieldSet, b: FieldSet): FieldSet {
  if (!intersects(a, b)) return a;
  const members = [...a.members].filter((element) => !b.members.has(element));
  const children = [...a.children].map(([element, child]) => [element, subtractSets(child, b.children.get(element) ?? emptyFieldSet)] as const);
  return setOf(members, children);
}

/** Paths of `a` that are neither in `b` nor below a path of `b`. */
export function subtractTrees(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  const members = [...a.members].filter((element) => !b.members.has(element));
  const children = [...a.children]
    .filter(([element]) => !b.members.has(element))
    .map(([element, child]) => [element, subtractTrees(child, b.children.get(element) ?? emptyFieldSet)] as const);
  return setOf(members, children);
}

/** Are all paths of `a` in `b`? */
export function isSubset(a: FieldSet, b: FieldSet): boolean {
  for (const element of a.members) if (!b.members.has(element)) return false;
  for (const [element, child] of a.children) if (!isSubset(child, b.children.get(element) ?? emptyFieldSet)) return false;
  return true;
}

/** Every path: those that end here first, each level sorted. */
export function listPaths(set: FieldSet, prefix: FieldPath = []): FieldPath[] {
  const own = [...set.members].sort().map((element) => [...prefix, element]);
  const below = [...set.children.keys()].sort().flatMap((element) => listPaths(set.children.get(element) ?? emptyFieldSet, [...prefix, element]));
  return [...own, ...below];
}

type FieldsV1 = { [element: string]: FieldsV1 };

/** `fieldsV1`: `.` marks an element that is itself in the set and has children too. Keys are sorted. */
export function encodeFieldSet(set: FieldSet): FieldsV1 {
  const out: FieldsV1 = {};
  for (const element of [...new Set([...set.members, ...set.children.keys()])].sort()) {
    const child = set.children.get(element);
    const inner = child ? encodeFieldSet(child) : {};
    out[element] = child && set.members.has(element) ? { '.': {}, ...inner } : inner;
  }
  return out;
}

/** Undefined when the JSON is not a field set. */
export function decodeFieldSet(json: unknown): FieldSet | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  const set = newFieldSet();
  for (const [element, inner] of Object.entries(json as Record<string, unknown>)) {
    if (element === '.') continue;
    if (!/^[fkvi]:/.test(element) || typeof inner !== 'object' || inner === null) return undefined;
    const child = decodeFieldSet(inner);
    if (!child) return undefined;
    if (Object.hasOwn(inner, '.') || isEmptySet(child)) set.members.add(element);
    if (!isEmptySet(child)) set.children.set(element, child as FieldSetBuilder);
  }
  return set;
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
