import { StatusError } from '@orrery/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyJsonPatch, applyMergePatch, applyStrategicMergePatch, canonicalQuantity, checkName, decodeContinue, decodeFieldSet, encodeContinue, encodeFieldSet, formatQuantity, JsonSyntaxError, parseFieldSelector, parseJson, parseLabelSelector,
  parseQuantity, parseResourceVersion, parseTime, PatchError, qualifiedName, QuantityError, type Schema, SelectorError, TimeError, validateObjectMeta,
} from './index.ts';

/** More with ORRERY_FUZZ_RUNS=10. A failure prints its seed. */
const numRuns = 300 * Number(process.env['ORRERY_FUZZ_RUNS'] ?? 1);
/** Nobody waits longer for an answer about three megabytes, however busy the machine. */
const patienceMs = 5_000;

/** Texts near what the parsers know, made of their pieces. */
const near = (...pieces: readonly string[]): fc.Arbitrary<string> => fc.array(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...pieces) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }) }), { maxLength: 14 }).map((parts) => parts.join(''));

/** Throws nothing but what a client may be answered with. */
function survives(run: () => unknown, ...coded: readonly (abstract new (...args: never[]) => Error)[]): void {
  try {
    run();
  } catch (error) {
    if (!coded.some((type) => error instanceof type)) throw error;
  }
}

const names = (value: string): unknown => [qualifiedName(value), ...(['dns1123Subdomain', 'dns1123Label', 'dns1035Label', 'pathSegment'] as const).flatMap((rule) => [checkName(rule, value), checkName(rule, value, { isPrefix: true })])];

describe('texts of any kind', () => {
  it.each<[string, fc.Arbitrary<string>, (text: string) => unknown, readonly (abstract new (...args: never[]) => Error)[]]>([
    ['JSON', near('{', '}', '[', ']', '"a"', ':', ',', 'null', 'true', 'fals', '-', '0', '1.5', '1e9', '\\u00', '"\\', ' ', '\ud800'), parseJson, [JsonSyntaxError]],
    ['quantities', near('1', '0', '.', '-', '+', 'e', 'E', 'Ki', 'm', 'n', 'k', '999999999999999999999', 'e-9'), (text) => formatQuantity(parseQuantity(text)), [QuantityError]],
    ['times', near('2024-01-31', 'T', '23:59:60', '.', '5', 'Z', '+25:00', '-00:01', '0000-00-00', ' '), (text) => [parseTime(text), parseTime(text, { micro: true })], [TimeError]],
    ['label selectors', near('a', 'x/y', ' in ', ' notin ', '(', ')', ',', '=', '==', '!=', '!', '>', '<', '1', ' ', '"'), parseLabelSelector, [SelectorError]],
    ['field selectors', near('a', 'metadata.name', '=', '==', '!=', ',', '\\', '\\=', ' '), parseFieldSelector, [SelectorError, StatusError]],
    ['continue tokens', fc.oneof(near('eyJ2IjoibWV0YS5rOHMuaW8vdjEi', 'e30', '=', '_', '-', '.'), fc.json().map((text) => Buffer.from(text).toString('base64url'))), decodeContinue, [StatusError]],
    ['versions', near('0', '1', '-', '.', '9999999999999999', ' ', 'x'), parseResourceVersion, [StatusError]],
    ['names', near('a', 'A', '-', '.', '/', '_', '0', '%', '..', 'x.y'), names, []],
  ])('%s', (_name, texts, parse, coded) => {
    fc.assert(fc.property(texts, (text) => survives(() => parse(text), ...coded)), { numRuns });
  });

  it('canonical quantities stay as they are', () => {
    fc.assert(
      fc.property(near('1', '0', '.', '-', 'e', 'Ki', 'm', 'k', 'e-9'), (text) =>
        survives(() => {
          const canonical = canonicalQuantity(text);
          expect(canonicalQuantity(canonical)).toBe(canonical);
        }, QuantityError),
      ),
      { numRuns },
    );
  });

  it('continue tokens come back as they were', () => {
    fc.assert(fc.property(fc.integer({ min: 1 }), fc.stringMatching(/^[a-z][a-z/]{0,20}$/), (resourceVersion, start) => {
      expect(decodeContinue(encodeContinue({ resourceVersion, start }))).toEqual({ resourceVersion, start });
    }), { numRuns });
  });
});

