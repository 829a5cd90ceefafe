import { ApplyError, applyPatch, cloneJson } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CustomResourceDefinition } from '../../gen/types.ts';
import { validateDefinition } from '../apiextensions/v1/crd/validation.ts';
import { customSchema } from '../schema/custom-schema.ts';
import { customKinds, storageKind } from './custom-kind.ts';
import { applySchemaDefaults } from './defaulting.ts';
import { JsonPathError, compileJsonPath } from './json-path.ts';
import type { JsonSchema } from './json-schema.ts';
import { customJudge } from './judge.ts';
import { prune, versionCodecs } from './version-codec.ts';

type Schema = Record<string, unknown>;

const names = ['a', 'b', 'c', 'd'];
const scalar: fc.Arbitrary<Schema> = fc.constantFrom<Schema>(
  { type: 'string' }, { type: 'string', default: 'x' }, { type: 'string', maxLength: 2, nullable: true }, { type: 'integer', default: 7 }, { type: 'integer', maximum: 3, nullable: true }, { type: 'number', multipleOf: 2 },
  { type: 'boolean', default: false }, { 'x-kubernetes-int-or-string': true }, { 'x-kubernetes-preserve-unknown-fields': true }, { type: 'string', enum: ['x', 'y'] }, { type: 'string', format: 'date-time' }, { type: 'string', pattern: '^x*$' },
);

/** Structural schemas. Defaults of objects are empty, so that what they hold is filled in by the members. */
const { structural } = fc.letrec<{ structural: Schema; object: Schema; list: Schema; map: Schema }>((tie) => ({
  structural: fc.oneof({ depthSize: 'small' }, scalar, tie('object'), tie('list'), tie('map')),
  object: fc.record({ properties: fc.dictionary(fc.constantFrom(...names), tie('structural'), { maxKeys: 4, noNullPrototype: true }), more: fc.constantFrom<Schema>({}, { default: {} }, { nullable: true }, { 'x-kubernetes-preserve-unknown-fields': true }, { required: ['a'] }, { 'x-kubernetes-map-type': 'atomic' }) })
    .map(({ properties, more }) => ({ type: 'object', properties, ...more })),
  list: fc.record({ items: tie('structural'), more: fc.constantFrom<Schema>({}, { 'x-kubernetes-list-type': 'atomic' }, { minItems: 1 }, { nullable: true }) }).map(({ items, more }) => ({ type: 'array', items, ...more })),
  map: tie('structural').map((inner) => ({ type: 'object', additionalProperties: inner })),
}));

const value = fc.jsonValue({ maxDepth: 3, noUnicodeString: true } as never);
const { anything } = fc.letrec<{ anything: unknown }>((tie) => ({
  anything: fc.oneof({ depthSize: 'small' }, fc.constantFrom<unknown>(null, 'x', 'longer', 1, 4, 2.5, true), fc.array(tie('anything'), { maxLength: 3 }), fc.dictionary(fc.constantFrom(...names), tie('anything'), { maxKeys: 4, noNullPrototype: true })),
}));
const object = fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<Record<string, unknown>>;
const root = fc.dictionary(fc.constantFrom(...names), structural, { minKeys: 1, maxKeys: 4, noNullPrototype: true }).map((properties): JsonSchema => ({ type: 'object', properties }) as JsonSchema);

const definition = (schemas: readonly JsonSchema[]): CustomResourceDefinition =>
  ({
    metadata: { name: 'xs.example.com' },
    spec: { group: 'example.com', scope: 'Cluster', names: { plural: 'xs', singular: 'x', kind: 'X', listKind: 'XList' }, versions: schemas.map((openAPIV3Schema, i) => ({ name: `v${i + 1}`, served: true, storage: i === 0, schema: { openAPIV3Schema } })) },
  }) as unknown as CustomResourceDefinition;

const whole = (content: Record<string, unknown>, version = 'v1'): Record<string, unknown> => ({ apiVersion: `example.com/${version}`, kind: 'X', metadata: { name: 'x', generation: 1 }, ...cloneJson(content) });

