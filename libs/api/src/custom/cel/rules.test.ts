import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../json-schema.ts';
import { checkRuleExpressions } from './rule-expressions.ts';
import { checkRules } from './rules.ts';
import { findProblems } from '../../validation/field-path.ts';

const properties = {
  n: { type: 'integer' },
  max: { type: 'integer' },
  share: { type: 'number' },
  name: { type: 'string', maxLength: 63 },
  other: { type: 'string', maxLength: 63 },
  at: { type: 'string', format: 'date-time' },
  every: { type: 'string', format: 'duration' },
  on: { type: 'boolean' },
  'my-field': { type: 'string' },
  list: { type: 'array', maxItems: 8, items: { type: 'string', maxLength: 8 } },
  objects: { type: 'array', maxItems: 8, items: { type: 'object', properties: { k: { type: 'string', maxLength: 8 }, v: { type: 'integer' } } } },
  map: { type: 'object', maxProperties: 8, additionalProperties: { type: 'string', maxLength: 8 } },
  port: { 'x-kubernetes-int-or-string': true, maxLength: 8 },
};
const self = {
  n: 3, max: 5, share: 2, name: 'web-1', at: '2026-01-01T00:00:00Z', every: '90s', on: false, 'my-field': 'x', port: '80%',
  list: ['a', 'b'], objects: [{ k: 'a', v: 1 }, { k: 'b', v: 2 }], map: { x: 'y' },
};

const told = (rule: string, more: object = {}, old?: object): string[] => {
  const schema: JsonSchema = { type: 'object', properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': [{ rule, ...more }] } } };
  return checkRules({ spec: self }, schema, old && { spec: old }).map((error) => `${error.field}: ${error.message}`);
};

const judged = (schema: JsonSchema): string[] => findProblems((at) => checkRuleExpressions(schema, at), 'schema').map(({ field, message }) => `${field}: ${message}`);
/** Of a rule when its definition is made. */
const problems = (rule: string, more: object = {}): string[] => judged({ type: 'object', properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': [{ rule, ...more }] } } });

describe('rules', () => {
  it.each([
    'self.n <= self.max',
    'self.n / 2 == 1 && self.n % 2 == 1 && -self.n < 0',
    'self.share / 4.0 == 0.5 && self.share == 2.0 && self.share > 1',
    "self.name.startsWith('web') && self.name.endsWith(\"1\") && self.name.contains('-') && !self.name.matches('^[0-9]+$')",
    "self.name.size() == 5 && size(self.list) == 2 && self.list.size() > 0",
    "has(self.name) && !has(self.other)",
    "!has(self.other) || self.other == 'x'",
    "self.other == 'x' || self.on == false",
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
    "{'a': 1}['a'] == 1 && r'\\d' == '\\\\d' && \"\"\"x\"\"\" == 'x'",
    "int('5') + 1 == 6 && double('1.5') > 1.0 && string(self.n) == '3' // and so on",
  ])('%s', (rule) => expect([told(rule), problems(rule)]).toEqual([[], []]));

  it.each<[string, object, string]>([
    ['self.n > self.max', {}, 'spec: Invalid value: "object": failed rule: self.n > self.max'],
    ['self.n > self.max', { message: 'too few' }, 'spec: Invalid value: "object": too few'],
    ['self.n > 3', { messageExpression: "'n is ' + string(self.n)" }, 'spec: Invalid value: "object": n is 3'],
    ['self.n > 3', { message: 'no', reason: 'FieldValueForbidden', fieldPath: '.n' }, 'spec.n: Forbidden: no'],
    ['self.other > "x"', {}, 'spec: Invalid value: "object": no such key: other evaluating rule: self.other > "x"'],
    ['self.n / 0 == 1', {}, 'spec: Invalid value: "object": division by zero evaluating rule: self.n / 0 == 1'],
    ['self.other == "x"', { message: ' none ' }, 'spec: Invalid value: "object": no such key: other evaluating rule: none'],
    ['self.port > 3', {}, `spec: Invalid value: "object": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.port > 3`],
    ['self.n > 3', { message: 'no', fieldPath: "['my-field']" }, 'spec.my-field: Invalid value: "object": no'],
    ['self.n > 3', { message: 'no', fieldPath: ".map['a.b']", reason: 'FieldValueRequired' }, 'spec.map[a.b]: Required value: no'],
    ['self.n > 3', { message: 'no', messageExpression: "self.other + 'x'" }, 'spec: Invalid value: "object": no'],
    ['self.n > 3', { messageExpression: "' '" }, 'spec: Invalid value: "object": failed rule: self.n > 3'],
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
    expect(told(rule)).toEqual([`spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`]);
  });

  it('share a budget', () => {
    const rule = `${'[1,2,3,4,5,6,7,8,9,0].all(x, '.repeat(5)}self != ""${')'.repeat(5)}`;
    const schema: JsonSchema = { type: 'object', properties: { l: { type: 'array', items: { type: 'string', 'x-kubernetes-validations': [{ rule }] } } } };
    const errors = checkRules({ l: Array.from({ length: 40 }, (_, i) => String(i)) }, schema);
    expect(errors.map(({ message }) => message)).toEqual(['Invalid value: "string": validation failed due to running out of cost budget, no further validation rules will be run']);
  });

  it('let stand what an update does not touch, but not what compares', () => {
    const schema: JsonSchema = { type: 'object', properties: { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == "x"' }] }, b: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self != oldSelf' }] } } };
    expect(checkRules({ a: 'y', b: '1' }, schema, { a: 'y', b: '2' })).toEqual([]);
    expect(checkRules({ a: 'z', b: '1' }, schema, { a: 'y', b: '1' }).map(({ field }) => field)).toEqual(['a', 'b']);
  });

  it('compare and add up sets and maps of items as such', () => {
    const item = { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } };
    const spec = (rule: string): JsonSchema => ({
      type: 'object',
      properties: {
        set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
        map: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'], items: item },
      },
      'x-kubernetes-validations': [{ rule }],
    });
    const object = { set: ['a', 'b'], map: [{ k: 'a', v: 1 }, { k: 'b', v: 2 }] };
    const old = { set: ['b', 'a'], map: [{ k: 'b', v: 2 }, { k: 'a', v: 1 }] };
    const rules = [
      'self.set == oldSelf.set && self.map == oldSelf.map',
      "['b', 'a'] == self.set && !(['b', 'a', 'a'] == self.set)",
      "(self.set + ['b', 'c']).size() == 3 && (self.set + ['c']) == ['c', 'b', 'a']",
      '(self.map + oldSelf.map).size() == 2 && (self.map + [self.map[0]]) == oldSelf.map',
    ];
    for (const rule of rules) expect(checkRules(object, spec(rule), old), rule).toEqual([]);
  });

  it('find what an item was by its key', () => {
    const items = { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } }, 'x-kubernetes-validations': [{ rule: 'self.v >= oldSelf.v' }] };
    const schema: JsonSchema = { type: 'object', properties: { l: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'], items } } };
    expect(checkRules({ l: [{ k: 'b', v: 1 }, { k: 'a', v: 1 }, { k: 'c', v: 0 }] }, schema, { l: [{ k: 'a', v: 2 }, { k: 'b', v: 1 }] }).map(({ field }) => field)).toEqual(['l[1]']);
  });
});

