import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExactly } from './integers.ts';
import { parseJson } from './parse-json.ts';

describe('parseJson', () => {
  it.each([
    ['', 'unexpected end of JSON input'],
    ['{', 'unexpected end of JSON input'],
    ['x', "invalid character 'x' looking for beginning of value"],
    ['{a', "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
    ['[1 2]', "invalid character '2' after array element"],
    ['{"a":1}}', "invalid character '}' after top-level value"],
    ['[01]', "invalid character '1' after array element"],
    ['[1.]', "invalid character ']' after decimal point in numeric literal"],
    ['nul', 'unexpected end of JSON input'],
    ['nulx', "invalid character 'x' in literal null (expecting 'l')"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\n"', "invalid character '\\n' in string literal"],
    [`{'a':1}`, "invalid character '\\'' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ])('%j: %s', (text, message) => {
    expect(() => parseJson(text)).toThrow(message);
  });

  it('finds duplicates and keeps the last', () => {
    const { value, duplicates } = parseJson('{"a":{"b":1,"b":2},"c":[{"d":1,"d":{}}], "e:\\"": ":"}');
    expect(value).toEqual({ a: { b: 2 }, c: [{ d: {} }], 'e:"': ':' });
    expect([...duplicates.values()]).toEqual([[['b', 1], ['b', 2]], [['d', 1], ['d', {}]]]);
  });

  it('bounds depth', () => {
    expect(() => parseJson('['.repeat(200_000) + ']'.repeat(200_000))).toThrow('exceeded max depth');
    expect(() => parseJson('['.repeat(200_000))).toThrow('exceeded max depth');
  });

  it('agrees with JSON.parse', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.parse(JSON.stringify(parseJson(text).value))).toEqual(JSON.parse(text));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '1', 'a', '\\', ' ', 'e', '-') }), (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parseJson(text)).toThrow();
          return;
        }
        expect(parseJson(text).value).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9223372036854775808', 9223372036854775808],
    ['1152921504606846976', 1152921504606846976n],
    ['1.0', 1],
    ['100e-2', 1],
  ])('reads %s', (text, value) => {
    const parsed = parseJson(`{"a":[${text}]}`);
    expect(parsed.value).toEqual({ a: [value] });
    expect(parsed.literals?.size ?? 0).toBe(String(value) === text ? 0 : 1);
    expect(parseExactly(`{"a":[${text}]}`)).toEqual(parsed.value);
    if (typeof value === 'bigint') expect(JSON.stringify({ value })).toBe(`{"value":${text}}`);
  });

  it('takes exponents, but no number that is none', () => {
    expect(parseJson('{"a":[1e2,-1.5E-1,true,false],"e":"1e999"}').value).toEqual({ a: [100, -0.15, true, false], e: '1e999' });
    expect(() => parseJson('{"a":[1e999]}')).toThrow('json: cannot unmarshal number 1e999 into Go value of type float64');
  });
});