describe('for any structural schema and any object', () => {
  it('pruning and defaults come to rest', () => {
    fc.assert(fc.property(root, object, (schema, content) => {
      const codec = [...versionCodecs(definition([schema])).values()][0] as NonNullable<ReturnType<ReturnType<typeof versionCodecs>['get']>>;
      const once = prune(whole(content), codec);
      applySchemaDefaults(once, schema);
      const twice = prune(cloneJson(once), codec);
      applySchemaDefaults(twice, schema);
      expect(twice).toEqual(once);
    }), { numRuns: 150 });
  });

  it('judging ends, and lets through what does not change', () => {
    fc.assert(fc.property(root, object, object, (schema, content, other) => {
      const judge = customJudge(schema, undefined);
      expect(Array.isArray(judge(whole(content), whole(other)))).toBe(true);
      expect(judge(whole(content), whole(content))).toEqual([]);
    }), { numRuns: 150 });
  });

  it('what is stored is what was written, at every version of the same schema', () => {
    fc.assert(fc.property(root, object, (schema, content) => {
      const defined = definition([schema, schema]);
      const [, v1] = customKinds(defined);
      const v2 = customKinds(defined)[0];
      const draft = prune(whole(content, 'v2'), versionCodecs(defined).get('example.com/v2') as never);
      applySchemaDefaults(draft, schema);
      const stored = v2?.storedAs?.toStorage(draft) as Record<string, unknown>;
      expect(stored['apiVersion']).toBe('example.com/v1');
      expect(v2?.storedAs?.fromStorage(stored)).toEqual(draft);
      expect(v1?.storedAs?.fromStorage(stored)).toEqual({ ...draft, apiVersion: 'example.com/v1' });
      expect(storageKind(defined)?.version).toBe('v1');
    }), { numRuns: 120 });
  });

  it('what others stored is shown, whatever it is', () => {
    fc.assert(fc.property(root, object, fc.oneof(anything, fc.dictionary(fc.constantFrom('name', 'labels', 'finalizers', 'generation', 'odd'), anything, { noNullPrototype: true })), fc.constantFrom('example.com/v1', 'example.com/v0', 'odd', 1), (schema, content, metadata, apiVersion) => {
      const [kind] = customKinds(definition([schema]));
      const shown = kind?.storedAs?.fromStorage({ ...whole(content), metadata, apiVersion }) as Record<string, unknown>;
      expect(shown['apiVersion']).toBe('example.com/v1');
    }), { numRuns: 150 });
  });

  it('applying the same again changes nothing', () => {
    fc.assert(fc.property(root, object, object, (schema, content, other) => {
      const typed = customSchema(schema);
      const about = { force: true, schema: typed, apiVersion: 'example.com/v1', kind: 'X', nowIso: '2026-01-01T00:00:00Z' };
      const codec = versionCodecs(definition([schema])).get('example.com/v1') as never;
      const wanted = (from: Record<string, unknown>): Record<string, unknown> => prune(whole(from), codec);
      const apply = (live: unknown, manager: string, applied: unknown): unknown => {
        const result = applyPatch({ ...about, live: live as never, applied, manager });
        return 'conflicts' in result ? undefined : result.object;
      };
      let mine: unknown;
      let yours: unknown;
      try {
        mine = apply(undefined, 'me', wanted(content));
        yours = apply(mine, 'you', wanted(other));
      } catch (error) {
        // Values of the wrong shape have no owner; they are refused, not mangled.
        expect(error).toBeInstanceOf(ApplyError);
        return;
      }
      expect(apply(mine, 'me', wanted(content))).toEqual(mine);
      expect(apply(yours, 'you', wanted(other))).toEqual(yours);
      const settled = apply(apply(yours, 'me', wanted(content)), 'me', wanted(content));
      expect(apply(settled, 'me', wanted(content))).toEqual(settled);
    }), { numRuns: 120 });
  });
});

