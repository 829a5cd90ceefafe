import { deepEqual, getOwn, isRecord } from '../equality.ts';
import type { ListSchema, Schema } from '../schema.ts';
import { addedFields, addedValue, byElement, hasNothing, pool } from './added-fields.ts';
import { emptyFieldSet, type FieldSet } from './field-set.ts';
import type { Place } from './field-set-pool.ts';
import { itemElement, itemsOf, keyDefault, type Shape, shapeOf } from './typed-values.ts';

/** What differs between two objects: what was added or changed, and what was removed; of added and removed containers the container as well as what it holds. Frozen, and shared by changes alike. */
export interface Comparison {
  readonly gained: FieldSet;
  readonly removed: FieldSet;
}

/** Where a value is: the members of `metadata` are looked at with other eyes. */
type Level = 'object' | 'metadata' | 'below';

interface Pair {
  readonly before: unknown;
  readonly after: unknown;
}

/** What the last comparison of two values found; undefined is nothing. Kept here, for values are many and few of them differ. */
let gained: FieldSet | undefined;
let removed: FieldSet | undefined;

function found(more: FieldSet | undefined, less: FieldSet | undefined): void {
  gained = more;
  removed = less;
}

/** The two sets of a container, as far as its elements have been looked at. */
class Findings {
  private readonly begin: Place;
  private readonly isItems: boolean;
  private gained: Place;
  private removed: Place;

  constructor(kind: 'fields' | 'items') {
    this.begin = pool.begin(kind);
    this.isItems = kind === 'items';
    this.gained = this.begin;
    this.removed = this.begin;
  }

  private step(at: Place, element: string, below: FieldSet | undefined): Place {
    if (!below) return at;
    return this.isItems ? pool.item(at, element, below) : pool.field(at, element, below);
  }

  /** Takes up what was just found of an element. */
  take(element: string): void {
    this.gained = this.step(this.gained, element, gained);
    this.removed = this.step(this.removed, element, removed);
  }

  tell(): void {
    found(this.gained === this.begin ? undefined : pool.setOf(this.gained), this.removed === this.begin ? undefined : pool.setOf(this.removed));
  }
}

const hasFound = (): boolean => gained !== undefined || removed !== undefined;

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
  else found(undefined, undefined);
}

/** Beyond so many items looking for each among the others costs more than telling items by their names. */
const fewItems = 12;

/** May items be told apart by their keys (members of a set: by themselves), without writing these out? Loops, for closures would be most of the cost. */
function isPlain(schema: ListSchema, items: readonly unknown[]): boolean {
  if (items.length > fewItems) return false;
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (schema.listType === 'set' ? typeof item !== 'string' : !hasPlainKey(schema, item)) return false;
    if (placeOf(schema, items, item) !== i) return false;
  }
  return true;
}

function hasPlainKey({ listKeys }: ListSchema, item: unknown): boolean {
  if (!isRecord(item)) return false;
  let some = false;
  for (const key of listKeys) {
    const value = item[key];
    if (typeof value === 'object') return false;
    some ||= value !== undefined;
  }
  return some;
}

function isSame(schema: ListSchema, a: unknown, b: unknown): boolean {
  if (schema.listType === 'set') return a === b;
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  for (const key of schema.listKeys) {
    if (left[key] !== right[key] && (left[key] ?? keyDefault(schema, key)) !== (right[key] ?? keyDefault(schema, key))) return false;
  }
  return true;
}

/** Where in plain items the same one is first; -1: nowhere. */
function placeOf(schema: ListSchema, items: readonly unknown[], item: unknown): number {
  for (let i = 0; i < items.length; i++) if (isSame(schema, items[i], item)) return i;
  return -1;
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
  if (Array.isArray(before) && Array.isArray(after) && isPlain(schema, before) && isPlain(schema, after)) {
    before.forEach((item: unknown, i) => visit({ before: item, after: after[i < after.length && isSame(schema, item, after[i]) ? i : placeOf(schema, after, item)] as unknown }, () => elementAt(schema, item, i)));
    after.forEach((item: unknown, i) => {
      if (placeOf(schema, before, item) < 0) visit({ before: undefined, after: item }, () => elementAt(schema, item, i));
    });
  } else {
    const [left, right] = [byElement(itemsOf(schema, before)), byElement(itemsOf(schema, after))];
    for (const [element, value] of left) visit({ before: value, after: right.get(element) }, () => element);
    for (const [element, value] of right) if (!left.has(element)) visit({ before: undefined, after: value }, () => element);
  }
  if (findings) findings.tell();
  else found(undefined, undefined);
}

function compareValues(schema: Schema | undefined, pair: Pair, { isAlwaysThere = false, level }: { isAlwaysThere?: boolean; level: Level }): void {
  const { before, after } = pair;
  if (before === after) found(undefined, undefined);
  else if (before === undefined) found(addedValue(schema, after, isAlwaysThere), undefined);
  else if (after === undefined) found(undefined, addedValue(schema, before, isAlwaysThere));
  else {
    const shape = shapeOf(schema, after ?? before);
    const isOdd = shape.kind === 'fields' && (Array.isArray(before) || Array.isArray(after));
    if (shape.kind === 'leaf' || isOdd || (isEmpty(before) && isEmpty(after))) found(deepEqual(before, after) ? undefined : emptyFieldSet, undefined);
    else if (shape.kind === 'fields') compareFields(pair, shape, level);
    else compareItems(pair, shape.schema);
  }
}

/** What an object has that is new altogether: the most frequent comparison, and nothing has to be looked up for it. */
function addedObject(after: unknown, schema: Schema): Comparison {
  return { gained: isRecord(after) ? addedFields(after, schema) : emptyFieldSet, removed: emptyFieldSet };
}

/** Compares two objects without their `metadata.managedFields`, which are nobody's. */
export function compareObjects(before: unknown, after: unknown, schema: Schema): Comparison {
  if (before === undefined || before === null || (isRecord(before) && hasNothing(before))) return addedObject(after, schema);
  compareValues(schema, { before, after: after ?? {} }, { level: 'object' });
  return { gained: gained ?? emptyFieldSet, removed: removed ?? emptyFieldSet };
}
