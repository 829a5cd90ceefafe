import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ByteStream } from '../byte-stream.ts';
import { frameByFrame, frameCutter } from './frame-by-frame.ts';

function frame(length: number, masked: boolean): Buffer {
  const mask = masked ? 0x80 : 0;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  head[0] = 0x82;
  head[1] = mask | (length < 126 ? length : length < 65536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0, 0x81), Buffer.alloc(length, 0x82)]);
}

it('cuts at every frame, however the bytes come', () => {
  const frames = fc.array(fc.tuple(fc.oneof(fc.nat(300), fc.constantFrom(125, 126, 65535, 65536)), fc.boolean()), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.nat(70_000), { maxLength: 12 }), (made, cuts) => {
      const whole = made.map(([length, masked]) => frame(length, masked));
      const all = Buffer.concat(whole);
      const at = [0, ...cuts.filter((one) => one < all.length).sort((a, b) => a - b), all.length];
      const cut = frameCutter();
      const pieces = at.slice(1).flatMap((end, i) => cut(all.subarray(at[i], end)));
      expect(Buffer.concat(pieces).equals(all)).toBe(true);
      // Every end of a frame is the end of a piece.
      const ends = new Set<number>();
      pieces.reduce((sum, piece) => (ends.add(sum + piece.length), sum + piece.length), 0);
      whole.reduce((sum, one) => (expect(ends.has(sum + one.length)).toBe(true), sum + one.length), 0);
    }),
    { numRuns: 200 },
  );
});

it('hands over the head as it is, then one frame after the other', async () => {
  const log: string[] = [];
  const inner: ByteStream = {
    read: () => Promise.resolve(undefined),
    write: (bytes) => Promise.resolve(void log.push(`write ${bytes.length}`)),
    closeWrite: () => Promise.resolve(),
    close: () => undefined,
  };
  const stream = frameByFrame(inner, () => Promise.resolve(void log.push('flushed')));
  await stream.write(Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  await stream.write(Buffer.concat([frame(3, false), frame(0, false), frame(200, false)]));
  expect(log).toEqual(['flushed', 'write 36', 'flushed', 'write 5', 'flushed', 'write 2', 'flushed', 'write 204']);
});