const at = 'schema.properties[spec].x-kubernetes-validations[0]';
const value = (rule: string, more: object = {}): string => `Invalid value: ${JSON.stringify({ Rule: rule, Message: '', MessageExpression: '', Reason: null, FieldPath: '', OptionalOldSelf: null, ...more })}`;
const budget = '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';

describe('a definition', () => {
  it.each<[string, object, readonly string[]]>([
    ['self.', {}, [`${at}.rule: ${value('self.')}: compilation failed: ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting IDENTIFIER\n | self.\n | .....^`]],
    ['self.x == 1', {}, [`${at}.rule: ${value('self.x == 1')}: compilation failed: ERROR: <input>:1:5: undefined field 'x'\n | self.x == 1\n | ....^`]],
    ['self.n', {}, [`${at}.rule: ${value('self.n')}: cel expression must evaluate to a bool`]],
    ['true', { messageExpression: 'self.n' }, [`${at}.messageExpression: ${value('true', { MessageExpression: 'self.n' })}: messageExpression must evaluate to a string`]],
    ['self.n == oldSelf.n', { optionalOldSelf: true }, [`${at}.rule: ${value('self.n == oldSelf.n', { OptionalOldSelf: true })}: compilation failed: ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, optional_type(int))'\n | self.n == oldSelf.n\n | .......^`]],
  ])('%s %j', (rule, more, wanted) => expect(problems(rule, more)).toEqual(wanted));

  it('may not ask too much', () => {
    const text = { type: 'string' };
    const list: JsonSchema = { type: 'array', items: text, 'x-kubernetes-validations': [{ rule: 'self.all(a, self.all(b, a == b))' }] };
    expect(judged({ type: 'object', properties: { spec: list } })).toEqual([
      `${at}.rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${budget}`,
      `${at}.rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
      `schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x ${budget}`,
    ]);
    expect(judged({ type: 'object', properties: { spec: { ...list, maxItems: 10, items: { ...text, maxLength: 10 } } } })).toEqual([]);
  });

  it('may make its messages of texts of known size only', () => {
    expect(problems('true', { messageExpression: "'n (' + string(self.n) + ')'" })[0]).toBe(`${at}.messageExpression: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x ${budget}`);
    expect(problems('true', { messageExpression: "'n (%d)'.format([self.n])" })).toEqual([]);
  });

  it('counts how often a rule may run', () => {
    const rules = { 'x-kubernetes-validations': [{ rule: 'self.contains("abcdefghij")' }] };
    const inList = (size: object): string[] => judged({ type: 'object', properties: { l: { type: 'array', ...size, items: { type: 'string', maxLength: 4000, ...rules } } } });
    expect(inList({ maxItems: 100 })).toEqual([]);
    expect(inList({ maxItems: 10_000 })[0]).toBe(`schema.properties[l].items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 1.6x ${budget}`);
    expect(inList({})[0]).toContain('more than 100x');
  });

  it('has defaults that its rules hold of', () => {
    const inner = { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self > 0 && self == oldSelf', message: 'too small' }] };
    const spec = { type: 'object', properties: { a: inner }, default: { a: 0 } };
    expect(judged({ type: 'object', properties: { spec } })).toEqual(['schema.properties[spec].default.a: Invalid value: "integer": too small']);
    expect(judged({ type: 'object', properties: { spec: { ...spec, default: { a: 1 } } } })).toEqual([]);
  });

  it('cannot compare what cannot be told apart', () => {
    const items = { type: 'object', properties: { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] } } };
    expect(judged({ type: 'object', properties: { l: { type: 'array', maxItems: 1, items } } })).toEqual([
      'schema.properties[l].items.properties[a].x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[l]',
    ]);
  });
});
