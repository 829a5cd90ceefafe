import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bumpGeneration, cloneChanged, cloneJson, deepEqual, deepFreeze } from './equality.ts';
import { scaledValue } from './int-or-string.ts';
import type { KubeObject } from './object.ts';
import { controllerOf, controllerReference, isControlledBy, parseApiVersion } from './owner-reference.ts';

type Spec = KubeObject & { spec: unknown; status?: unknown };

describe('objects as values', () => {
  it('compare without regard to key order or undefined', () => {
    expect(deepEqual({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1, d: undefined })).toBe(true);
    expect(deepEqual({ a: undefined }, {})).toBe(true);
    expect(deepEqual([1, 2], [2, 1])).toBe(false);
    expect(deepEqual({ a: [] }, { a: {} })).toBe(false);
    expect(deepEqual(null, {})).toBe(false);
  });

  it('clone to equals that share nothing', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value = deepFreeze(JSON.parse(text) as unknown);
        const copy = cloneJson(value);
        expect(deepEqual(copy, value)).toBe(true);
        expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
      }),
    );
  });

  it('clone what was changed, and share what was not', () => {
    const known = deepFreeze({ metadata: { labels: { a: 'b' } }, spec: { list: [{ a: 1 }, { b: 2 }] }, status: { conditions: [{ type: 'A' }, { type: 'B' }], count: 1 } });
    const changed = { ...known, spec: { list: [...known.spec.list] }, status: { conditions: [{ type: 'C' }, known.status.conditions[1]], count: 2 } };
    const copy = cloneChanged(changed, known, ['metadata', 'status']);
    expect(copy).toEqual(changed);
    expect(copy.metadata).not.toBe(known.metadata);
    expect(copy.metadata.labels).toBe(known.metadata.labels);
    expect(copy.spec.list).not.toBe(changed.spec.list);
    expect(copy.spec.list[1]).toBe(known.spec.list[1]);
    expect(copy.status.conditions.map((condition, i) => condition === changed.status.conditions[i])).toEqual([false, true]);
    const other = cloneChanged({ spec: known.status, status: known.spec, metadata: undefined }, known, ['metadata', 'status']);
    expect([other.spec, other.status]).toEqual([known.status, known.spec]);
    expect([other.spec.conditions === known.status.conditions, other.status.list === known.spec.list]).toEqual([false, false]);
    const same = cloneChanged(known, known, ['status']);
    expect([same, same === known, same.spec === known.spec, same.status === known.status]).toEqual([known, false, true, false]);
  });

  it('count generations', () => {
    const old: Spec = { metadata: { generation: 2 }, spec: { a: 1 }, status: {} };
    const changed: Spec = { metadata: { generation: 9 }, spec: { a: 2 } };
    const same: Spec = { metadata: {}, spec: { a: 1 }, status: { b: 1 } };
    bumpGeneration(changed, old);
    bumpGeneration(same, old);
    expect([changed.metadata?.generation, same.metadata]).toEqual([3, { generation: 2 }]);
  });
});

describe('owners', () => {
  it('are found by uid', () => {
    const owner = { metadata: { name: 'o', uid: 'u' } };
    const object = { metadata: { ownerReferences: [controllerReference(owner, { apiVersion: 'apps/v1', kind: 'ReplicaSet' })] } };
    expect(controllerOf(object)).toEqual({ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'o', uid: 'u', controller: true, blockOwnerDeletion: true });
    expect(isControlledBy(object, owner)).toBe(true);
    expect(isControlledBy({}, {})).toBe(false);
    expect(parseApiVersion('v1')).toEqual({ group: '', version: 'v1' });
  });
});

describe('numbers or percentages', () => {
  it.each([[5, 10, 'up', 5], ['25%', 10, 'up', 3], ['25%', 10, 'down', 2], ['0%', 7, 'up', 0], ['100%', 7, 'down', 7]] as const)('%s of %d, %s: %d', (value, total, round, expected) => {
    expect(scaledValue(value, total, round)).toBe(expected);
  });

  it('refuse other text', () => {
    expect(() => scaledValue('abc', 1, 'up')).toThrow('invalid value for IntOrString');
  });
});
