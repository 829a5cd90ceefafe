import { describe, expect, it } from 'vitest';
import { ipFamily, isStrictSubset, parseCidr, specialAddressMessages } from './addresses.ts';
import { findProblems } from './field-path.ts';
import { checkLabelSelector, selectorMatches } from './label-selector.ts';
import { configMapKey, envVarName, percent, portName, wildcardSubdomain } from './names.ts';
import { semanticEqual } from '../equality.ts';

it.each([
  ['10.0.0.1', 4],
  ['010.0.0.1', undefined],
  ['256.0.0.1', undefined],
  ['::', 6],
  ['fd00::1', 6],
  ['::ffff:10.0.0.1', 6],
  ['1:2:3:4:5:6:7:8', 6],
  ['1:2:3:4:5:6:7', undefined],
  ['1::2::3', undefined],
  ['', undefined],
])('address %s is of family %s', (text, family) => expect(ipFamily(text)).toBe(family));

it('knows ranges', () => {
  const wide = parseCidr('10.0.0.0/8')!;
  expect(isStrictSubset(parseCidr('10.1.0.0/16')!, wide)).toBe(true);
  expect(isStrictSubset(wide, wide)).toBe(false);
  expect(isStrictSubset(parseCidr('11.0.0.0/16')!, wide)).toBe(false);
  expect([parseCidr('10.0.0.0/33'), parseCidr('10.0.0.0'), parseCidr('fd00::/108')?.prefix]).toEqual([undefined, undefined, 108]);
  expect(specialAddressMessages('169.254.1.1')).toEqual(['may not be in the link-local range (169.254.0.0/16, fe80::/10)']);
});

describe('strings', () => {
  it.each([
    [portName, 'http', []],
    [portName, 'a--b', ['must not contain consecutive hyphens']],
    [portName, '80', ['must contain at least one letter (a-z)']],
    [portName, 'much-too-long-name', ['must be no more than 15 bytes']],
    [percent, '25%', []],
    [configMapKey, '..', ["must not be '..'"]],
    [configMapKey, '..a', ["must not start with '..'"]],
    [envVarName, 'ANY thing', []],
    [envVarName, 'A=B', ["a valid environment variable name must consist only of printable ASCII characters other than '='"]],
    [wildcardSubdomain, '*.example.com', []],
  ])('%o of %s', (rule, value, expected) => expect(rule(value)).toEqual(expected));
});

it('checks and applies label selectors', () => {
  const selector = { matchLabels: { a: '1' }, matchExpressions: [{ key: 'b', operator: 'In', values: [] }, { key: 'c', operator: 'Near' }] };
  expect(findProblems((root) => checkLabelSelector(selector, root.child('spec').child('selector'))).map(({ field, message }) => `${field}: ${message}`)).toEqual([
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    'spec.selector.matchExpressions[1].operator: Invalid value: "Near": not a valid selector operator',
  ]);
  const notB = { matchExpressions: [{ key: 'b', operator: 'NotIn', values: ['x'] }] };
  expect([selectorMatches(notB, {}), selectorMatches(notB, { b: 'x' }), selectorMatches({ matchLabels: { a: '1' } }, { a: '1', b: '2' })]).toEqual([true, false, true]);
});

it('takes absent and empty for the same', () => {
  expect(semanticEqual({ a: [], b: 1 }, { b: 1, c: null })).toBe(true);
  expect(semanticEqual({ a: [1] }, { a: [2] })).toBe(false);
  expect(semanticEqual({ a: { b: 1 } }, { a: { b: 1, c: undefined } })).toBe(true);
});
