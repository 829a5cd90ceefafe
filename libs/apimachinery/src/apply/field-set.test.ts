import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deepFreeze } from '../equality.ts';
import { type FieldSet, decodeFieldSet, encodeFieldSet, insertPath, intersectSets, intersects, isEmptySet, isSubset, listPaths, newFieldSet, subtractSets, subtractTrees, unionSets } from './field-set.ts';

const runs = Number(process.env['ORRERY_FUZZ_RUNS'] ?? 1) * 2_000;

/** The model: a set of paths is a set of texts. */
type Model = ReadonlySet<string>;

const element = fc.constantFrom('f:a', 'f:b', 'f:__proto__', 'f:constructor', 'f:.', 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"m"', 'i:0');
const path = fc.array(element, { minLength: 1, maxLength: 4 });
const paths = fc.array(path, { maxLength: 10 });

function setOf(list: readonly (readonly string[])[]): FieldSet {
  const set = newFieldSet();
  for (const one of list) insertPath(set, one);
  return deepFreeze(set) as FieldSet;
}

const model = (list: readonly (readonly string[])[]): Model => new Set(list.map((one) => JSON.stringify(one)));
const told = (set: FieldSet): string[] => listPaths(set).map((one) => JSON.stringify(one)).sort();
const sorted = (set: Iterable<string>): string[] => [...set].sort();
const isBelow = (text: string, roots: Model): boolean => {
  const parts = JSON.parse(text) as string[];
  return parts.some((_, i) => roots.has(JSON.stringify(parts.slice(0, i + 1))));
};

const operations: readonly [string, (a: FieldSet, b: FieldSet) => FieldSet, (a: Model, b: Model) => Iterable<string>][] = [
  ['union', unionSets, (a, b) => new Set([...a, ...b])],
  ['intersection', intersectSets, (a, b) => [...a].filter((one) => b.has(one))],
  ['difference', subtractSets, (a, b) => [...a].filter((one) => !b.has(one))],
  ['difference of trees', subtractTrees, (a, b) => [...a].filter((one) => !isBelow(one, b))],
];

describe('field sets are sets of paths', () => {
  it('whatever the order in which paths come', () => {
    fc.assert(fc.property(paths, (list) => {
      expect(told(setOf(list))).toEqual(sorted(model(list)));
      expect(told(setOf([...list].reverse()))).toEqual(sorted(model(list)));
    }), { numRuns: runs });
  });

  it.each(operations)('%s', (_, operation, of) => {
    fc.assert(fc.property(paths, paths, (left, right) => {
      const result = operation(setOf(left), setOf(right));
      expect(told(result)).toEqual(sorted(of(model(left), model(right))));
      // What is stored and read again is the same set.
      expect(told(decodeFieldSet(JSON.parse(JSON.stringify(encodeFieldSet(result)))) as FieldSet)).toEqual(told(result));
    }), { numRuns: runs });
  });

  it('chains of operations, which share their parts, change none of what went in', () => {
    const step = fc.tuple(fc.nat(operations.length - 1), paths);
    fc.assert(fc.property(paths, fc.array(step, { maxLength: 6 }), (first, steps) => {
      let set = setOf(first);
      let wanted: Model = model(first);
      for (const [which, list] of steps) {
        const [, operation, of] = operations[which] as (typeof operations)[number];
        const [before, beforeTold] = [set, told(set)];
        set = operation(set, setOf(list));
        wanted = new Set(of(wanted, model(list)));
        expect(told(before)).toEqual(beforeTold);
        expect(told(set)).toEqual(sorted(wanted));
      }
    }), { numRuns: runs });
  });

  it('questions', () => {
    fc.assert(fc.property(paths, paths, (left, right) => {
      const [a, b] = [setOf(left), setOf(right)];
      const [ma, mb] = [model(left), model(right)];
      expect(isEmptySet(a)).toBe(ma.size === 0);
      expect(isSubset(a, b)).toBe([...ma].every((one) => mb.has(one)));
      expect(intersects(a, b)).toBe([...ma].some((one) => mb.has(one)));
    }), { numRuns: runs });
  });
});

describe('the stored form', () => {
  it('is read only when it is one', () => {
    fc.assert(fc.property(fc.jsonValue(), (json) => {
      const set = decodeFieldSet(json);
      if (set) expect(() => listPaths(set)).not.toThrow();
    }), { numRuns: runs });
  });
});
