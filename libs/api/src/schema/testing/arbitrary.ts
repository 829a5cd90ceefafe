import type { LeafType, ListSchema, ObjectSchema, Schema } from '@orrery/apimachinery';
import fc from 'fast-check';

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '-', '/'), minLength: 1, maxLength: 6 });

const leaves: Readonly<Record<LeafType, fc.Arbitrary<unknown>>> = {
  string: fc.string({ minLength: 1, maxLength: 8 }),
  boolean: fc.constant(true),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).filter((n) => n !== 0),
  int64: fc.maxSafeInteger().filter((n) => n !== 0),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0) && n !== 0),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  time: fc.integer({ min: 1, max: 4102444800 }).map((seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`),
  microTime: fc.integer({ min: 1, max: 4102444800 }).map((seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}.123456Z`),
  quantity: fc.constantFrom('1', '100m', '1Gi', '12k', '5n'),
  intOrString: fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom('http', '25%')),
  duration: fc.constantFrom('0s', '30s', '1m30s', '1h0m5.5s', '100ms'),
  rawExtension: fc.constantFrom({ apiVersion: 'v1', kind: 'X', a: [1, { b: null }] }, { a: 1 }),
  fieldsV1: fc.constantFrom({ 'f:a': {} }, { '.': {}, 'k:{"a":1}': { 'f:b': {} } }),
  json: fc.constantFrom(1, 'a', true, [1], { a: null }),
  schemaOrBool: fc.constantFrom(true, false, { type: 'string' }),
  schemaOrArray: fc.constantFrom({ type: 'string' }, [{ type: 'string' }, { nullable: true }]),
  schemaOrStrings: fc.constantFrom({ type: 'string' }, ['a', 'b']),
};

function arbitraryOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  if (schema.type === 'object') return objectOf(schema, depth);
  if (schema.type === 'list') return listOf(schema, depth);
  if (schema.type === 'map') return fc.dictionary(key, arbitraryOf(schema.items, depth - 1), { minKeys: 1, maxKeys: 2, noNullPrototype: true });
  return leaves[schema.type];
}

/** Items of keyed lists and sets have an identity of their own. */
function listOf(schema: ListSchema, depth: number): fc.Arbitrary<unknown> {
  const size = { minLength: 1, maxLength: 2 };
  const { items, listKeys } = schema;
  if (schema.listType === 'atomic') return fc.array(arbitraryOf(items, depth - 1), size);
  if (schema.listType === 'set' || items.type !== 'object') return fc.uniqueArray(arbitraryOf(items, depth - 1), { ...size, selector: (item) => JSON.stringify(item) });
  const keys = fc.record(Object.fromEntries(listKeys.map((name) => [name, arbitraryOf(items.fields.get(name)?.schema ?? { type: 'string' }, 0)])), { noNullPrototype: true });
  const item = fc.tuple(objectOf(items, depth - 1), keys).map(([fields, own]) => ({ ...fields, ...own }));
  return fc.uniqueArray(item, { ...size, selector: (value) => JSON.stringify(listKeys.map((name) => (value as Record<string, unknown>)[name])) });
}

function isShallow(schema: Schema): boolean {
  if (schema.type === 'list' || schema.type === 'map') return isShallow(schema.items);
  return schema.type !== 'object';
}

function objectOf(schema: ObjectSchema, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields = [...schema.fields.values()].filter((field) => field.wirePath.length > 0 && (depth > 0 || isShallow(field.schema)));
  if (fields.length === 0) return fc.constant({});
  return fc.uniqueArray(fc.nat(fields.length - 1), { maxLength: 4 }).chain((picks) => {
    const record: Record<string, fc.Arbitrary<unknown>> = {};
    for (const pick of picks) {
      const field = fields[pick];
      if (field) record[field.name] = arbitraryOf(field.schema, depth - 1);
    }
    return fc.record(record, { noNullPrototype: true });
  });
}

/** Objects that fit a schema, made of fields that travel in protobuf, without zero values. */
export function arbitraryObject(schema: ObjectSchema, depth = 5): fc.Arbitrary<Record<string, unknown>> {
  return objectOf(schema, depth);
}
