import { describe, expect, it } from 'vitest';
import { type Entry, decodeEntry, encodeEntry } from './entry.ts';

const put = (key: string, bytes: number): Entry => ({ kind: 'put', request: { key: Buffer.from(key), value: Buffer.alloc(bytes, key) } });

describe('entries of the log', () => {
  it.each([0, 1, 200, 70_000, 3 << 20])('come back as they were, with %d bytes of value', (bytes) => {
    // Something before and after: what is lent is one memory.
    encodeEntry(put('before', 300));
    const { kind, bytes: lent } = encodeEntry(put('key', bytes));
    const kept = Buffer.from(lent);
    encodeEntry(put('after', bytes + 5));
    const { request } = decodeEntry(kind, kept) as Extract<Entry, { kind: 'put' }>;
    expect(Buffer.from(request.key ?? []).toString()).toBe('key');
    expect(Buffer.from(request.value ?? []).equals(Buffer.alloc(bytes, 'key'))).toBe(true);
  });

  it('name the caller where there is one', () => {
    const { kind, bytes } = encodeEntry({ ...put('key', 10), as: { user: 'ana', revision: 7 } });
    expect(decodeEntry(kind, Buffer.from(bytes))).toMatchObject({ kind: 'put', as: { user: 'ana', revision: 7 } });
  });
});
