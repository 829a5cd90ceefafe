import { describe, expect, it } from 'vitest';
import { compareVersions } from './custom-kind.ts';
import { applySchemaDefaults } from './defaulting.ts';
import type { JsonSchema } from './json-schema.ts';
import { customJudge } from './judge.ts';

const told = (schema: JsonSchema, value: unknown, old?: unknown): string[] => {
  const whole: JsonSchema = { type: 'object', properties: { x: schema } };
  return customJudge(whole, undefined)({ x: value }, old === undefined ? undefined : { x: old }).map((e) => `${e.field}: ${e.message}`);
};

describe('a value is judged in the words of the original', () => {
  it.each<[JsonSchema, unknown, string[]]>([
    [{ type: 'integer' }, 1, []],
    [{ type: 'integer' }, 'a', ['x: Invalid value: "string": x in body must be of type integer: "string"']],
    [{ type: 'integer' }, 1.5, ['x: Invalid value: "number": x in body must be of type integer: "number"']],
    [{ type: 'number' }, 1, []],
    [{ type: 'string' }, null, ['x: Invalid value: "null": x in body must be of type string: "null"']],
    [{ type: 'string', nullable: true }, null, []],
    [{ type: 'object' }, [], ['x: Invalid value: "array": x in body must be of type object: "array"']],
    [{ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }, '50%', []],
    [{ 'x-kubernetes-int-or-string': true }, true, ['x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"']],
    [{ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }, true, ['x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"', '<nil>: Invalid value: "": "x" must validate at least one schema (anyOf)', 'x: Invalid value: "boolean": x in body must be of type integer: "boolean"']],
    [{ type: 'string', enum: ['a', 'b'] }, 'c', ['x: Unsupported value: "c": supported values: "a", "b"']],
    [{ type: 'integer', enum: [1, 2] }, 3, ['x: Unsupported value: 3: supported values: "1", "2"']],
    [{ type: 'string', maxLength: 2 }, 'äöü', ['x: Too long: may not be more than 2 bytes']],
    [{ type: 'string', minLength: 1 }, '', ['x: Invalid value: "": x in body should be at least 1 chars long']],
    [{ type: 'string', pattern: '^[[:lower:]]+$' }, 'A', ["x: Invalid value: \"A\": x in body should match '^[[:lower:]]+$'"]],
    [{ type: 'string', pattern: '(?i)^abc\\z' }, 'ABC', []],
    [{ type: 'string', format: 'date-time' }, 'now', ['x: Invalid value: "now": x in body must be of type date-time: "now"']],
    [{ type: 'string', format: 'date-time' }, '2026-02-28T10:00:00Z', []],
    [{ type: 'string', format: 'date' }, '2026-02-30', ['x: Invalid value: "2026-02-30": x in body must be of type date: "2026-02-30"']],
    [{ type: 'string', format: 'ipv6' }, '::1', []],
    [{ type: 'string', format: 'cidr' }, '10.0.0.0/33', ['x: Invalid value: "10.0.0.0/33": x in body must be of type cidr: "10.0.0.0/33"']],
    [{ type: 'string', format: 'duration' }, '1h30m', []],
    [{ type: 'string', format: 'of-my-own' }, 'anything', []],
    [{ type: 'integer', format: 'int32' }, 2 ** 31, []],
    [{ type: 'integer', minimum: 1 }, 0, ['x: Invalid value: 0: x in body should be greater than or equal to 1']],
    [{ type: 'integer', maximum: 5, exclusiveMaximum: true }, 5, ['x: Invalid value: 5: x in body should be less than 5']],
    [{ type: 'integer', multipleOf: 5 }, 7, ['x: Invalid value: 7: x in body should be a multiple of 5']],
    [{ type: 'array', maxItems: 1, items: { type: 'string' } }, ['a', 1], ['x[1]: Invalid value: "integer": x[1] in body must be of type string: "integer"', 'x: Too many: 2: must have at most 1 items']],
    [{ type: 'array', minItems: 1, items: {} }, [], ['x: Invalid value: 0: x in body should have at least 1 items']],
    [{ type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } }, ['a', 'b', 'a', 'a'], ['x[2]: Duplicate value: "a"']],
    [{ type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } }, [{ a: 1, b: 2 }, { b: 2, a: 1 }], ['x[1]: Duplicate value: {"b":2,"a":1}']],
    [{ type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'], items: { type: 'object' } }, [{ n: 1 }, { n: 1 }], ['x[1]: Duplicate value: {"n":1}']],
    [{ type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'], items: {} }, [1], ['x[0]: Invalid value: 1: must be an object for an array of list-type map']],
    [{ type: 'object', additionalProperties: { type: 'array', 'x-kubernetes-list-type': 'set', items: {} } }, { k: [1, 1] }, ['x[k][1]: Duplicate value: 1']],
    [{ type: 'object', required: ['a'], minProperties: 2 }, { b: 1 }, ['x: Invalid value: 1: x in body should have at least 2 properties']],
    [{ type: 'object', required: ['a', 'c'] }, { b: 1 }, ['x.a: Required value', 'x.c: Required value']],
    [{ type: 'string', minLength: 3, pattern: 'b' }, 'a', ['x: Invalid value: "a": x in body should be at least 3 chars long']],
    [{ type: 'string', format: 'k8s-short-name' }, 'a.b', ['x: Invalid value: "a.b": x in body must be of type k8s-short-name: "a.b"']],
    [{ type: 'string', format: 'isbn' }, '978-3-16-148410-0', []],
    [{ type: 'string', format: 'isbn' }, '978-3-16-148410-1', ['x: Invalid value: "978-3-16-148410-1": x in body must be of type isbn: "978-3-16-148410-1"']],
    [{ type: 'object', maxProperties: 1 }, { a: 1, b: 2 }, ['x: Too many: 2: must have at most 1 items']],
    [{ type: 'object', additionalProperties: { type: 'integer' } }, { k: 'v' }, ['x.k: Invalid value: "string": x.k in body must be of type integer: "string"']],
    [{ type: 'object', 'x-kubernetes-embedded-resource': true }, { kind: 'Pod' }, ['x.apiVersion: Required value']],
    [{ type: 'object', 'x-kubernetes-embedded-resource': true }, { apiVersion: 'a/b/c', kind: '', metadata: { labels: { a: '-' } } }, [
      'x.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c', 'x.kind: Required value',
      `x.metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
    ]],
    [{ type: 'object', anyOf: [{ required: ['a'] }, { properties: { b: { minimum: 9 } }, required: ['c', 'b'] }] }, { b: 1, d: 1 }, ['<nil>: Invalid value: "": "x" must validate at least one schema (anyOf)', 'x.b: Invalid value: 1: x.b in body should be greater than or equal to 9', 'x.c: Required value']],
    [{ type: 'object', anyOf: [{ required: ['a'] }, { required: ['b'] }] }, {}, ['<nil>: Invalid value: "": "x" must validate at least one schema (anyOf)', 'x.a: Required value']],
    [{ type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] }, { a: 1, b: 1 }, ['<nil>: Invalid value: "": "x" must validate one and only one schema (oneOf). Found 2 valid alternatives']],
    [{ type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] }, { a: 1 }, []],
    [{ type: 'object', not: { required: ['a'] } }, { a: 1 }, ['<nil>: Invalid value: "": "x" must not validate the schema (not)']],
  ])('%j %j', (schema, value, problems) => expect(told(schema, value)).toEqual(problems));

  it('lets through what did not change', () => {
    const strict: JsonSchema = { type: 'object', properties: { a: { type: 'integer', maximum: 1 }, b: { type: 'integer', maximum: 1 } } };
    expect(told(strict, { a: 5, b: 1 }, { a: 5, b: 0 })).toEqual([]);
    expect(told(strict, { a: 6, b: 1 }, { a: 5, b: 0 })).toEqual(['x.a: Invalid value: 6: x.a in body should be less than or equal to 1']);
  });

  it('takes no more time for a pattern than its text is long', () => {
    const hostile: JsonSchema = { type: 'string', pattern: '^(a+)+$' };
    expect(told(hostile, `${'a'.repeat(20_000)}b`)[0]).toContain("should match '^(a+)+$'");
    expect(told({ type: 'string', pattern: '^((a|a)*)*$' }, 'a'.repeat(5_000))).toEqual([]);
  });

  it('judges sets and maps of updates only when they were right before', () => {
    const set: JsonSchema = { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'integer' } };
    expect(told(set, [1, 1, 2], [1, 1])).toEqual([]);
    expect(told(set, [1, 1, 2], [1])).toEqual(['x[1]: Duplicate value: 1']);
  });

  it('leaves the rules out where they could stumble, and says so', () => {
    const ruled: JsonSchema = { type: 'object', properties: { n: { type: 'integer', maximum: 3 } }, 'x-kubernetes-validations': [{ rule: 'self.n < 2', message: 'too much' }] };
    expect(told(ruled, { n: 'a' })).toEqual(['x.n: Invalid value: "string": x.n in body must be of type integer: "string"', '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation']);
    expect(told(ruled, { n: 5 })).toEqual(['x.n: Invalid value: 5: x.n in body should be less than or equal to 3', 'x: Invalid value: "object": too much']);
  });

  it('judges what /scale reads', () => {
    const judge = customJudge({}, { specReplicas: 'spec.n', statusReplicas: 'status.n', selector: 'status.s' });
    const object = { spec: { n: -1 }, status: { n: 'x', s: {} } };
    const status = ['.status.n: Invalid value: 0: .status.n accessor error: x is of the type string, expected int64', '.status.s: Invalid value: "": .status.s accessor error: {} is of the type map[string]interface {}, expected string'];
    expect(judge(object).map((e) => `${e.field}: ${e.message}`)).toEqual(['.spec.n: Invalid value: -1: should be a non-negative integer', ...status]);
    expect(judge(object, object, 'status').map((e) => `${e.field}: ${e.message}`)).toEqual(status);
  });
});

describe('defaults', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        default: {},
        properties: {
          n: { type: 'integer', default: 1 },
          maybe: { type: 'string', nullable: true },
          plain: { type: 'string' },
          list: { type: 'array', items: { type: 'object', properties: { on: { type: 'boolean', default: true } } } },
          map: { type: 'object', additionalProperties: { type: 'object', properties: { z: { type: 'integer', default: 0 } } } },
        },
      },
    },
  };
  it.each<[Record<string, unknown>, unknown]>([
    [{}, { spec: { n: 1 } }],
    [{ spec: null }, { spec: { n: 1 } }],
    [{ spec: { n: null, maybe: null, plain: null } }, { spec: { n: 1, maybe: null } }],
    [{ spec: { n: 0, list: [{}, { on: false }], map: { a: {} } } }, { spec: { n: 0, list: [{ on: true }, { on: false }], map: { a: { z: 0 } } } }],
  ])('%j', (object, filled) => {
    applySchemaDefaults(object, schema);
    expect(object).toEqual(filled);
  });
});

it('prefers stable and new versions', () => {
  const names = ['v1beta1', 'foo', 'v2alpha1', 'v1', 'v11', 'bar', 'v2', 'v1beta10'];
  expect(names.sort(compareVersions)).toEqual(['v11', 'v2', 'v1', 'v1beta10', 'v1beta1', 'v2alpha1', 'bar', 'foo']);
});
