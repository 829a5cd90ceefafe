import { describe, expect, it } from 'vitest';
import { decodeContinue, encodeContinue, parseResourceVersion } from '../continue-token.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts';

const rule = { namespaced: true, nameRule: 'dns1123Subdomain' } as const;
const lines = (errors: { field: string; message: string }[]): string[] => errors.map((error) => `${error.field}: ${error.message}`);

describe('object metadata', () => {
  it('accepts what is right', () => {
    expect(validateObjectMeta({ name: 'a.b', namespace: 'default', labels: { 'x.io/a': 'b' }, annotations: { 'X.io/A': '{}' }, finalizers: ['x.io/f'] }, rule)).toEqual([]);
    expect(validateObjectMeta({ name: 'a', generateName: 'a-', namespace: 'n' }, rule)).toEqual([]);
    expect(validateObjectMeta({ name: 'system:node' }, { namespaced: false, nameRule: 'pathSegment' })).toEqual([]);
  });

  it('reports in order', () => {
    expect(lines(validateObjectMeta({ generateName: '-', labels: { '': 'a b' } }, rule))).toEqual([
      expect.stringMatching(/^metadata.generateName: Invalid value: "-": a lowercase RFC 1123 subdomain/) as string,
      'metadata.name: Required value: name or generateName is required',
      'metadata.namespace: Required value',
      'metadata.labels: Invalid value: "": name part must be non-empty',
      expect.stringMatching(/^metadata.labels: Invalid value: "": name part must consist/) as string,
      expect.stringMatching(/^metadata.labels: Invalid value: "a b": a valid label must be/) as string,
    ]);
    expect(lines(validateObjectMeta({ name: 'A', namespace: 'x' }, { namespaced: false, nameRule: 'dns1123Label' }))[1]).toBe('metadata.namespace: Forbidden: not allowed on this type');
    expect(lines(validateObjectMeta({ name: 'a', namespace: 'n', annotations: { a: 'x'.repeat(262144) } }, rule))).toEqual(['metadata.annotations: Too long: may not be more than 262144 bytes']);
  });

  it('keeps fixed fields fixed', () => {
    const old = { name: 'a', namespace: 'n', uid: '1', generation: 2, deletionTimestamp: 't' };
    expect(lines(validateObjectMetaUpdate({ ...old, uid: '2', generation: 1, finalizers: ['b/c'] }, old))).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"b/c"}',
      'metadata.generation: Invalid value: 1: must not be decremented',
      'metadata.uid: Invalid value: "2": field is immutable',
    ]);
  });
});

describe('tokens', () => {
  it('round trip', () => {
    expect(decodeContinue(encodeContinue({ resourceVersion: 12, start: 'default/a' }))).toEqual({ resourceVersion: 12, start: 'default/a' });
    expect(() => decodeContinue('%%')).toThrow('continue key is not valid: illegal base64 data at input byte 0');
    expect(() => decodeContinue('abcd')).toThrow("continue key is not valid: invalid character 'i' looking for beginning of value");
  });

  it('reads resource versions', () => {
    expect([undefined, '', '0', '12'].map(parseResourceVersion)).toEqual([0, 0, 0, 12]);
    expect(() => parseResourceVersion('x')).toThrow('resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax');
  });
});
