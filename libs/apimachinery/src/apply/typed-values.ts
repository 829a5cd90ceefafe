import { isRecord } from '../equality.ts';
import type { LeafType, ListSchema, MapSchema, ObjectSchema, Schema } from '../schema.ts';

/** A member of a struct or of a map. */
export interface Field {
  readonly schema: Schema | undefined;
  readonly isStruct: boolean;
  /** Its being there says nothing. */
  readonly isAlwaysThere: boolean;
}

/** How server-side apply sees a value: as one piece, as fields, or as items with an identity. */
export type Shape =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'fields'; readonly field: (name: string) => Field }
  | { readonly kind: 'items'; readonly schema: ListSchema };

const leaf: Shape = { kind: 'leaf' };

/** Values of no fixed shape: what they are says how they merge. */
const deduced = new Set<LeafType | 'unknown'>(['rawExtension', 'json', 'schemaOrBool', 'schemaOrArray', 'schemaOrStrings']);

const unknownField: Field = { schema: undefined, isStruct: false, isAlwaysThere: false };

function structShape(schema: ObjectSchema): Shape {
  const fields = new Map<string, Field>();
  for (const [name, field] of schema.fields) fields.set(name, { schema: field.schema, isStruct: true, isAlwaysThere: field.isValueStruct ?? false });
  return { kind: 'fields', field: (name) => fields.get(name) ?? unknownField };
}

function mapShape(schema: MapSchema | undefined): Shape {
  const field: Field = schema ? { ...unknownField, schema: schema.items } : unknownField;
  return { kind: 'fields', field: () => field };
}

const anyMap = mapShape(undefined);
const shapes = new WeakMap<Schema, Shape>();

/** The shape of `value` under `schema`; without a schema maps are merged by key and everything else is one piece. */
export function shapeOf(schema: Schema | undefined, value: unknown): Shape {
  if (!schema || deduced.has(schema.type as LeafType)) return isRecord(value) ? anyMap : leaf;
  let shape = shapes.get(schema);
  if (!shape) {
    if (schema.type === 'object') shape = schema.atomic ? leaf : structShape(schema);
    else if (schema.type === 'map') shape = schema.atomic ? leaf : mapShape(schema);
    else if (schema.type === 'list') shape = schema.listType === 'atomic' ? leaf : { kind: 'items', schema };
    else shape = leaf;
    shapes.set(schema, shape);
  }
  return shape;
}

/** JSON with sorted keys, as elements of a field set are written. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value ?? null);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`;
}

/** What a key is taken to be where an item leaves it out. */
export function keyDefault(schema: ListSchema, name: string): unknown {
  return schema.items.type === 'object' ? schema.items.fields.get(name)?.keyDefault : undefined;
}

/** The element that identifies an item, or why it has no identity. */
export function itemElement(schema: ListSchema, item: unknown): { readonly element: string } | { readonly problem: string } {
  if (schema.listType === 'set') {
    if (item === null || item === undefined) return { problem: 'associative list without keys has an element that\'s a map type' };
    return { element: `v:${canonicalJson(item)}` };
  }
  if (item === null || item === undefined) return { problem: 'associative list with keys may not have a null element' };
  if (!isRecord(item)) return { problem: 'associative list with keys may not have non-map elements' };
  let keys = '';
  for (const name of sortedKeys(schema)) {
    const value = item[name] ?? keyDefault(schema, name);
    if (value !== undefined) keys += `${keys === '' ? '' : ','}"${name}":${canonicalJson(value)}`;
  }
  if (keys !== '') return { element: `k:{${keys}}` };
  return { problem: `associative list with keys has an element that omits key field ${JSON.stringify(schema.listKeys[0] ?? '')} (and doesn't have default value)` };
}

const sorted = new WeakMap<ListSchema, readonly string[]>();

function sortedKeys(schema: ListSchema): readonly string[] {
  if (schema.listKeys.length < 2) return schema.listKeys;
  let keys = sorted.get(schema);
  if (!keys) sorted.set(schema, (keys = [...schema.listKeys].sort()));
  return keys;
}

export interface Item {
  readonly element: string;
  readonly value: unknown;
}

/** Items with their identity; those without one are told by position. */
export function itemsOf(schema: ListSchema, list: unknown): Item[] {
  if (!Array.isArray(list)) return [];
  return list.map((value: unknown, i) => {
    const result = itemElement(schema, value);
    return { element: 'element' in result ? result.element : `i:${i}`, value };
  });
}

/** Members of a struct or map; absent ones left out. */
export function fieldsOfValue(value: unknown): [string, unknown][] {
  return isRecord(value) ? Object.entries(value).filter(([, member]) => member !== undefined) : [];
}
