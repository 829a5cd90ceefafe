import { describe, expect, it } from 'vitest';
import { checkFieldsSupported, parseFieldSelector, requiredFieldValue } from './field-selector.ts';
import { parseLabelSelector } from './label-parser.ts';
import { formatSelector, selectorFromObject } from './label-selector.ts';

describe('label selectors', () => {
  it.each([
    ['', {}, true], ['a=b', { a: 'b' }, true], ['a=b', { a: 'c' }, false], ['a==b', { a: 'b' }, true], ['a!=b', {}, true], ['a!=b', { a: 'b' }, false],
    ['a', { a: '' }, true], ['!a', {}, true], ['!a', { a: '' }, false], ['a in (b,c)', { a: 'c' }, true], ['a in (b,c)', {}, false], ['a notin (b)', {}, true],
    ['a>1', { a: '2' }, true], ['a<1', { a: '2' }, false], ['a=,b=c', { a: '', b: 'c' }, true], ['a in (,b)', { a: '' }, true], ['in=in', { in: 'in' }, true],
    ['x.io/a = b , c', { 'x.io/a': 'b', c: '' }, true], ['constructor', {}, false], ['a in (b,)', { a: '' }, true],
  ] as [string, Record<string, string>, boolean][])('%s on %j: %s', (text, labels, expected) => {
    expect(parseLabelSelector(text).matches(labels)).toBe(expected);
  });

  it.each([
    ['a=b,', "found '', expected: identifier after ','"],
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a in ()', "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"],
    ['a=b=c', "found '=', expected: ',' or 'end of string'"],
    ['a>x', `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    ['a=b!', "found '!', expected: ',' or 'end of string'"],
  ])('%s is refused: %s', (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(message);
  });

  it('refuses bad keys and values in upstream words', () => {
    expect(() => parseLabelSelector('-a=b')).toThrow(/^unable to parse requirement: key: Invalid value: "-a": name part must consist of alphanumeric/);
    expect(() => parseLabelSelector('a=b@')).toThrow(/^unable to parse requirement: values\[0\]\[a\]: Invalid value: "b@": a valid label must be an empty string/);
  });

  it('reads selector objects', () => {
    const selector = selectorFromObject({ matchLabels: { b: '1' }, matchExpressions: [{ key: 'a', operator: 'In', values: ['y', 'x'] }, { key: 'c', operator: 'DoesNotExist' }] });
    expect(formatSelector(selector)).toBe('a in (x,y),b=1,!c');
    expect(selectorFromObject(undefined).matches({})).toBe(false);
    expect(selectorFromObject({}).matches({ a: 'b' })).toBe(true);
    expect(() => selectorFromObject({ matchExpressions: [{ key: 'a', operator: 'Nope' }] })).toThrow('"Nope" is not a valid label selector operator');
  });
});

describe('field selectors', () => {
  it('parses, matches and unescapes', () => {
    const selector = parseFieldSelector('spec.nodeName=n1,status.phase!=Failed,');
    expect(selector.matches({ 'spec.nodeName': 'n1', 'status.phase': 'Running' })).toBe(true);
    expect(selector.matches({ 'spec.nodeName': 'n1', 'status.phase': 'Failed' })).toBe(false);
    expect(requiredFieldValue(selector, 'spec.nodeName')).toBe('n1');
    expect(parseFieldSelector('a=b\\,c\\=d').matches({ a: 'b,c=d' })).toBe(true);
    expect(parseFieldSelector('a=').matches({})).toBe(true);
  });

  it('refuses in upstream words', () => {
    expect(() => parseFieldSelector('abc')).toThrow("invalid selector: 'abc'; can't understand 'abc'");
    expect(() => parseFieldSelector('a=b\\x')).toThrow('invalid field selector: invalid escape sequence: \\x');
    expect(() => checkFieldsSupported(parseFieldSelector('spec.x=1'), ['spec.nodeName'])).toThrow('field label not supported: spec.x');
    expect(() => checkFieldsSupported(parseFieldSelector('spec.x=1'), [])).toThrow('"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"');
  });
});
