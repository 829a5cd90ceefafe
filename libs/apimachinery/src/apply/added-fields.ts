import type { ListSchema, Schema } from '../schema.ts';
import { emptyFieldSet, type FieldSet } from './field-set.ts';
import { FieldSetPool, type Place } from './field-set-pool.ts';
import { type Item, itemsOf, type Shape, shapeOf } from './typed-values.ts';

/** Of what differs from one write to the next: objects and changes of few shapes, over and over. */
export const pool = new FieldSetPool();
const andHere = { fields: 'fieldsAndHere', items: 'itemsAndHere' } as const;

export function hasNothing(value: object): boolean {
  for (const _ in value) return false;
  return true;
}

/** Items by identity; of duplicates all values together. */
export function byElement(items: readonly Item[]): Map<string, unknown> {
  const map = new Map<string, unknown>();
  for (const { element, value } of items) if (!map.has(element)) map.set(element, value);
  if (map.size === items.length) return map;
  const groups = Map.groupBy(items, (item) => item.element);
  for (const [element, group] of groups) if (group.length > 1) map.set(element, group.map((item) => item.value));
  return map;
}

/** Is a value one piece, as far as what was added is concerned: nothing below it has a path of its own? */
function isWhole(shape: Shape, value: unknown): shape is Extract<Shape, { kind: 'leaf' }> {
  if (shape.kind === 'leaf' || typeof value !== 'object' || value === null) return true;
  return Array.isArray(value) ? shape.kind === 'fields' || value.length === 0 : hasNothing(value);
}

/** Undefined where nothing is to be said about a value. */
export function addedValue(schema: Schema | undefined, value: unknown, isAlwaysThere: boolean): FieldSet | undefined {
  const shape = shapeOf(schema, value);
  if (isWhole(shape, value)) return emptyFieldSet;
  const begin = pool.begin(isAlwaysThere ? shape.kind : andHere[shape.kind]);
  const end = shape.kind === 'items' ? addedItems(begin, shape.schema, value) : addedMembers(begin, shape, value as object);
  if (end !== begin) return pool.setOf(end);
  return isAlwaysThere ? undefined : emptyFieldSet;
}

function addedMembers(begin: Place, shape: Extract<Shape, { kind: 'fields' }>, value: object): Place {
  let at = begin;
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name];
    if (member === undefined) continue;
    const { schema, isAlwaysThere } = shape.field(name);
    const below = addedValue(schema, member, isAlwaysThere);
    if (below) at = pool.field(at, name, below);
  }
  return at;
}

function addedItems(begin: Place, schema: ListSchema, value: unknown): Place {
  let at = begin;
  for (const [element, item] of byElement(itemsOf(schema, value))) {
    const below = addedValue(schema.items, item, false);
    if (below) at = pool.item(at, element, below);
  }
  return at;
}

/** The fields of an object that was not there before; containers are named as well as what they hold. Frozen, and shared by objects alike. */
export function addedFields(object: object, schema: Schema): FieldSet {
  const shape = shapeOf(schema, object);
  return shape.kind === 'fields' ? pool.setOf(addedMembers(pool.begin('fields'), shape, object)) : emptyFieldSet;
}
