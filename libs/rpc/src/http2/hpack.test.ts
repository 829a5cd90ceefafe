import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Header, HpackDecoder, encodeHeader } from './hpack.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const decoder = (): HpackDecoder => new HpackDecoder(64 * 1024);
const www: Header[] = [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com']];

describe('hpack', () => {
  // RFC 7541, appendix C.3 and C.4: three requests over one table, without and with Huffman's code.
  it.each([
    ['plain', ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 84be 5808 6e6f 2d63 6163 6865', '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65']],
    ['packed', ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '8286 84be 5886 a8eb 1064 9cbf', '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf']],
  ])('reads the requests of the RFC, %s', (_, [first = '', second = '', third = '']) => {
    const hpack = decoder();
    expect(hpack.decode(hex(first))).toEqual(www);
    expect(hpack.decode(hex(second))).toEqual([...www, ['cache-control', 'no-cache']]);
    expect(hpack.decode(hex(third))).toEqual([[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], [':authority', 'www.example.com'], ['custom-key', 'custom-value']]);
  });

  it('gives the same array for the same block, but not once the table has changed', () => {
    const hpack = decoder();
    hpack.decode(hex('8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'));
    const once = hpack.decode(hex('82be'));
    expect(hpack.decode(hex('82be'))).toBe(once);
    expect(hpack.decode(hex('4001 6101 62'))).toEqual([['a', 'b']]);
    expect(hpack.decode(hex('82be'))).toEqual([[':method', 'GET'], ['a', 'b']]);
    // A block that adds the same again moves the table on each time.
    hpack.decode(hex('4001 6101 63'));
    hpack.decode(hex('4001 6101 63'));
    expect(hpack.decode(hex('be bf c0'))).toEqual([['a', 'c'], ['a', 'c'], ['a', 'b']]);
  });

  it('drops the oldest entries beyond the size of the table', () => {
    const hpack = decoder();
    const value = 'v'.repeat(100);
    const add = (name: string): Buffer => Buffer.concat([hex('4001'), Buffer.from(name), hex('64'), Buffer.from(value)]);
    for (let i = 0; i < 40; i++) hpack.decode(add(String.fromCharCode(97 + (i % 26))));
    // 4096 bytes hold 30 entries of 133.
    expect(hpack.decode(Buffer.from([0x80 | (62 + 29)]))).toHaveLength(1);
    expect(() => hpack.decode(Buffer.from([0x80 | (62 + 30)]))).toThrow('no entry');
    expect(hpack.decode(hex('20'))).toEqual([]);
    expect(() => hpack.decode(hex('be'))).toThrow('no entry 62');
  });

  it.each([
    ['an index of nothing', '80'],
    ['a name that ends early', '4005 6162'],
    ['a number without an end', '7fffffffffff00'],
    ['bits that are no code', '4084 ffffffff 0161'],
    ['padding of more than seven bits', '4082 1fff 0161'],
    ['a table that is too large', '3fe21f82'],
    ['a size of the table after a header', '8220'],
  ])('refuses %s', (_, block) => {
    expect(() => decoder().decode(hex(block))).toThrow('header block');
  });

  it('refuses more than it was told to take', () => {
    expect(() => new HpackDecoder(100).decode(Buffer.concat([encodeHeader(['a', 'x'.repeat(80)])]))).toThrow('more headers');
  });

  it('reads what it writes', () => {
    const text = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 8 }), (headers) => {
        expect(decoder().decode(Buffer.concat(headers.map(encodeHeader)))).toEqual(headers);
      }),
    );
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decoder().decode(Buffer.from(bytes));
        } catch (error) {
          expect((error as Error).name).toBe('HpackError');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
