import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../json-schema.ts';
import { checkRules, ruleProblem, skippedRules } from './rules.ts';

const properties = {
  n: { type: 'integer' },
  max: { type: 'integer' },
  share: { type: 'number' },
  name: { type: 'string' },
  at: { type: 'string', format: 'date-time' },
  every: { type: 'string', format: 'duration' },
  on: { type: 'boolean' },
  'my-field': { type: 'string' },
  list: { type: 'array', items: { type: 'string' } },
  objects: { type: 'array', items: { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } } },
  map: { type: 'object', additionalProperties: { type: 'string' } },
  port: { 'x-kubernetes-int-or-string': true },
};
const self = {
  n: 3, max: 5, share: 2, name: 'web-1', at: '2026-01-01T00:00:00Z', every: '90s', on: false, 'my-field': 'x', port: '80%',
  list: ['a', 'b'], objects: [{ k: 'a', v: 1 }, { k: 'b', v: 2 }], map: { x: 'y' },
};

const told = (rule: string, more: object = {}, old?: object): string[] => {
  const schema: JsonSchema = { type: 'object', properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': [{ rule, ...more }] } } };
  return checkRules({ spec: self }, schema, old && { spec: old }).map((error) => `${error.field}: ${error.message}`);
};

describe('rules', () => {
  it.each([
    'self.n <= self.max',
    'self.n / 2 == 1 && self.n % 2 == 1 && -self.n < 0',
    'self.share / 4.0 == 0.5 && self.share == 2.0 && self.share > 1',
    "self.name.startsWith('web') && self.name.endsWith(\"1\") && self.name.contains('-') && !self.name.matches('^[0-9]+$')",
    "self.name.size() == 5 && size(self.list) == 2 && self.list.size() > 0",
    "has(self.name) && !has(self.other)",
    "!has(self.other) || self.other == 'x'",
    "self.missing == 'x' || self.on == false",
    "self.list.all(x, x in ['a', 'b', 'c']) && self.list.exists(x, x == 'a') && self.list.exists_one(x, x == 'b')",
    "self.objects.filter(o, o.v > 1).map(o, o.k) == ['b'] && self.objects.map(o, o.v > 1, o.k) == ['b']",
    "self.map.all(k, self.map[k] != '') && 'x' in self.map && !('z' in self.map)",
    "self.objects.all(a, self.objects.exists_one(b, b.k == a.k))",
    "self.my__dash__field == 'x'",
    "self.on ? self.n > 100 : self.n == 3",
    "type(self.port) == string ? self.port.endsWith('%') : self.port > 0",
    "self.at < timestamp('2026-01-02T00:00:00Z') && self.at.getFullYear() == 2026",
    "self.every == duration('1m30s') && self.every < duration('1h') && self.every.getSeconds() == 90",
    "quantity('1Gi').isGreaterThan(quantity('500Mi')) && isQuantity('1k') && !isQuantity('x')",
    "self.?other.orValue('none') == 'none' && self.?name.hasValue() && optional.of(1).value() == 1",
    "self.name.split('-')[1] == '1' && self.name.replace('web', 'db') == 'db-1' && self.name.substring(0, 3) == 'web' && self.list.join(',') == 'a,b'",
    "self.name.lowerAscii().upperAscii() == 'WEB-1' && ' x '.trim() == 'x' && self.name.indexOf('-') == 3 && self.name.find('[0-9]') == '1'",
    "self.list.isSorted() && [3, 1].min() == 1 && [1, 2].sum() == 3 && sets.contains(self.list, ['a'])",
    "isURL('https://a.b:80/c') && url('https://a.b:81/c').getHost() == 'a.b:81'",
    "{'a': 1}['a'] == 1 && [1, 2.0] == [1.0, 2] && r'\\d' == '\\\\d' && \"\"\"x\"\"\" == 'x'",
    "int('5') + 1 == 6 && double('1.5') > 1.0 && string(self.n) + 'x' == '3x' // and so on",
  ])('%s', (rule) => expect([told(rule), ruleProblem(rule)]).toEqual([[], undefined]));

  it.each<[string, object, string]>([
    ['self.n > self.max', {}, 'spec: Invalid value: "object": failed rule: self.n > self.max'],
    ['self.n > self.max', { message: 'too few' }, 'spec: Invalid value: "object": too few'],
    ['self.n > 3', { messageExpression: "'n is ' + string(self.n)" }, 'spec: Invalid value: "object": n is 3'],
    ['self.n > 3', { message: 'no', reason: 'FieldValueForbidden', fieldPath: '.n' }, 'spec.n: Forbidden: no'],
    ['self.other > 3', {}, 'spec: Invalid value: "object": no such key: other evaluating rule: self.other > 3'],
    ['self.n / 0 == 1', {}, 'spec: Invalid value: "object": division by zero evaluating rule: self.n / 0 == 1'],
    ["self.n == 'x' || self.name > 3", {}, "spec: Invalid value: \"object\": no such overload evaluating rule: self.n == 'x' || self.name > 3"],
  ])('%s %j', (rule, more, message) => expect(told(rule, more)).toEqual([message]));

  it('compare with what was', () => {
    const rule = 'self.n >= oldSelf.n';
    expect(told(rule)).toEqual([]);
    expect(told(rule, {}, { ...self, n: 2 })).toEqual([]);
    expect(told(rule, {}, { ...self, n: 4 })).toEqual([`spec: Invalid value: "object": failed rule: ${rule}`]);
    expect(told('oldSelf.hasValue() || self.n == 3', { optionalOldSelf: true })).toEqual([]);
  });

  it('stand anywhere in a schema, and let the unchanged be', () => {
    const schema: JsonSchema = { type: 'object', properties: { l: { type: 'array', items: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self != "bad"' }] } }, m: { type: 'object', additionalProperties: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self > 0' }] } } } };
    const object = { l: ['ok', 'bad'], m: { a: 0 } };
    expect(checkRules(object, schema).map(({ field }) => field)).toEqual(['l[1]', 'm[a]']);
    expect(checkRules(object, schema, object)).toEqual([]);
  });

  it('of the whole object see its name', () => {
    const schema: JsonSchema = { type: 'object', 'x-kubernetes-validations': [{ rule: "self.metadata.name == 'main'", message: 'must be main' }] };
    expect(checkRules({ metadata: { name: 'x' } }, schema).map(({ field, message }) => [field, message])).toEqual([['<nil>', 'Invalid value: "object": must be main']]);
    expect(checkRules({ metadata: { name: 'main' } }, schema)).toEqual([]);
  });

  it('cannot go on for ever', () => {
    const rule = `${'[1,2,3,4,5,6,7,8,9,0].all(x, '.repeat(7)}true${')'.repeat(7)}`;
    expect(told(rule)[0]).toContain('cost limit exceeded');
  });
});

it.each<[string, string]>([
  ["cidr('10.0.0.0/8').containsIP('10.0.0.1')", 'the function containsIP is not known'],
  ['self.constructor()', 'the function constructor is not known'],
  ['size(other) > 0', 'the name other is not known'],
  ['self.n >', 'expected a name, found the end'],
  ["self.x == b'abc'", 'bytes literals are not supported'],
])('%s is not evaluated', (rule, why) => {
  expect(ruleProblem(rule)).toBe(why);
  expect(skippedRules({ properties: { a: { 'x-kubernetes-validations': [{ rule }] } } })).toEqual([{ rule, why }]);
});
