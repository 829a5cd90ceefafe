import { applyPatch, encodeFieldSet, toFieldSet } from '@orrery/apimachinery';
import { describe, expect, it } from 'vitest';
import { customSchema } from './custom-schema.ts';
import { decodeJson } from './decode.ts';

const schema = customSchema({
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        size: { type: 'integer' },
        port: { 'x-kubernetes-int-or-string': true },
        tags: { type: 'object', additionalProperties: { type: 'string' } },
        items: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name', 'zone'], items: { type: 'object', properties: { name: { type: 'string' }, zone: { type: 'string', default: 'a' }, n: { type: 'integer' } } } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { known: { type: 'object', properties: { a: { type: 'integer' } } } } },
        template: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
});

describe('custom resources', () => {
  it('lose unknown fields and keep the rest as it is', () => {
    const object = {
      apiVersion: 'x.io/v1',
      kind: 'X',
      metadata: { name: 'a', labels: { b: 'c' } },
      spec: { size: 'wrong', port: '80', tags: { a: null, b: '1' }, items: 'wrong', free: { x: { y: [null] }, known: { a: 0 } }, template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { z: 1 } }, empty: 1 },
    };
    const { object: decoded, warnings } = decodeJson(JSON.stringify({ ...object, extra: 1, metadata: { ...object.metadata, foo: 1 }, spec: { ...object.spec, free: { ...object.spec.free, known: { a: 0, b: 1 } } } }), schema, 'Warn');
    const { empty: _empty, ...spec } = object.spec;
    expect(decoded).toEqual({ ...object, spec });
    expect(warnings).toEqual(['unknown field "metadata.foo"', 'unknown field "spec.free.known.b"', 'unknown field "spec.empty"', 'unknown field "extra"']);
  });

  it('lose what the known fields of an untyped one do not know', () => {
    const open = customSchema({ type: 'object', properties: { any: { 'x-kubernetes-preserve-unknown-fields': true, properties: { known: { type: 'object', properties: { a: {} } } } } } });
    expect(decodeJson('{"any":{"known":{"a":1,"b":2},"c":3}}', open, 'Ignore').object).toEqual({ any: { known: { a: 1 }, c: 3 } });
    for (const any of [1, 'x', [1], null]) expect(decodeJson(JSON.stringify({ any }), open, 'Strict').object).toEqual({ any });
  });

  it('report duplicates and typed metadata', () => {
    expect(() => decodeJson('{"spec":{"size":1,"size":2},"bad":1}', schema, 'Strict')).toThrow('strict decoding error: duplicate field "spec.size", unknown field "bad"');
    expect(() => decodeJson('{"metadata":{"labels":{"a":1}}}', schema, 'Ignore')).toThrow('json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string');
    expect(decodeJson('{"anything":{"goes":[1]}}', customSchema(undefined), 'Strict').object).toEqual({ anything: { goes: [1] } });
  });

  it('are owned by field', () => {
    expect(encodeFieldSet(toFieldSet({ spec: { items: [{ name: 'x', n: 1 }], free: { x: { y: 1 } }, tags: { a: 'b' } } }, schema))).toEqual({
      'f:spec': { 'f:free': { 'f:x': { '.': {}, 'f:y': {} } }, 'f:items': { 'k:{"name":"x","zone":"a"}': { '.': {}, 'f:n': {}, 'f:name': {} } }, 'f:tags': { 'f:a': {} } },
    });
  });

  it('refuse undeclared fields in an apply', () => {
    const applied = { apiVersion: 'x.io/v1', kind: 'X', metadata: { name: 'a' }, spec: { sise: 1 } };
    const apply = (): unknown => applyPatch({ live: undefined, applied, manager: 'me', force: false, schema, apiVersion: 'x.io/v1', kind: 'X', nowIso: '2026-01-01T00:00:00Z' });
    expect(apply).toThrow('failed to create typed patch object (/a; x.io/v1, Kind=X): .spec.sise: field not declared in schema');
  });
});
