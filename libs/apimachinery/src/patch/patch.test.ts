import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deepFreeze } from '../equality.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch, makeMergePatch } from './merge-patch.ts';

describe('JSON patch', () => {
  it.each([
    [{ a: 1 }, [{ op: 'add', path: '/b', value: [1] }, { op: 'add', path: '/b/-', value: 2 }, { op: 'add', path: '/b/0', value: 0 }], { a: 1, b: [0, 1, 2] }],
    [{ a: { b: 1 } }, [{ op: 'move', from: '/a/b', path: '/c' }, { op: 'copy', from: '/c', path: '/d' }], { a: {}, c: 1, d: 1 }],
    [{ 'a/b': 1, 'c~d': 2 }, [{ op: 'remove', path: '/a~1b' }, { op: 'test', path: '/c~0d', value: 2 }], { 'c~d': 2 }],
    [{ a: [1, 2] }, [{ op: 'replace', path: '/a/1', value: 3 }, { op: 'remove', path: '/a/0' }], { a: [3] }],
    [{ a: 1 }, [{ op: 'replace', path: '/b', value: 3 }], { a: 1, b: 3 }],
    [{ a: 1 }, [{ op: 'test', path: '/b', value: null }], { a: 1 }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-1', value: 9 }], { a: [1, 9] }],
  ])('%j %j', (target, patch, expected) => {
    expect(applyJsonPatch(deepFreeze(target), patch)).toEqual(expected);
  });

  it.each([
    [{}, 'inapplicable', [{ op: 'remove', path: '/x' }], "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"],
    [{}, 'inapplicable', [{ op: 'add', path: '/x/y', value: 1 }], 'add operation does not apply: doc is missing path: "/x/y": missing value'],
    [{}, 'inapplicable', [{ op: 'replace', path: '/x/y', value: 1 }], 'replace operation does not apply: doc is missing path: /x/y: missing value'],
    [{ a: 1 }, 'inapplicable', [{ op: 'test', path: '/a', value: 2 }], 'testing value /a failed: test failed'],
    [{ a: [] }, 'inapplicable', [{ op: 'remove', path: '/a/3' }], "error in remove for path: '/a/3': Unable to access invalid index: 3: invalid index referenced"],
    [{ a: [] }, 'inapplicable', [{ op: 'add', path: '/a/x', value: 1 }], `error in add for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax`],
    [{}, 'inapplicable', [{ op: 'nope', path: '/a' }], 'Unexpected kind: nope'],
    [{}, 'malformed', {}, 'json: cannot unmarshal object into Go value of type jsonpatch.Patch'],
    [{}, 'tooLarge', Array.from({ length: 10001 }, () => ({ op: 'test', path: '/a' })), 'The allowed maximum operations in a JSON patch is 10000, got 10001'],
  ])('%j %s: %s', (target, kind, patch, message) => {
    expect(() => applyJsonPatch(target, patch)).toThrow(expect.objectContaining({ kind, message }) as Error);
  });
});

describe('merge patch', () => {
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }], [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }], [{ a: 'b' }, { a: null }, {}], [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }], [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }], [['a'], ['c'], ['c']],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }], [[1, 2], { a: 'b', c: null }, { a: 'b' }], [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j %j', (target, patch, expected) => {
    expect(applyMergePatch(deepFreeze(target), deepFreeze(patch))).toEqual(expected);
  });

  const value = fc.letrec((tie) => ({
    json: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 2 }), fc.dictionary(fc.string({ maxLength: 2 }), tie('json'), { maxKeys: 4, noNullPrototype: true })),
  })).json;

  it('is idempotent, and makes what it takes', () => {
    fc.assert(
      fc.property(value, value, (from, to) => {
        const patch = makeMergePatch(from, to);
        const once = patch === undefined ? from : applyMergePatch(from, patch);
        expect(once).toEqual(to);
        if (patch !== undefined) expect(applyMergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});
