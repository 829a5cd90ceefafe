import { describe, expect, it } from 'vitest';
import { outcome } from './testing/environment.ts';

describe('true are', () => {
  it.each([
    // Literals.
    "0x1F == 31 && 1e3 == 1000.0 && .5 == 0.5 && 18446744073709551615u > 1u && -9223372036854775808 < 0",
    `'a\\tb' == "a\\u0009b" && r'\\d' == '\\\\d' && """x"y""" == 'x"y' && '\\x41\\101\\U0001F600' == 'AA😀'`,
    `b'abc' == bytes('abc') && b'\\xff'.size() == 1 && b'ÿ'.size() == 2 && rb'\\x'.size() == 2 && '''a
b''' == 'a\\nb'`,
    'true // and so on',
    // Numbers.
    '7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1 && 7u % 4u == 3u && 1.0 / 0.0 > 1e308',
    'dyn(1) == dyn(1.0) && dyn(1) == dyn(1u) && dyn(1) != dyn("1") && 1 < 1.5 && 2u > 1 && 9007199254740993 > 9007199254740992.0',
    'double("NaN") != double("NaN") && !(double("NaN") < 1.0) && int(-1.9) == -1 && uint(3.9) == 3u && double(3) == 3.0',
    "string(1.5) == '1.5' && string(1000000.0) == '1e+06' && string(0.00001) == '1e-05' && string(123456.0) == '123456' && string(-0.5) == '-0.5' && string(1u) == '1'",
    'int("-5") == -5 && uint("5") == 5u && double("1e2") == 100.0 && bool("T") && !bool("0") && int(timestamp("1970-01-01T00:00:10Z")) == 10',
    // Texts by code points.
    "size('ü😀') == 2 && 'a😀b'.charAt(1) == '😀' && 'a😀b'.indexOf('b') == 2 && 'a😀b'.substring(1, 2) == '😀' && '😀' > '\\uffff'",
    "'abab'.lastIndexOf('ab') == 2 && 'abab'.lastIndexOf('ab', 1) == 0 && 'abc'.indexOf('c', 3) == -1 && 'abc'.indexOf('') == 0 && 'abc'.lastIndexOf('') == 3",
    "'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'a,b'.split(',', 0) == [] && 'abc'.split('') == ['a', 'b', 'c'] && ['a', 'b'].join('-') == 'a-b' && ['a'].join() == 'a'",
    "'hello'.replace('l', 'L', 1) == 'heLlo' && 'ab'.replace('', '-') == '-a-b-' && 'ab'.replace('', '-', 1) == '-ab' && ' \\t x\\n'.trim() == 'x' && 'aÄ'.upperAscii() == 'AÄ'",
    "'%s %d %.1f %e %b %x %X %o %%'.format([dyn('a'), 5, 1.35, 1200.0, 5, 255, 'hi', 8]) == 'a 5 1.4 1.200000e+03 101 ff 6869 10 %'",
    "'%s|%s|%s'.format([dyn([dyn(1), 'a', true, null]), dyn({'b': dyn(1.0), 'a': duration('1s')}), type(1)]) == '[1, a, true, null]|{a: 1s, b: 1}|int'",
    `strings.quote('a"b\\n') == '"a\\\\"b\\\\n"'`,
    // Lists and maps.
    "[1, 2] + [3] == [1, 2, 3] && ([1] + [2])[1] == 2 && 2 in [1, 2] && 'a' in {'a': 1} && !(1 in {2: 1}) && {1: 'x'}[1] == 'x' && dyn({1: 'x'})[1.0] == 'x'",
    "self.ints.sum() == 6 && self.ints.min() == 1 && self.ints.max() == 3 && !self.ints.isSorted() && [1, 1].isSorted() && [].sum() == 0 && self.list.indexOf('b') == 1 && [1, 2, 1].lastIndexOf(1) == 2",
    'sets.contains([1, 2], [1]) && sets.equivalent([1, 1], [1]) && sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [])',
    '[1, 2].first().value() == 1 && [1, 2].last() == optional.of(2) && !dyn([]).first().hasValue()',
    "[1, 2, 3].slice(1, 2) == [2] && [[1], [2, 3]].flatten() == [1, 2, 3] && [dyn(1), [dyn(2), [3]]].flatten(2) == [1, 2, 3] && lists.range(3) == [0, 1, 2] && lists.range(0) == [] && [3, 1, 2].sort() == [1, 2, 3]",
    "['b', 'a', 'b'].distinct() == ['b', 'a'] && [dyn(1), 1.0, 2].distinct() == [1, 2] && [1, 2].reverse() == [2, 1] && self.items.sortBy(i, -i.v).map(i, i.k) == ['b', 'a'] && ['bb', 'a'].sortBy(s, s.size()) == ['a', 'bb']",
    // Macros.
    'self.items.all(i, i.v > 0) && self.items.exists(i, i.k == "b") && self.items.exists_one(i, i.v == 1) && self.items.map(i, i.v > 1, i.k) == ["b"] && self.items.filter(i, i.v > 1).size() == 1',
    'self.map.all(k, self.map[k] != "") && has(self.n) && has(self.map.x) && !has(self.map.z) && !has(object.spec.other)',
    "[1, 2].transformList(i, v, v > 1, i) == [1] && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2} && {'a': 1}.transformMapEntry(k, v, {v: k}) == {1: 'a'} && [5].exists(i, v, i == 0 && v == 5) && [5].existsOne(i, v, v == 5) && {'a': 1}.all(k, v, v == 1)",
    // Errors give way to what decides.
    'true || 1 / 0 == 1', '1 / 0 == 1 || true', '!(false && 1 / 0 == 1)', '[0, 1].exists(x, 1 / x == 1)', '![0, 1].all(x, 1 / x == 2)', 'object.missing == 1 || object.spec.replicas == 3',
    // Times.
    "timestamp('2026-01-01T00:00:00Z') + duration('1h') == timestamp('2026-01-01T01:00:00Z') && timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z') == duration('24h')",
    "self.at.getFullYear() == 2026 && self.at.getMonth() == 0 && self.at.getDate() == 2 && self.at.getDayOfMonth() == 1 && self.at.getDayOfWeek() == 5 && self.at.getDayOfYear() == 1 && self.at.getMilliseconds() == 678",
    "self.at.getHours('+02:00') == 5 && self.at.getHours('America/New_York') == 22 && self.at.getDate('America/New_York') == 1",
    "self.every.getHours() == 1 && self.every.getMinutes() == 90 && duration('1.5s').getMilliseconds() == 500 && string(duration('1h0.5s')) == '3600.5s' && duration('-1m') < duration('0') && string(self.at) == '2026-01-02T03:04:05.678Z'",
    "timestamp(0) == timestamp('1970-01-01T01:00:00+01:00') && self.bytes == b'hi' && string(b'hi') == 'hi'",
    // Types.
    "type(1) == int && type(1u) == uint && type('') == string && type(null) == null_type && type([]) == list && type({}) == map && type(type(1)) == type && type(self.at) == google.protobuf.Timestamp && type(self.any) == string",
    // Optionals.
    "object.spec.?other.orValue('x') == 'x' && object.?spec.replicas.value() == 3 && object.spec[?'other'].hasValue() == false && [1][?5] == optional.none() && self.?s.optMap(s, s + '!').value() == 'web-1!'",
    "optional.of(1).or(optional.of(2)).value() == 1 && optional.none().or(optional.of(2)).value() == 2 && optional.ofNonZeroValue('').hasValue() == false && optional.of(1).optFlatMap(x, optional.none()).hasValue() == false",
    "[?optional.none(), ?optional.of(1), 2] == [1, 2] && {?'a': optional.none(), 'b': 2} == {'b': 2} && [optional.of(1), optional.none()].unwrapOpt() == [1]",
    'object.spec.nothing == null && null == null && self.x == 2.0 && object.spec.ratio == 0.5 && object.spec.replicas + 1 == 4',
  ])('%s', (source) => expect(outcome(source)).toBe(true));
});