describe('whatever comes', () => {
  const { wild } = fc.letrec<{ wild: Schema }>((tie) => ({
    wild: fc.record(
      {
        type: fc.constantFrom('string', 'object', 'array', 'integer', 'odd', ''), properties: fc.dictionary(fc.constantFrom('metadata', 'kind', 'a', 'b'), tie('wild'), { maxKeys: 2, depthIdentifier: 'w', noNullPrototype: true } as never), items: fc.oneof({ depthIdentifier: 'w', depthSize: 'small' }, fc.constant({}), tie('wild'), fc.array(tie('wild'), { maxLength: 1 })),
        additionalProperties: fc.oneof({ depthIdentifier: 'w', depthSize: 'small' }, fc.boolean(), tie('wild')), anyOf: fc.oneof({ depthIdentifier: 'w', depthSize: 'small' }, fc.constant([]), fc.array(tie('wild'), { maxLength: 2 })), not: fc.oneof({ depthIdentifier: 'w', depthSize: 'small' }, fc.constant({}), tie('wild')),
        default: value, enum: fc.array(value, { maxLength: 2 }), required: fc.array(fc.constantFrom('a', 'z')), pattern: fc.string({ maxLength: 6 }), format: fc.constantFrom('date', 'odd', ''), nullable: fc.boolean(),
        'x-kubernetes-list-type': fc.constantFrom('map', 'set', 'odd'), 'x-kubernetes-list-map-keys': fc.array(fc.constantFrom('a', 'b')), 'x-kubernetes-map-type': fc.constantFrom('atomic', 'odd'), 'x-kubernetes-embedded-resource': fc.boolean(),
        'x-kubernetes-preserve-unknown-fields': fc.boolean(), 'x-kubernetes-int-or-string': fc.boolean(), 'x-kubernetes-validations': fc.array(fc.record({ rule: fc.string(), message: fc.string(), fieldPath: fc.string() }, { requiredKeys: [] }), { maxLength: 1 }), $ref: fc.string(), uniqueItems: fc.boolean(),
      } as Record<string, fc.Arbitrary<unknown>>,
      { requiredKeys: [], noNullPrototype: true },
    ) as fc.Arbitrary<Schema>,
  }));

  it('a definition is judged, and what is let in can be served', () => {
    fc.assert(fc.property(wild, object, (schema, content) => {
      const defined = definition([schema as JsonSchema]);
      if (validateDefinition(defined).length) return;
      const [kind] = customKinds(defined);
      expect(Array.isArray(kind?.validate(whole(content)))).toBe(true);
      kind?.storedAs?.fromStorage(whole(content));
    }), { numRuns: 250 });
  });

  it('a deep schema ends in an answer', () => {
    let schema: Schema = { type: 'string' };
    for (let i = 0; i < 1_000; i++) schema = { type: 'object', properties: { a: schema } };
    expect(validateDefinition(definition([schema as JsonSchema]))).toEqual([]);
  });

  it('a path is one or is not, and is followed in time', () => {
    const part = fc.constantFrom('.', '..', '*', 'a', 'b', '[0]', '[*]', '[?(@.a)]', '[?(@.a=="x")]', "['a']", '[1:]', '[', ']', '(', '@', '\\', '"');
    fc.assert(fc.property(fc.oneof(fc.array(part, { maxLength: 20 }).map((parts) => parts.join('')), fc.string()), object, (path, content) => {
      try {
        expect(Array.isArray(compileJsonPath(path)(content))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(JsonPathError);
      }
    }), { numRuns: 600 });
    expect(() => compileJsonPath('[?(@'.repeat(5_000) + ')]'.repeat(5_000))).toThrow(JsonPathError);
    let deep: unknown = 1;
    for (let i = 0; i < 60; i++) deep = { a: deep, b: [i] };
    expect(compileJsonPath('..*'.repeat(30))(deep).length).toBeLessThan(1_000);
  });
});
