import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexedStore } from './informer-store.ts';

interface Thing {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
}

const thing = fc
  .record({ name: fc.constantFrom('a', 'b', 'c'), namespace: fc.constantFrom('x', 'y'), labels: fc.dictionary(fc.constantFrom('k', 'l'), fc.constantFrom('1', '2')) })
  .map((metadata): Thing => ({ metadata }));
const byLabel = ({ metadata }: Thing): string[] => Object.entries(metadata.labels).map(([key, value]) => `${key}=${value}`);

describe('a store with indexes', () => {
  it('finds what is there, and only that, whatever came and went', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ thing, goes: fc.boolean() }), { maxLength: 30 }), (changes) => {
        const store = new IndexedStore<Thing>({ byLabel });
        const truth = new Map<string, Thing>();
        for (const { thing: one, goes } of changes) {
          const key = `${one.metadata.namespace}/${one.metadata.name}`;
          if (goes) expect(store.delete(key)).toBe(truth.get(key));
          else expect(store.set(one)).toBe(truth.get(key));
          if (goes) truth.delete(key);
          else truth.set(key, one);
        }
        expect(new Set(store.list())).toEqual(new Set(truth.values()));
        for (const namespace of ['x', 'y']) {
          const there = [...truth.values()].filter(({ metadata }) => metadata.namespace === namespace);
          expect(new Set(store.byIndex('namespace', namespace))).toEqual(new Set(there));
          expect(store.countByIndex('namespace', namespace)).toBe(there.length);
        }
        for (const value of ['k=1', 'k=2', 'l=1', 'l=2']) {
          expect(new Set(store.byIndex('byLabel', value))).toEqual(new Set([...truth.values()].filter((one) => byLabel(one).includes(value))));
        }
      }),
    );
  });
});
