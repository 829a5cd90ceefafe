import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldSchema, LeafType, ListSchema, MapSchema, ObjectSchema, Schema } from '../schema.ts';
import { addedFields } from './added-fields.ts';
import { emptyFieldSet, type FieldSet } from './field-set.ts';
import { FieldSetPool } from './field-set-pool.ts';
import { compareObjects } from './compare.ts';

const leaf = (type: LeafType): Schema => ({ type }) as Schema;
const list = (items: Schema, listType: ListSchema['listType'], listKeys: readonly string[] = []): Schema => ({ type: 'list', items, listType, listKeys }) as ListSchema;

function object(fields: Readonly<Record<string, Schema>>, isValueStruct = false): ObjectSchema {
  const entries = Object.entries(fields).map(([name, schema]): [string, FieldSchema] => [name, { name, schema, required: false, omitZero: false, isValueStruct } as FieldSchema]);
  return { type: 'object', fields: new Map(entries) } as unknown as ObjectSchema;
}

const port = object({ containerPort: leaf('int32'), protocol: leaf('string'), name: leaf('string') });
const schema = object({
  labels: { type: 'map', items: leaf('string') } as MapSchema,
  ports: list(port, 'map', ['containerPort', 'protocol']),
  finalizers: list(leaf('string'), 'set'),
  args: list(leaf('string'), 'atomic'),
  nested: object({ inner: object({ a: leaf('string'), b: leaf('string') }) }, true),
  raw: leaf('rawExtension'),
});

const names = fc.constantFrom('a', 'b', 'x.y/z', 'k:{"name":"a"}', '.', 'f:a');
const ports = fc.array(fc.record({ containerPort: fc.integer({ min: 1, max: 3 }), protocol: fc.constantFrom('TCP', 'UDP'), name: names }, { requiredKeys: ['containerPort', 'protocol'] }), { maxLength: 3 });
const values = fc.record(
  {
    labels: fc.dictionary(names, names, { maxKeys: 4 }),
    ports,
    finalizers: fc.array(names, { maxLength: 3 }),
    args: fc.array(names, { maxLength: 2 }),
    nested: fc.record({ inner: fc.record({ a: names, b: names }, { requiredKeys: [] }) }, { requiredKeys: [] }),
    raw: fc.oneof(fc.constant(null), fc.dictionary(names, fc.oneof(names, fc.dictionary(names, names)), { maxKeys: 3 })),
  },
  { requiredKeys: [] },
);

const sorted = (set: FieldSet): boolean => Object.keys(set).every((key, i, all) => (i === 0 || (all[i - 1] as string) < key) && sorted(set[key] as FieldSet));

describe('the fields of a new object', () => {
  test('are those that the comparison with another object finds', () => {
    fc.assert(
      fc.property(values, (value) => {
        const compared = compareObjects({ somethingElse: 1 }, value, schema).gained;
        const added = addedFields(value, schema);
        expect(added).toEqual(compared);
        expect(sorted(added)).toBe(true);
      }),
    );
  });

  test('are one set for objects alike, and no set of what differs', () => {
    const like = (name: string): FieldSet => addedFields({ labels: { app: name }, ports: [{ containerPort: 1, protocol: 'TCP', name }] }, schema);
    expect(like('a')).toBe(like('b'));
    expect(Object.isFrozen(like('a')['f:ports'])).toBe(true);
    expect(addedFields({ labels: { app: 'a' } }, schema)).not.toBe(addedFields({ labels: { other: 'a' } }, schema));
  });
});

describe('a pool of sets', () => {
  test('forgets what it knows when there is too much of it', () => {
    const pool = new FieldSetPool(100);
    const setOf = (name: string): FieldSet => pool.setOf(pool.field(pool.begin('fields'), name, emptyFieldSet));
    const first = setOf('first');
    expect(setOf('first')).toBe(first);
    for (let i = 0; i < 101; i++) setOf(`f${i}`);
    expect(setOf('first')).not.toBe(first);
    expect(setOf('first')).toEqual({ 'f:first': {} });
  });

  test('keeps nothing of what every object has for itself', () => {
    const pool = new FieldSetPool();
    const status = (ip: string): FieldSet => {
      const ips = pool.setOf(pool.item(pool.begin('items'), `k:{"ip":"${ip}"}`, emptyFieldSet));
      return pool.setOf(pool.field(pool.field(pool.begin('fields'), 'phase', emptyFieldSet), 'podIPs', ips));
    };
    const frozen = Array.from({ length: 5000 }, (_, i) => status(`10.0.${i >> 8}.${i & 255}`)).filter(Object.isFrozen);
    expect(frozen.length).toBeGreaterThan(0);
    expect(frozen.length).toBeLessThan(100);
    expect(status('10.1.1.1')).toEqual({ 'f:phase': {}, 'f:podIPs': { 'k:{"ip":"10.1.1.1"}': {} } });
  });

  test('tells a field from an item of the same text', () => {
    const pool = new FieldSetPool();
    expect(pool.setOf(pool.field(pool.begin('fields'), 'v:1', emptyFieldSet))).toEqual({ 'f:v:1': {} });
    expect(pool.setOf(pool.item(pool.begin('items'), 'v:1', emptyFieldSet))).toEqual({ 'v:1': {} });
    expect(pool.setOf(pool.field(pool.begin('fieldsAndHere'), 'a', emptyFieldSet))).toEqual({ '.': {}, 'f:a': {} });
  });
});
