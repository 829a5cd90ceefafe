import { describe, expect, it } from 'vitest';
import { encodeAt, encodeForStorage } from './encoding.ts';

const object = (text: string) => ({ metadata: { name: 'a', resourceVersion: '7' }, kind: 'ConfigMap', apiVersion: 'v1', data: { text } });

describe('an object encoded for its key', () => {
  it.each([['small', 'x'], ['large', 'é€😀'.repeat(1000)]])('has the bytes of one encoded for any: %s', (_size, text) => {
    expect(encodeAt('/registry/configmaps/default/a', object(text)).toString()).toBe(encodeForStorage(object(text)).toString());
  });

  it('lies behind its key, in memory of its own', () => {
    const key = '/registry/configmaps/default/a';
    const value = encodeAt(key, object('x'.repeat(5000)));
    expect(value.buffer.byteLength).toBe(key.length + value.length);
    expect(Buffer.from(value.buffer as ArrayBuffer, 0, value.byteOffset).toString()).toBe(key);
  });
});
