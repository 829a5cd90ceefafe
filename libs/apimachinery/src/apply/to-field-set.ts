import { isRecord } from '../equality.ts';
import type { Schema } from '../schema.ts';
import { hasNothing } from './added-fields.ts';
import { elementsOf, emptyFieldSet, type FieldSet, type FieldSetBuilder, insertPath, isMember, newFieldSet, putElement } from './field-set.ts';
import { fieldsOfValue, itemsOf, shapeOf } from './typed-values.ts';

type Path = string[];

function size(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return isRecord(value) ? Object.keys(value).length : 0;
}

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