const keys = fc.constantFrom('a', 'b', 'list', 'f:a', '.', 'k:{"a":1}', 'v:1', 'i:0', '__proto__', 'constructor', '$patch', '$retainKeys', '$setElementOrder/list', '$deleteFromPrimitiveList/list');
const anyJson = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constantFrom(null, true, 0, -1, 1.5, '', 'x', 'delete', 'replace'), fc.array(tie('value'), { maxLength: 3 }), fc.array(fc.tuple(keys, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries))),
})).value;
const pointers = near('/', 'a', 'list', '~0', '~1', '~', '-', '0', '-1', '99999999999999999999', '');
const operations = fc.array(fc.oneof({ weight: 8, arbitrary: fc.record({ op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'), path: pointers, from: pointers, value: anyJson }, { requiredKeys: ['op'] }) }, { weight: 1, arbitrary: anyJson }), { maxLength: 6 });
const schema: Schema = { type: 'map', items: { type: 'json' }, atomic: false };

describe('values of any kind', () => {
  it('as patches, and nothing gets a prototype', () => {
    fc.assert(
      fc.property(anyJson, operations, anyJson, (target, patch, other) => {
        survives(() => applyJsonPatch(target, patch), PatchError);
        survives(() => applyJsonPatch(target, other), PatchError);
        applyMergePatch(target, other);
        survives(() => applyStrategicMergePatch(target, other, schema), PatchError);
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(({} as { a?: unknown }).a).toBeUndefined();
      }),
      { numRuns },
    );
  });

  it('as sets of fields', () => {
    fc.assert(
      fc.property(anyJson, (json) => {
        const set = decodeFieldSet(json);
        if (!set) return;
        const written = encodeFieldSet(set);
        expect(encodeFieldSet(decodeFieldSet(written) ?? {})).toEqual(written);
      }),
      { numRuns },
    );
  });
});

describe('as much as fits into a request is answered in time', () => {
  // A third of what a request may hold; selectors come in URLs, which hold less.
  const big = 1_000_000;
  const url = 100_000;
  const many = (item: (i: number) => unknown, count: number): unknown[] => Array.from({ length: count }, (_, i) => item(i));
  const listSchema: Schema = { type: 'object', definition: '', atomic: false, preserveUnknown: true, fields: new Map([['list', { name: 'list', schema: { type: 'list', listType: 'map', listKeys: ['k'], items: schema }, required: false, omitZero: false, patchStrategy: ['merge'], patchMergeKey: 'k', wirePath: [], wrapped: false }]]) } as never;

  it.each<[string, () => unknown]>([
    ['digits', () => formatQuantity(parseQuantity('9'.repeat(big)))],
    ['decimals', () => formatQuantity(parseQuantity(`1.${'9'.repeat(big)}`))],
    ['digits and something else', () => parseQuantity(`${'9'.repeat(big)}x`)],
    ['exponents', () => parseQuantity(`1e${'9'.repeat(big)}`)],
    ['suffixes', () => parseQuantity(`1${'e'.repeat(big)}x`)],
    ['fractions of seconds', () => parseTime(`2020-01-01T00:00:00.${'1'.repeat(big)}x`)],
    ['brackets', () => parseJson('['.repeat(big))],
    ['members', () => parseJson(`{${'"a":1,'.repeat(big / 6)}"a":1}`)],
    ['requirements', () => parseLabelSelector('a,'.repeat(url / 2))],
    ['values', () => parseLabelSelector(`a in (${'b,'.repeat(url / 2)}b)`)],
    ['fields', () => parseFieldSelector('a=b,'.repeat(url / 4))],
    ['names', () => names(`${'a.'.repeat(big / 2)}!`)],
    ['labels', () => validateObjectMeta({ name: 'a', labels: Object.fromEntries(many((i) => [`k${i}`, `${'v'.repeat(60)}!`], 10_000) as never) } as never, { namespaced: false, nameRule: 'dns1123Label' })],
    ['pointers', () => applyJsonPatch({}, [{ op: 'add', path: '/'.repeat(big), value: 1 }])],
    ['copies', () => applyJsonPatch({ a: Array(100_000).fill(0) }, many(() => ({ op: 'copy', from: '/a', path: '/b' }), 10_000))],
    ['copies of copies', () => applyJsonPatch({ a: 'x'.repeat(1000) }, many((i) => ({ op: 'copy', from: '', path: `/c${i}` }), 10_000))],
    ['items that merge', () => applyStrategicMergePatch({ list: many((i) => ({ k: `a${i}` }), 40_000) }, { list: many((i) => ({ k: `b${i}` }), 40_000) }, listSchema)],
    ['items that go', () => applyStrategicMergePatch({ list: many((i) => ({ k: `a${i}` }), 40_000) }, { list: many((i) => ({ k: `a${i}`, $patch: 'delete' }), 40_000) }, listSchema)],
    ['tokens', () => decodeContinue('a'.repeat(big))],
  ])('%s', (_name, run) => {
    const start = performance.now();
    survives(run, JsonSyntaxError, QuantityError, TimeError, SelectorError, StatusError, PatchError);
    expect(performance.now() - start).toBeLessThan(patienceMs);
  });
});
