import { type ApplyOptions, type FieldSet, type ManagedFieldsEntry, applyPatch, cloneJson, decodeFieldSet, deepFreeze, isRecord, listPaths, toFieldSet, trackUpdate } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { schemaOf } from './lookup.ts';
import { arbitraryObject } from './testing/arbitrary.ts';

const runs = Number(process.env['ORRERY_FUZZ_RUNS'] ?? 1);

type Json = Record<string, any>;

const kinds = [
  ['apps/v1', 'Deployment', 'io.k8s.api.apps.v1.Deployment'],
  ['v1', 'Service', 'io.k8s.api.core.v1.Service'],
  ['v1', 'Pod', 'io.k8s.api.core.v1.Pod'],
  ['v1', 'ConfigMap', 'io.k8s.api.core.v1.ConfigMap'],
] as const;

const setOf = (entry: ManagedFieldsEntry): FieldSet => decodeFieldSet(entry.fieldsV1) ?? {};
const entriesOf = (object: Json): ManagedFieldsEntry[] => object['metadata']?.managedFields ?? [];
const pathsOf = (set: FieldSet): string[] => listPaths(set).map((path) => path.join('\u0000'));

/** As clients see it: without who owns what. */
function bare(object: Json): Json {
  const { managedFields: _, ...metadata } = object['metadata'] ?? {};
  return { ...object, metadata };
}

/** Maps in any order and empty ones left out: what apply leaves behind of containers that lost all they had may differ. */
function content(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(content);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, content(member)] as const);
  return Object.fromEntries(entries.filter(([, member]) => member !== undefined && !(isRecord(member) && Object.keys(member).length === 0) && !(Array.isArray(member) && member.length === 0)));
}

describe.each(kinds)('%s %s', (apiVersion, kind, definition) => {
  const schema = schemaOf(definition);
  /** No identity or bookkeeping, which apply leaves alone. */
  const arbitrary = arbitraryObject(schema, 4).map(({ metadata, status: _, ...object }) => {
    const { labels, annotations, finalizers } = (metadata ?? {}) as Json;
    return { ...(content(object) as Json), apiVersion, kind, metadata: { name: 'x', ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}), ...(finalizers ? { finalizers } : {}) } } as Json;
  });

  const apply = (live: Json | undefined, applied: Json, more: Partial<ApplyOptions> = {}): Json | undefined => {
    const options = { live: live && deepFreeze(cloneJson(live)), applied: deepFreeze(cloneJson(applied)), manager: 'me', force: true, schema, apiVersion, kind, nowIso: '2026-01-01T00:00:01Z' };
    const result = applyPatch({ ...options, ...more } as ApplyOptions);
    return 'object' in result ? (result.object as Json) : undefined;
  };
  const force = (live: Json | undefined, applied: Json, manager = 'me'): Json => apply(live, applied, { manager }) as Json;
  const update = (before: Json, after: Json, manager: string): Json =>
    trackUpdate({ before: deepFreeze(cloneJson(before)), after: deepFreeze(cloneJson({ ...after, metadata: { ...after['metadata'], managedFields: entriesOf(before) } })), manager, schema, apiVersion, nowIso: '2026-01-01T00:00:02Z' });

  it('what is applied to nothing is there, and owned', () => {
    fc.assert(fc.property(arbitrary, (applied) => {
      const made = force(undefined, applied);
      expect(content(bare(made))).toEqual(content(applied));
      const owned = entriesOf(made).map(setOf)[0] ?? {};
      for (const path of pathsOf(owned)) expect(pathsOf(toFieldSet(bare(made), schema))).toContain(path);
    }), { numRuns: 60 * runs });
  });

  it('applied twice is as applied once, without a write', () => {
    fc.assert(fc.property(arbitrary, arbitrary, (other, applied) => {
      const once = deepFreeze(force(force(undefined, other, 'other'), applied));
      const again = applyPatch({ live: once, applied: deepFreeze(cloneJson(applied)), manager: 'me', force: false, schema, apiVersion, kind, nowIso: '2026-06-06T06:06:06Z' });
      expect('object' in again && again.object).toBe(once);
    }), { numRuns: 60 * runs });
  });

  it('what is applied by force is there, whoever had it before', () => {
    fc.assert(fc.property(arbitrary, arbitrary, arbitrary, (first, second, applied) => {
      const live = force(force(undefined, first, 'a'), second, 'b');
      const after = force(live, applied);
      const mine = entriesOf(after).find((entry) => entry.manager === 'me');
      const there = new Set(pathsOf(toFieldSet(bare(after), schema)));
      for (const path of mine ? pathsOf(setOf(mine)) : []) expect(there.has(path), path).toBe(true);
      // A second look: nothing of what is applied now differs from what is there.
      expect(content(bare(force(after, applied)))).toEqual(content(bare(after)));
    }), { numRuns: 40 * runs });
  });

  it('who applies nothing any more leaves what others have as it was', () => {
    fc.assert(fc.property(arbitrary, arbitrary, (theirs, mine) => {
      const base = force(undefined, theirs, 'them');
      const both = apply(base, mine, { force: false });
      // Conflicts are another matter: what was taken by force does not come back.
      if (!both) return;
      const left = force(both, { apiVersion, kind, metadata: { name: 'x' } });
      expect(content(bare(left))).toEqual(content(bare(base)));
      expect(entriesOf(left).map(({ manager }) => manager)).toEqual(entriesOf(base).map(({ manager }) => manager));
    }), { numRuns: 60 * runs });
  });

  it('the order of those without conflict does not matter', () => {
    fc.assert(fc.property(arbitrary, arbitrary, arbitrary, (base, one, two) => {
      const live = force(undefined, base, 'base');
      const inTurn = (first: [Json, string], second: [Json, string]): Json | undefined => {
        const half = apply(live, first[0], { manager: first[1], force: false });
        return half && apply(half, second[0], { manager: second[1], force: false });
      };
      const ab = inTurn([one, 'one'], [two, 'two']);
      const ba = inTurn([two, 'two'], [one, 'one']);
      expect(ab === undefined).toBe(ba === undefined);
      if (!ab || !ba) return;
      const owners = (object: Json): unknown => entriesOf(object).map(({ manager, fieldsV1 }) => [manager, fieldsV1]).sort();
      expect(owners(ab)).toEqual(owners(ba));
    }), { numRuns: 60 * runs });
  });

  it('nobody owns what is not there; an update owns what it changed, and nobody else does', () => {
    fc.assert(fc.property(arbitrary, arbitrary, arbitrary, (first, second, third) => {
      let object = force(undefined, first, 'a');
      object = force(object, second, 'b');
      const changed = update(object, { ...third }, 'editor');
      const there = new Set(pathsOf(toFieldSet(bare(changed), schema)));
      const containers = (path: string): boolean => [...there].some((one) => one.startsWith(`${path}\u0000`));
      for (const entry of entriesOf(changed)) for (const path of pathsOf(setOf(entry))) expect(there.has(path) || containers(path), `${entry.manager} owns ${path}`).toBe(true);
      // The same update again changes nothing, times included.
      expect(entriesOf(update(changed, bare(changed), 'editor'))).toEqual(entriesOf(changed));
    }), { numRuns: 60 * runs });
  });
});
