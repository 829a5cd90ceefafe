import { describe, expect, it } from 'vitest';
import { publishedSchema } from './published-schema.ts';

const fields = { apiVersion: { ref: 'apiVersion' }, kind: { ref: 'kind' }, metadata: { ref: 'metadata' } };
const spec = (flavor: 'v2' | 'v3', schema: object): unknown => (publishedSchema({ type: 'object', properties: { spec: schema } }, { flavor, fields }) as any).properties.spec;
const keeps = { 'x-kubernetes-preserve-unknown-fields': true };
const text = { type: 'string' };

describe('a published schema', () => {
  it.each<[string, object, object, object]>([
    ['alternatives', { type: 'object', properties: { a: text }, anyOf: [{ required: ['a'] }] }, { type: 'object', properties: { a: text } }, { type: 'object', properties: { a: text }, anyOf: [{ required: ['a'] }] }],
    ['null', { type: 'object', nullable: true, description: 'd', properties: { a: text } }, { description: 'd' }, { type: 'object', nullable: true, description: 'd', properties: { a: text } }],
    ['required null', { type: 'object', required: ['a', 'b'], properties: { a: { type: 'string', nullable: true }, b: text } }, { type: 'object', required: ['b'], properties: { a: {}, b: text } }, { type: 'object', required: ['a', 'b'], properties: { a: { type: 'string', nullable: true }, b: text } }],
    ['unknown fields', { type: 'object', ...keeps, properties: { a: text } }, keeps, { type: 'object', ...keeps, properties: { a: text } }],
    ['lists of anything', { type: 'array', items: { type: 'object', ...keeps } }, { type: 'array', items: keeps }, { type: 'array', items: { type: 'object', ...keeps } }],
    ['int or string', { 'x-kubernetes-int-or-string': true }, { 'x-kubernetes-int-or-string': true }, { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }],
    ['examples', { type: 'string', example: 'x', default: 'y' }, { type: 'string', default: 'y' }, { type: 'string', default: 'y' }],
    ['embedded resources', { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { a: text } }, { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { a: text, ...fields }, required: ['kind', 'apiVersion'] }, { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { a: text, ...fields }, required: ['kind', 'apiVersion'] }],
    ['embedded resources with all', { type: 'object', ...keeps, 'x-kubernetes-embedded-resource': true }, { ...keeps, 'x-kubernetes-embedded-resource': true }, { type: 'object', ...keeps, 'x-kubernetes-embedded-resource': true, properties: fields, required: ['kind', 'apiVersion'] }],
  ])('with %s', (_what, schema, v2, v3) => {
    expect(spec('v2', schema)).toEqual(v2);
    expect(spec('v3', schema)).toEqual(v3);
  });

  it('says nothing in v2 when it keeps everything', () => {
    const root = { type: 'object', ...keeps, properties: { a: text } };
    expect(publishedSchema(root, { flavor: 'v2', fields })).toEqual({ type: 'object' });
    expect(publishedSchema(root, { flavor: 'v3', fields })).toEqual({ ...root, properties: { a: text, ...fields } });
  });
});
