import { deepEqual, isRecord } from '../equality.ts';
import type { Schema } from '../schema.ts';
import { addedFields, byElement, hasNothing } from './added-fields.ts';
import { elementsOf, emptyFieldSet, type FieldSet, type FieldSetBuilder, insertPath, isMember, newFieldSet, putElement } from './field-set.ts';
import { fieldsOfValue, itemsOf, type Shape, shapeOf } from './typed-values.ts';

type Path = string[];

function isEmptyRecord(value: unknown): boolean {
  return isRecord(value) && hasNothing(value);
}

function collect(set: FieldSetBuilder, path: Path, { schema, value }: { schema: Schema | undefined; value: unknown }): void {
  const shape = shapeOf(schema, value);
  if (shape.kind === 'fields' && isRecord(value)) {
    for (const [name, member] of fieldsOfValue(value)) {
      path.push(`f:${name}`);
      const { schema: below, isStruct } = shape.field(name);
      collect(set, path, { schema: below, value: member });
      if (member === null || isEmptyRecord(member) || !isStruct) insertPath(set, path);
      path.pop();
    }
  } else if (shape.kind === 'items' && Array.isArray(value)) {
    for (const item of itemsOf(shape.schema, value)) {
      path.push(item.element);
      collect(set, path, { schema: shape.schema.items, value: item.value });
      insertPath(set, path);
      path.pop();
    }
  } else if (path.length > 0) {
    insertPath(set, path);
  }
}

/** The fields an object sets: leaves, atomic values, items, map keys, and whatever is empty. */
export function toFieldSet(value: unknown, schema: Schema): FieldSet {
  const set = newFieldSet();
  collect(set, [], { schema, value });
  return set;
}

/** What differs between two objects. `added` and `removed` name containers as well as what they hold. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

interface CompareState {
  readonly added: FieldSetBuilder;
  readonly modified: FieldSetBuilder;
  readonly removed: FieldSetBuilder;
  readonly path: Path;
}

interface Pair {
  readonly schema: Schema | undefined;
  readonly before: unknown;
  readonly after: unknown;
  /** Its being there says nothing. */
  readonly isAlwaysThere?: boolean;
}

const isAbsent = (value: unknown): boolean => value === undefined;

function size(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return isRecord(value) ? Object.keys(value).length : 0;
}

function compareLeaf(state: CompareState, { before, after }: Pair): void {
  if (isAbsent(before)) insertPath(state.added, state.path);
  else if (isAbsent(after)) insertPath(state.removed, state.path);
  else if (!deepEqual(before, after)) insertPath(state.modified, state.path);
}

function descend(state: CompareState, element: string, pair: Pair): void {
  state.path.push(element);
  compareValues(state, pair);
  state.path.pop();
}

function compareFields(state: CompareState, pair: Pair, shape: Extract<Shape, { kind: 'fields' }>): void {
  const before = isRecord(pair.before) ? pair.before : {};
  const after = isRecord(pair.after) ? pair.after : {};
  const visit = (name: string): void => {
    const left = Object.hasOwn(before, name) ? before[name] : undefined;
    const right = Object.hasOwn(after, name) ? after[name] : undefined;
    if (left === right) return;
    const { schema, isAlwaysThere } = shape.field(name);
    descend(state, `f:${name}`, { schema, before: left, after: right, isAlwaysThere });
  };
  for (const name of Object.keys(before)) visit(name);
  for (const name of Object.keys(after)) if (!Object.hasOwn(before, name)) visit(name);
}

function compareItems(state: CompareState, pair: Pair, schema: Extract<Schema, { type: 'list' }>): void {
  const before = byElement(itemsOf(schema, pair.before));
  const after = byElement(itemsOf(schema, pair.after));
  for (const [element, value] of before) descend(state, element, { schema: schema.items, before: value, after: after.get(element) });
  for (const [element, value] of after) {
    if (!before.has(element)) descend(state, element, { schema: schema.items, before: undefined, after: value });
  }
}

function compareValues(state: CompareState, pair: Pair): void {
  const { schema, before, after } = pair;
  if (before === after) return;
  const shape = shapeOf(schema, after ?? before);
  const isOdd = shape.kind === 'fields' && (Array.isArray(before) || Array.isArray(after));
  const isWhole = shape.kind === 'leaf' || isOdd || (size(before) === 0 && size(after) === 0);
  if (isWhole) {
    compareLeaf(state, pair);
    return;
  }
  if (shape.kind === 'fields') compareFields(state, pair, shape);
  else compareItems(state, pair, shape.schema);
  if (pair.isAlwaysThere) return;
  if (isAbsent(before)) insertPath(state.added, state.path);
  else if (isAbsent(after)) insertPath(state.removed, state.path);
}

/** What an object has that is new altogether: the most frequent comparison, and nothing has to be looked up for it. */
function addedObject(after: unknown, schema: Schema): Comparison {
  return { added: isRecord(after) ? addedFields(after, schema) : emptyFieldSet, modified: emptyFieldSet, removed: emptyFieldSet };
}

export function compareObjects(before: unknown, after: unknown, schema: Schema): Comparison {
  if (before === undefined || before === null || isEmptyRecord(before)) return addedObject(after, schema);
  const state: CompareState = { added: newFieldSet(), modified: newFieldSet(), removed: newFieldSet(), path: [] };
  compareValues(state, { schema, before: before ?? {}, after: after ?? {} });
  return state;
}

/** Also names, as members, the struct fields that only have children: so that whole structs can be removed. */
export function withNamedFields(set: FieldSet, schema: Schema | undefined): FieldSet {
  const out = newFieldSet();
  for (const element of elementsOf(set)) {
    const below = set[element] as FieldSet;
    let member = isMember(set, element);
    const name = element.startsWith('f:') ? element.slice(2) : undefined;
    let inner: Schema | undefined;
    if (schema?.type === 'object' && name !== undefined) {
      inner = schema.fields.get(name)?.schema;
      if (inner) member = true;
    } else if (schema?.type === 'map' || schema?.type === 'list') {
      inner = schema.items;
    }
    putElement(out, element, { member, below: withNamedFields(below, inner) });
  }
  return out;
}

/** The object without the fields of a set; what loses all its fields becomes null. Nothing inside atomic values is touched. */
export function removeFields(value: unknown, set: FieldSet, schema: Schema | undefined): unknown {
  const shape = shapeOf(schema, value);
  if (shape.kind === 'fields' && isRecord(value)) {
    const kept = fieldsOfValue(value).flatMap(([name, member]): [string, unknown][] => {
      const element = `f:${name}`;
      if (isMember(set, element)) return [];
      const below = set[element];
      return [[name, below ? removeFields(member, below, shape.field(name).schema) : member]];
    });
    return kept.length > 0 || size(value) === 0 ? Object.fromEntries(kept) : null;
  }
  if (shape.kind === 'items' && Array.isArray(value)) {
    const kept = itemsOf(shape.schema, value)
      .filter((item) => !isMember(set, item.element))
      .map((item) => removeFields(item.value, set[item.element] ?? emptyFieldSet, shape.schema.items));
    return kept.length > 0 || value.length === 0 ? kept : null;
  }
  return value;
}
