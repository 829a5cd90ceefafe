import { deepEqual, getOwn, isRecord } from '../equality.ts';
import type { ListSchema, Schema } from '../schema.ts';
import { addedFields, addedValue, byElement, hasNothing, pool } from './added-fields.ts';
import { emptyFieldSet, type FieldSet } from './field-set.ts';
import type { Place } from './field-set-pool.ts';
import { itemElement, itemsOf, keyDefault, type Shape, shapeOf } from './typed-values.ts';

/** What differs between two objects. `added` and `removed` name containers as well as what they hold. Frozen, and shared by changes alike. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** Where a value is: the members of `metadata` are looked at with other eyes. */
type Level = 'object' | 'metadata' | 'below';

interface Pair {
  readonly before: unknown;
  readonly after: unknown;
}

/** What the last comparison of two values found; undefined is nothing. Kept here, for values are many and few of them differ. */
let added: FieldSet | undefined;
let modified: FieldSet | undefined;
let removed: FieldSet | undefined;

function found(more: FieldSet | undefined, other: FieldSet | undefined, less: FieldSet | undefined): void {
  added = more;
  modified = other;
  removed = less;
}

/** The three sets of a container, as far as its elements have been looked at. */
class Findings {
  private readonly begin: Place;
  private readonly isItems: boolean;
  private places: [Place, Place, Place];

  constructor(kind: 'fields' | 'items') {
    this.begin = pool.begin(kind);
    this.isItems = kind === 'items';
    this.places = [this.begin, this.begin, this.begin];
  }

  private step(n: 0 | 1 | 2, element: string, below: FieldSet | undefined): void {
    if (below) this.places[n] = this.isItems ? pool.item(this.places[n], element, below) : pool.field(this.places[n], element, below);
  }

  /** Takes up what was just found of an element. */
  take(element: string): void {
    this.step(0, element, added);
    this.step(1, element, modified);
    this.step(2, element, removed);
  }

  private set(n: 0 | 1 | 2): FieldSet | undefined {
    return this.places[n] === this.begin ? undefined : pool.setOf(this.places[n]);
  }

  tell(): void {
    found(this.set(0), this.set(1), this.set(2));
  }
}

const hasFound = (): boolean => added !== undefined || modified !== undefined || removed !== undefined;

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return typeof value !== 'object' || value === null || hasNothing(value);
}

function compareFields(pair: Pair, shape: Extract<Shape, { kind: 'fields' }>, level: Level): void {
  const before = isRecord(pair.before) ? pair.before : {};
  const after = isRecord(pair.after) ? pair.after : {};
  let findings: Findings | undefined;
  const visit = (name: string, left: unknown, right: unknown): void => {
    if (left === right || (level === 'metadata' && name === 'managedFields')) return;
    const { schema, isAlwaysThere } = shape.field(name);
    compareValues(schema, { before: left, after: right }, { isAlwaysThere, level: level === 'object' && name === 'metadata' ? 'metadata' : 'below' });
    if (hasFound()) (findings ??= new Findings('fields')).take(name);
  };
  for (const name in before) visit(name, before[name], getOwn(after, name));
  for (const name in after) if (!Object.hasOwn(before, name)) visit(name, undefined, after[name]);
  if (findings) findings.tell();
  else found(undefined, undefined, undefined);
}

/** Beyond so many items looking for doubles costs more than telling items by their names. */
const fewItems = 12;

function sameKeys(schema: ListSchema, a: unknown, b: unknown): boolean {
  if (!isRecord(a) || !isRecord(b)) return false;
  for (const key of schema.listKeys) {
    const [left, right] = [a[key], b[key]];
    if (typeof left === 'object' || typeof right === 'object') return false;
    if (left !== right && (left ?? keyDefault(schema, key)) !== (right ?? keyDefault(schema, key))) return false;
  }
  return true;
}

/** Do both lists have the same items, no two alike, in the same places? Then they can be compared one by one. */
function isAligned(schema: ListSchema, before: readonly unknown[], after: readonly unknown[]): boolean {
  if (before.length !== after.length || before.length > fewItems) return false;
  if (schema.listType === 'set') return before.every((item, i) => item === after[i]);
  return before.every((item, i) => sameKeys(schema, item, after[i]) && before.findIndex((other) => sameKeys(schema, other, item)) === i);
}

function elementAt(schema: ListSchema, item: unknown, i: number): string {
  const result = itemElement(schema, item);
  return 'element' in result ? result.element : `i:${i}`;
}

function compareItems({ before, after }: Pair, schema: ListSchema): void {
  let findings: Findings | undefined;
  const visit = (pair: Pair, element: () => string): void => {
    compareValues(schema.items, pair, { level: 'below' });
    if (hasFound()) (findings ??= new Findings('items')).take(element());
  };
  if (Array.isArray(before) && Array.isArray(after) && isAligned(schema, before, after)) {
    before.forEach((item: unknown, i) => visit({ before: item, after: after[i] }, () => elementAt(schema, item, i)));
  } else {
    const [left, right] = [byElement(itemsOf(schema, before)), byElement(itemsOf(schema, after))];
    for (const [element, value] of left) visit({ before: value, after: right.get(element) }, () => element);
    for (const [element, value] of right) if (!left.has(element)) visit({ before: undefined, after: value }, () => element);
  }
  if (findings) findings.tell();
  else found(undefined, undefined, undefined);
}

function compareValues(schema: Schema | undefined, pair: Pair, { isAlwaysThere = false, level }: { isAlwaysThere?: boolean; level: Level }): void {
  const { before, after } = pair;
  if (before === after) found(undefined, undefined, undefined);
  else if (before === undefined) found(addedValue(schema, after, isAlwaysThere), undefined, undefined);
  else if (after === undefined) found(undefined, undefined, addedValue(schema, before, isAlwaysThere));
  else {
    const shape = shapeOf(schema, after ?? before);
    const isOdd = shape.kind === 'fields' && (Array.isArray(before) || Array.isArray(after));
    if (shape.kind === 'leaf' || isOdd || (isEmpty(before) && isEmpty(after))) found(undefined, deepEqual(before, after) ? undefined : emptyFieldSet, undefined);
    else if (shape.kind === 'fields') compareFields(pair, shape, level);
    else compareItems(pair, shape.schema);
  }
}

/** What an object has that is new altogether: the most frequent comparison, and nothing has to be looked up for it. */
function addedObject(after: unknown, schema: Schema): Comparison {
  return { added: isRecord(after) ? addedFields(after, schema) : emptyFieldSet, modified: emptyFieldSet, removed: emptyFieldSet };
}

/** Compares two objects without their `metadata.managedFields`, which are nobody's. */
export function compareObjects(before: unknown, after: unknown, schema: Schema): Comparison {
  if (before === undefined || before === null || (isRecord(before) && hasNothing(before))) return addedObject(after, schema);
  compareValues(schema, { before, after: after ?? {} }, { level: 'object' });
  return { added: added ?? emptyFieldSet, modified: modified ?? emptyFieldSet, removed: removed ?? emptyFieldSet };
}
