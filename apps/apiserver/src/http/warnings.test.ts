import { describe, expect, it } from 'vitest';
import { warningHeaders } from './warnings.ts';

describe('Warning headers', () => {
  it('are quoted, in the bytes of UTF-8', () => {
    expect(warningHeaders(['say "a\\b"', 'größer', ''])).toEqual(['299 - "say \\"a\\\\b\\""', `299 - "${Buffer.from('größer').toString('latin1')}"`]);
  });

  it('leave out what no header can hold', () => {
    expect(warningHeaders(['two\nlines', 'ok'])).toEqual(['299 - "ok"']);
  });

  it('are cut when they are too long together', () => {
    const long = Array.from({ length: 20 }, (_, i) => `${i}${'x'.repeat(400)}`);
    const headers = warningHeaders(long);
    expect(headers.length).toBe(16);
    expect(new Set(headers.map(({ length }) => length))).toEqual(new Set([256 + '299 - ""'.length]));
    expect(warningHeaders(['x'.repeat(4096)])[0]?.length).toBe(4096 + '299 - ""'.length);
  });
});