it.each<[string, string]>([
  ['9223372036854775807 + 1 > 0', 'integer overflow'],
  ['-(-9223372036854775808) > 0', 'integer overflow'],
  ['5u - 6u > 0u', 'unsigned integer overflow'],
  ['1 / 0 > 0', 'division by zero'],
  ['1 % 0 > 0', 'modulus by zero'],
  ['int(1e19) > 0', 'integer overflow'],
  ["int('x') > 0", "type conversion error from 'string' to 'int'"],
  ["timestamp(self.s) == self.at", "type conversion error from 'string' to 'google.protobuf.Timestamp'"],
  ['object.spec.other == 1', 'no such key: other'],
  ['self.list[2] == ""', 'index out of bounds: 2'],
  ["self.map['q'] == ''", 'no such key: q'],
  ['object.spec.names > 1', 'no such overload'],
  ["object.spec.replicas.startsWith('a')", 'no such overload: startsWith(int, string)'],
  ['object.spec.replicas && true', 'no such overload'],
  ['[1].min() > 0 && [].min() > 0', 'min called on empty list'],
  ["'abc'.charAt(4) == ''", 'index out of range: 4'],
  ["'abc'.substring(2, 1) == ''", 'invalid substring range. start: 2, end: 1'],
  ['object.spec.names.sum() == 1', 'no such overload'],
  ['[dyn(1), 1.5].sum() == 2', 'no such overload'],
  ['[1].slice(0, 2) == []', 'cannot slice(0, 2), list is length 1'],
  ['[dyn(1), "a"].sort() == []', 'list elements must have the same type'],
  ['optional.none().value() == 1', 'optional.none() dereference'],
  ["self.s.matches('(' + '')", 'error parsing regexp: missing closing ): `(`'],
  ['timestamp("9999-12-31T23:59:59Z") + duration("1h") > timestamp(0)', 'timestamp overflow'],
  ['quantity(self.s) == quantity("1")', "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
])('%s runs into: %s', (source, message) => expect(outcome(source)).toBe(`runtime: ${message}`));

describe('a value that is the same many times over', () => {
  const doubling = (start: string, body: string, times: number): string => `optional.of(${start})${`.optMap(a, ${body})`.repeat(times)}.value()`;

  it.each([
    `${doubling("'x'", 'a + a', 40)} == ''`,
    `${doubling('[1]', 'a + a', 100)}.all(x, x == 1)`,
    `${doubling('[1]', 'a + a', 100)}.sum() == 1`,
    `${doubling('dyn([1])', 'dyn([a, a])', 60)} == ${doubling('dyn([1])', 'dyn([a, a])', 60)}`,
    `'%s'.format([${doubling('dyn([1])', 'dyn([a, a])', 60)}]) == ''`,
    `${doubling('dyn([1])', 'dyn([a, a])', 60)}.isSorted()`,
  ])('is not gone through: %.60s', (source) => expect(outcome(source)).toMatch(/^(?:cost: operation cancelled: actual cost limit exceeded|runtime: (?:operation interrupted|no such overload.*))$/));

  it('is no type', () => expect(outcome(`[1]${'.map(a, {a: a})'.repeat(60)} == []`)).toContain('types are too complex'));
});
