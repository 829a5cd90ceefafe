import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Encoded, encodeAt, encodeForStorage } from './encoding.ts';

const object = (text: string) => ({ metadata: { name: 'a', resourceVersion: '7' }, kind: 'ConfigMap', apiVersion: 'v1', data: { text } });

describe('an object encoded for its key', () => {
  it.each([['small', 'x'], ['large', 'é€😀'.repeat(1000)]])('has the bytes of one encoded for any: %s', (_size, text) => {
    expect(encodeAt('/registry/configmaps/default/a', object(text)).value.toString()).toBe(encodeForStorage(object(text)).toString());
  });

  it.each([['among others', 500], ['in memory of its own', 9000]])('lies behind its key, %s', (_where, bytes) => {
    const key = '/registry/configmaps/default/a';
    const { value } = encodeAt(key, object('x'.repeat(bytes)));
    const { value: next } = encodeAt(key, object('y'.repeat(bytes)));
    expect(Buffer.from(value.buffer as ArrayBuffer, value.byteOffset - key.length, key.length).toString()).toBe(key);
    expect(value.buffer.byteLength).toBe(bytes > 8192 ? key.length + value.length : 16 * 1024);
    expect(value.equals(encodeForStorage(object('x'.repeat(bytes))))).toBe(true);
    expect(next.equals(encodeForStorage(object('y'.repeat(bytes))))).toBe(true);
  });
});

describe('where managedFields are', () => {
  const fields = [{ manager: 'é"managedFields":[', operation: 'Update', fieldsV1: { 'f:data': { 'f:a': {} } } }];
  it.each([
    ['none', { name: 'a' }],
    ['an empty list', { name: 'a', managedFields: [] }],
    ['some, after the rest', { managedFields: fields, name: 'a', labels: { managedFields: 'x' } }],
  ])('%s', (_what, metadata) => {
    const whole = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { managedFields: '"managedFields":[{}]' } };
    const { value, parts } = encodeAt('/registry/x', whole as never);
    const { managedFields, ...rest } = metadata as { managedFields?: unknown };
    const cut = Buffer.concat([value.subarray(0, parts.managersFrom), value.subarray(parts.managersTo)]).toString();
    expect(JSON.parse(cut)).toEqual({ ...whole, metadata: rest });
    expect(parts.managersTo > parts.managersFrom).toBe(managedFields !== undefined);
  });
});

describe('where spec is, and what comes after it', () => {
  const metadata = { name: 'a', managedFields: [{ manager: 'm' }] };
  const first = { kind: 'K', apiVersion: 'v1', metadata, spec: { 'a"}': 'é,"status":' }, status: { b: 1 } };
  const known = (object: object): Encoded => {
    const { value, parts } = encodeAt('/registry/x', object as never);
    return { object: object as never, bytes: value, parts };
  };

  it.each([
    ['both', first, '{"a\\"}":"é,\\"status\\":"}', '"status":{"b":1}'],
    ['spec alone', { ...first, status: undefined }, '{"a\\"}":"é,\\"status\\":"}', ''],
    ['no spec', { kind: 'K', apiVersion: 'v1', metadata, status: {} }, undefined, ''],
    ['something before spec', { kind: 'K', apiVersion: 'v1', metadata, data: {}, spec: {} }, undefined, ''],
    ['nobody who owns fields', { ...first, metadata: { name: 'a' } }, undefined, ''],
  ])('%s', (_what, object, spec, tail) => {
    const { bytes, parts } = known(object);
    expect(parts.specTo > 0).toBe(spec !== undefined);
    if (spec === undefined) return;
    expect(bytes.subarray(parts.managersTo + 1, parts.specTo).toString()).toBe(`,"spec":${spec}`);
    expect(bytes.subarray(parts.specTo).toString()).toBe(tail ? `,${tail}}` : '}');
  });

  it.each([
    ['the same but for metadata', { ...first, metadata: { ...metadata, labels: { a: 'b' } } }],
    ['another spec', { ...first, spec: { c: 1 } }],
    ['another status', { ...first, status: { b: 2 } }],
    ['more after spec', { ...first, more: 1 }],
    ['less after spec', { kind: 'K', apiVersion: 'v1', metadata, spec: first.spec }],
    ['no spec', { kind: 'K', apiVersion: 'v1', metadata, status: first.status }],
    ['spec at the end', { kind: 'K', apiVersion: 'v1', metadata, status: first.status, spec: first.spec }],
  ])('a new version is encoded as without the one before: %s', (_what, next) => {
    const [alone, after] = [known(next), encodeAt('/registry/x', next as never, known(first))];
    expect(after.value.toString()).toBe(alone.bytes.toString());
    expect(after.parts).toEqual(alone.parts);
  });
});

describe('the text of an object', () => {
  const entry = fc.record({ manager: fc.string(), operation: fc.constantFrom('Update', 'Apply'), fieldsV1: fc.oneof(fc.constant({ 'f:spec': { '.': {} } }), fc.json().map((text) => JSON.parse(text) as unknown)), subresource: fc.constantFrom('status', 'a"b') }, { requiredKeys: [] });
  const member = fc.oneof(fc.constant(undefined), fc.jsonValue());

  it('is that of its members, canonical head first, without its version', () => {
    fc.assert(
      fc.property(fc.record({ spec: member, data: member, 'a"b': member, name: fc.string(), managedFields: fc.oneof(fc.constant(undefined), fc.array(entry, { maxLength: 3 })) }), ({ name, managedFields, ...rest }) => {
        const text = encodeForStorage({ ...rest, metadata: { resourceVersion: '7', name, managedFields }, apiVersion: 'v1', kind: 'Thing' } as never).toString();
        expect(text.startsWith('{"kind":"Thing","apiVersion":"v1","metadata":{')).toBe(true);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify({ ...rest, kind: 'Thing', apiVersion: 'v1', metadata: { name, managedFields } })));
      }),
    );
  });

  it('may have no metadata, or an odd one', () => {
    expect(encodeForStorage({ kind: 'A', apiVersion: 'v1' } as never).toString()).toBe('{"kind":"A","apiVersion":"v1","metadata":{}}');
    expect(encodeForStorage({ kind: 'A', apiVersion: 'v1', metadata: { managedFields: [] } } as never).toString()).toBe('{"kind":"A","apiVersion":"v1","metadata":{"managedFields":[]}}');
    expect(encodeForStorage({ kind: 'A', apiVersion: 'v1', metadata: { managedFields: null, resourceVersion: '1' } } as never).toString()).toBe('{"kind":"A","apiVersion":"v1","metadata":{"managedFields":null}}');
    expect(encodeForStorage({ kind: 'A', apiVersion: 'v1', metadata: { managedFields: [null, 1, {}] } } as never).toString()).toBe('{"kind":"A","apiVersion":"v1","metadata":{"managedFields":[null,1,{}]}}');
  });
});
