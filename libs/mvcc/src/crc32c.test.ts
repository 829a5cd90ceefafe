import { expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';

/** Bit by bit, as the definition says. */
function slowly(bytes: Uint8Array, seed = 0): number {
  let c = ~seed;
  for (const byte of bytes) {
    c ^= byte;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  }
  return ~c >>> 0;
}

it.each([
  ['123456789', 0xe3069283],
  ['', 0],
])('of %j is as published', (text, sum) => expect(crc32c(Buffer.from(text))).toBe(sum));

it('is the same wherever the bytes begin and end, in one piece or in two', () => {
  const bytes = Buffer.from(Array.from({ length: 96 }, (_, i) => (i * 197 + 13) & 255));
  for (let start = 0; start < 20; start++) {
    for (let end = start; end <= bytes.length; end++) {
      const sum = slowly(bytes.subarray(start, end));
      expect(crc32c(bytes, { start, end })).toBe(sum);
      expect(crc32c(bytes.subarray(start), { end: end - start })).toBe(sum);
      const middle = start + ((end - start) >> 1);
      expect(crc32c(bytes, { start: middle, end, seed: crc32c(bytes, { start, end: middle }) })).toBe(sum);
    }
  }
});
